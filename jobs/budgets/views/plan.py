"""The plan: what apply would change; applying it, and what became of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from jobs.actions.reading import progress_of
from jobs.actions.starting import UNENDED
from jobs.budgets.actions import asking, deciding, planning, reading
from jobs.budgets.ledger import Fate
from jobs.budgets.models import Budget
from jobs.budgets.views.deciding import said_taken_back
from jobs.budgets.views.finding import can_keep, find_budget
from jobs.budgets.views.review import key_in
from jobs.models import Job
from workflows.core.http import UserRequest, see_other

FATES = {
    Fate.APPLIED: _l("Written"),
    Fate.ALREADY: _l("Was so already"),
    Fate.DRIFTED: _l("Changed by somebody else meanwhile, left as they are"),
    Fate.MISSING: _l("No longer in the budget"),
    Fate.IMPOSSIBLE: _l("Cannot carry what was chosen"),
}


@require_safe
@can_keep
def plan(request: UserRequest, pk: UUID) -> HttpResponse:
    """What apply would change, by payee."""
    budget = find_budget(request, pk)
    names = {c.ledger_id: c.name for c in reading.categories_of(budget)}
    page, mark = planning.plan_of(budget, names, key_in(request.GET.get("after")))
    context = {
        "budget": budget,
        "page": page,
        "mark": mark,
        "names": names,
        "totals": planning.totals_of(budget),
        "most": asking.MOST_APPLIED,
        **running(request, budget),
    }
    return render(request, "budgets/plan.html", context)


def running(request: UserRequest, budget: Budget) -> dict[str, Any]:
    """Return the apply that is under way."""
    job = reading.unended_apply(budget)
    return {"applying": job, "card": progress_of(job, request.user)} if job else {}


@require_POST
@can_keep
def plan_remove(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take one suggestion, or a payee's, out of the plan: to be reviewed again."""
    budget = find_budget(request, pk)
    rows = reading.shown(budget, "approved")
    if (row := request.POST.get("row")) is not None:
        rows = rows.filter(pk__in=ids_in(row))
    else:
        rows = rows.filter(payee_key=key_in(request.POST.get("payee", "")))
    said_taken_back(request, len(deciding.reopen(rows, by=request.user)))
    return see_other("budgets:plan", pk)


def ids_in(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []


@require_http_methods(["GET", "POST"])
@can_keep
def apply(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask once more, then write the plan into the budget."""
    budget = find_budget(request, pk)
    if job := reading.unended_apply(budget):
        if request.method == "POST":
            messages.info(request, _("An apply is under way already: this is it."))
        return see_other("budgets:report", pk, job.pk)
    totals, error = planning.totals_of(budget), ""
    if request.method == "POST":
        if request.POST.get("seen") == str(totals.n):
            return begin(request, budget)
        error = _("The plan has changed since you looked. This is how it is now.")
    if not totals.n:
        messages.info(request, nothing_approved())
        return see_other("budgets:plan", pk)
    context = {
        "budget": budget,
        "totals": totals,
        "now": min(totals.n, asking.MOST_APPLIED),
        "error": error,
    }
    status = 409 if error else 200
    return render(request, "budgets/apply.html", context, status=status)


def begin(request: UserRequest, budget: Budget) -> HttpResponse:
    try:
        job = asking.request_apply(budget, by=request.user)
    except asking.NothingApproved:
        messages.info(request, nothing_approved())
        return see_other("budgets:plan", budget.pk)
    if not job.is_new:
        messages.info(request, _("An apply is under way already: this is it."))
    return see_other("budgets:report", budget.pk, job.pk)


def nothing_approved() -> str:
    return _("Nothing is approved, so there is nothing to apply.")


@require_safe
@can_keep
def report(request: UserRequest, pk: UUID, job: UUID) -> HttpResponse:
    """What became of an apply: its progress while it runs, then what it did."""
    budget = find_budget(request, pk)
    row = reading.job_of(budget, job, "suggestions_apply")
    context: dict[str, Any] = {
        "budget": budget,
        "job": row,
        "asked": len(row.metadata.get("suggestionIds", [])),
        "counts": reading.counts_of([budget.pk])[budget.pk],
    }
    if row.status in UNENDED:
        context["card"] = progress_of(row, request.user)
    else:
        context |= outcome(row)
        context["again"] = row.retries.first()
        context["may_retry"] = row.concerns(request.user)
    return render(request, "budgets/report.html", context)


def outcome(row: Job) -> dict[str, Any]:
    """Return how many parts met each fate, and what was left alone and why."""
    return {
        "fates": [
            (fate.value, str(words), row.result[fate.value])
            for fate, words in FATES.items()
            if row.result.get(fate.value)
        ],
        "left": row.result.get("left", []),
    }
