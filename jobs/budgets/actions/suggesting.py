"""Suggestions: the engine learns from the ledger and proposes for what is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from jobs.actions.run import Run
from jobs.budgets.actions.consulting import Adviser, Columns
from jobs.budgets.actions.learning import (
    corrections,
    example,
    key_of,
    renamings,
    teaches,
    text_of,
    transaction,
)
from jobs.budgets.actions.opening import open_budget
from jobs.budgets.actions.syncing import budget_of
from jobs.budgets.engine import CategoryEngine, PayeeEngine, Proposal
from jobs.budgets.ledger import LedgerTransaction
from jobs.budgets.models import Budget, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S
from workflows.core.machines import BATCH, begin_many, moving_many


def generate(run: Run) -> None:
    """Propose for every open transaction that has no suggestion to review yet."""
    budget = budget_of(run)
    run.progress(0, None, _("Reading the transactions"))
    rows = read(budget)
    engine = Engine(budget, rows, run)
    adviser = Adviser(run, budget)
    open_rows = {row.id: row for row in rows if wants_suggestion(row)}
    before = {row.transaction_id: row for row in budget.suggestions.all()}
    new = [row for pk, row in open_rows.items() if pk not in before]
    known = [before[pk] for pk in open_rows.keys() & before.keys()]
    again = [row for row in known if row.category_status in (S.APPLIED, S.SKIPPED)]
    bare = [row for row in known if adviser.model and is_bare(row)]
    orphans = [row.pk for pk, row in before.items() if pk not in open_rows]
    wanted = new + [open_rows[row.transaction_id] for row in again + bare]
    proposed = propose(run, engine, adviser, wanted)
    run.checkpoint()
    with run.completing():
        begin_many(
            (begun(budget, row, proposed[row.id]) for row in new),
            by=run.job.created_by,
        )
        renew([row.pk for row in again], open_rows, proposed)
        change_pending({row.pk: proposed[row.transaction_id] for row in bare})
        run.result = {
            "created": len(new),
            "renewed": len(again),
            "dropped": drop_undecided(orphans),
            "proposed": sum(
                bool(proposed[row.id]["category_proposal_id"]) for row in new
            ),
            **adviser.report,
        }


def retry_payee(run: Run) -> None:
    """Propose anew for one payee's suggestions that are still to be reviewed."""
    budget = budget_of(run)
    key = str(run.job.metadata["payeeKey"])
    run.progress(0, None, _("Reading the transactions"))
    rows = read(budget)
    engine = Engine(budget, rows, run)
    adviser = Adviser(run, budget)
    by_id = {row.id: row for row in rows if wants_suggestion(row)}
    pending = [
        row
        for row in budget.suggestions.filter(payee_key=key, category_status=S.PENDING)
        if row.transaction_id in by_id
    ]
    wanted = [by_id[row.transaction_id] for row in pending]
    proposed = propose(run, engine, adviser, wanted, anew=True)
    with run.completing():
        changed = change_pending(
            {
                row.pk: columns
                for row in pending
                # A language model that does not answer now takes back nothing.
                if (columns := proposed[row.transaction_id])["category_proposal_id"]
                or not adviser.failure
            }
        )
        run.result = {"renewed": changed, **adviser.report}


def propose(
    run: Run,
    engine: Engine,
    adviser: Adviser,
    rows: Sequence[LedgerTransaction],
    *,
    anew: bool = False,
) -> dict[str, Columns]:
    """Return what is proposed for each row: by the engine, else by the adviser."""
    proposed = {row.id: engine.columns(row) for row in run_through(run, rows)}
    unsure = [row for row in rows if not proposed[row.id]["category_proposal_id"]]
    for pk, columns in adviser.advise(unsure, anew=anew).items():
        proposed[pk] |= columns
    return proposed


def drop_undecided(pks: Sequence[Any]) -> int:
    """Delete those of which nobody has said anything yet; return how many.

    What somebody has decided stays: apply says why it cannot be written.
    """
    undecided = (S.PENDING, S.SKIPPED)
    rows = Suggestion.objects.filter(
        pk__in=pks, category_status__in=undecided, payee_status__in=undecided
    ).exclude(category_status=S.SKIPPED, payee_status=S.SKIPPED)
    dropped: int = rows.delete()[0]
    return dropped


def is_bare(row: Suggestion) -> bool:
    """Is it still to be reviewed, without anything to approve?"""
    return row.category_status == S.PENDING and not row.category_proposal_id


def change_pending(proposed: Mapping[Any, Columns]) -> int:
    """Propose other categories where nobody has decided meanwhile; return how many.

    That is no change of state: the rows are as open as before. Inside a transaction.
    """
    pending = Suggestion.objects.filter(pk__in=proposed, category_status=S.PENDING)
    held = list(pending.select_for_update(of=("self",)).order_by("pk"))
    for row in held:
        for name in PROPOSED_CATEGORY:
            setattr(row, name, proposed[row.pk][name])
    Suggestion.objects.bulk_update(held, PROPOSED_CATEGORY, batch_size=BATCH)
    return len(held)


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
            corrections(lessons, known),
        )
        self.payees = PayeeEngine().fit(renamings(rows, lessons))

    def columns(self, row: LedgerTransaction) -> Columns:
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


def begun(budget: Budget, row: LedgerTransaction, columns: Columns) -> Suggestion:
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
        "payee_key": key_of(row),
        "present_payee": row.payee_name[:200],
        "present_payee_id": row.payee_id or "",
        "present_category_id": row.category_id or "",
    }


def renew(
    pks: list[Any],
    rows: dict[str, LedgerTransaction],
    proposed: dict[str, Columns],
) -> None:
    """Open suggestions again whose transaction lost its category once more."""
    with moving_many(
        Suggestion.objects.filter(pk__in=pks), fields=RENEWED, by=None
    ) as held:
        for suggestion in held:
            row = rows[suggestion.transaction_id]
            suggestion.renew_category()
            columns = proposed[row.id] | present(row)
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
