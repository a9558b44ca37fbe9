"""Workers that are killed, frozen, or asked to stop."""

from __future__ import annotations

import pytest

from tests.faults.ground import alive, kill, kill_alone, pid_of, pool, release
from tests.faults.ledger import now

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
JOBS = 20


def test_the_whole_worker_is_killed(ground, report):
    ground.scheduler()
    other = ground.standby("two")
    worker = ground.worker("one")
    ground.driver().start(JOBS)
    ground.wait_running(4)
    ground.wait("some work is done", ground.ledger.effects)
    fault = now()
    kill(worker)
    release(other)
    ground.wait_ended()
    report(ground, "worker killed with its pool", fault)


def test_the_main_process_of_the_worker_is_killed(ground, report):
    ground.scheduler()
    other = ground.standby("two")
    worker = ground.worker("one")
    ground.driver().start(JOBS)
    ground.wait_running(4)
    orphans = pool(worker)
    fault = now()
    kill_alone(worker.pid)
    worker.wait()
    release(other)
    ground.wait_ended()
    report(ground, "main process of the worker killed", fault)
    ground.wait("the orphans are gone", lambda: not any(map(alive, orphans)))


def test_each_process_of_the_pool_is_killed(ground, report):
    ground.scheduler()
    worker = ground.worker("one")
    driver = ground.driver()
    driver.start(JOBS)
    ground.wait_running(4)
    faults = []
    for pid in pool(worker):
        busy = ground.wait(
            "its process is at work",
            lambda pid=pid: pid in map(pid_of, ground.ledger.running().values()),
        )
        assert busy
        faults.append(now())
        kill_alone(pid)
    ground.wait_ended()
    report(ground, "each process of the pool killed", *faults)
    assert worker.poll() is None
    assert len(pool(worker)) == 4
