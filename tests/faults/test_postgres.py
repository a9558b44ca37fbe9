"""Connections to the database that are cut, again and again."""

from __future__ import annotations

import time

import pytest

from tests.faults.ledger import NAME, now
from tests.faults.names import EFFECT

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid != pg_backend_pid()
AND application_name != ?
"""
CUTS = 8


def test_all_connections_are_cut(ground, report):
    """Every second for a while: workers', scheduler's, and of those who start jobs."""
    ground.scheduler()
    ground.worker("one")
    driver = ground.driver()
    started = driver.start(15)
    ground.wait_running(4)
    faults, cut = [], 0
    for number in range(CUTS):
        faults.append(now())
        cut += ground.ledger.one(CUT, NAME)
        # Who is cut off is told so, and asks again.
        answer = driver.ask("start", kind=EFFECT, count=1, rounds=4)
        started += answer.get("ids", [])
        time.sleep(max(0.0, faults[0] + number + 1 - now()))
    ground.wait_ended()
    report(ground, f"{cut} database connections cut within {CUTS} s", *faults)
    assert cut > 3 * CUTS
    kept = {str(id) for (id,) in ground.ledger.rows("SELECT id FROM jobs_job")}
    assert set(started) <= kept  # what was acknowledged is there
