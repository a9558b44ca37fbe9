"""What tests of the engine do by hand: take a job, look at it, break it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Now

from jobs.actions.claiming import claim
from jobs.actions.kinds import kind_of
from jobs.actions.run import Run
from jobs.models import Job, JobEvent
from jobs.tests.kinds import QUEUE

HOUR = timedelta(hours=1)


def take(worker: str = "a", queue: str = QUEUE) -> list[Run]:
    """Claim what a worker of this name would get, as the runs it would make of it."""
    return [Run(job, kind_of(job.type)) for job in claim(queue, worker).jobs]


def take_one(worker: str = "a", queue: str = QUEUE) -> Run:
    [run] = take(worker, queue)
    return run


def reread(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def change(row: models.Model, **columns: Any) -> None:
    """UPDATE the row as no verb would, without Django's checks."""
    rows: models.QuerySet[Any] = models.QuerySet(type(row)).filter(pk=row.pk)
    models.QuerySet.update(rows, **columns)


def expire(job: Job) -> None:
    """Let the job's lease be over, as if its worker had long been silent."""
    change(job, lease_until=Now() - HOUR)


def make_due(job: Job) -> None:
    """Let the wait before the next attempt be over."""
    change(job, run_after=Now())


def told(job: Job) -> list[tuple[int, str, str]]:
    """Return the job's history: position of the step (0: the job), status, words."""
    events = JobEvent.objects.filter(job=job).select_related("step")
    return [(e.step.position if e.step else 0, e.status, e.message) for e in events]


def statuses(job: Job) -> list[tuple[int, str]]:
    return [(position, status) for position, status, _words in told(job)]


def steps_of(job: Job) -> list[str]:
    return [step.status for step in job.steps.order_by("position")]


def outcomes(job: Job) -> list[str]:
    return [attempt.outcome for attempt in job.attempts.order_by("number")]
