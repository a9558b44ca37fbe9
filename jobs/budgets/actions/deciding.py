"""What people say of suggestions. Approvals and corrections teach the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from jobs.budgets.models import Budget, Lesson, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S
from workflows.core.accounts import User
from workflows.core.machines import moved, moving_many

CHOSEN = ("payee", "category_id", "remark")
# More at once would hold their rows for longer than a person likes to wait.
MOST_AT_ONCE = 2_000
OPEN = (S.PENDING, S.APPROVED, S.REJECTED)


class UnknownCategory(ValueError):
    """The budget has no such category (any more): sync, then choose again."""


def approve(
    rows: QuerySet[Suggestion],
    *,
    by: User,
    least: float = 0.0,
    at: datetime | None = None,
) -> list[Suggestion]:
    """Approve whatever the suggestions propose and is still to be reviewed.

    ``least``: of each suggestion only the parts that are at least this sure.
    """
    moment = at or timezone.now()
    with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE, at=moment) as held:
        lessons: list[Lesson] = []
        for row in held:
            lessons += approve_parts(row, by, least, moment)
        Lesson.objects.bulk_create(lessons)
        return moved(held)


def approve_parts(
    row: Suggestion, by: User, least: float, at: datetime
) -> Iterator[Lesson]:
    if (
        row.category_status == S.PENDING
        and row.category_proposal_id
        and (row.category_confidence or 0) >= least
    ):
        row.approve_category()
        yield lesson(row, by, at, category_id=row.category_id)
    if (
        row.payee_status == S.PENDING
        and row.payee_proposal
        and (row.payee_confidence or 0) >= least
    ):
        row.approve_payee()
        yield lesson(row, by, at, payee=row.payee)


def lesson(
    row: Suggestion,
    by: User,
    at: datetime,
    *,
    category_id: str = "",
    payee: str = "",
) -> Lesson:
    """Return what one part's decision teaches: the proposal was right, or was not."""
    proposal = row.category_proposal_id if category_id else row.payee_proposal
    right = (category_id or payee) == proposal
    return Lesson(
        budget_id=row.budget_id,
        kind=Lesson.Kind.APPROVAL if right else Lesson.Kind.CORRECTION,
        imported_payee=row.imported_payee,
        payee_key=row.payee_key,
        proposal=proposal,
        category_id=category_id,
        payee=payee,
        by=by,
        at=at,
    )


def correct(
    rows: QuerySet[Suggestion],
    *,
    by: User,
    category_id: str = "",
    payee: str = "",
    at: datetime | None = None,
) -> list[Suggestion]:
    """Choose the category or the payee of suggestions by hand: that approves them.

    Raises UnknownCategory. What has been applied or skipped is left alone.
    """
    moment = at or timezone.now()
    with transaction.atomic():
        known: set[tuple[UUID, str]] = set()
        lessons: list[Lesson] = []
        with moving_many(
            rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE, at=moment
        ) as held:
            for row in held:
                if category_id:
                    check_category(row, category_id, known)
                    lessons += choose_category(row, by, moment, category_id)
                lessons += choose_payee(row, by, moment, payee.strip())
            changed = moved(held)
        Lesson.objects.bulk_create(lessons)
        return changed


def check_category(
    row: Suggestion, category_id: str, known: set[tuple[UUID, str]]
) -> None:
    key = row.budget_id, category_id
    if key not in known:
        if not row.budget.categories.filter(ledger_id=category_id).exists():
            raise UnknownCategory(category_id)
        known.add(key)


def choose_category(
    row: Suggestion, by: User, at: datetime, category_id: str
) -> Iterator[Lesson]:
    """Approve the category; what is so already, or done for good, stays as it is."""
    if row.category_status not in OPEN:
        return
    if row.category_status == S.APPROVED:
        if row.category_id == category_id:
            return
        row.reopen_category()
    row.approve_category(category_id)
    yield lesson(row, by, at, category_id=category_id)


def choose_payee(
    row: Suggestion, by: User, at: datetime, payee: str
) -> Iterator[Lesson]:
    """Approve the name; what is so already, or done for good, stays as it is."""
    if not payee or row.payee_status == S.APPLIED:
        return
    if row.payee_status == S.APPROVED:
        if row.payee == payee:
            return
        row.reopen_payee()
    elif row.payee_status == S.SKIPPED:
        if row.present_payee == payee:
            return
        row.renew_payee()
    row.approve_payee(payee)
    yield lesson(row, by, at, payee=payee)


def reject(
    rows: QuerySet[Suggestion], *, by: User, at: datetime | None = None
) -> list[Suggestion]:
    """Leave the transactions as they are."""
    with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE, at=at) as held:
        for row in held:
            reject_parts(row)
        return moved(held)


def reject_parts(row: Suggestion) -> None:
    if row.category_status in (S.PENDING, S.APPROVED):
        row.reject_category()
    if row.payee_status in (S.PENDING, S.APPROVED):
        row.reject_payee()


def reopen(
    rows: QuerySet[Suggestion], *, by: User, at: datetime | None = None
) -> list[Suggestion]:
    """Take decisions back that have not been applied; what they taught goes too."""
    with transaction.atomic():
        taught: Counter[Taught] = Counter()
        with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE, at=at) as held:
            for row in held:
                taught.update(reopen_category(row))
                taught.update(reopen_payee(row))
            changed = moved(held)
        if changed:
            forget(changed[0].budget_id, taught)
        return changed


def reopen_category(row: Suggestion) -> Iterator[Taught]:
    """Open the category again, unless it is open or done for good."""
    if row.category_status == S.APPROVED:
        yield Taught(row.imported_payee, row.category_id, "")
    if row.category_status in (S.APPROVED, S.REJECTED):
        row.reopen_category()


def reopen_payee(row: Suggestion) -> Iterator[Taught]:
    if row.payee_status == S.APPROVED:
        yield Taught(row.imported_payee, "", row.payee)
    if row.payee_status in (S.APPROVED, S.REJECTED):
        row.reopen_payee()


class Taught(NamedTuple):
    """What a lesson says; the same may have been said several times."""

    imported_payee: str
    category_id: str
    payee: str


def forget(budget_id: UUID, taught: Counter[Taught]) -> None:
    """Drop the newest lessons that say this, as many as are taken back."""
    lessons = Lesson.objects.filter(
        budget_id=budget_id, imported_payee__in={said.imported_payee for said in taught}
    ).order_by("-at", "-id")
    gone = []
    for pk, *said in lessons.values_list("pk", *Taught._fields):
        if taught[Taught(*said)] > 0:
            taught[Taught(*said)] -= 1
            gone.append(pk)
    Lesson.objects.filter(pk__in=gone).delete()


def of_payee(budget: Budget, key: str) -> QuerySet[Suggestion]:
    """Return the payee's suggestions that are still to be reviewed."""
    return to_review(budget).filter(payee_key=key)


def to_review(budget: Budget) -> QuerySet[Suggestion]:
    return budget.suggestions.filter(
        Q(category_status=S.PENDING) | Q(payee_status=S.PENDING)
    )


def of_confidence(budget: Budget, least: float) -> QuerySet[Suggestion]:
    """Return those to be reviewed whose category is at least this sure."""
    return budget.suggestions.filter(
        category_status=S.PENDING, category_confidence__gte=least
    )
