"""A Redis that is stopped, killed, frozen or emptied: a delay, never a job."""

from __future__ import annotations

import time

import pytest

from tests.faults.ledger import now
from tests.faults.names import EFFECT

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
JOBS = 20
OUTAGE_SECONDS = 30.0
# Whoever starts a job while Redis is away waits for no more than this.
PATIENCE_SECONDS = 3.0


def begin(ground):
    """Have jobs running and queued; return who starts them."""
    ground.scheduler()
    ground.worker("one")
    driver = ground.driver()
    driver.start(JOBS)
    ground.wait_running(4)
    return driver


def start_without_redis(driver, count=5):
    """Start jobs; return how long the slowest took."""
    answer = driver.ask("start", kind=EFFECT, count=count, rounds=4)
    assert len(answer["ids"]) == count
    return answer["slowest"]


def test_redis_is_stopped_for_thirty_seconds(ground, broker, report):
    driver = begin(ground)
    stopped = now()
    broker.stop()
    slowest = start_without_redis(driver)
    time.sleep(OUTAGE_SECONDS - (now() - stopped))
    driver.start(5)
    back = now()
    broker.start()
    ground.wait_ended()
    report(ground, "Redis stopped for 30 s", back)
    assert slowest < PATIENCE_SECONDS


def test_redis_is_emptied(ground, broker, report):
    driver = begin(ground)
    faults = []
    for _ in range(3):
        driver.start(5)
        faults.append(now())
        broker.empty()
        done = ground.ledger.effects()
        ground.wait("work goes on", lambda n=done: ground.ledger.effects() > n)
    ground.wait_ended()
    report(ground, "Redis emptied three times", *faults)


def test_redis_is_killed_and_comes_back_empty(ground, broker, report):
    driver = begin(ground)
    broker.kill()
    slowest = start_without_redis(driver)
    back = now()
    broker.start()
    ground.wait_ended()
    report(ground, "Redis killed and started empty", back)
    assert slowest < PATIENCE_SECONDS


def test_redis_hangs(ground, broker, report):
    """It accepts connections and answers nobody, as behind a broken network."""
    driver = begin(ground)
    broker.freeze()
    slowest = start_without_redis(driver, 3)
    back = now()
    broker.thaw()
    ground.wait_ended()
    report(ground, "Redis frozen", back)
    assert slowest < PATIENCE_SECONDS
