"""Who else looks at the same thing: a hint between colleagues, never a lock."""

import time
from uuid import UUID

from django.core.cache import cache

from workflows.core.accounts import User

FRESH_SECONDS = 90


def others_at(subject: UUID, user: User) -> list[str]:
    """Note that the user looks at the subject; return the others who did just now.

    Kept in the cache alone: two who look at the same instant may miss each other.
    """
    key, now = f"at:{subject}", time.time()
    seen: dict[str, tuple[str, float]] = cache.get(key, {})
    seen = {who: at for who, at in seen.items() if now - at[1] < FRESH_SECONDS}
    others = [name for who, (name, _at) in seen.items() if who != str(user.pk)]
    seen[str(user.pk)] = (str(user), now)
    cache.set(key, seen, FRESH_SECONDS)
    return sorted(others)
