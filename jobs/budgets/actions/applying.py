"""Apply: what people approved is written into the ledger, once, and seen there."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.actions.run import Run
from jobs.budgets.actions.opening import discard, kept, open_budget
from jobs.budgets.actions.syncing import budget_of
from jobs.budgets.ledger import Change, Fate, Outcome, Part
from jobs.budgets.models import Budget, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S
from workflows.core.machines import moving_many

# Of what was left alone, so many are named in the report; the rows say it all.
MOST_NAMED = 50


def apply(run: Run) -> None:
    """Write the approved parts of the job's suggestions, then mark them applied.

    In this order: if the run dies between the two, the next one finds the ledger as
    wanted and only marks.
    """
    budget = budget_of(run)
    rows = approved_among(budget, run.job.metadata.get("suggestionIds", []))
    run.progress(0, len(rows), _("Opening the budget"))
    with open_budget(budget) as ledger:
        run.progress(0, len(rows), _("Writing and checking"))
        outcomes = ledger.apply([change_of(row) for row in rows])
        run.checkpoint()
        with kept(budget, ledger) as name, run.completing():
            if name:
                move_to(budget, name)
            run.result = mark(rows, outcomes)


def approved_among(budget: Budget, ids: list[str]) -> list[Suggestion]:
    approved = budget.suggestions.filter(pk__in=ids)
    return [
        row
        for row in approved.order_by("pk")
        if S.APPROVED in (row.category_status, row.payee_status)
    ]


def change_of(row: Suggestion) -> Change:
    """Return what to write, and what has to be there for it to fit."""
    category = row.category_status == S.APPROVED
    payee = row.payee_status == S.APPROVED
    return Change(
        row.transaction_id,
        category_id=row.category_id if category else None,
        expected_category_id=row.present_category_id or None,
        payee_name=row.payee if payee else None,
        expected_payee_id=row.present_payee_id or None,
    )


def move_to(budget: Budget, name: str) -> None:
    """Make the archive the budget's own, inside the transaction of its job."""
    fresh = Budget.objects.select_for_update().get(pk=budget.pk)
    Budget.objects.filter(pk=budget.pk).update(file=name)
    discard(fresh.file)


def mark(rows: list[Suggestion], outcomes: list[Outcome]) -> dict[str, Any]:
    """Mark what the ledger has, skip what it refused; return the report.

    ``rows``: as they were when they were written. Who decided anew since then has the
    last word: the decision stands, and the next apply finds what this one wrote.
    """
    by_id = {outcome.transaction_id: outcome for outcome in outcomes}
    written = {row.pk: row for row in rows}
    counts: Counter[str] = Counter()
    left: list[dict[str, str]] = []
    found = Suggestion.objects.filter(pk__in=written)
    with moving_many(found, fields=("remark", "applied_at"), by=None) as held:
        for row in held:
            was, outcome = written[row.pk], by_id[row.transaction_id]
            row.remark = ""
            if outcome.category:
                settle_category(row, outcome.category, was)
            if outcome.payee:
                settle_payee(row, outcome.payee, was)
            for part in outcome.parts:
                if part:
                    counts[part.fate.value] += 1
            if row.remark and len(left) < MOST_NAMED:
                left.append({"transaction": str(row), "why": row.remark})
    return {**{fate.value: counts[fate.value] for fate in Fate}, "left": left}


def settle_category(row: Suggestion, part: Part, was: Suggestion) -> None:
    if (row.category_status, row.category_id) != (S.APPROVED, was.category_id):
        overtaken(row, part, present_category_id=part.found_id or "")
    elif part.fate in (Fate.APPLIED, Fate.ALREADY):
        row.apply_category()
        row.applied_at = timezone.now()
    else:
        row.skip_category()
        row.remark = why(part)


def settle_payee(row: Suggestion, part: Part, was: Suggestion) -> None:
    if (row.payee_status, row.payee) != (S.APPROVED, was.payee):
        names = {"present_payee": part.found_name[:200]}
        overtaken(row, part, present_payee_id=part.found_id or "", **names)
    elif part.fate in (Fate.APPLIED, Fate.ALREADY):
        row.apply_payee()
        row.applied_at = timezone.now()
    else:
        row.skip_payee()
        row.remark = why(part)


def overtaken(row: Suggestion, part: Part, **present: str) -> None:
    """Note what the ledger holds by now beside a decision that came later."""
    if part.fate is Fate.MISSING:
        return
    if part.fate is Fate.APPLIED:
        row.remark = _(
            "“%(name)s” had been written when the decision was changed. Approve "
            "another one and apply again to replace it, or change it in the budget."
        ) % {"name": part.found_name}
    Suggestion.objects.filter(pk=row.pk).update(remark=row.remark, **present)


def why(part: Part) -> str:
    match part.fate:
        case Fate.DRIFTED:
            return _("Somebody set it to “%(name)s” meanwhile; that was left.") % {
                "name": part.found_name
            }
        case Fate.MISSING:
            return _("The transaction is no longer in the budget.")
        case _other:
            return _("The budget no longer has what was chosen.")
