"""What becomes of jobs whose worker has fallen silent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from jobs.actions import reaping
from jobs.actions.guard import Guard
from jobs.actions.kinds import KINDS, kind_of
from jobs.actions.reaping import reap
from jobs.actions.run import Run
from jobs.actions.running import execute
from jobs.actions.settling import settle_lost
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job
from jobs.models import Job, LeaseLost
from jobs.tests.engine import (
    QUEUE,
    change,
    expire,
    outcomes,
    reread,
    statuses,
    steps_of,
    take,
    take_one,
    told,
)

pytestmark = pytest.mark.django_db
LOST = "The process that ran it ended unexpectedly."


@pytest.fixture
def lost(kind, alice):
    """Return a job whose worker is silent, of a kind with these options."""

    def make(**options):
        job = start_job(kind(steps=("one", "two"), **options), None, by=alice)
        take_one("gone")
        expire(job)
        return job

    return make


def test_a_live_lease_is_left_alone(kind, alice):
    job = start_job(kind(), None, by=alice)
    take_one()
    assert reap() == 0
    assert reread(job).status == "running"


def test_a_lost_run_is_tried_again_at_once(lost, caplog):
    job = lost()
    assert reap() == 1
    row = reread(job)
    assert (row.status, row.attempt, row.max_attempts) == ("queued", 1, 4)
    assert row.lease_until is row.started_at is None
    assert steps_of(job) == ["queued", "queued"]
    assert statuses(job)[3:] == [(1, "queued"), (0, "queued")]
    [attempt] = job.attempts.all()
    assert (attempt.outcome, attempt.category, attempt.worker) == (
        "lost",
        "temporary",
        "gone",
    )
    assert attempt.reason.startswith(LOST)
    assert f"job {job.pk} was lost by worker gone" in caplog.text
    assert take_one().job == job
    assert reap() == 0


def test_somebody_is_woken_for_it(lost, broker, django_capture_on_commit_callbacks):
    lost()
    with django_capture_on_commit_callbacks(execute=True):
        reap()
    assert broker.rung() == 1


def test_what_must_not_be_repeated_fails(lost):
    job = lost(repeatable=False)
    reap()
    row = reread(job)
    assert (row.status, steps_of(job)) == ("failed", ["failed", "canceled"])
    assert row.failure_reason.startswith(LOST)
    assert row.steps.get(position=1).failure_reason == row.failure_reason


def test_what_has_no_attempts_left_fails(lost):
    job = lost(retries=0)
    reap()
    assert reread(job).status == "failed"
    assert outcomes(job) == ["lost"]


def test_lost_again_and_again_it_fails_at_last(lost):
    job = lost(retries=2)
    for _ in range(2):
        reap()
        take_one()
        expire(job)
    reap()
    assert reread(job).status == "failed"
    assert outcomes(job) == ["lost"] * 3


def test_what_was_asked_to_stop_is_canceled(lost, mona):
    job = lost()
    cancel_job(job, by=mona)
    reap()
    assert (reread(job).status, steps_of(job)) == ("canceled", ["canceled"] * 2)
    assert outcomes(job) == ["canceled"]


def test_what_its_guard_ended_for_its_time_fails(lost):
    job = lost(timeout=timedelta(minutes=2))
    change(job, timed_out=True)
    reap()
    row = reread(job)
    assert (row.status, outcomes(job)) == ("failed", ["timed_out"])
    assert "longer than 2 minutes" in row.failure_reason


def test_time_counts_before_a_wish(lost, mona):
    job = lost()
    change(job, timed_out=True)
    cancel_job(job, by=mona)
    reap()
    assert reread(job).status == "failed"


@pytest.mark.parametrize("timed_out", [True, False])
def test_a_kind_that_this_release_does_not_know_fails(lost, timed_out):
    job = lost()
    change(job, timed_out=timed_out)
    del KINDS["kit.job"]
    reap()
    row = reread(job)
    assert row.status == "failed"
    words = "It took too long and was stopped." if timed_out else LOST
    assert row.failure_reason.startswith(words)
    assert told(job)[-1] == (0, "failed", row.failure_reason)


# --- two at once ----------------------------------------------------------------------
def test_a_reaper_that_comes_second_changes_nothing(lost, caplog, monkeypatch):
    """Two have seen the same expired lease; the first one has ended the run."""
    job = lost()
    stale = reread(job)
    assert reap() == 1
    history = told(job)
    with pytest.raises(LeaseLost):
        settle_lost(stale)
    caplog.clear()
    monkeypatch.setattr(reaping, "settle_lost", refuse)
    change(
        job,
        status="running",
        worker="gone",
        lease_until=Now() - timedelta(1),
        started_at=Now(),
    )
    assert reap() == 0
    assert "was lost" not in caplog.text
    assert told(job) == history


def refuse(job):
    raise LeaseLost(str(job.pk))


def test_a_worker_that_came_back_keeps_its_job(lost, kind):
    """Its guard renewed the lease after the reaper had looked."""
    job = lost()
    stale = reread(job)
    back = Guard()
    run = run_of(job)
    with back.holding([run]):
        back.keep_leases()
        assert run.told is None
    with pytest.raises(LeaseLost):
        settle_lost(stale)
    assert reread(job).status == "running"
    execute(run)
    assert reread(job).status == "succeeded"


def run_of(job):
    """Return the run as its own worker has it."""
    row = reread(job)
    row.ordered = list(row.steps.order_by("position"))
    return Run(row, kind_of(row.type))


def test_a_job_that_was_deleted_meanwhile_is_passed_over(lost, monkeypatch):
    job = lost()
    stale = reread(job)

    def settle(row):
        Job.objects.filter(pk=row.pk).delete()
        settle_lost(row)

    monkeypatch.setattr(reaping, "settle_lost", settle)
    assert reap() == 0
    assert not Job.objects.filter(pk=stale.pk).exists()


def test_many_are_taken_back_at_once(kind, alice):
    type = kind(brief=True)
    for _ in range(8):
        start_job(type, None, by=alice)
    for run in take(queue=QUEUE):
        expire(run.job)
    assert reap() == 8
    assert len(take()) == 8
