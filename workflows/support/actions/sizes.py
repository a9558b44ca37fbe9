"""How large an archive may be: every page and every check asks here."""

from __future__ import annotations

from django.conf import settings

MIB = 1024**2  # bytes


def largest_archive() -> int:
    """Return how many bytes Handrail takes and sends of one."""
    return int(settings.SUPPORT_LARGEST_MIB * MIB)


def most_to_send(limit: int | None) -> int:
    """Return how many bytes may go to a Jira that says ``limit``, None for none."""
    most = largest_archive()
    return most if limit is None else min(limit, most)
