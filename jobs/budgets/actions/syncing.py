"""Sync: what the product knows of a budget is brought up to date."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.actions.run import Run
from jobs.budgets import ledger as ledgers
from jobs.budgets.actions.opening import open_budget
from jobs.budgets.models import Budget, Category, Payee


def sync(run: Run) -> None:
    """Fetch the budget, all of it anew if asked for, and note what is in it."""
    budget = budget_of(run)
    full = bool(run.job.metadata.get("fullResync"))
    run.progress(0, None, _("Fetching the budget"))
    with open_budget(budget, fresh=full) as ledger:
        counts, categories, payees = (
            ledger.counts(),
            categories_of(ledger),
            payees_of(ledger),
        )
    run.checkpoint()
    with run.completing():
        run.result = {"counts": counts, "fullResync": full}
        note(budget, counts, categories, payees)


def budget_of(run: Run) -> Budget:
    return cast(Budget, run.subject)


def categories_of(ledger: ledgers.Ledger) -> list[dict[str, Any]]:
    return [
        {
            "ledger_id": category.id,
            "name": category.name,
            "group": category.group,
            "hidden": category.hidden,
            "is_income": category.is_income,
            "position": position,
        }
        for position, category in enumerate(ledger.categories())
    ]


def payees_of(ledger: ledgers.Ledger) -> list[dict[str, Any]]:
    """Return the payees that stand for somebody else, not for an own account."""
    return [
        {"ledger_id": payee.id, "name": payee.name[:200]}
        for payee in ledger.payees()
        if not payee.transfer_account_id and payee.name
    ]


def note(
    budget: Budget,
    counts: dict[str, int],
    categories: list[dict[str, Any]],
    payees: list[dict[str, Any]],
) -> None:
    """Write what a sync saw over what the one before it saw."""
    replace(Category, budget, categories)
    replace(Payee, budget, payees)
    Budget.objects.filter(pk=budget.pk).update(counts=counts, synced_at=timezone.now())


def replace(model: type[Model], budget: Budget, rows: list[dict[str, Any]]) -> None:
    """Make the budget's rows of a model these; known ones keep their key."""
    manager = model._base_manager
    seen = [row["ledger_id"] for row in rows]
    manager.filter(budget=budget).exclude(ledger_id__in=seen).delete()
    manager.bulk_create(
        [model(budget=budget, **row) for row in rows],
        update_conflicts=True,
        unique_fields=["budget", "ledger_id"],
        update_fields=[name for name in rows[0] if name != "ledger_id"] if rows else [],
        batch_size=500,
    )
