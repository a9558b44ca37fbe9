"""`manage.py up` with SQLite and a folder as the broker: workers killed or frozen."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil
import pytest

from tests.faults.ground import Ground, alive, kill_alone, pid_of
from tests.faults.ledger import LIMIT_SECONDS, now
from tests.services import free_port

pytestmark = [pytest.mark.slow, pytest.mark.sqlite]
JOBS = 20
# The watchdog's patience and the start of new workers, beyond what a loss costs.
DOG_SECONDS = 20.0


@pytest.fixture
def embedded(tmp_path):
    place = tmp_path / "data" / "handrail.sqlite3"
    found = Ground(tmp_path, place)
    found.run("migrate", "--verbosity=0")
    port = f"--port={free_port()}"
    product = found.spawn("up", "manage.py", "up", port, "--no-demo")
    yield found, product
    product.send_signal(signal.SIGTERM)
    product.wait(20)
    found.close()


def workers(product):
    """Return the process ids of the product's workers."""
    found = []
    for child in psutil.Process(product.pid).children():
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if "celery" in child.cmdline():
                found.append(child.pid)
    return found


def busy(ground):
    """Return the process id of a worker that is alive and has a job."""
    pids = map(pid_of, ground.ledger.running().values())
    return next(filter(alive, pids), None)


def test_workers_of_the_embedded_broker_are_killed(embedded, report):
    """Three times, one of the two in the middle of its work."""
    ground, _product = embedded
    ground.driver().start(JOBS, rounds=3)
    faults = []
    for _ in range(3):
        pid = ground.wait("somebody works", lambda: busy(ground))
        faults.append(now())
        kill_alone(pid)
        ground.wait("its end", lambda pid=pid: not alive(pid))
    ground.wait_ended()
    assert ground.ledger.outcomes()["lost"] == len(faults)
    report(ground, "embedded broker: workers killed three times", *faults)


def test_workers_of_the_embedded_broker_hang(embedded, report):
    """Nobody takes anything: the watchdog puts new ones in their place."""
    ground, product = embedded
    driver = ground.driver()
    driver.start(4)
    ground.wait_running(2)
    hung = workers(product)
    fault = now()
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    driver.start(4)
    ground.wait_ended()
    assert not any(map(alive, hung))
    limit = LIMIT_SECONDS + DOG_SECONDS
    report(ground, "embedded broker: all workers hang", fault, limit=limit)
