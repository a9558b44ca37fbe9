"""Clocks that are wrong, or jump: leases hold, and no rule of the tables is broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from jobs.actions.claiming import LEASE
from jobs.actions.guard import Guard
from jobs.actions.reaping import reap
from jobs.actions.running import drain, execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job, retry_job
from jobs.models import Job
from jobs.tests.engine import HOUR, QUEUE, change, reread, take, take_one
from workflows.core.errors import Temporary

pytestmark = pytest.mark.django_db


@pytest.fixture
def jump(monkeypatch):
    """Let this process's clock be wrong by so much; the database's stays right."""

    def by(offset):
        monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + offset)

    return by


@pytest.mark.parametrize(
    "offset", [HOUR, -HOUR, timedelta(days=400), -timedelta(days=400)]
)
def test_a_wrong_clock_of_a_worker_changes_nothing(kind, alice, jump, mona, offset):
    def work(run):
        if run.step.step_type == "two" and run.job.attempt == 1:
            raise Temporary("Busy.")

    type = kind(work, steps=("one", "two"), backoff=[timedelta(0)])
    jump(offset)
    job = start_job(type, None, by=alice)
    run = take_one()
    mine = Guard()
    with mine.holding([run]):
        mine.keep_leases()
        assert reap() == 0
        jump(-offset)
        mine.keep_leases()
        assert reap() == 0
        assert run.told is None
    real = datetime.now(UTC)
    lease = reread(job).lease_until
    assert timedelta(0) < lease - real <= LEASE + timedelta(seconds=1)
    execute(run)
    jump(offset)
    drain(QUEUE)
    assert reread(job).status == "succeeded"
    canceled = start_job(type, None, by=alice)
    jump(-offset)
    cancel_job(canceled, by=mona)
    retry_job(reread(canceled), by=mona)
    drain(QUEUE)
    for row in Job.objects.all():
        assert abs(row.created_at - real) < timedelta(minutes=1)
        assert row.completed_at >= row.created_at
    assert take() == []


@pytest.mark.parametrize("offset", [HOUR, -HOUR])
def test_a_database_whose_clock_jumped_breaks_no_rule(kind, alice, mona, offset):
    """The times of a row that was written before then lie ahead, or far behind."""
    type = kind(steps=("one", "two"))
    for ends in (execute, lambda run: cancel_and_run(run, mona)):
        job = start_job(type, None, by=alice)
        row = reread(job)
        change(job, created_at=row.created_at + offset)
        run = take_one()
        row = reread(job)
        change(job, started_at=max(row.created_at, row.started_at + offset))
        step = row.steps.get(position=1)
        change(step, started_at=step.started_at + offset)
        ends(run)
        row = reread(job)
        assert row.ended
        assert row.completed_at >= row.started_at >= row.created_at
    waits = start_job(type, None, by=alice)
    change(waits, created_at=reread(waits).created_at + offset)
    cancel_job(waits, by=mona)
    assert reread(waits).completed_at >= reread(waits).created_at


def cancel_and_run(run, by):
    cancel_job(run.job, by=by)
    run.tell("canceled")
    execute(run)
