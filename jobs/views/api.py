"""Jobs for scripts: JSON in the names of the seed, with the session of a person."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.exceptions import BadRequest
from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs.actions import reading
from jobs.forms import JobFilter
from jobs.models import Job, JobAttempt, JobEvent, JobStep
from jobs.views.job import concerning, event_id, find, start_again, stop
from workflows.core.http import UserRequest, refusal, speaks_json
from workflows.core.paging import slice_of


@speaks_json
@require_safe
def jobs(request: UserRequest) -> HttpResponse:
    """The account's jobs, newest first; ``next`` is where the older ones are."""
    form = JobFilter(request.GET, user=request.user)
    if not form.is_valid():
        said = (f"{name}: {errors[0]}" for name, errors in form.errors.items())
        return refusal(request, HTTPStatus.BAD_REQUEST, " ".join(said))
    page = slice_of(request, form.narrow(reading.visible_jobs(request.user)))
    older = f"{request.path}{page.older_url}" if page.older_url else None
    return JsonResponse({"jobs": [shown(row) for row in page.rows], "next": older})


@speaks_json
@require_safe
def job(request: UserRequest, pk: UUID) -> HttpResponse:
    """One job with its steps, events and attempts."""
    row = find(request, pk)
    attempts = reading.attempts_of(row, tracebacks=False)
    return JsonResponse(
        shown(row)
        | {
            "steps": [shown_step(step) for step in row.steps.order_by("position")],
            "attempts": [shown_attempt(attempt) for attempt in attempts],
        }
        | events_from(row, None)
    )


@speaks_json
@require_safe
def events(request: UserRequest, pk: UUID) -> HttpResponse:
    """What happened after the event that ``?after=`` names; all, without it."""
    row = find(request, pk)
    try:
        after = event_id(request.GET.get("after"))
    except BadRequest as slip:
        return refusal(request, HTTPStatus.BAD_REQUEST, str(slip))
    return JsonResponse({"status": row.status} | events_from(row, after))


@speaks_json
@require_POST
def cancel(request: UserRequest, pk: UUID) -> HttpResponse:
    """Cancel the job, or ask it to stop; 409 when it has ended."""
    stop(concerning(request, pk), request.user)
    return JsonResponse(shown(find(request, pk)))


@speaks_json
@require_POST
def retry(request: UserRequest, pk: UUID) -> HttpResponse:
    """Start the job again: 201 and the new job, 200 and that of an earlier call."""
    again, _text = start_again(concerning(request, pk), request.user)
    status = HTTPStatus.CREATED if again.is_new else HTTPStatus.OK
    # What the database wrote, such as the time, is not in memory.
    return JsonResponse(shown(find(request, again.pk)), status=status)


def events_from(row: Job, after: UUID | None) -> dict[str, Any]:
    """Return events, and the address that goes on where these end."""
    found = reading.events_after(row, after)
    last = found[-1].pk if found else after
    path = reverse("jobs:api_events", args=[row.pk])
    return {
        "events": [shown_event(event) for event in found],
        "nextEvents": f"{path}?after={last}" if last else path,
    }


def moment(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def shown(row: Job) -> dict[str, Any]:
    return {
        "id": row.pk,
        "budgetId": row.budget_id,
        "type": row.type,
        "status": row.status,
        "createdAt": moment(row.created_at),
        "startedAt": moment(row.started_at),
        "completedAt": moment(row.completed_at),
        "failureReason": row.failure_reason,
        "parentJobId": row.parent_job_id,
        "metadata": row.metadata,
        "retryOfId": row.retry_of_id,
        "subjectId": row.subject_id,
        "attempt": row.attempt,
        "cancelRequestedAt": moment(row.cancel_requested_at),
        "progress": {"done": row.done, "total": row.total, "phase": row.phase},
        "result": row.result,
    }


def shown_step(step: JobStep) -> dict[str, Any]:
    return {
        "id": step.pk,
        "jobId": step.job_id,
        "stepType": step.step_type,
        "status": step.status,
        "position": step.position,
        "startedAt": moment(step.started_at),
        "completedAt": moment(step.completed_at),
        "failureReason": step.failure_reason,
    }


def shown_event(event: JobEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "jobId": event.job_id,
        "stepId": event.step_id,
        "status": event.status,
        "message": event.message,
        "createdAt": moment(event.created_at),
    }


def shown_attempt(attempt: JobAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "category": attempt.category or None,
        "reason": attempt.reason or None,
        "startedAt": moment(attempt.started_at),
        "endedAt": moment(attempt.ended_at),
    }
