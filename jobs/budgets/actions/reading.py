"""What the pages show of budgets: found within the account, each in a bounded look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404

from jobs.budgets.models import Budget, Category, Snapshot, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S
from jobs.models import Job, Schedule
from jobs.models.tracked import Status
from workflows.core.accounts import User

UNENDED = (Status.QUEUED, Status.RUNNING)
MOST_BUDGETS = 200
# What "at least this sure" offers for bulk approval.
SURE = (0.95, 0.9, 0.85)


# --- budgets --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a budget's suggestions wait for what."""

    to_review: int = 0
    approved: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A budget as the list shows it."""

    budget: Budget
    counts: Counts
    job: Job | None  # that has not ended

    @property
    def asks(self) -> bool:
        """Is there something to do for a person, or something on its way?"""
        return bool(self.counts.to_review or self.counts.approved or self.job)


def visible_budgets(user: User) -> QuerySet[Budget]:
    rows: QuerySet[Budget] = Budget.objects.visible_to(user)
    return rows


def lines(user: User) -> list[Line]:
    """Return the account's budgets by name: four queries, however many there are."""
    budgets = list(visible_budgets(user).order_by("name")[:MOST_BUDGETS])
    pks = [budget.pk for budget in budgets]
    counts, jobs = counts_of(pks), unended_jobs(pks)
    return [
        Line(budget, counts[budget.pk], next(iter(jobs[budget.pk]), None))
        for budget in budgets
    ]


def counts_of(pks: Sequence[UUID]) -> dict[UUID, Counts]:
    """Count per budget, by the parts' own indexes; where both parts wait, once."""
    rows = Suggestion.objects.filter(budget__in=pks).order_by()
    review: dict[UUID, int] = defaultdict(int)
    approved: dict[UUID, int] = defaultdict(int)
    by_category = rows.filter(category_status__in=(S.PENDING, S.APPROVED))
    for pk, status, n in by_category.values_list("budget", "category_status").annotate(
        n=Count("id")
    ):
        (review if status == S.PENDING else approved)[pk] += n
    by_payee = rows.filter(payee_status__in=(S.PENDING, S.APPROVED))
    for pk, status, category, n in by_payee.values_list(
        "budget", "payee_status", "category_status"
    ).annotate(n=Count("id")):
        if status != category:  # else it is counted above
            (review if status == S.PENDING else approved)[pk] += n
    return {pk: Counts(review[pk], approved[pk]) for pk in pks}


def unended_jobs(pks: Iterable[UUID]) -> dict[UUID, list[Job]]:
    """Return what runs or waits for each budget, what runs first."""
    found: dict[UUID, list[Job]] = defaultdict(list)
    rows = Job.objects.filter(budget_id__in=list(pks), status__in=UNENDED)
    for job in rows.select_related("created_by").order_by("id"):
        assert job.budget_id  # noqa: S101  (told by the filter)
        found[job.budget_id].append(job)
    for jobs in found.values():
        jobs.sort(key=lambda job: job.status != Status.RUNNING)
    return found


def last_job(budget: Budget) -> Job | None:
    """Return the job that was asked for last."""
    return (
        Job.objects.filter(budget_id=budget.pk)
        .select_related("created_by")
        .order_by("-id")
        .first()
    )


def job_of(budget: Budget, pk: UUID, type: str = "") -> Job:
    """Return a job of the budget. Raises Http404."""
    rows = Job.objects.filter(budget_id=budget.pk)
    if type:
        rows = rows.filter(type=type)
    job: Job = get_object_or_404(rows.select_related("created_by"), pk=pk)
    return job


def unended_apply(budget: Budget) -> Job | None:
    return (
        Job.objects.filter(
            budget_id=budget.pk, type="suggestions_apply", status__in=UNENDED
        )
        .order_by("id")
        .first()
    )


def schedule_of(budget: Budget) -> Schedule | None:
    return Schedule.objects.filter(subject_id=budget.pk).first()


def snapshots_of(budget: Budget) -> QuerySet[Snapshot]:
    return budget.snapshots.select_related("created_by")


# --- categories -----------------------------------------------------------------------
def categories_of(budget: Budget) -> list[Category]:
    """Return every category: those that are hidden still have names."""
    return list(budget.categories.order_by("position"))


def grouped(categories: Iterable[Category]) -> list[tuple[str, list[Category]]]:
    """Return those that can be chosen, by group, in the budget's order."""
    groups: dict[str, list[Category]] = {}
    for category in categories:
        if not category.hidden:
            groups.setdefault(category.group, []).append(category)
    return list(groups.items())


# --- suggestions ----------------------------------------------------------------------
def shown(budget: Budget, show: str) -> QuerySet[Suggestion]:
    """Return the suggestions of one of the review's tabs (SHOWS)."""
    rows = budget.suggestions.all()
    if show == "unsure":
        return rows.filter(category_status=S.PENDING, category_proposal_id="")
    if show == "skipped":
        remarked = Q(payee_status=S.SKIPPED) & ~Q(remark="")
        return rows.filter(Q(category_status=S.SKIPPED) | remarked)
    status = S.PENDING if show == "open" else S(show)
    return rows.filter(Q(category_status=status) | Q(payee_status=status))


SHOWS = ("open", "unsure", "approved", "rejected", "applied", "skipped")


def searched(rows: QuerySet[Suggestion], words: str) -> QuerySet[Suggestion]:
    """Return those whose payee has the words, as imported, named or proposed."""
    if not words:
        return rows
    return rows.filter(
        Q(imported_payee__icontains=words)
        | Q(present_payee__icontains=words)
        | Q(payee_proposal__icontains=words)
    )


def sure_counts(budget: Budget) -> list[tuple[float, int]]:
    """Return how many categories to review are at least so sure, for each of SURE."""
    rows = budget.suggestions.filter(
        category_status=S.PENDING, category_confidence__gte=min(SURE)
    )
    counted = {
        f"least_{place}": Count("id", filter=Q(category_confidence__gte=least))
        for place, least in enumerate(SURE)
    }
    found: dict[str, Any] = rows.order_by().aggregate(**counted)
    return [(least, found[f"least_{place}"]) for place, least in enumerate(SURE)]
