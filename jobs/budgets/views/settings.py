"""A budget's name, schedule and connection, and its end."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from jobs.budgets import ledger as ledgers
from jobs.budgets.actions import asking, connecting, reading
from jobs.budgets.forms import (
    ConnectionForm,
    NameForm,
    RemoveForm,
    ScheduleForm,
    name_is_taken,
)
from jobs.budgets.models import Budget
from jobs.budgets.views.connecting import cannot_seal
from jobs.budgets.views.finding import can_connect, find_budget
from jobs.budgets.views.saying import schedule_words
from workflows.core.errors import Problem
from workflows.core.http import Conflict, UserRequest, see_other
from workflows.core.secrets import SealError, Secret


@require_safe
@can_connect
def settings(request: UserRequest, pk: UUID) -> HttpResponse:
    """All that can be set of a budget."""
    return show(request, find_budget(request, pk))


def show(
    request: UserRequest, budget: Budget, *, status: int = 200, **bound: Any
) -> HttpResponse:
    """Render the page; ``bound`` holds the form that was sent and has errors."""
    schedule = reading.schedule_of(budget)
    initial = ScheduleForm.initial_of(schedule.cron if schedule else "")
    context = {
        "budget": budget,
        "name_form": NameForm(
            account=budget.account, budget=budget, initial={"name": budget.name}
        ),
        "schedule_form": ScheduleForm(initial=initial),
        "connection_form": ConnectionForm(budget=budget),
        "remove_form": RemoveForm(budget=budget, auto_id="remove_%s"),
        "schedule": schedule_words(schedule),
        "time_zone": budget.account.time_zone,
        "snapshots": budget.snapshots.count(),
        **bound,
    }
    return render(request, "budgets/settings.html", context, status=status)


@require_POST
@can_connect
def rename(request: UserRequest, pk: UUID) -> HttpResponse:
    """Give the budget another name here; on its server it keeps its own."""
    budget = find_budget(request, pk)
    form = NameForm(request.POST, account=budget.account, budget=budget)
    if form.is_valid():
        try:
            connecting.rename_budget(budget, name=form.cleaned_data["name"])
        except IntegrityError:  # somebody took the name in this very moment
            form.add_error("name", name_is_taken())
        else:
            messages.success(request, _("The name is saved."))
            return see_other("budgets:settings", pk)
    return show(request, budget, status=422, name_form=form)


@require_POST
@can_connect
def schedule(request: UserRequest, pk: UUID) -> HttpResponse:
    """Sync and suggest by the clock, or not."""
    budget = find_budget(request, pk)
    form = ScheduleForm(request.POST)
    if not form.is_valid():
        return show(request, budget, status=422, schedule_form=form)
    asking.set_schedule(budget, cron=form.expression)
    messages.success(request, _("The schedule is saved."))
    return see_other("budgets:settings", pk)


@sensitive_post_parameters("password", "encryption_password")
@require_POST
@can_connect
def connection(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take a new address or new passwords, and try them with a full sync."""
    budget = find_budget(request, pk)
    if budget.embedded:
        raise Conflict(_("Handrail keeps this budget itself: it has no server."))
    form = ConnectionForm(request.POST, budget=budget)
    if form.is_valid() and reconnected(request, budget, form):
        messages.success(request, _("Saved. The connection is tried now."))
        return see_other(budget)
    return show(request, budget, status=422, connection_form=form)


def reconnected(request: UserRequest, budget: Budget, form: ConnectionForm) -> bool:
    data = form.cleaned_data
    url = data["server_url"].strip()
    try:
        ledgers.Server(url, Secret(""), budget.file_id)  # is it an address at all?
        connecting.reconnect_budget(
            budget,
            by=request.user,
            server_url=url,
            password=given(data["password"]),
            encryption_password=given(data["encryption_password"]),
        )
    except SealError:
        form.add_error(None, cannot_seal())
    except Problem as problem:
        form.add_error("server_url", str(problem))
    else:
        return True
    return False


def given(text: str) -> Secret | None:
    return Secret(text) if text else None


@require_POST
@can_connect
def remove(request: UserRequest, pk: UUID) -> HttpResponse:
    """Forget the budget, once its name was typed."""
    budget = find_budget(request, pk)
    form = RemoveForm(request.POST, budget=budget, auto_id="remove_%s")
    if not form.is_valid():
        return show(request, budget, status=422, remove_form=form)
    try:
        connecting.remove_budget(budget)
    except connecting.Busy:
        form.add_error(
            None, _("A job works on this budget. Cancel it, or wait for its end.")
        )
        return show(request, budget, status=409, remove_form=form)
    messages.success(request, _("“%(name)s” is removed.") % {"name": budget.name})
    return see_other("budgets:budgets")
