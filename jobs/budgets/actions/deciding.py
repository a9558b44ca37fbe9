"""What people say of suggestions. Approvals and corrections teach the engine."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from jobs.budgets.models import Budget, Lesson, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S
from workflows.core.accounts import User
from workflows.core.machines import moved, moving_many

CHOSEN = ("payee", "category_id", "remark")
# More at once would hold their rows for longer than a person likes to wait.
MOST_AT_ONCE = 2_000


class UnknownCategory(ValueError):
    """The budget has no such category (any more): sync, then choose again."""


def approve(rows: QuerySet[Suggestion], *, by: User) -> list[Suggestion]:
    """Approve whatever the suggestions propose and is still to be reviewed."""
    with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE) as held:
        lessons: list[Lesson] = []
        for row in held:
            lessons += approve_parts(row, by)
        Lesson.objects.bulk_create(lessons)
        return moved(held)


def approve_parts(row: Suggestion, by: User) -> Iterable[Lesson]:
    if row.category_status == S.PENDING and row.category_proposal_id:
        row.approve_category()
        yield lesson(row, by, Lesson.Kind.APPROVAL, category_id=row.category_id)
    if row.payee_status == S.PENDING and row.payee_proposal:
        row.approve_payee()
        yield lesson(row, by, Lesson.Kind.APPROVAL, payee=row.payee)


def lesson(
    row: Suggestion, by: User, kind: str, *, category_id: str = "", payee: str = ""
) -> Lesson:
    return Lesson(
        budget_id=row.budget_id,
        kind=kind,
        imported_payee=row.imported_payee,
        payee_key=row.payee_key,
        proposal=row.category_proposal_id if category_id else row.payee_proposal,
        category_id=category_id,
        payee=payee,
        by=by,
    )


def correct(
    rows: QuerySet[Suggestion],
    *,
    by: User,
    category_id: str = "",
    payee: str = "",
) -> list[Suggestion]:
    """Choose the category or the payee of suggestions by hand: that approves them.

    Raises UnknownCategory. What has been applied or skipped is left alone.
    """
    with transaction.atomic():
        known: set[tuple[UUID, str]] = set()
        lessons: list[Lesson] = []
        with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE) as held:
            for row in held:
                if category_id:
                    check_category(row, category_id, known)
                lessons += correct_parts(row, by, category_id, payee.strip())
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


def correct_parts(
    row: Suggestion, by: User, category_id: str, payee: str
) -> Iterable[Lesson]:
    kind = Lesson.Kind.CORRECTION
    if category_id and row.category_status in OPEN:
        if row.category_status == S.APPROVED:
            row.reopen_category()
        row.approve_category(category_id)
        yield lesson(row, by, kind, category_id=category_id)
    if payee and row.payee_status in (*OPEN, S.SKIPPED):
        if row.payee_status == S.APPROVED:
            row.reopen_payee()
        elif row.payee_status == S.SKIPPED:
            row.renew_payee()
        row.approve_payee(payee)
        yield lesson(row, by, kind, payee=payee)


OPEN = (S.PENDING, S.APPROVED, S.REJECTED)


def reject(rows: QuerySet[Suggestion], *, by: User) -> list[Suggestion]:
    """Leave the transactions as they are."""
    with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE) as held:
        for row in held:
            if row.category_status in (S.PENDING, S.APPROVED):
                row.reject_category()
            if row.payee_status in (S.PENDING, S.APPROVED):
                row.reject_payee()
        return moved(held)


def reopen(rows: QuerySet[Suggestion], *, by: User) -> list[Suggestion]:
    """Take decisions back that have not been applied; what they taught goes too."""
    with transaction.atomic():
        with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE) as held:
            for row in held:
                if row.category_status in (S.APPROVED, S.REJECTED):
                    row.reopen_category()
                if row.payee_status in (S.APPROVED, S.REJECTED):
                    row.reopen_payee()
            changed = moved(held)
        for row in changed:
            forget(row, by)
        return changed


def forget(row: Suggestion, by: User) -> None:
    """Drop the newest lesson that this person gave about the payee."""
    taught = Lesson.objects.filter(
        budget_id=row.budget_id, by=by, imported_payee=row.imported_payee
    )
    Lesson.objects.filter(
        pk__in=[lesson.pk for lesson in taught.order_by("-at")[:1]]
    ).delete()


def of_payee(budget: Budget, key: str) -> QuerySet[Suggestion]:
    """Return the payee's suggestions that are still to be reviewed."""
    return budget.suggestions.filter(payee_key=key, category_status=S.PENDING)


def of_confidence(budget: Budget, least: float) -> QuerySet[Suggestion]:
    """Return those to be reviewed whose category is at least this sure."""
    return budget.suggestions.filter(
        category_status=S.PENDING, category_confidence__gte=least
    )
