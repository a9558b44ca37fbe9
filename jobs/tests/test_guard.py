"""The thread beside the work, its rounds made by hand: leases, stops, hard ends."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now

from jobs.actions import guard as module
from jobs.actions.claiming import HEARTBEAT, LEASE
from jobs.actions.guard import STOPPING, Guard, guard
from jobs.actions.reaping import reap
from jobs.actions.run import CANCELED, HANDED_BACK, LOST, TIMED_OUT, Stopped
from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job
from jobs.models import Worker
from jobs.tests.engine import HOUR, change, expire, outcomes, reread, take, take_one
from jobs.tests.guarded import TIMEOUT, lease_left, why

pytestmark = pytest.mark.django_db
BEGIN = Guard.start  # the fixture no_guard_thread takes it away


@pytest.fixture
def stopping():
    STOPPING.value = 1
    yield
    STOPPING.value = 0


def heartbeat(me):
    """Make the round at which leases are renewed."""
    me._kept -= HEARTBEAT.total_seconds()
    me.look()


# --- leases ---------------------------------------------------------------------------
def test_leases_are_renewed_at_every_heartbeat(me, run):
    change(run.job, lease_until=Now() + timedelta(seconds=5))
    me.look()
    assert lease_left(run) < timedelta(seconds=6)
    heartbeat(me)
    assert LEASE - timedelta(seconds=2) < lease_left(run) <= LEASE
    assert why(run) is None
    change(run.job, lease_until=Now() + timedelta(seconds=5))
    me.look()  # not again before the next heartbeat
    assert lease_left(run) < timedelta(seconds=6)
    assert HEARTBEAT * 2 < LEASE  # one may be missed


def test_progress_that_came_too_soon_is_shown_when_the_second_is_over(me, run):
    run.progress(1, 9, "Reading")
    run.progress(2, 9, "Writing")
    assert run.unwritten
    me.look()
    row = reread(run.job)
    assert (row.done, row.phase, run.unwritten) == (2, "Writing", False)


def test_every_job_of_a_batch_keeps_its_lease(kind, alice, me):
    type = kind(brief=True)
    for _ in range(3):
        start_job(type, None, by=alice)
    runs = take(me.worker)
    with me.holding(runs):
        for run in runs:
            change(run.job, lease_until=Now())
        heartbeat(me)
        assert all(lease_left(run) > LEASE - timedelta(seconds=2) for run in runs)
        with me.watching(runs[0]):
            execute(runs[0])
        change(runs[1].job, lease_until=Now())
        heartbeat(me)
        assert lease_left(runs[1]) > LEASE - timedelta(seconds=2)
    change(runs[1].job, lease_until=Now())
    heartbeat(me)  # they were let go
    assert lease_left(runs[1]) < timedelta(seconds=1)
    assert {why(run) for run in runs} == {None}


def test_a_lease_that_somebody_took_is_told(me, run):
    expire(run.job)
    reap()
    heartbeat(me)
    assert why(run) == LOST
    with pytest.raises(Stopped):
        run.checkpoint()


def test_a_job_that_another_worker_has_is_lost_at_the_next_look(me, run):
    expire(run.job)
    reap()
    take_one("b")
    me.look()
    assert why(run) == LOST


def test_a_run_that_ended_in_this_moment_is_not_lost(me, run):
    execute(run)
    me._runs.clear()  # it lets go between the guard's two questions
    me.listen(run, time.monotonic())
    assert why(run) is None
    me._runs[object()] = run
    me.keep_leases()
    assert why(run) is None


# --- who lives ------------------------------------------------------------------------
def test_a_worker_says_that_it_lives(me, run):
    heartbeat(me)
    [worker] = Worker.objects.all()
    assert (worker.name, worker.pid, worker.jobs_done) == (me.worker, os.getpid(), 0)
    assert str(worker) == me.worker
    change(worker, seen_at=Now() - HOUR)
    before = Worker.objects.get().seen_at
    heartbeat(me)
    assert Worker.objects.get().seen_at > before


def test_jobs_done_add_up(kind, alice, me):
    type = kind()

    def do(number):
        for _ in range(number):
            start_job(type, None, by=alice)
            run = take_one(me.worker)
            with me.holding([run]), me.watching(run):
                execute(run)

    for number, total in ((2, 2), (3, 5), (0, 5)):
        do(number)
        heartbeat(me)
        assert Worker.objects.get().jobs_done == total


def test_each_process_has_its_own_guard(monkeypatch):
    mine = guard()
    assert guard() is mine
    monkeypatch.setattr(module, "_guard", mine)  # put back afterwards
    monkeypatch.setattr(module.os, "getpid", lambda: mine.pid + 1)
    assert guard() is not mine
    assert guard().worker != mine.worker
    assert len(guard().worker) <= 120


# --- told to stop ---------------------------------------------------------------------
def test_a_young_run_is_left_alone(me, run, mona):
    run.started = time.monotonic()
    cancel_job(run.job, by=mona)
    me.look()
    assert why(run) is None


def test_nothing_to_watch_is_nothing_to_do(me, django_assert_num_queries):
    with django_assert_num_queries(0):
        me.look()


def test_a_run_that_goes_well_is_left_alone(me, run, django_assert_num_queries):
    with django_assert_num_queries(2):
        me.look()
    assert why(run) is None


def test_a_wish_to_cancel_is_heard(me, run, mona):
    cancel_job(run.job, by=mona)
    me.look()
    assert why(run) == CANCELED


def test_time_that_is_up_is_told(me, run):
    run.started -= (TIMEOUT - timedelta(seconds=10)).total_seconds()
    me.look()
    assert why(run) is None
    run.started -= 10
    me.look()
    assert why(run) == TIMED_OUT


def test_a_worker_that_stops_hands_back(me, run, stopping):
    me.look()
    assert why(run) == HANDED_BACK
    execute(run)
    assert (reread(run.job).status, outcomes(run.job)) == ("queued", ["handed_back"])


def test_a_worker_that_stops_waits_for_what_must_not_be_repeated(
    kind, alice, me, stopping
):
    start_job(kind(repeatable=False), None, by=alice)
    run = take_one(me.worker)
    with me.holding([run]), me.watching(run):
        run.started -= 5
        me.look()
        assert why(run) is None
        execute(run)
    assert reread(run.job).status == "succeeded"


@pytest.mark.parametrize("reason", [CANCELED, TIMED_OUT])
def test_what_is_being_handed_back_can_still_be_stopped(
    me, run, mona, stopping, reason, helper
):
    """Else a run that never comes to a safe point would hold its worker for ever."""
    me.pid = helper.pid
    me.look()
    assert why(run) == HANDED_BACK
    run.started -= 60
    me.look()
    assert why(run) == HANDED_BACK
    assert run.killed is None  # it may take its time
    if reason == CANCELED:
        cancel_job(run.job, by=mona)
    else:
        run.started -= TIMEOUT.total_seconds()
    me.look()
    assert why(run) == reason


# --- the thread -----------------------------------------------------------------------
class Enough(BaseException):
    """Ends the thread's loop."""


def rounds(me, monkeypatch, *results):
    """Let the thread's loop look as often as there are results."""
    waiting = list(results)
    looked = []

    def sleep(seconds):
        if not waiting:
            raise Enough

    def look():
        looked.append(True)
        result = waiting.pop(0)
        if result:
            raise result

    monkeypatch.setattr(module.time, "sleep", sleep)
    monkeypatch.setattr(me, "look", look)
    monkeypatch.setattr(module.connection, "close", lambda: None)
    with pytest.raises(Enough):
        me._watch()
    return len(looked)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OperationalError("gone"), "the guard has no database: OperationalError"),
        (InterfaceError("closed"), "the guard has no database: InterfaceError"),
        (ValueError("a slip"), "the guard looks again"),
    ],
)
def test_the_guard_goes_on_whatever_happens(me, monkeypatch, caplog, error, words):
    assert rounds(me, monkeypatch, None, error, None) == 3
    assert words in caplog.text


def test_there_is_one_thread(me, monkeypatch):
    made = []

    class Thread:
        def __init__(self, target, name, daemon):
            made.append((target, daemon))

        def start(self):
            made.append("started")

    monkeypatch.setattr(module.threading, "Thread", Thread)
    BEGIN(me)
    BEGIN(me)
    assert made == [(me._watch, True), "started"]
