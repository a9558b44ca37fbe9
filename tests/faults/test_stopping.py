"""Work that does not stop, work that comes too late, and workers asked to end."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from redis import Redis

from tests.faults.ground import alive, pid_of, pool, release
from tests.faults.ledger import now
from tests.faults.names import (
    CAREFUL,
    EFFECT,
    GRACE,
    OVERLONG,
    STUBBORN,
    TIMEOUT,
)

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
# Beside the grace: the guard's look, the aftermath, the reaper's round, a busy machine.
ROUNDS_SECONDS = 8.0
EXIT_SECONDS = 15.0


def family(ground, id):
    """Return the process that runs a job, and the three that its work has started."""
    pid = pid_of(ground.ledger.job(id)[2])

    def found():
        children = psutil.Process(pid).children(recursive=True)
        return [child.pid for child in children] if len(children) == 3 else None

    return pid, ground.wait("the work has its processes", found)


@pytest.mark.parametrize(
    ("kind", "status"), [(STUBBORN, "canceled"), (OVERLONG, "failed")]
)
def test_work_that_does_not_stop_is_ended_with_its_processes(
    ground, record_property, kind, status
):
    ground.scheduler()
    worker = ground.worker("one", concurrency=2)
    driver = ground.driver()
    [id] = driver.start(1, kind=kind)
    ground.wait_running(1, kind)
    began, (pid, children) = now(), family(ground, id)
    if kind == STUBBORN:
        began = now()
        driver.tell("cancel", id=id)
    ground.wait("its end", lambda: ground.ledger.job(id)[0] == status)
    took = now() - began
    allowed = GRACE.total_seconds() + ROUNDS_SECONDS
    allowed += TIMEOUT.total_seconds() if kind == OVERLONG else 0
    ground.wait("silence", lambda: not any(map(alive, [pid, *children])), 2.0)
    assert ground.ledger.outcomes() == {
        "canceled" if kind == STUBBORN else "timed_out": 1
    }
    # Somebody else has its place by now.
    driver.start(4)
    ground.wait_ended()
    assert ground.ledger.lost() == []
    assert len(pool(worker)) == 2
    assert ground.ledger.job(id)[:2] == (status, 1)
    record_property(
        "figure",
        f"{kind} {status} with {len(children)} processes of its own: "
        f"{took:.1f} s of {allowed:.0f} s",
    )
    assert took <= allowed


def test_a_job_that_outlives_its_lease_is_done_once(ground, report):
    """Its process is frozen, another worker does the job, then it wakes up."""
    ground.scheduler()
    ground.worker("one", concurrency=1)
    ground.worker("two", concurrency=1)
    driver = ground.driver()
    ground.wait("both", lambda: ground.workers() == 2)
    [id] = driver.start(1, rounds=30)
    ground.wait_running(1)
    _status, _attempt, sleeper = ground.ledger.job(id)
    fault = now()
    os.kill(pid_of(sleeper), signal.SIGSTOP)
    ground.wait("another has it", lambda: ground.ledger.job(id)[:2] == ("running", 2))
    assert ground.ledger.job(id)[2] != sleeper
    os.kill(pid_of(sleeper), signal.SIGCONT)  # now both are at it
    ground.wait_ended()
    assert ground.ledger.job(id)[1] == 2
    # The one that came too late is of use again.
    done = "SELECT count(*) FROM jobs_jobattempt WHERE worker = ?"

    def takes_more():
        driver.start(2, rounds=3)
        ground.wait_ended()
        return ground.ledger.one(done, sleeper)

    ground.wait("it takes jobs again", takes_more)
    assert ground.ledger.outcomes().keys() == {"lost", "succeeded"}
    report(ground, "job outlives its lease, late finisher fenced off", fault)


def test_who_wakes_up_after_its_job_was_canceled_changes_nothing(
    ground, record_property
):
    ground.scheduler()
    ground.worker("one", concurrency=1)
    driver = ground.driver()
    [id] = driver.start(1, rounds=2)
    ground.wait_running(1)
    sleeper = pid_of(ground.ledger.job(id)[2])
    os.kill(sleeper, signal.SIGSTOP)
    before = ground.ledger.effects()
    driver.tell("cancel", id=id)
    ground.wait("its end", lambda: ground.ledger.job(id)[0] == "canceled")
    os.kill(sleeper, signal.SIGCONT)
    driver.start(1)  # for it to take, once it is done with the other
    ground.wait_ended()
    assert ground.ledger.job(id)[:2] == ("canceled", 1)
    assert ground.ledger.effects() == before + 2
    record_property("figure", "late finisher of a canceled job: nothing written")


def test_a_worker_asked_to_end_finishes_or_hands_back(ground, report):
    ground.scheduler()
    other = ground.standby("two")
    worker = ground.worker("one", concurrency=3)
    driver = ground.driver()
    long = driver.start(2, rounds=60)
    [careful] = driver.start(1, kind=CAREFUL, rounds=20)
    ground.wait_running(2)
    ground.wait_running(1, CAREFUL)
    queued = driver.start(5)
    fault = now()
    os.kill(worker.pid, signal.SIGTERM)
    release(other)
    ground.wait("it ends", lambda: worker.poll() is not None, EXIT_SECONDS)
    took = now() - fault
    assert worker.returncode == 0
    # What must not be repeated was finished, the rest handed back.
    assert ground.ledger.job(careful)[:2] == ("succeeded", 1)
    assert all(ground.ledger.job(id)[1] < 3 for id in long + queued)
    ground.wait_ended()
    assert ground.ledger.outcomes() == {"handed_back": 2, "succeeded": 8}
    attempts = "SELECT max_attempts - attempt FROM jobs_job WHERE type = ?"
    assert {left for (left,) in ground.ledger.rows(attempts, EFFECT)} == {3}
    report(ground, f"worker ended by SIGTERM within {took:.1f} s", fault)


def test_who_starts_a_job_is_killed_between_commit_and_bell(ground, broker, report):
    ground.scheduler()
    ground.worker("one", concurrency=1)
    driver = ground.driver()
    driver.start(1, rounds=1)
    ground.wait_ended()
    with Redis.from_url(broker.url) as client:  # all are there, and no bell is left
        ground.wait("silence", lambda: not client.exists("default", "unacked"))
    fault = now()
    assert driver.ask("start_and_die", kind=EFFECT, rounds=1) is None
    assert driver.process.wait() == -signal.SIGKILL
    ground.wait("the job is done", lambda: ground.ledger.count("succeeded") == 2)
    report(ground, "killed between commit and bell", fault)
