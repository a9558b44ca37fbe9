"""The web server is killed in the middle of requests that start jobs."""

from __future__ import annotations

import http.client
import threading

import pytest

from tests.faults.ground import alive, kill, pool
from tests.faults.ledger import now
from tests.services import free_port

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
BEFORE_KILL = 15  # orders that were answered
THREADS = 4


class Customers:
    """Threads that order one thing after another, and keep what was acknowledged."""

    def __init__(self, port):
        self.port = port
        self.acknowledged = []
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=self.order, args=(number,), daemon=True)
            for number in range(THREADS)
        ]
        for thread in self.threads:
            thread.start()

    def order(self, number):
        while not self.stop.is_set():
            if self.post(number) == 201:
                self.acknowledged.append(number)
                number += THREADS
            else:  # whether it was taken, nobody knows: ask for something else
                number += THREADS
                self.stop.wait(0.1)

    def post(self, number):
        web = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            web.request("POST", f"/orders/{number}/")
            return web.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            web.close()

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def web(ground):
    port = free_port()
    line = ("-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}")
    line += ("--worker-class", "gthread", "--threads", "4", "--log-level", "warning")
    return port, lambda: ground.spawn("web", *line)


def test_the_web_server_is_killed(ground, web, report):
    port, start = web
    ground.scheduler()
    ground.worker("one")
    faults = []
    customers = Customers(port)
    said = customers.acknowledged
    for least in (BEFORE_KILL, 2 * BEFORE_KILL, 3 * BEFORE_KILL):
        server = start()
        ground.wait("orders", lambda n=least: len(said) >= n)
        workers = pool(server)
        faults.append(now())
        kill(server)
        ground.wait("its end", lambda pids=workers: not any(map(alive, pids)))
    customers.end()
    ground.wait_ended()
    ledger = ground.ledger
    orders = {n: id for id, n in ledger.rows("SELECT id, number FROM faults_order")}
    jobs = [id for (id,) in ledger.rows("SELECT subject_id FROM jobs_job")]
    assert set(said) <= orders.keys()
    assert sorted(jobs) == sorted(orders.values())  # each with its job, or neither
    name = f"web server killed 3 times, {len(said)} orders answered"
    report(ground, name, *faults)
