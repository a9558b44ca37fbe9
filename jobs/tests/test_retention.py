"""Jobs that ended 30 days ago are purged with their history, and no other is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, connection, connections, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.actions.retention import CHILDREN, ended_jobs
from jobs.models import Job, JobAttempt, JobEvent, JobStep
from jobs.models.tracked import TERMINAL, Status
from tests.program import ROOT, clean_environment
from workflows.core.migrating import taking_along
from workflows.core.purge import Pace, delete_ranges

pytestmark = pytest.mark.django_db
TABLES: tuple[type[models.Model], ...] = (Job, JobStep, JobEvent, JobAttempt)
PATIENCE = 60  # seconds
HANG = """
CREATE TRIGGER hang BEFORE DELETE ON jobs_jobevent WHEN OLD.id = 'EVENT' BEGIN
    SELECT count(*) FROM (
        WITH RECURSIVE n(x) AS (
            SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 10000000000
        ) SELECT x FROM n
    );
END
"""


def days(number: float) -> timedelta:
    return timedelta(days=number)


def make_jobs(number: int, *, ended: timedelta | None, **over: Any) -> list[Job]:
    """Write jobs that ended so long ago, or not at all, each with a history."""
    now = timezone.now()
    status = over.setdefault("status", Status.SUCCEEDED)
    made = now - (ended or days(365)) - timedelta(hours=2)
    times = {"started_at": None if status == Status.QUEUED else made}
    times["completed_at"] = now - ended if ended else None
    over |= {"failure_reason": "It did not answer." if status == "failed" else None}
    lease = {}
    if status == Status.RUNNING:
        lease = {"worker": "w", "lease_until": now + days(1)}
    jobs = Job.objects.bulk_create(
        Job(type="kit.old", queue="kit", created_at=made, **times, **lease, **over)
        for _ in range(number)
    )
    state = {"status": status, "failure_reason": over["failure_reason"], **times}
    steps = JobStep.objects.bulk_create(
        JobStep(job=job, step_type=f"s{position}", position=position, **state)
        for job in jobs
        for position in (1, 2)
    )
    JobEvent.objects.bulk_create(
        JobEvent(job_id=step.job_id, step=step, status=status) for step in steps
    )
    JobEvent.objects.bulk_create(JobEvent(job=job, status=status) for job in jobs)
    JobAttempt.objects.bulk_create(
        JobAttempt(job=job, number=1, worker="w", outcome="succeeded") for job in jobs
    )
    return jobs


def all_rows() -> list[list[tuple[Any, ...]]]:
    return [sorted(model._base_manager.values_list(), key=str) for model in TABLES]


def kept() -> set[Any]:
    """Return the jobs that are left; each has its whole history, and no other does."""
    left = set(Job.objects.values_list("pk", flat=True))
    for model, number in ((JobStep, 2), (JobEvent, 3), (JobAttempt, 1)):
        theirs = list(model.objects.values_list("job_id", flat=True))
        assert set(theirs) == left
        assert len(theirs) == number * len(left)
    return left


def keys(*groups: list[Job]) -> set[Any]:
    return {job.pk for group in groups for job in group}


def run_purge(*arguments: str) -> str:
    out = StringIO()
    call_command("purge", "--only=jobs", *arguments, stdout=out)
    return out.getvalue()


def test_day_29_stays_and_day_31_goes_with_all_that_belongs_to_it():
    young, old = make_jobs(3, ended=days(29)), make_jobs(3, ended=days(31))
    assert keys(young, old) == kept()
    assert run_purge().split()[-3:-1] == ["jobs", "3"]
    assert kept() == keys(young)
    assert run_purge().split()[-3:-1] == ["jobs", "0"]


def test_it_is_the_day_of_the_end_that_counts():
    [long_one] = make_jobs(1, ended=days(1))
    Job.objects.filter(pk=long_one.pk).update(created_at=timezone.now() - days(400))
    run_purge()
    assert kept() == {long_one.pk}


@pytest.mark.parametrize("status", TERMINAL)
def test_however_it_ended_it_is_purged(status):
    make_jobs(2, ended=days(31), status=status)
    run_purge()
    assert kept() == set()


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
@pytest.mark.parametrize("age", [(), ("--older-than=0d",), ("--older-than=1d",)])
def test_what_has_not_ended_is_never_touched(status, age):
    make_jobs(3, ended=None, status=status)
    make_jobs(1, ended=days(100))
    before = keys(list(Job.objects.filter(status=status)))
    run_purge(*age)
    assert kept() == before


def test_a_dry_run_changes_nothing_at_all():
    make_jobs(3, ended=days(31))
    make_jobs(2, ended=days(29))
    before = all_rows()
    assert run_purge("--dry-run").split()[-3:-1] == ["jobs", "3"]
    assert all_rows() == before


def test_another_age_may_be_asked_for_but_what_just_ended_stays():
    week, day, now = (
        make_jobs(1, ended=age) for age in (days(7), days(1), timedelta(minutes=5))
    )
    run_purge("--older-than=3d")
    assert kept() == keys(day, now)
    assert week
    run_purge("--older-than=0d")
    assert kept() == keys(now)


def test_parents_and_retries_go_each_by_their_own_age():
    [parent] = make_jobs(1, ended=days(31), status=Status.FAILED)
    [child] = make_jobs(1, ended=days(29), parent_job=parent)
    [again] = make_jobs(1, ended=days(29), retry_of=parent)
    run_purge()
    assert kept() == {child.pk, again.pk}
    assert Job.objects.get(pk=child.pk).parent_job_id == parent.pk
    assert Job.objects.get(pk=again.pk).retry_of_id == parent.pk


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_what_is_kept_between_what_goes_keeps_its_history(size):
    groups = {29: [], 31: []}
    for age in (31, 29, 31, 31, 29, 29, 31, 29, 31):
        groups[age] += make_jobs(2, ended=days(age))
    running = make_jobs(2, ended=None, status=Status.RUNNING)
    old = Job.objects.filter(completed_at__lt=timezone.now() - days(30))
    counts = list(delete_ranges(old, *CHILDREN, pace=Pace(size, most=size)))
    assert sum(counts) == 10
    assert max(counts) <= size
    assert kept() == keys(groups[29], running)


def test_the_statements_find_their_rows_by_an_index():
    if connection.vendor != "postgresql":
        return  # SQLite's planner has no choice that could be looked at alone
    make_jobs(20, ended=days(31))
    with CaptureQueriesContext(connection) as seen:
        assert sum(ended_jobs.run(timezone.now() - days(30), False)) == 20
    statements = [q["sql"] for q in seen if q["sql"].startswith(("DELETE", "SELECT"))]
    assert len(statements) == 4
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan" not in plan, plan
            # Of ranges of UUIDs it expects a row each: a join would be quadratic.
            assert "Nested Loop" not in plan, plan


ACTIONS = """
SELECT string_agg(DISTINCT confdeltype::text, '') FROM pg_constraint
WHERE contype = 'f' AND conrelid <> confrelid AND confrelid = 'jobs_job'::regclass
"""


# A schema editor that is not entered writes into the test's own transaction.
def test_what_belongs_to_a_job_goes_along():
    operations = [
        taking_along(model._meta.db_table, column) for model, column in CHILDREN
    ]
    editor, found = connection.schema_editor(), []
    is_postgresql = connection.vendor == "postgresql"
    for way in ("reverse_code", "code"):
        for operation in operations:
            getattr(operation, way)(apps, editor)
        found.append(ask(ACTIONS) if is_postgresql else way)
    make_jobs(2, ended=days(31))
    if is_postgresql:
        assert found == ["a", "c"]
        ask("WITH gone AS (DELETE FROM jobs_job RETURNING 1) SELECT count(*) FROM gone")
    else:
        Job.objects.all().delete()
    assert not any(model.objects.exists() for model, _column in CHILDREN)


# --- interrupted, and twice at once ---------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_two_at_once_neither_fail_nor_count_a_job_twice():
    young = make_jobs(20, ended=days(29))
    make_jobs(600, ended=days(31))
    many = 4 if connection.vendor == "postgresql" else 2
    barrier = Barrier(many)

    def one(size: int) -> int:
        try:
            barrier.wait(timeout=PATIENCE)
            old = Job.objects.filter(completed_at__lt=timezone.now() - days(30))
            pace = Pace(size, most=size)
            return sum(delete_ranges(old, *CHILDREN, pace=pace))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        counts = list(pool.map(one, (7, 11, 23, 31)[:many]))
    assert sum(counts) == 600
    assert kept() == keys(young)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_in_mid_chunk_it_loses_that_chunk_alone_and_goes_on(tmp_path):
    young = make_jobs(20, ended=days(29))
    old = make_jobs(2_000, ended=days(31))
    with hanging_at(JobEvent.objects.filter(job=old[1_500]).earliest("id")) as stuck:
        with manage_purge(tmp_path) as process:
            wait_until(lambda: Job.objects.count() < 2_020 and stuck(), process)
            process.kill()
        assert process.returncode == -9
    # The first chunk is gone, the second one is there as if nothing had been.
    assert kept() == keys(young, old[980:])
    with manage_purge(tmp_path) as process:
        printed, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    assert printed.split()[-3:-1] == ["jobs", "1,020"]
    assert kept() == keys(young)


def manage_purge(folder: Any) -> subprocess.Popen[str]:
    """Start the command as cron would, on the tests' database."""
    values = connection.settings_dict
    url = f"sqlite:///{values['NAME']}"
    if connection.vendor == "postgresql":
        where = f"{values['USER']}@{values['HOST']}:{values['PORT']}"
        url = f"postgres://{where}/{values['NAME']}"
    environment = clean_environment(
        DATABASE_URL=url,
        DATA_DIR=str(folder),
        SECRET_KEY="x" * 64,
        ALLOWED_HOSTS="localhost",
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "purge", "--only=jobs"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(seen: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not seen():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def hanging_at(event: JobEvent) -> Iterator[Callable[[], bool]]:
    """Hold up whoever deletes the event; yield what tells that somebody is held up."""
    if connection.vendor == "postgresql":
        with transaction.atomic():
            JobEvent.objects.select_for_update().get(pk=event.pk)
            yield lambda: ask("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
        return
    # SQLite locks no rows: a trigger that counts for minutes holds its writer up.
    with connection.cursor() as cursor:
        cursor.execute(HANG.replace("EVENT", event.pk.hex))
    try:
        yield writer_is_busy
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER hang")


def writer_is_busy() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            with transaction.atomic():
                return False
        except OperationalError:
            return True
        finally:
            cursor.execute("PRAGMA busy_timeout = 20000")


def ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]
