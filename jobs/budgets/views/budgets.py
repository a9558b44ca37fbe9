"""The account's budgets, and the page of each."""

from __future__ import annotations

from itertools import islice
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from jobs.actions.kinds import label_of
from jobs.actions.reading import jobs_about, progress_of
from jobs.budgets.actions import asking, reading
from jobs.budgets.models import Budget
from jobs.budgets.views.finding import KEEP, can_keep, find_budget
from jobs.budgets.views.saying import schedule_words
from jobs.models import Job
from jobs.models.tracked import Status
from workflows.core.accounts import User
from workflows.core.home import Section, home_section
from workflows.core.http import UserRequest, see_other

SHOWN_ON_HOME = 8


@require_safe
@can_keep
def budgets(request: UserRequest) -> HttpResponse:
    """Every budget of the account: what waits for a person, and what runs."""
    lines = [labelled(line) for line in reading.lines(request.user)]
    return render(request, "budgets/budgets.html", {"lines": lines})


def labelled(line: reading.Line) -> tuple[reading.Line, str]:
    """Return the line with the words for what runs."""
    return line, label_of(line.job.type) if line.job else ""


@home_section
def on_home(user: User) -> Section | None:
    """Budgets that wait for a bookkeeper, or that something runs for."""
    if not user.has_perm(KEEP):
        return None
    busy = (line for line in reading.lines(user) if line.asks)
    lines = [labelled(line) for line in islice(busy, SHOWN_ON_HOME)]
    return Section("budgets/_home.html", {"lines": lines}) if lines else None


@require_safe
@can_keep
def budget(request: UserRequest, pk: UUID) -> HttpResponse:
    """One budget: what is in it, what runs, and what to do next."""
    row = find_budget(request, pk)
    context = {
        "budget": row,
        "counts": reading.counts_of([row.pk])[row.pk],
        "snapshots": row.snapshots.count(),
        "schedule": schedule_words(reading.schedule_of(row)),
        "history": jobs_about(row, request.user),
        **work_on(row, request.user),
    }
    return render(request, "budgets/budget.html", context)


def work_on(row: Budget, user: User) -> dict[str, Any]:
    """Return the job that runs or comes next, those behind it, and what went wrong."""
    unended = reading.unended_jobs([row.pk])[row.pk]
    if unended:
        return {
            "card": progress_of(unended[0], user),
            "waiting": [label_of(job.type) for job in unended[1:]],
        }
    last = reading.last_job(row)
    if last is None or last.status not in {Status.FAILED, Status.CANCELED}:
        return {}
    return {
        "ended": last,
        "ended_label": label_of(last.type),
        "may_retry": last.concerns(user) and not last.retries.exists(),
    }


@require_POST
@can_keep
def sync(request: UserRequest, pk: UUID) -> HttpResponse:
    """Fetch the budget; with ``full`` all of it anew."""
    row = find_budget(request, pk)
    full = request.POST.get("full") == "1"
    job = asking.request_sync(row, by=request.user, full=full)
    return started(request, row, job)


@require_POST
@can_keep
def suggest(request: UserRequest, pk: UUID) -> HttpResponse:
    """Fetch the budget, then look for suggestions."""
    row = find_budget(request, pk)
    return started(request, row, asking.request_sync_and_suggest(row, by=request.user))


def started(request: UserRequest, row: Budget, job: Job) -> HttpResponse:
    """Go to the budget's page; a job that ran already is news."""
    if not job.is_new:
        text = _("“%(job)s” is under way already: this is it.")
        messages.info(request, text % {"job": label_of(job.type)})
    return see_other(row)
