"""A kind hears of each job that ended without success: once, and in its transaction."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from jobs.actions import writing
from jobs.actions.kinds import KINDS
from jobs.actions.reaping import reap
from jobs.actions.run import CANCELED, HANDED_BACK, TIMED_OUT
from jobs.actions.running import drain, execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import Ended, cancel_job
from jobs.actions.writing import moving
from jobs.tests.ending import WAYS, Full
from jobs.tests.engine import (
    QUEUE,
    change,
    expire,
    make_due,
    outcomes,
    reread,
    statuses,
    steps_of,
    take_one,
)
from jobs.tests.test_running import effect, effects, fails_late
from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from workflows.core.errors import Temporary, UserFixable
from workflows.core.secrets import SealError

pytestmark = pytest.mark.django_db


class Busy(Temporary):
    code = "rate_limited"


class Odd(UserFixable):
    code = 7


class Heard:
    """A hook that notes what it was told, and what the database held at that moment."""

    def __init__(self):
        self.calls = []
        self.jobs = []

    def __call__(self, job, code):
        row = reread(job)
        assert (job.status, job.failure_reason) == (row.status, row.failure_reason)
        assert row.lease_until is None
        assert row.completed_at
        assert statuses(job)[-1] == (0, row.status)
        self.calls.append((row.status, code))
        self.jobs.append(job)
        effect(f"kit {len(self.calls)}")


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def begun(kind, alice, heard):
    """Return the run of a job whose kind has the hook."""

    def make(*works, **options):
        type = kind(*works, ended=heard, **options)
        start_job(type, None, by=alice)
        return take_one("gone")

    return make


# --- the work failed ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Full("No room."), "disk_full"),
        (Busy("Wait."), "rate_limited"),
        (UserFixable("No."), ""),
        (Temporary("Wait."), ""),
        (Odd("No."), ""),
        (SealError("No key opens it."), ""),
        (OperationalError("gone"), ""),
        (ValueError("a slip"), ""),
    ],
)
def test_a_failure_is_told_with_its_code(begun, heard, error, code):
    run = begun(fails_late(error), retries=0, steps=("one", "two"))
    execute(run)
    assert heard.calls == [("failed", code)]
    [job] = heard.jobs
    assert (job, job.failure_reason) == (run.job, reread(run.job).failure_reason)
    assert steps_of(job) == ["failed", "canceled"]
    assert effects() == [("kit 1",)]


def test_success_is_not_told(begun, heard):
    run = begun(steps=("one", "two"))
    execute(run)
    assert reread(run.job).status == "succeeded"
    assert heard.calls == []


def test_what_is_tried_again_is_told_when_no_attempt_is_left(begun, heard):
    run = begun(fails_late(Busy("Wait.")), retries=2)
    execute(run)
    for _ in range(2):
        assert (reread(run.job).status, heard.calls) == ("queued", [])
        make_due(run.job)
        drain(QUEUE)
    assert outcomes(run.job) == ["failed"] * 3
    assert heard.calls == [("failed", "rate_limited")]


def test_what_succeeds_after_all_is_not_told(begun, heard):
    waiting = [Busy("Wait.")]

    def work(run):
        if waiting:
            raise waiting.pop()

    run = begun(work)
    execute(run)
    make_due(run.job)
    drain(QUEUE)
    assert (reread(run.job).status, heard.calls) == ("succeeded", [])


def test_what_is_handed_back_is_not_told(begun, heard):
    run = begun()
    run.tell(HANDED_BACK)
    execute(run)
    assert (reread(run.job).status, heard.calls) == ("queued", [])


def test_a_late_run_tells_nothing(begun, heard):
    late = begun(fails_late(Full("No room.")))
    expire(late.job)
    reap()
    take_one("b")
    execute(late)
    assert (reread(late.job).status, heard.calls) == ("running", [])


def test_no_time_left_is_told(begun, heard):
    run = begun()
    run.tell(TIMED_OUT)
    execute(run)
    assert heard.calls == [("failed", "timeout")]


def test_no_time_left_in_the_guards_eyes_is_told(begun, heard, me):
    run = begun()
    with me.holding([run]), me.watching(run):
        run.started -= 31
        me.look()
        execute(run)
    assert heard.calls == [("failed", "timeout")]


def test_what_is_written_of_a_job_that_is_over_tells_nothing(begun, heard):
    run = begun(fails_late(Full("No room.")))
    execute(run)
    with moving(run.job.pk) as lend:
        lend.values["phase"] = "Over"
    assert (reread(run.job).phase, len(heard.calls)) == ("Over", 1)


# --- somebody canceled it -------------------------------------------------------------
def test_a_queued_job_that_is_canceled_is_told_once(kind, heard, alice, mona):
    job = start_job(kind(ended=heard, steps=("one",)), None, by=alice)
    cancel_job(job, by=mona)
    assert heard.calls == [("canceled", "canceled")]
    with pytest.raises(Ended):
        cancel_job(job, by=mona)
    assert len(heard.calls) == 1


def test_a_running_job_is_told_when_it_has_stopped(begun, heard, mona, me):
    run = begun()
    cancel_job(run.job, by=mona)
    cancel_job(run.job, by=mona)
    assert heard.calls == []
    with me.holding([run]), me.watching(run):
        run.started -= 2
        me.look()
        execute(run)
    assert heard.calls == [("canceled", "canceled")]


def test_a_job_that_waits_for_its_next_attempt_is_told(begun, heard, mona):
    run = begun(fails_late(Busy("Wait.")))
    execute(run)
    cancel_job(run.job, by=mona)
    assert heard.calls == [("canceled", "canceled")]


@pytest.mark.parametrize("why", [None, CANCELED, HANDED_BACK])
def test_a_job_that_does_not_come_back_was_canceled(begun, heard, why):
    run = begun(fails_late(Busy("Wait.")))
    change(run.job, cancel_requested_at=Now())
    if why:
        run.tell(why)
    execute(run)
    assert heard.calls == [("canceled", "canceled")]


def test_a_job_that_fails_while_it_is_asked_to_stop_has_failed(begun, heard, mona):
    run = begun(fails_late(Full("No room.")))
    cancel_job(run.job, by=mona)
    execute(run)
    assert heard.calls == [("failed", "disk_full")]


def test_a_job_whose_subject_is_gone_was_canceled(kind, account, alice, heard):
    parcel = make_parcel(account)
    type = kind(lambda run: {"is": str(run.subject)}, ended=heard)
    start_job(type, parcel, by=alice)
    Parcel._base_manager.filter(pk=parcel.pk).delete()
    drain(QUEUE)
    assert heard.calls == [("canceled", "canceled")]
    assert (heard.jobs[0].subject, heard.jobs[0].subject_id) == (None, parcel.pk)


# --- its worker was lost --------------------------------------------------------------
@pytest.mark.parametrize("options", [{"repeatable": False}, {"retries": 0}])
def test_a_lost_job_is_told_once(begun, heard, options):
    run = begun(**options)
    expire(run.job)
    assert reap() == 1
    assert reap() == 0
    assert heard.calls == [("failed", "")]
    execute(run)
    assert len(heard.calls) == 1


def test_a_lost_job_that_is_tried_again_is_told_at_the_last(begun, heard):
    run = begun(retries=1)
    expire(run.job)
    reap()
    assert (reread(run.job).status, heard.calls) == ("queued", [])
    take_one()
    expire(run.job)
    reap()
    assert heard.calls == [("failed", "")]


def test_what_its_guard_had_to_kill_is_told(begun, heard):
    run = begun()
    expire(run.job)
    change(run.job, timed_out=True)
    reap()
    assert heard.calls == [("failed", "timeout")]


def test_a_lost_job_that_was_asked_to_stop_was_canceled(begun, heard, mona):
    run = begun()
    cancel_job(run.job, by=mona)
    expire(run.job)
    reap()
    assert heard.calls == [("canceled", "canceled")]


# --- the ways to an end, each for what is true of all of them -------------------------
@WAYS
def test_a_kind_that_is_gone_is_not_told(failing, heard, mona, end):
    run = failing(heard)
    del KINDS[run.job.type]
    end(run, mona)
    assert reread(run.job).ended
    assert heard.calls == []


@WAYS
def test_a_kind_without_a_hook_costs_no_query(failing, mona, monkeypatch, end):
    def cost():
        run = failing()
        KINDS.clear()  # it is registered anew
        KINDS[run.kind.type] = run.kind
        with CaptureQueriesContext(connection) as captured:
            end(run, mona)
        KINDS.clear()
        assert reread(run.job).ended
        return len(captured)

    asked = cost()
    monkeypatch.setattr(writing, "tell_ended", lambda job, code: None)
    assert asked == cost()


@WAYS
def test_a_machine_never_says_that_a_job_runs_that_is_over(
    kind, account, alice, mona, end
):
    def ended(job, code):
        with Parcel.moving(job.subject_id, by=None, note=code) as row:
            row.deliver()

    parcel = make_parcel(account)
    with Parcel.moving(parcel.pk, by=alice) as row:
        row.send()
    type = kind(fails_late(Full("No room.")), retries=0, ended=ended)
    start_job(type, parcel, by=alice)
    end(take_one("gone"), mona)
    assert Parcel.objects.get().state == "delivered"
    assert parcel.moves().count() == 3


@WAYS
def test_the_end_and_what_follows_from_it_are_one(failing, heard, mona, end):
    def roll_back():
        with transaction.atomic():
            end(run, mona)
            assert (reread(run.job).ended, effects()) == (True, [("kit 1",)])
            raise ZeroDivisionError

    run = failing(heard)
    with pytest.raises(ZeroDivisionError):
        roll_back()
    assert (reread(run.job).status, effects()) == ("running", [])
    assert outcomes(run.job) == []


@WAYS
def test_another_job_of_the_same_key_may_follow(kind, alice, mona, end):
    def ended(job, code):
        following.append(start_job("kit.next", None, by=None, unique="k"))

    following = []
    kind(type="kit.next", queue="kit-other")
    type = kind(fails_late(Full("No room.")), retries=0, ended=ended)
    start_job(type, None, by=alice, unique="k")
    end(take_one("gone"), mona)
    assert following[0].is_new
