"""Two schedulers, two workers: each due time and each job once."""

from __future__ import annotations

import pytest

from tests.faults.ground import kill
from tests.faults.ledger import now
from tests.faults.names import EFFECT

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
RUNS = 8
# Writes down each due time that is claimed, past all code of ours.
NOTE = """
CREATE TABLE claimed (id serial, due timestamptz, following timestamptz, began int);
CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO claimed (due, following) VALUES (OLD.next_at, NEW.next_at);
    RETURN NEW;
END $$;
CREATE TRIGGER note_claim AFTER UPDATE OF next_at ON jobs_schedule
    FOR EACH ROW EXECUTE FUNCTION note_claim();
"""


def test_two_schedulers_start_each_due_time_once(ground, report):
    ledger = ground.ledger
    ledger.postgres.execute(NOTE)
    first, _second = ground.scheduler("clock1"), ground.scheduler("clock2")
    ground.worker("one", concurrency=2)
    ground.worker("two", concurrency=2)
    driver = ground.driver()
    driver.tell("schedule", kind=EFFECT, seconds=1)
    driver.start(10, rounds=2)  # both dispatchers ring for these
    count = "SELECT count(*) FROM claimed"
    ground.wait("some runs", lambda: ledger.one(count) >= RUNS // 2)
    fault = now()
    kill(first)  # the other one carries on
    ground.wait("more runs", lambda: ledger.one(count) >= RUNS)
    ledger.postgres.execute("UPDATE jobs_schedule SET enabled = false")
    ground.wait_ended()
    claims = ledger.rows("SELECT due, following FROM claimed ORDER BY id")
    dues = [due for due, _following in claims]
    assert len(set(dues)) == len(dues)
    assert dues[1:] == [following for _due, following in claims[:-1]]
    of_schedule = "SELECT count(*) FROM jobs_job WHERE unique_key != ''"
    started = ledger.one(of_schedule)
    # One that finds the last job still at work leaves it at that.
    assert RUNS // 2 <= started <= len(claims)
    name = f"two schedulers, one killed: {len(dues)} due times, none claimed twice"
    report(ground, name, fault)
