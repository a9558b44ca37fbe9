"""Which failures stand, and how often: for those who mend what causes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from workflows.core.accounts import User
from workflows.core.ids import first_id_at
from workflows.support.explaining import meaning_of
from workflows.support.models import WorkflowSession

# Days that cases are counted and listed of: a number and its list are of the same.
PERIODS = (7, 30, 90)


@dataclass(frozen=True, slots=True)
class Failure:
    """A code, and the cases that stand failed of it."""

    code: str
    meaning: str
    count: int
    share: int  # per cent of all failures
    latest: datetime


def begun_within(rows: QuerySet[Any], days: int) -> QuerySet[Any]:
    """Return the cases that were begun in these days, as a range of keys."""
    return rows.filter(pk__gte=first_id_at(timezone.now() - timedelta(days=days)))


def failures(user: User, *, days: int) -> list[Failure]:
    """Return why cases begun in these days stand failed, the most first.

    One query, along the index of steps. A case that was told to wait has a code, too,
    but has not failed; what went well in the end counts no more.
    """
    rows = WorkflowSession.objects.visible_to(user).filter(
        current_step=WorkflowSession.Step.FAILED
    )
    counted = list(
        begun_within(rows, days)
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
