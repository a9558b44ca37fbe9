"""Plain helpers that make what most tests of budgets need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.actions.running import drain
from jobs.budgets.actions import connecting, reading
from jobs.budgets.actions.reviewing import state_of
from jobs.budgets.models import Budget, Category, Suggestion
from workflows.core.accounts import Account, User
from workflows.core.ids import uuid7
from workflows.core.machines import begin_many

DAY = date(2026, 3, 1)
FUEL, FOOD, COFFEE = "cat-fuel", "cat-food", "cat-coffee"
NAMES = {FUEL: "Fuel", FOOD: "Groceries", COFFEE: "Coffee"}


def make_budget(account: Account, **over: Any) -> Budget:
    """Return an embedded budget with three categories; its file is not there."""
    values: dict[str, Any] = {
        "name": "Household",
        "kind": Budget.Kind.EMBEDDED,
        "file": "budgets/none.zip",
    }
    budget = Budget.objects.create(account=account, **values | over)
    Category.objects.bulk_create(
        Category(budget=budget, ledger_id=pk, name=name, group="Daily", position=place)
        for place, (pk, name) in enumerate(NAMES.items())
    )
    return budget


def make_suggestions(
    budget: Budget, n: int = 1, *, key: str = "shell", **over: Any
) -> list[Suggestion]:
    """Make a payee's suggestions, of Fuel at 0.95 unless said otherwise."""
    category = over.get("category_proposal_id", FUEL)
    values: dict[str, Any] = {
        "imported_payee": f"{key.upper()} 0643",
        "present_payee": f"{key.title()} 0643"[:200],
        "account_name": "Visa",
        "amount": -1050,
        "payee_key": key,
        "category_proposal_id": category,
        "category_confidence": 0.95 if category else None,
        "category_evidence": {
            "method": "payee_history",
            "payee": key.title(),
            "n": 14,
            "total": 15,
        }
        if category
        else {},
        "payee_status": "pending" if over.get("payee_proposal") else "skipped",
    }
    return begin_many(
        [
            Suggestion(
                account_id=budget.account_id,
                budget=budget,
                transaction_id=f"tx-{uuid7()}",
                date=DAY - timedelta(days=place),
                **values | over,
            )
            for place in range(n)
        ],
        by=None,
    )


def reread(row: Suggestion) -> Suggestion:
    found: Suggestion = Suggestion.objects.get(pk=row.pk)
    return found


def statuses(budget: Budget, key: str = "shell") -> set[tuple[str, str]]:
    """Return which pairs of category and payee status a payee's suggestions have."""
    rows = budget.suggestions.filter(payee_key=key)
    return set(rows.values_list("category_status", "payee_status"))


def url(name: str, budget: Budget, *args: Any) -> str:
    return reverse(f"budgets:{name}", args=[budget.pk, *args])


def sent(budget: Budget, verb: str = "approve", **over: Any) -> dict[str, Any]:
    """Return what the review's form sends for a payee as it is now."""
    key, show = over.pop("payee", "shell"), over.pop("show", "open")
    rows = reading.shown(budget, show).filter(payee_key=key)
    pks = [str(pk) for pk in rows.order_by("-date", "-id").values_list("pk", flat=True)]
    data = {
        "payee": key,
        "show": show,
        "state": state_of(rows),
        "verb": verb,
        "rename": "on",
        "shown": pks[:50],
        "row": pks[:50],
    }
    if len(pks) > 50:
        data["rest"] = "on"
    return {name: value for name, value in (data | over).items() if value is not None}


def make_demo(account: Account, by: User, name: str = "Demo") -> Budget:
    """Return the demo budget, synced and with suggestions."""
    budget = connecting.demo_budget(account, by=by, name=name)
    drain("budgets")
    return Budget.objects.get(pk=budget.pk)


@contextmanager
def at_most(n: int) -> Iterator[None]:
    """Fail if the block asks the database more often."""
    with CaptureQueriesContext(connection) as asked:
        yield
    assert len(asked) <= n, "\n".join(query["sql"] for query in asked)
