"""The list of jobs: filtered, live, and the same as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs.actions.kinds import label_of
from jobs.actions.reading import Jobs, Line, lines, visible_jobs
from jobs.forms import JobFilter
from workflows.core.export import csv_response
from workflows.core.http import UserRequest
from workflows.core.paging import PAGE_SIZE, slice_of

HEADER = (
    "id",
    "type",
    "kind",
    "status",
    "started_by",
    "subject_id",
    "created_at",
    "started_at",
    "completed_at",
    "seconds",
    "attempts",
    "failure_reason",
    "parent_job_id",
    "retry_of_id",
)


@require_safe
def jobs(request: UserRequest) -> HttpResponse:
    """Every job of the account, newest first."""
    form = JobFilter(request.GET, user=request.user)
    form.offer_people()
    page = slice_of(request, form.narrow(visible_jobs(request.user)))
    shown = lines(page.rows, request.user)
    about = shown[0].subject if shown and form.cleaned_data.get("subject") else None
    context = {
        "list": page,
        "lines": shown,
        "form": form,
        "about": about,
        "live_url": live_url(shown),
    }
    return render(request, "jobs/list.html", context)


def live_url(shown: Iterable[Line]) -> str:
    """Return the address that tells what moved among these; "" if nothing can."""
    moving = [
        ("row", f"{line.job.pk}.{line.version}") for line in shown if not line.job.ended
    ]
    return f"{reverse('jobs:rows')}?{urlencode(moving)}" if moving else ""


@require_safe
def rows(request: UserRequest) -> HttpResponse:
    """The rows of a shown page that look otherwise by now; 204 while none does."""
    seen = dict(known_rows(request.GET.getlist("row")[:PAGE_SIZE]))
    found = visible_jobs(request.user).filter(pk__in=seen)
    shown = lines(found, request.user)
    changed = [line for line in shown if line.version != seen[line.job.pk]]
    if shown and not changed:
        return HttpResponse(status=204)
    context = {"lines": changed, "live_url": live_url(shown)}
    return render(request, "jobs/rows.html", context)


def known_rows(texts: Iterable[str]) -> Iterator[tuple[UUID, str]]:
    for text in texts:
        pk, _dot, version = text.partition(".")
        try:
            yield UUID(pk), version
        except ValueError:
            continue  # an address that somebody has written by hand


@require_safe
def jobs_csv(request: UserRequest) -> HttpResponseBase:
    """The same jobs as a file."""
    form = JobFilter(request.GET, user=request.user)
    found = form.narrow(visible_jobs(request.user))
    return csv_response("jobs.csv", HEADER, cells(found.order_by("-id")))


def cells(found: Jobs) -> Iterator[tuple[Any, ...]]:
    for job in found.iterator(chunk_size=2000):
        took = Line(job, "", None).took
        yield (
            job.pk,
            job.type,
            label_of(job.type),
            job.status,
            str(job.created_by or ""),
            job.subject_id or "",
            job.created_at.isoformat(),
            job.started_at.isoformat() if job.started_at else "",
            job.completed_at.isoformat() if job.completed_at else "",
            "" if took is None else round(took.total_seconds(), 3),
            job.attempt,
            job.failure_reason or "",
            job.parent_job_id or "",
            job.retry_of_id or "",
        )
