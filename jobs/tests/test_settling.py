"""What an exception of the work means: tried again, failed for people, or canceled."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now

from jobs.actions import running
from jobs.actions.kinds import kind_of
from jobs.actions.run import CANCELED, HANDED_BACK, LOST, TIMED_OUT
from jobs.actions.running import drain, execute
from jobs.actions.settling import (
    FIRST_WAIT,
    JITTER,
    LONGEST_WAIT,
    wait_before,
)
from jobs.actions.starting import start_job
from jobs.models import Job
from jobs.tests.engine import (
    QUEUE,
    change,
    make_due,
    outcomes,
    reread,
    statuses,
    steps_of,
    take,
    take_one,
    told,
)
from tests.kit.make import make_parcel
from workflows.core.errors import AdminRequired, Temporary, UserFixable
from workflows.core.secrets import SealError

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def raising(*errors):
    """Return work that raises these, one a call, then is done."""
    waiting = list(errors)

    def work(run):
        if waiting:
            raise waiting.pop(0)

    return work


def waits(job):
    """Return how long the job has still to wait, by the database's clock."""
    row = Job.objects.annotate(now=Now()).get(pk=job.pk)
    return row.run_after - row.now


def last(job):
    return job.attempts.latest("number")


# --- passing reasons ------------------------------------------------------------------
def test_a_passing_reason_is_tried_again_later(kind, alice):
    job = start_job(kind(raising(Temporary("Busy."))), None, by=alice)
    drain(QUEUE)
    row = reread(job)
    assert (row.status, row.attempt, row.failure_reason) == ("queued", 1, None)
    assert row.started_at is row.lease_until is None
    assert FIRST_WAIT - SECOND < waits(job) <= FIRST_WAIT * (1 + JITTER)
    attempt = last(job)
    assert (attempt.outcome, attempt.category) == ("failed", "temporary")
    assert attempt.reason == "Busy."
    assert "Temporary: Busy." in attempt.traceback
    assert told(job)[-1] == (0, "queued", "Busy.")
    assert take() == []
    make_due(job)
    drain(QUEUE)
    assert reread(job).status == "succeeded"
    assert outcomes(job) == ["failed", "succeeded"]


def test_attempts_end(kind, alice):
    errors = [Temporary(f"Busy {number}.") for number in range(5)]
    job = start_job(kind(raising(*errors), retries=2), None, by=alice)
    for _ in range(5):
        drain(QUEUE)
        if not reread(job).ended:
            make_due(job)
    row = reread(job)
    assert (row.status, row.attempt, row.failure_reason) == ("failed", 3, "Busy 2.")
    assert outcomes(job) == ["failed"] * 3
    reasons = job.attempts.order_by("number").values_list("reason", flat=True)
    assert list(reasons) == ["Busy 0.", "Busy 1.", "Busy 2."]
    assert told(job)[-1] == (0, "failed", "Busy 2.")


def test_no_retries_is_one_attempt(kind, alice):
    job = start_job(kind(raising(Temporary("Busy.")), retries=0), None, by=alice)
    drain(QUEUE)
    assert (reread(job).status, reread(job).attempt) == ("failed", 1)


def test_what_the_other_side_asked_to_wait_is_waited(kind, alice):
    asked = Temporary("Busy.", retry_after=timedelta(hours=2))
    job = start_job(kind(raising(asked)), None, by=alice)
    drain(QUEUE)
    assert timedelta(hours=2) - SECOND < waits(job) <= timedelta(hours=2)


def test_a_short_wait_that_was_asked_for_shortens_nothing(kind, alice):
    asked = Temporary("Busy.", retry_after=SECOND)
    job = start_job(kind(raising(asked)), None, by=alice)
    drain(QUEUE)
    assert waits(job) > FIRST_WAIT - SECOND


def test_waits_double_up_to_the_longest(kind):
    known = kind_of(kind())
    for attempt, seconds in ((1, 5), (2, 10), (3, 20), (4, 40), (8, 640), (9, 900)):
        for _ in range(50):
            wait = wait_before(known, attempt).total_seconds()
            assert seconds <= wait <= seconds * (1 + JITTER)
    assert wait_before(known, 30_000) <= LONGEST_WAIT * (1 + JITTER)


def test_waits_of_a_kinds_own(kind):
    known = kind_of(kind(backoff=[MINUTE, 5 * MINUTE, 15 * MINUTE]))
    for attempt, minutes in ((1, 1), (2, 5), (3, 15), (4, 15), (99, 15)):
        wait = wait_before(known, attempt)
        assert minutes * MINUTE <= wait <= minutes * MINUTE * (1 + JITTER)


def test_not_all_come_back_at_once(kind):
    known = kind_of(kind())
    assert len({wait_before(known, 1) for _ in range(20)}) > 10


# --- reasons for people ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "category"),
    [
        (UserFixable("Another password, please."), "user_fixable"),
        (AdminRequired("Set SEAL_KEYS."), "admin_required"),
        (SealError("No key opens it."), "admin_required"),
    ],
)
def test_a_problem_fails_the_job_in_its_own_words(kind, alice, error, category):
    job = start_job(kind(raising(error), steps=("one", "two")), None, by=alice)
    drain(QUEUE)
    row = reread(job)
    assert (row.status, row.failure_reason, row.attempt) == ("failed", str(error), 1)
    assert row.steps.get(position=1).failure_reason == str(error)
    assert row.steps.get(position=2).failure_reason is None
    assert steps_of(job) == ["failed", "canceled"]
    assert (last(job).outcome, last(job).category) == ("failed", category)
    assert last(job).reason == str(error)


def test_a_slip_is_told_in_general_words(kind, alice, caplog):
    secret = "hunter2 at line 7"
    job = start_job(kind(raising(ValueError(secret)), steps=("one",)), None, by=alice)
    drain(QUEUE)
    row = reread(job)
    assert row.status == "failed"
    assert row.failure_reason.startswith("Something went wrong that Handrail did not")
    assert secret not in row.failure_reason
    assert secret not in row.steps.get().failure_reason
    assert all(secret not in words for _position, _status, words in told(job))
    attempt = last(job)
    assert (attempt.category, secret in attempt.reason) == ("admin_required", False)
    assert f"ValueError: {secret}" in attempt.traceback
    assert f"job {job.pk} (kit.job) failed" in caplog.text


@pytest.mark.parametrize("error", [UserFixable(""), Temporary(""), SealError("")])
def test_a_problem_without_words_still_ends_its_job(kind, alice, error):
    job = start_job(kind(raising(error), steps=("one",), retries=0), None, by=alice)
    drain(QUEUE)
    row = reread(job)
    assert row.status == "failed"
    assert row.failure_reason.startswith("Something went wrong")


@pytest.mark.parametrize(
    "text", ["nul \0 byte", "half a \udc80 sign"], ids=["nul", "half"]
)
@pytest.mark.parametrize("error", [ValueError, UserFixable])
def test_what_no_database_can_hold_still_ends_its_job(kind, alice, error, text, caplog):
    # The report of a parallel run cannot hold half a sign either.
    caplog.set_level(logging.CRITICAL, "jobs.actions.settling")
    job = start_job(kind(raising(error(text)), steps=("one",)), None, by=alice)
    drain(QUEUE)
    assert reread(job).status == "failed"
    assert error.__name__ in last(job).traceback
    assert last(job).outcome == "failed"


def test_a_subject_that_was_deleted_cancels_the_job(kind, account, alice):
    parcel = make_parcel(account)
    job = start_job(kind(lambda run: {"is": str(run.subject)}), parcel, by=alice)
    type(parcel)._base_manager.filter(pk=parcel.pk).delete()
    drain(QUEUE)
    row = reread(job)
    assert (row.status, row.failure_reason) == ("canceled", None)
    assert told(job)[-1][2] == "What it was about has been deleted meanwhile."
    assert outcomes(job) == ["canceled"]


# --- the database ---------------------------------------------------------------------
@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_database_that_was_away_is_tried_again(kind, alice, error):
    job = start_job(kind(raising(error)), None, by=alice)
    drain(QUEUE)
    assert reread(job).status == "queued"
    assert FIRST_WAIT - SECOND < waits(job) <= FIRST_WAIT
    assert last(job).category == "temporary"
    assert last(job).reason == "The database could not be reached."
    make_due(job)
    drain(QUEUE)
    assert reread(job).status == "succeeded"


def test_what_must_not_be_repeated_fails_when_the_database_was_away(kind, alice):
    type = kind(raising(OperationalError("gone")), repeatable=False)
    job = start_job(type, None, by=alice)
    drain(QUEUE)
    assert reread(job).status == "failed"
    assert reread(job).failure_reason == "The database could not be reached."


class Away:
    """A database that cannot be reached for a while, and a clock that does not wait."""

    def __init__(self, settle, times, error=OperationalError):
        self.settle, self.times, self.error = settle, times, error
        self.now = 0.0

    def __call__(self, job, verdict):
        if self.times:
            self.times -= 1
            raise self.error("gone")
        self.settle(job, verdict)

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def away(monkeypatch):
    def make(times, error=OperationalError):
        found = Away(running.settle, times, error)
        monkeypatch.setattr(running, "settle", found)
        monkeypatch.setattr(running, "time", found)
        return found

    return make


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_verdict_waits_for_the_database(kind, alice, away, error):
    job = start_job(kind(raising(UserFixable("No."))), None, by=alice)
    run = take_one()
    away(5, error)
    execute(run)
    assert (reread(job).status, reread(job).failure_reason) == ("failed", "No.")


@pytest.mark.django_db(transaction=True)
def test_a_verdict_that_waited_a_lease_is_left_to_the_reaper(kind, alice, away, caplog):
    job = start_job(kind(raising(UserFixable("No."))), None, by=alice)
    run = take_one()
    clock = away(999)
    execute(run)
    assert reread(job).status == "running"
    assert 30 <= clock.now < 32
    assert f"job {job.pk} is left to the reaper" in caplog.text


# --- stopped --------------------------------------------------------------------------
def checking(run):
    run.checkpoint()
    raise AssertionError("it was told to stop")


def stopped(kind, by, why, **options):
    job = start_job(kind(checking, steps=("one", "two"), **options), None, by=by)
    run = take_one()
    run.tell(why)
    execute(run)
    return job


def test_a_canceled_run_ends_canceled(kind, alice):
    job = stopped(kind, alice, CANCELED)
    assert (reread(job).status, steps_of(job)) == ("canceled", ["canceled"] * 2)
    assert reread(job).failure_reason is None
    assert outcomes(job) == ["canceled"]


@pytest.mark.parametrize(
    ("timeout", "minutes"), [(90 * SECOND, "1.5"), (MINUTE, "1"), (60 * MINUTE, "60")]
)
def test_a_run_that_took_too_long_fails(kind, alice, timeout, minutes):
    job = stopped(kind, alice, TIMED_OUT, timeout=timeout)
    row = reread(job)
    assert row.status == "failed"
    assert f"longer than {minutes} minutes" in row.failure_reason
    assert steps_of(job) == ["failed", "canceled"]
    assert (last(job).outcome, last(job).category) == ("timed_out", "temporary")


def test_a_run_that_was_handed_back_costs_no_attempt(kind, alice):
    job = stopped(kind, alice, HANDED_BACK, retries=0)
    row = reread(job)
    assert (row.status, row.attempt, row.max_attempts) == ("queued", 1, 2)
    assert waits(job) <= timedelta(0)
    assert (outcomes(job), steps_of(job)) == (["handed_back"], ["queued"] * 2)
    run = take_one("b")
    run.tell(HANDED_BACK)
    execute(run)
    row = reread(job)
    assert (row.status, row.attempt, row.max_attempts) == ("queued", 2, 3)
    run = take_one("c")
    run.complete()
    run.complete()
    assert reread(job).status == "succeeded"


def test_a_handed_back_job_keeps_its_place_in_the_queue(kind, alice):
    job = stopped(kind, alice, HANDED_BACK)
    start_job(job.type, None, by=alice)
    assert take_one("b").job.pk == job.pk


def test_a_handed_back_job_is_rung_for_at_once(
    kind, alice, broker, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        stopped(kind, alice, HANDED_BACK)
    assert broker.rung() == 1


def test_a_lost_run_writes_nothing(kind, alice, caplog):
    job = stopped(kind, alice, LOST)
    assert reread(job).status == "running"
    assert statuses(job) == [(0, "queued"), (0, "running"), (1, "running")]
    assert not job.attempts.exists()
    assert f"job {job.pk} went to another worker" in caplog.text


def test_the_first_reason_to_stop_counts(kind, alice):
    start_job(kind(), None, by=alice)
    run = take_one()
    run.tell(TIMED_OUT)
    run.tell(CANCELED)
    assert run.told[0] == TIMED_OUT


def test_the_work_cleans_up_on_the_way_out(kind, alice):
    cleaned = []

    def work(run):
        run.tell(CANCELED)
        try:
            run.progress(1, 2)
        finally:
            cleaned.append(True)

    job = start_job(kind(work), None, by=alice)
    drain(QUEUE)
    assert cleaned == [True]
    assert (reread(job).status, reread(job).done) == ("canceled", 0)


def test_a_job_that_was_asked_to_stop_is_not_tried_again(kind, alice):
    job = start_job(kind(raising(Temporary("Busy."))), None, by=alice)
    run = take_one()
    change(job, cancel_requested_at=Now())
    execute(run)
    assert reread(job).status == "canceled"
    assert outcomes(job) == ["failed"]
