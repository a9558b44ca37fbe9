"""Which failures stand, and how often: for those who mend what causes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max
from django.utils import timezone

from workflows.core.accounts import User
from workflows.core.ids import first_id_at
from workflows.support.explaining import meaning_of
from workflows.support.models import WorkflowSession


@dataclass(frozen=True, slots=True)
class Failure:
    """A code, and the cases that keep it."""

    code: str
    meaning: str
    count: int
    share: int  # per cent of all failures
    latest: datetime


def failures(user: User, *, days: int) -> list[Failure]:
    """Return the failures of cases that were begun in these days, the most first.

    One query, along the index of codes. What went well in the end counts no more.
    """
    since = first_id_at(timezone.now() - timedelta(days=days))
    rows = WorkflowSession.objects.visible_to(user).filter(pk__gte=since)
    counted = list(
        rows.exclude(last_error_code="")
        .order_by()
        .values("last_error_code")
        .annotate(count=Count("pk"), latest=Max("updated_at"))
        .order_by("-count", "last_error_code")
    )
    whole = sum(row["count"] for row in counted)
    return [
        Failure(
            row["last_error_code"],
            meaning_of(row["last_error_code"]),
            row["count"],
            round(100 * row["count"] / whole),
            row["latest"],
        )
        for row in counted
    ]
