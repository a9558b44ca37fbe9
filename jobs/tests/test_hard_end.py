"""What does not stop is ended: first its processes, then the worker itself."""

from __future__ import annotations

import signal
import time
from datetime import timedelta

import psutil
import pytest

from jobs.actions.guard import AFTERMATH_SECONDS, end_children
from jobs.actions.reaping import reap
from jobs.actions.run import CANCELED, TIMED_OUT
from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job
from jobs.tests.engine import expire, outcomes, reread, take_one
from jobs.tests.guarded import GRACE, TIMEOUT, gone, lease_left, runs, why

pytestmark = pytest.mark.django_db


def aged(run, seconds):
    """Let so many seconds pass since the run was told to stop."""
    reason, since = run.told
    run.told = reason, since - seconds
    if run.killed is not None:
        run.killed -= seconds


def test_children_and_their_children_are_killed(helper):
    end_children(helper.pid)
    assert gone(helper.first)
    assert helper.process.poll() is None


def test_a_child_that_has_just_ended_is_no_error(helper, monkeypatch):
    children = helper.children()
    for child in children:
        child.kill()
    assert gone(children)

    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive: children)
    end_children(helper.pid)
    assert helper.process.poll() is None


def test_one_of_root_s_does_not_save_the_others(helper, monkeypatch):
    """As root, who runs these tests, nothing is refused: the refusal is played."""
    children, real = helper.children(), psutil.Process.kill

    def kill(process):
        if process.pid == children[0].pid:
            raise psutil.AccessDenied(process.pid)
        real(process)

    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "kill", kill)
        patch.setattr(psutil.Process, "children", lambda self, recursive: children)
        end_children(helper.pid)
    assert gone(children[1:])
    assert children[0].is_running()


def test_its_processes_are_killed_after_the_grace(me, run, mona, helper):
    me.pid = helper.pid
    cancel_job(run.job, by=mona)
    me.look()
    assert why(run) == CANCELED
    aged(run, GRACE.total_seconds() - 2)
    me.look()
    assert all(runs(child) for child in helper.first)
    aged(run, 3)
    me.look()
    assert gone(helper.first)
    assert helper.process.poll() is None  # the run may end by itself now
    me.look()
    assert helper.process.poll() is None
    assert reread(run.job).status == "running"


@pytest.mark.parametrize(
    ("reason", "status", "outcome"),
    [(CANCELED, "canceled", "canceled"), (TIMED_OUT, "failed", "timed_out")],
)
def test_a_process_that_does_not_stop_is_killed_and_its_job_ends(
    me, run, mona, helper, reason, status, outcome, caplog
):
    me.pid = helper.pid
    if reason == CANCELED:
        cancel_job(run.job, by=mona)
    else:
        run.started -= TIMEOUT.total_seconds()
    me.look()
    assert why(run) == reason
    aged(run, GRACE.total_seconds() + 1)
    me.look()
    aged(run, AFTERMATH_SECONDS + 1)
    assert reread(run.job).status == "running"
    me.look()
    assert helper.process.wait(10) == -signal.SIGKILL
    assert f"job {run.job.pk} did not stop ({reason})" in caplog.text
    assert lease_left(run) <= timedelta(0)
    wait_for_the_clock(run)
    assert reap() == 1
    assert (reread(run.job).status, outcomes(run.job)) == (status, [outcome])


def wait_for_the_clock(run):
    """Let the database's clock show a later moment than the lease's end."""
    while lease_left(run) >= timedelta(0):
        time.sleep(0.001)


def test_a_lost_run_that_does_not_stop_is_killed_and_harms_nobody(me, run, helper):
    me.pid = helper.pid
    expire(run.job)
    reap()
    other = take_one("b")
    me.look()
    aged(run, GRACE.total_seconds() + 1)
    me.look()
    aged(run, AFTERMATH_SECONDS + 1)
    me.look()
    assert helper.process.wait(10) == -signal.SIGKILL
    assert lease_left(other) > timedelta(0)
    execute(other)
    assert reread(run.job).status == "succeeded"


def test_a_run_that_has_ended_takes_nobody_with_it(me, run, mona, helper):
    me.pid = helper.pid
    cancel_job(run.job, by=mona)
    me.look()
    aged(run, GRACE.total_seconds() + 1)
    me.look()
    aged(run, AFTERMATH_SECONDS + 1)
    me._current = None
    me.look()
    me.press(run, *run.told, time.monotonic())
    assert helper.process.poll() is None


def test_what_was_killed_for_one_run_does_not_count_for_the_next(
    kind, alice, me, mona, helper
):
    me.pid = helper.pid
    type = kind(grace=GRACE)
    for _ in range(2):
        start_job(type, None, by=alice)
        run = take_one(me.worker)
        with me.holding([run]), me.watching(run):
            run.started -= 5
            cancel_job(run.job, by=mona)
            me.look()
            aged(run, GRACE.total_seconds() + 1)
            me.look()
            me.look()
    assert helper.process.poll() is None
