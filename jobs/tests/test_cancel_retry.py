"""What people do to a job: cancel it in every state, try it again once."""

from __future__ import annotations

import pytest

from jobs.actions.guard import Guard
from jobs.actions.kinds import KINDS, UnknownKind
from jobs.actions.run import CANCELED
from jobs.actions.running import drain, execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import Ended, NotFailed, cancel_job, retry_job
from jobs.models import Job
from jobs.tests.engine import (
    QUEUE,
    change,
    make_due,
    outcomes,
    reread,
    steps_of,
    take,
    take_one,
    told,
)
from tests.kit.make import make_parcel
from workflows.core.errors import Temporary, UserFixable

pytestmark = pytest.mark.django_db


def listen(run):
    """Let the run's guard look once, as it does every second."""
    guard = Guard()
    with guard.watching(run):
        run.started -= 2
        guard.look()


# --- cancel ---------------------------------------------------------------------------
def test_a_queued_job_is_canceled_at_once(kind, alice, mona):
    job = start_job(kind(steps=("one", "two")), None, by=alice)
    row = cancel_job(job, by=mona)
    assert row.status == "canceled"
    row = reread(job)
    assert (row.status, row.started_at, row.cancel_requested_by) == (
        "canceled",
        None,
        mona,
    )
    assert row.completed_at >= row.created_at
    assert steps_of(job) == ["canceled", "canceled"]
    assert told(job)[-1] == (0, "canceled", "Canceled by Mona.")
    assert take() == []
    assert outcomes(job) == []


def test_a_running_job_is_asked_to_stop(kind, alice, mona):
    cleaned = []

    def work(run):
        cancel_job(run.job, by=mona)
        listen(run)
        try:
            run.checkpoint()
        finally:
            cleaned.append(True)
        raise AssertionError("it was asked to stop")

    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    drain(QUEUE)
    row = reread(job)
    assert (row.status, row.cancel_requested_by) == ("canceled", mona)
    assert row.cancel_requested_at
    assert steps_of(job) == ["canceled", "canceled"]
    assert outcomes(job) == ["canceled"]
    assert cleaned == [True]


def test_between_steps_is_a_safe_point(kind, alice, mona):
    def work(run):
        cancel_job(run.job, by=mona)
        listen(run)

    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    drain(QUEUE)
    assert steps_of(job) == ["succeeded", "canceled"]
    assert reread(job).status == "canceled"


def test_a_job_that_was_finishing_has_finished(kind, alice, mona):
    """It was asked behind its last safe point: what is done is not called canceled."""
    job = start_job(
        kind(lambda run: cancel_job(run.job, by=mona) and None), None, by=alice
    )
    drain(QUEUE)
    assert reread(job).status == "succeeded"
    assert reread(job).cancel_requested_at


def test_a_wish_that_comes_twice_is_one_wish(kind, alice, mona, egon):
    job = start_job(kind(), None, by=alice)
    run = take_one()
    first = reread(cancel_job(job, by=mona))
    assert first.stopping
    again = reread(cancel_job(job, by=egon))
    assert again.cancel_requested_at == first.cancel_requested_at
    assert again.cancel_requested_by == mona
    run.tell(CANCELED)
    execute(run)
    assert [status for _p, status, _w in told(job)] == ["queued", "running", "canceled"]


@pytest.mark.parametrize("end", ["succeeded", "failed", "canceled"])
def test_what_has_ended_is_not_canceled(kind, alice, mona, end):
    def work(run):
        if end == "failed":
            raise UserFixable("No.")

    job = start_job(kind(work), None, by=alice)
    if end == "canceled":
        cancel_job(job, by=alice)
    drain(QUEUE)
    history = told(job)
    with pytest.raises(Ended):
        cancel_job(job, by=mona)
    assert reread(job).status == end
    assert told(job) == history


def test_a_job_that_waits_for_its_next_attempt_is_canceled_at_once(kind, alice, mona):
    def work(run):
        raise Temporary("Busy.")

    job = start_job(kind(work, steps=("one",)), None, by=alice)
    drain(QUEUE)
    cancel_job(job, by=mona)
    assert (reread(job).status, steps_of(job)) == ("canceled", ["canceled"])
    make_due(job)
    assert drain(QUEUE) == 0
    assert outcomes(job) == ["failed"]


def test_a_retry_that_was_asked_to_stop_does_not_come(kind, alice, mona):
    def work(run):
        cancel_job(run.job, by=mona)
        raise Temporary("Busy.")

    job = start_job(kind(work), None, by=alice)
    drain(QUEUE)
    assert (reread(job).status, outcomes(job)) == ("canceled", ["failed"])


def test_a_job_that_fails_while_it_is_asked_to_stop_has_failed(kind, alice, mona):
    def work(run):
        cancel_job(run.job, by=mona)
        raise UserFixable("No.")

    job = start_job(kind(work), None, by=alice)
    drain(QUEUE)
    assert (reread(job).status, reread(job).failure_reason) == ("failed", "No.")


def test_a_job_that_is_gone_is_not_canceled(kind, alice):
    job = start_job(kind(), None, by=alice)
    reread(job).delete()
    with pytest.raises(Job.DoesNotExist):
        cancel_job(job, by=alice)


# --- try again ------------------------------------------------------------------------
class Flaky:
    """Fails at a step until it is mended."""

    def __init__(self, at):
        self.at = at
        self.calls = []

    def __call__(self, run):
        self.calls.append(run.step.step_type)
        if run.step.step_type == self.at:
            raise UserFixable("No.")
        return {run.step.step_type: len(self.calls)}


@pytest.fixture
def failed(kind, account, alice):
    """Return a job that failed at the second of three steps, and its work."""
    work = Flaky(at="two")
    type = kind(work, steps=("one", "two", "three"), exclusive=True, retries=1)
    parcel = make_parcel(account)
    parent = start_job(kind(type="kit.parent", queue="kit-other"), None, by=alice)
    job = start_job(
        type, parcel, by=alice, unique="k", metadata={"full": True}, parent=parent
    )
    drain(QUEUE)
    return reread(job), work


def test_a_retry_is_a_new_job_that_goes_on_from_there(failed, mona):
    job, work = failed
    before = told(job)
    again = retry_job(job, by=mona)
    assert again.is_new
    row = reread(again)
    kept = (
        "account", "budget_id", "exclusive_key", "metadata", "parent_job", "queue",
        "result", "subject_type", "subject_id", "type", "unique_key", "max_attempts",
    )  # fmt: skip
    for name in kept:
        assert getattr(row, name) == getattr(job, name), name
    assert (row.status, row.attempt, row.created_by, row.retry_of) == (
        "queued",
        0,
        mona,
        job,
    )
    assert row.started_at is row.completed_at is row.failure_reason is None
    assert told(again) == [(0, "queued", "Tried again by Mona.")]
    assert steps_of(again) == ["succeeded", "queued", "queued"]
    old, new = (j.steps.get(position=1) for j in (job, again))
    assert (new.started_at, new.completed_at) == (old.started_at, old.completed_at)
    work.at = None
    drain(QUEUE)
    assert work.calls == ["one", "two", "two", "three"]
    row = reread(again)
    assert (row.status, row.result) == ("succeeded", {"one": 1, "two": 3, "three": 4})
    assert (reread(job).status, told(job)) == ("failed", before)


def test_a_second_click_finds_the_first_ones_job(failed, mona, alice):
    job, _work = failed
    again = retry_job(job, by=mona)
    second = retry_job(job, by=alice)
    assert (second, second.is_new, second.created_by) == (again, False, mona)
    drain(QUEUE)
    third = retry_job(job, by=alice)
    assert (third, third.is_new) == (again, False)


def test_a_retry_that_failed_is_tried_again_itself(failed, mona):
    job, work = failed
    again = retry_job(job, by=mona)
    drain(QUEUE)
    further = retry_job(reread(again), by=mona)
    assert (further.retry_of, reread(again).retry_of) == (again, job)
    work.at = None
    drain(QUEUE)
    assert work.calls == ["one", "two", "two", "two", "three"]


def test_a_canceled_job_is_tried_again(kind, alice, mona):
    job = start_job(kind(steps=("one",)), None, by=alice)
    cancel_job(job, by=alice)
    again = retry_job(reread(job), by=mona)
    assert again.is_new
    assert steps_of(again) == ["queued"]
    assert reread(again).cancel_requested_at is None
    drain(QUEUE)
    assert reread(again).status == "succeeded"


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_what_failed_is_tried_again(kind, alice, mona, state):
    job = start_job(kind(), None, by=alice)
    if state != "queued":
        run = take_one()
    if state == "succeeded":
        execute(run)
    with pytest.raises(NotFailed):
        retry_job(reread(job), by=mona)
    assert Job.objects.count() == 1


def test_a_request_for_the_same_that_came_meanwhile_stands_for_the_retry(
    failed, mona, alice
):
    job, _work = failed
    meanwhile = start_job(job.type, job.subject, by=alice, unique="k")
    found = retry_job(job, by=mona)
    assert (found, found.is_new) == (meanwhile, False)
    assert Job.objects.filter(retry_of=job).count() == 0


def test_a_retry_that_somebody_made_in_this_moment_is_found(
    failed, mona, alice, monkeypatch
):
    job, _work = failed
    change(job, unique_key="")
    job = reread(job)
    first = retry_job(job, by=mona)
    assert retries_seen_late(job, alice, monkeypatch) == first
    assert Job.objects.filter(retry_of=job).count() == 1


def retries_seen_late(job, by, monkeypatch):
    """Retry as one did that looked before the first one's job was there."""

    class Late:
        looks = 0

        def first(self):
            self.looks += 1
            return None if self.looks == 1 else Job.objects.get(retry_of=job)

    monkeypatch.setattr(Job, "retries", Late())
    found = retry_job(job, by=by)
    assert not found.is_new
    return found


def test_another_broken_rule_is_not_taken_for_a_second_click(failed, mona):
    job, _work = failed
    job.budget_id = job.pk
    with pytest.raises(Exception, match="ck_job_budget_types"):
        retry_job(job, by=mona)


def test_a_kind_that_is_gone_cannot_be_tried_again(failed, mona):
    job, _work = failed
    del KINDS[job.type]
    with pytest.raises(UnknownKind):
        retry_job(job, by=mona)
