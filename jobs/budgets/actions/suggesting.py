"""Suggestions: the engine learns from the ledger and proposes for what is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from jobs.actions.run import Run
from jobs.budgets.actions.opening import open_budget
from jobs.budgets.actions.syncing import budget_of
from jobs.budgets.engine import (
    CategoryEngine,
    Correction,
    Example,
    PayeeEngine,
    Proposal,
    Renaming,
    Transaction,
    payee_key,
)
from jobs.budgets.ledger import LedgerTransaction
from jobs.budgets.models import Budget, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S
from workflows.core.machines import begin_many, moving_many


def generate(run: Run) -> None:
    """Propose for every open transaction that has no suggestion to review yet."""
    budget = budget_of(run)
    run.progress(0, None, _("Reading the transactions"))
    rows = read(budget)
    engine = Engine(budget, rows, run)
    open_rows = {row.id: row for row in rows if wants_suggestion(row)}
    before = {row.transaction_id: row for row in budget.suggestions.all()}
    new = [row for pk, row in open_rows.items() if pk not in before]
    again = [
        before[pk].pk
        for pk in open_rows.keys() & before.keys()
        if before[pk].category_status in (S.APPLIED, S.SKIPPED)
    ]
    orphans = [
        row.pk
        for pk, row in before.items()
        if pk not in open_rows and row.status == S.PENDING
    ]
    proposed = [engine.columns(row) for row in run_through(run, new)]
    with run.completing():
        begin_many(
            (
                begun(budget, row, columns)
                for row, columns in zip(new, proposed, strict=True)
            ),
            by=run.job.created_by,
        )
        renew(budget, again, open_rows, engine)
        Suggestion.objects.filter(pk__in=orphans).delete()
        run.result = {
            "created": len(new),
            "renewed": len(again),
            "dropped": len(orphans),
            "proposed": sum(bool(c["category_proposal_id"]) for c in proposed),
        }


def retry_payee(run: Run) -> None:
    """Propose anew for one payee's suggestions that are still to be reviewed."""
    budget = budget_of(run)
    key = str(run.job.metadata["payeeKey"])
    run.progress(0, None, _("Reading the transactions"))
    rows = read(budget)
    engine = Engine(budget, rows, run)
    by_id = {row.id: row for row in rows if wants_suggestion(row)}
    pending = Suggestion.objects.filter(
        budget=budget, payee_key=key, category_status=S.PENDING
    )
    with run.completing():
        changed = 0
        for row in pending.select_for_update(of=("self",)):
            if found := by_id.get(row.transaction_id):
                columns = engine.columns(found)
                # A new proposal is no change of state: the row is as open as before.
                Suggestion.objects.filter(pk=row.pk, category_status=S.PENDING).update(
                    **{name: columns[name] for name in PROPOSED_CATEGORY}
                )
                changed += 1
        run.result = {"renewed": changed}


PROPOSED_CATEGORY = ("category_proposal_id", "category_confidence", "category_evidence")


def read(budget: Budget) -> list[LedgerTransaction]:
    with open_budget(budget) as ledger:
        return list(ledger.transactions())


def wants_suggestion(row: LedgerTransaction) -> bool:
    return row.wants_category and not row.starting_balance


def run_through(
    run: Run, rows: Sequence[LedgerTransaction]
) -> Iterable[LedgerTransaction]:
    """Yield the rows and show how far it is."""
    for done, row in enumerate(rows):
        run.progress(done, len(rows), _("Looking for suggestions"))
        yield row


class Engine:
    """The engines of both parts, taught by the ledger and by people's decisions."""

    def __init__(self, budget: Budget, rows: list[LedgerTransaction], run: Run) -> None:
        run.progress(0, None, _("Learning from earlier transactions"))
        lessons = list(budget.lessons.order_by("at"))
        known = {category.ledger_id for category in budget.categories.all()}
        self.categories = CategoryEngine().fit(
            [example(row) for row in rows if teaches(row)],
            [
                Correction(
                    payee=lesson.imported_payee,
                    category=lesson.category_id,
                    at=lesson.at,
                )
                for lesson in lessons
                if lesson.category_id in known
            ],
        )
        self.payees = PayeeEngine().fit(renamings(rows, lessons))

    def columns(self, row: LedgerTransaction) -> dict[str, Any]:
        """Return what is proposed for a row, as columns of a suggestion."""
        category = self.categories.suggest(transaction(row))
        payee = self.payees.suggest(text_of(row))
        if payee and payee.value == row.payee_name:
            payee = None
        return {
            "category_proposal_id": category.value if category else "",
            "category_confidence": category.confidence if category else None,
            "category_evidence": evidence(category),
            "payee_proposal": payee.value if payee else "",
            "payee_confidence": payee.confidence if payee else None,
            "payee_evidence": evidence(payee),
            "payee_status": S.PENDING if payee else S.SKIPPED,
        }


def evidence(proposal: Proposal | None) -> dict[str, Any]:
    if proposal is None:
        return {}
    found = asdict(proposal.evidence)
    if found.get("corrected_on"):
        found["corrected_on"] = found["corrected_on"].isoformat()
    return {"method": str(proposal.method), **found}


def text_of(row: LedgerTransaction) -> str:
    """Return the best text that is known of who was paid."""
    return row.imported_payee or row.payee_name


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


def renamings(rows: list[LedgerTransaction], lessons: Iterable[Any]) -> list[Renaming]:
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
            imported=lesson.imported_payee, payee=lesson.payee, date=lesson.at.date()
        )
        for lesson in lessons
        if lesson.payee
    ]


def begun(
    budget: Budget, row: LedgerTransaction, columns: dict[str, Any]
) -> Suggestion:
    return Suggestion(
        account_id=budget.account_id,
        budget=budget,
        transaction_id=row.id,
        **present(row),
        **columns,
    )


def present(row: LedgerTransaction) -> dict[str, Any]:
    """Return the transaction as it stands: what apply will expect to find."""
    return {
        "date": row.date,
        "amount": row.amount,
        "account_name": row.account_name[:200],
        "imported_payee": text_of(row)[:500],
        "notes": row.notes,
        "payee_key": payee_key(text_of(row))[:200],
        "present_payee": row.payee_name[:200],
        "present_payee_id": row.payee_id or "",
        "present_category_id": row.category_id or "",
    }


def renew(
    budget: Budget,
    pks: list[Any],
    rows: dict[str, LedgerTransaction],
    engine: Engine,
) -> None:
    """Open suggestions again whose transaction lost its category once more."""
    with moving_many(
        Suggestion.objects.filter(pk__in=pks), fields=RENEWED, by=None
    ) as held:
        for suggestion in held:
            row = rows[suggestion.transaction_id]
            suggestion.renew_category()
            columns = engine.columns(row) | present(row)
            wants_payee = columns.pop("payee_status") == S.PENDING
            if wants_payee and suggestion.payee_status in (S.APPLIED, S.SKIPPED):
                suggestion.renew_payee()
                suggestion.payee = ""
            for name, value in columns.items():
                setattr(suggestion, name, value)
            suggestion.category_id = suggestion.remark = ""


RENEWED = (
    "date",
    "amount",
    "account_name",
    "imported_payee",
    "notes",
    "payee_key",
    "present_payee",
    "present_payee_id",
    "present_category_id",
    *PROPOSED_CATEGORY,
    "payee_proposal",
    "payee_confidence",
    "payee_evidence",
    "category_id",
    "payee",
    "remark",
)
