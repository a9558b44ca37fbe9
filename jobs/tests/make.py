"""Plain helpers that make what most tests of the pages need."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models

from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.models import Job
from jobs.tests.engine import change, reread, take
from jobs.tests.kinds import QUEUE, register
from workflows.core.accounts import User
from workflows.core.errors import UserFixable
from workflows.core.ids import first_id_at

REPORT, BROKEN, STEPS = "kit.report", "kit.broken", "kit.steps"


def report(run: Any) -> dict[str, Any]:
    run.progress(1, 1, "Counting")
    return {"rowsRead": 3, "clean": True}


def broken(run: Any) -> None:
    raise UserFixable("The password is wrong.")


def two_steps(run: Any) -> dict[str, Any]:
    run.note(f"Looked at {run.step.step_type}")
    return {run.step.step_type: "ok"}


def register_kinds() -> None:
    """Register one kind that succeeds, one that fails and one with two steps."""
    register(report, type=REPORT)
    register(broken, type=BROKEN)
    register(two_steps, type=STEPS, steps=("fetch_pages", "sync"))


def make_job(
    by: User | None,
    kind: str = REPORT,
    subject: models.Model | None = None,
    **over: Any,
) -> Job:
    """Return a queued job."""
    return start_job(kind, subject, by=by, **over)


def begin(job: Job, worker: str = "host:1:a") -> Job:
    """Let a worker take all that is queued; return the job as it is then."""
    take(worker)
    return reread(job)


def finish(job: Job) -> Job:
    """Run all that is queued to its end; return the job as it is then."""
    while runs := take():
        for run in runs:
            execute(run)
    return reread(job)


def done(by: User | None, kind: str = REPORT, **over: Any) -> Job:
    """Return a job that has ended as its kind ends."""
    return finish(make_job(by, kind, **over))


def past_job(by: User, when: datetime, status: str = "succeeded", **over: Any) -> Job:
    """Return a job of that time, as if it had been asked for and had ended then."""
    job = Job(
        pk=UUID(int=first_id_at(when).int | secrets.randbits(62)),
        account=by.account,
        created_by=by,
        created_at=when,
        type=over.pop("kind", REPORT),
        queue=QUEUE,
    )
    job.save(force_insert=True)
    ended = {"started_at": when, "completed_at": when + timedelta(seconds=12)}
    reason = {"failure_reason": "It broke."} if status == "failed" else {}
    change(job, status=status, attempt=1, **ended, **reason, **over)
    return reread(job)
