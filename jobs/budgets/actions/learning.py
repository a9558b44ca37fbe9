"""The ledger and people's decisions, as the engines read them."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.budgets.engine import Correction, Example, Renaming, Transaction, payee_key
from jobs.budgets.ledger import LedgerTransaction
from jobs.budgets.models import Lesson


def text_of(row: LedgerTransaction) -> str:
    """Return the best text that is known of who was paid."""
    return row.imported_payee or row.payee_name


def key_of(row: LedgerTransaction) -> str:
    """Return what suggestions of the same payee have in common."""
    return payee_key(text_of(row))[:200]


def transaction(row: LedgerTransaction) -> Transaction:
    return Transaction(
        date=row.date,
        payee=text_of(row),
        amount=row.amount,
        account=row.account_id,
        notes=row.notes,
        transfer=row.transfer,
    )


def teaches(row: LedgerTransaction) -> bool:
    """Is it a decision of the past, or a transfer, which has no category?"""
    return (row.category_id is not None or row.transfer) and not (
        row.parent or row.off_budget or row.starting_balance
    )


def example(row: LedgerTransaction) -> Example:
    return Example(
        date=row.date,
        payee=text_of(row),
        amount=row.amount,
        account=row.account_id,
        notes=row.notes,
        transfer=row.transfer,
        category="" if row.transfer else row.category_id or "",
    )


def corrections(lessons: Iterable[Lesson], known: set[str]) -> list[Correction]:
    """Return where people said that payees belong, if the category is still there."""
    return [
        Correction(
            payee=lesson.imported_payee, category=lesson.category_id, at=lesson.at
        )
        for lesson in lessons
        if lesson.category_id in known
    ]


def renamings(
    rows: Iterable[LedgerTransaction], lessons: Iterable[Lesson]
) -> list[Renaming]:
    """Return the names that people keep for what banks write."""
    found = [
        Renaming(imported=row.imported_payee, payee=row.payee_name, date=row.date)
        for row in rows
        if row.imported_payee
        and row.payee_name
        and not row.transfer
        # As imported: nobody has named it yet.
        and row.imported_payee != row.payee_name
    ]
    return found + [
        Renaming(
            imported=lesson.imported_payee,
            payee=lesson.payee,
            date=lesson.at.date(),
            by_hand=True,
        )
        for lesson in lessons
        if lesson.payee
    ]
