"""Many at once: threads that race for one row, processes that race for a queue."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from threading import Event

import pytest
from django.db import connection, connections, transaction

from jobs.actions import scheduling
from jobs.actions.claiming import claim
from jobs.actions.kinds import kind_of
from jobs.actions.reaping import reap
from jobs.actions.run import Run
from jobs.actions.running import execute
from jobs.actions.scheduling import install_schedules, regularly, start_due
from jobs.actions.starting import start_job
from jobs.actions.stopping import Ended, cancel_job, retry_job
from jobs.models import Job, JobAttempt, JobEvent, Schedule
from jobs.tests.claimer import BRIEF, LONG
from jobs.tests.engine import (
    HOUR,
    QUEUE,
    change,
    expire,
    outcomes,
    reread,
    statuses,
    take_one,
)
from jobs.tests.test_scheduling import NOON
from l1walk.tests.test_concurrency import at_once
from tests.program import ROOT, clean_environment

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES, JOBS, KEYS = 4, 3_000, 50


# --- one row --------------------------------------------------------------------------
def test_a_unique_job_that_many_want_at_once_is_one_job(kind, alice):
    type = kind(steps=("one",))
    for number in range(10):
        key = f"k{number}"
        made = at_once([lambda k=key: start_job(type, None, by=alice, unique=k)] * 6)
        assert len({job.pk for job in made}) == 1
        assert sorted(job.is_new for job in made) == [False] * 5 + [True]
    assert Job.objects.count() == JobEvent.objects.count() == 10


def test_whoever_waits_for_a_transaction_that_is_rolled_back_makes_the_job(kind, alice):
    type = kind()

    def fails():
        with transaction.atomic():
            start_job(type, None, by=alice, unique="k")
            raise ZeroDivisionError

    def may_fail():
        with pytest.raises(ZeroDivisionError):
            fails()

    def makes():
        return start_job(type, None, by=alice, unique="k")

    _none, job = at_once([may_fail, makes])
    assert Job.objects.get() == job


def test_a_job_that_many_try_again_at_once_is_tried_again_once(kind, alice):
    type = kind()
    for _ in range(5):
        job = start_job(type, None, by=alice)
        cancel_job(job, by=alice)
        job = reread(job)
        made = at_once([lambda j=job: retry_job(j, by=alice)] * 4)
        assert len({again.pk for again in made}) == 1
        assert Job.objects.filter(retry_of=job).count() == 1


def test_one_due_time_that_many_see_at_once_is_one_job(kind, account):
    type = kind()
    Schedule.objects.all().delete()
    for number in range(5):
        Schedule.objects.create(
            name=f"s{number}", type=type, account=account, interval=HOUR, next_at=NOON
        )
        counts = at_once([lambda: start_due(now=NOON)] * 4)
        assert sum(counts) == 1
        assert Job.objects.count() == number + 1


def test_schedules_that_many_install_at_once_are_installed_once(monkeypatch):
    monkeypatch.setattr(scheduling, "REGULAR", {})
    regularly("kit hourly", "kit.job", interval=HOUR)
    at_once([install_schedules] * 4)
    assert Schedule.objects.filter(name="kit hourly").count() == 1


def test_a_lost_job_that_many_take_back_at_once_is_taken_back_once(kind, alice):
    type = kind(steps=("one",))
    for _ in range(5):
        job = start_job(type, None, by=alice)
        take_one("gone")
        expire(job)
        assert sum(at_once([reap] * 4)) == 1
        assert outcomes(job) == ["lost"]
        assert statuses(job)[-2:] == [(1, "queued"), (0, "queued")]
        cancel_job(job, by=alice)


def test_a_job_that_many_cancel_at_once_is_canceled_once(kind, alice):
    def cancel():
        try:
            cancel_job(job, by=alice)
        except Ended:
            return "ended"
        return "canceled"

    job = start_job(kind(), None, by=alice)
    assert sorted(at_once([cancel] * 4)) == ["canceled"] + ["ended"] * 3
    assert statuses(job) == [(0, "queued"), (0, "canceled")]


def test_a_job_that_is_taken_and_canceled_at_once_is_either(kind, alice):
    type = kind()
    seen = Counter()
    for _ in range(20):
        job = start_job(type, None, by=alice)
        claimed, _row = at_once(
            [lambda: claim(QUEUE, "a"), lambda j=job: cancel_job(j, by=alice)]
        )
        row = reread(job)
        if claimed.jobs:
            assert row.stopping
            assert statuses(job) == [(0, "queued"), (0, "running")]
            execute(Run(claimed.jobs[0], kind_of(type)))
        else:
            assert statuses(job) == [(0, "queued"), (0, "canceled")]
        seen[row.status] += 1
    assert seen.total() == 20


def test_a_late_finisher_and_the_reaper_at_once_leave_one_end(kind, alice):
    type = kind(steps=("one",))
    for _ in range(10):
        job = start_job(type, None, by=alice)
        run = take_one("slow")
        expire(job)
        at_once([reap, lambda r=run: execute(r)])
        row = reread(job)
        assert outcomes(job) in (["lost"], ["succeeded"])
        if outcomes(job) == ["lost"]:
            assert row.status == "queued"
            cancel_job(job, by=alice)
        else:
            assert row.status == "succeeded"


# --- keys -----------------------------------------------------------------------------
@pytest.mark.parametrize("brief", [True, False])
def test_no_two_jobs_of_a_key_run_at_once(kind, account, alice, brief):
    """Each batch holds the keys in another order: nobody waits for ever."""
    type = kind(brief=brief)
    orders = [list(range(8)), list(range(7, -1, -1))] * 15
    keys = [key for order in orders for key in order]
    Job.objects.bulk_create(
        Job(type=type, account=account, queue=QUEUE, exclusive_key=f"k{key}")
        for key in keys
    )
    ran = []

    def worker(name):
        def work():
            idle = 0
            while idle < 3:
                jobs, more = claim(QUEUE, name)
                idle = 0 if jobs or more else idle + 1
                for job in jobs:
                    execute(Run(job, kind_of(type)))
                    ran.append(job.pk)

        return work

    at_once([worker(f"w{number}") for number in range(4)])
    for run in claim(QUEUE, "last").jobs:  # what waited for another's end
        execute(Run(run, kind_of(type)))
        ran.append(run.pk)
    assert len(ran) == len(set(ran)) == len(keys)
    assert set(Job.objects.values_list("status", flat=True)) == {"succeeded"}


@pytest.mark.postgres
@pytest.mark.parametrize("keys", [("k1", "k2"), ("k2", "k1")])
def test_batches_that_wait_for_each_others_keys_are_survived(kind, account, keys):
    """One of two transactions that hold what the other needs is broken off."""

    def make(queue, key):
        return Job.objects.create(
            type=type, account=account, queue=queue, exclusive_key=key
        )

    type = kind(brief=True)
    mine = [make(QUEUE, key) for key in keys]
    theirs = [make("kit-other", key) for key in ("k1", "k2")]
    waits = Event()

    def other():
        with transaction.atomic():
            run_sql("SET LOCAL deadlock_timeout = '20s'")
            begin(theirs[0])
            waits.set()
            until(somebody_waits)
            begin(theirs[1])

    def batch():
        waits.wait(60)
        run_sql("SET deadlock_timeout = '1s'")
        return claim(QUEUE, "b")

    _none, claimed = at_once([other, batch])
    assert claimed.jobs == []  # whoever looks next finds them
    assert {reread(job).status for job in mine} == {"queued"}
    assert {reread(job).status for job in theirs} == {"running"}


def begin(job):
    at = reread(job).created_at
    change(job, status="running", worker="o", lease_until=at, started_at=at)


def run_sql(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() if cursor.description else None


def somebody_waits():
    return run_sql("SELECT count(*) FROM pg_locks WHERE NOT granted")[0] > 0


def until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- processes ------------------------------------------------------------------------
def database_url():
    """Return the address of the tests' database, for another process."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    place = f"{values['USER']}@{values['HOST']}:{values['PORT']}"
    return f"postgres://{place}/{values['NAME']}"


class Claimers:
    """Worker processes on the tests' database, and what they wrote."""

    def __init__(self, folder):
        self.path = folder / "lines"
        self.path.touch()
        environment = clean_environment(
            DATABASE_URL=database_url(),
            DATA_DIR=str(folder / "data"),
            DJANGO_SETTINGS_MODULE="config.settings",
            SECRET_KEY="x" * 64,
            ALLOWED_HOSTS="localhost",
            LOG_FORMAT="text",
        )
        self.processes = [
            subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "jobs.tests.claimer", str(self.path)],
                cwd=ROOT,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(PROCESSES)
        ]

    def run(self):
        """Let them begin together; return the seconds until the last one has ended."""
        ready = [self.path.with_name(f"lines.{p.pid}") for p in self.processes]
        while not all(path.exists() for path in ready):
            assert all(p.poll() is None for p in self.processes), self.errors()
            time.sleep(0.01)
        began = time.monotonic()
        self.path.with_name("lines.go").touch()
        said = [process.communicate(timeout=500)[1] for process in self.processes]
        codes = [process.returncode for process in self.processes]
        assert codes == [0] * PROCESSES, "\n".join(said)
        return time.monotonic() - began

    def errors(self):
        return [p.communicate()[1] for p in self.processes if p.poll() is not None]

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def claimers(tmp_path):
    found = Claimers(tmp_path)
    yield found
    found.end()


@pytest.mark.slow
def test_four_processes_three_thousand_jobs_no_double_claim(
    claimers, account, record_property
):
    connections.close_all()
    Job.objects.bulk_create(
        Job(
            type=BRIEF if number % 100 < 50 else LONG,
            account=account,
            queue=QUEUE,
            exclusive_key=f"budget-{number * 37 % KEYS}",
            max_attempts=4,
        )
        for number in range(JOBS)
    )
    seconds = claimers.run()

    lines = [line.split() for line in claimers.path.read_text().splitlines()]
    count = Counter((pk, what) for pk, _key, what, _at in lines)
    twice = [entry for entry, times in count.items() if times > 1]
    assert twice == []
    assert len(lines) == 2 * JOBS
    assert overlaps(lines) == []
    assert Job.objects.filter(status="succeeded", attempt=1).count() == JOBS
    assert JobAttempt.objects.filter(outcome="succeeded", number=1).count() == JOBS
    assert JobEvent.objects.filter(message="Done once.").count() == JOBS
    workers = set(JobAttempt.objects.values_list("worker", flat=True))
    assert len(workers) == PROCESSES
    record_property(
        "figure",
        f"{connection.vendor}: {PROCESSES} processes, {JOBS} jobs, {KEYS} keys: "
        f"{len(twice)} double claims, {JOBS / seconds:.0f} jobs a second",
    )


def overlaps(lines):
    """Return the keys of which two jobs were at work at once."""
    spans = defaultdict(dict)
    for pk, key, what, at in lines:
        spans[key].setdefault(pk, {})[what] = int(at)
    found = []
    for key, jobs in spans.items():
        times = sorted((span["begin"], span["end"]) for span in jobs.values())
        for (_begin, end), (begin, _end) in pairwise(times):
            if begin < end:
                found.append(key)
    return found


def test_what_overlaps_is_seen():
    second = timedelta(seconds=1) // timedelta(microseconds=1)
    one = [("a", "k", "begin", 0), ("a", "k", "end", 2 * second)]
    other = [("b", "k", "begin", second), ("b", "k", "end", 3 * second)]
    assert overlaps(one + other) == ["k"]
    assert overlaps([*one, ("b", "k", "begin", 2 * second), other[1]]) == []
    assert overlaps([*one, ("b", "j", "begin", second), ("b", "j", "end", 9)]) == []
