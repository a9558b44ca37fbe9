"""One job: what it does, how far it is, what became of it, and what one can do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from jobs.actions import reading
from jobs.actions.kinds import UnknownKind
from jobs.actions.reading import Card, events_after, hash_of
from jobs.actions.stopping import Ended, NotFailed, NotNow, cancel_job, retry_job
from jobs.models import Job, JobAttempt, JobStep, LeaseLost
from jobs.models.tracked import Status
from jobs.views.saying import asked_with, event_line, facts, schedule_of, step_label
from workflows.core.accounts import User
from workflows.core.errors import Category
from workflows.core.http import Conflict, UserRequest, see_other


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step as the page shows it."""

    step: JobStep
    label: str

    @property
    def took(self) -> timedelta | None:
        step = self.step
        if step.started_at and step.completed_at:
            return step.completed_at - step.started_at
        return None


def find(request: UserRequest, pk: UUID) -> Job:
    job = reading.find_job(request.user, pk)
    if job is None:
        raise Http404
    return job


# What to do about a failure, by who can mend it.
ADVICE = {
    Category.USER_FIXABLE: _l("Mend what it names, then try again."),
    Category.ADMIN_REQUIRED: _l("Tell an administrator, who can mend it."),
    Category.TEMPORARY: _l("This usually passes by itself: try again in a while."),
}


# --- the page -------------------------------------------------------------------------
@require_safe
def job(request: UserRequest, pk: UUID) -> HttpResponse:
    """All there is to know of a job."""
    row = find(request, pk)
    card = reading.progress_of(row, request.user)
    events = reading.latest_events(row)
    children = reading.children_of(row, request.user)
    context = state(request, card) | {
        "events": [event_line(event) for event in events],
        "cut": len(events) == reading.EVENTS_SHOWN,
        "parent": reading.parent_of(row, request.user),
        "origin": reading.tried_before(row, request.user),
        "children": reading.lines(children, request.user),
        "asked_with": asked_with(row),
        "schedule": schedule_of(row),
        "live_url": live_url(card, events[-1].pk if events else None),
    }
    return render(request, "jobs/job.html", context)


def state(request: UserRequest, card: Card) -> dict[str, Any]:
    """Return what changes on the page while the job runs."""
    row, user = card.job, request.user
    attempts = reading.attempts_of(row, tracebacks=user.is_staff)
    again = reading.retry_of(row)
    failed = row.status == Status.FAILED and attempts
    return {
        "card": card,
        "job": row,
        "line": card.line,
        "steps": [StepLine(step, step_label(step)) for step in card.steps],
        "attempts": attempts,
        # One run that succeeded is what the rest of the page is about.
        "show_attempts": attempts
        and (len(attempts) > 1 or row.status != Status.SUCCEEDED),
        "advice": advice(attempts[-1]) if failed else "",
        "facts": facts(row.result),
        "again": again,
        "may_retry": row.concerns(user) and again is None and is_over(row),
    }


def advice(attempt: JobAttempt) -> Any:
    """Say what to do about a failed run."""
    return ADVICE.get(Category(attempt.category)) if attempt.category else ""


def is_over(row: Job) -> bool:
    """Did it end without having done its work?"""
    return row.status in {Status.FAILED, Status.CANCELED}


def state_version(card: Card) -> str:
    """Return what differs when more than the progress has changed."""
    row = card.job
    steps = [step.status for step in card.steps]
    return f"{hash_of((row.status, row.stopping, row.attempt, steps)):08x}"


def live_url(card: Card, last: UUID | None) -> str:
    """Return the address that tells what is new from here on; "" once it has ended."""
    if card.job.ended:
        return ""
    seen = {"state": state_version(card), "progress": card.version}
    if last:
        seen["after"] = str(last)
    return f"{reverse('jobs:live', args=[card.job.pk])}?{urlencode(seen)}"


@require_safe
def live(request: UserRequest, pk: UUID) -> HttpResponse:
    """What is new on a job's page: events, and parts that changed; 204 if nothing."""
    row, after = find(request, pk), event_id(request.GET.get("after"))
    card = reading.progress_of(row, request.user)
    # The last look takes all of them: clocks of several machines may have put an event
    # before one that was shown already.
    events = reading.latest_events(row) if row.ended else events_after(row, after)
    moved = state_version(card) != request.GET.get("state")
    went_on = card.version != request.GET.get("progress")
    if not (events or moved or went_on):
        return HttpResponse(status=204)
    shown = [event_line(event) for event in events]
    context = (state(request, card) if moved else {"card": card}) | {
        "moved": moved,
        "events": shown,
        "replace_events": row.ended,
        "said": shown[-1] if shown else None,
        "live_url": live_url(card, events[-1].pk if events else after),
        "back": row.get_absolute_url(),
    }
    return render(request, "jobs/live.html", context)


def event_id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadRequest(_("“after” is the id of an event.")) from None


@require_safe
def progress(request: UserRequest, pk: UUID) -> HttpResponse:
    """The progress card alone, for pages of other workflows; 204 while it is the same.

    When the job has ended the page hears ``job-ended``, or loads again if it asked so.
    """
    row = find(request, pk)
    card = reading.progress_of(row, request.user)
    if card.version == request.GET.get("seen") and not row.ended:
        return HttpResponse(status=204)
    then = "reload" if request.GET.get("then") == "reload" else ""
    back = request.htmx.current_url_abs_path or row.get_absolute_url()
    context = {"card": card, "polls": True, "then": then, "back": back, "oob": True}
    response = render(request, "jobs/_progress.html", context)
    if row.ended:
        trigger_client_event(
            response, "job-ended", {"id": str(row.pk), "status": row.status}
        )
        if then:
            response["HX-Refresh"] = "true"
    return response


# --- what people do to it -------------------------------------------------------------
def concerning(request: UserRequest, pk: UUID) -> Job:
    """Return the job if the person may cancel and retry it."""
    row = find(request, pk)
    if not row.concerns(request.user):
        raise PermissionDenied(
            _("Only who started it, and those who look after jobs, may do this.")
        )
    return row


def stop(row: Job, user: User) -> tuple[Job, str]:
    """Cancel it; return it as it is now, with what to say. Raises Conflict."""
    try:
        found = cancel_job(row, by=user)
    except Ended:
        raise Conflict(
            _("It had ended already, so there was nothing to cancel.")
        ) from None
    except LeaseLost:
        raise Conflict(_("It changed in this very moment. Look at it again.")) from None
    except Job.DoesNotExist:
        raise Http404 from None
    if found.ended:
        return found, _("It is canceled.")
    if row.stopping:
        return found, _("It was asked to stop already, and does so in a moment.")
    return found, _("It is asked to stop, and does so at the next safe moment.")


def start_again(row: Job, user: User) -> tuple[Job, str]:
    """Try it again; return the new job, with what to say. Raises Conflict."""
    try:
        again = retry_job(row, by=user)
    except NotFailed:
        raise Conflict(_("Only what failed or was canceled is tried again.")) from None
    except UnknownKind:
        raise Conflict(
            _("Handrail no longer has this kind of job, so it cannot be tried again.")
        ) from None
    except NotNow as refused:
        raise Conflict(str(refused)) from None
    if again.is_new:
        return again, _("It is tried again: this is the new run.")
    return again, _("It was being tried again already: this is that run.")


@require_POST
def cancel(request: UserRequest, pk: UUID) -> HttpResponse:
    """Cancel a job, and go back to the page that it was canceled on."""
    row = concerning(request, pk)
    try:
        _now, text = stop(row, request.user)
    except Conflict as late:
        messages.info(request, str(late))
    else:
        messages.success(request, text)
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, {request.get_host()}):
        return see_other(back)
    return see_other(row)


@require_POST
def retry(request: UserRequest, pk: UUID) -> HttpResponse:
    """Try a job again, and show the run that does."""
    row = concerning(request, pk)
    try:
        again, text = start_again(row, request.user)
    except Conflict as refused:
        messages.warning(request, str(refused))
        return see_other(row)
    (messages.success if again.is_new else messages.info)(request, text)
    return see_other(again)
