"""A hook that hears of ended jobs and fails: the job ends, the failure is logged."""

from __future__ import annotations

import time
from threading import Event
from types import SimpleNamespace

import pytest
from django.db import InterfaceError, OperationalError, connection

from jobs.actions import reaping, running, stopping
from jobs.actions.reaping import reap
from jobs.actions.running import drain, execute
from jobs.actions.settling import settle_lost
from jobs.actions.starting import start_job
from jobs.actions.stopping import Ended, cancel_job
from jobs.models import Job, LeaseLost
from jobs.tests.ending import WAYS, Full, breaks_a_rule, by_a_person, deadlock
from jobs.tests.engine import QUEUE, expire, outcomes, reread, statuses, take_one
from jobs.tests.test_concurrency import run_sql, somebody_waits, until
from jobs.tests.test_running import effect, effects, fails_late
from l1walk.tests.test_concurrency import at_once
from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from workflows.core.accounts import User

pytestmark = pytest.mark.django_db


def raising(*errors):
    """Return a hook that leaves an effect, and raises these, one a call."""
    waiting = list(errors)

    def ended(job, code):
        effect("kit")
        if waiting:
            raise waiting.pop(0)

    return ended


@WAYS
@pytest.mark.parametrize(
    "error",
    [
        ValueError("a slip"),
        LeaseLost("another job's"),
        Job.DoesNotExist("another one"),
        Ended("another one"),
        OperationalError("no such table"),
        "a rule of the database",
    ],
)
def test_a_hook_that_fails_does_not_keep_its_job(
    failing, kind, alice, mona, caplog, end, error
):
    def ended(job, code):
        effect("kit")
        raise error if isinstance(error, Exception) else breaks_a_rule()

    run = failing(ended)
    end(run, mona)
    row = reread(run.job)
    assert row.status == ("canceled" if end is by_a_person else "failed")
    assert len(outcomes(row)) == 1
    assert statuses(row)[-1] == (0, row.status)
    assert effects() == []
    assert f"job {row.pk} (kit.job) ended, but not for its kind" in caplog.text
    assert "Traceback" in caplog.text
    assert reap() == 0
    other = start_job(kind(type="kit.other"), None, by=alice)
    drain(QUEUE)
    assert reread(other).status == "succeeded"


@pytest.fixture
def quick(monkeypatch):
    """Let nobody wait for the database."""
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: None)
    monkeypatch.setattr(running, "time", clock)


def lose_the_connection():
    """Raises what a query raises whose server has gone."""
    if connection.vendor == "postgresql":
        run_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    raise OperationalError("the file cannot be reached")


@pytest.mark.django_db(transaction=True)
def test_an_end_that_waited_for_a_lock_in_vain_is_written_again(failing, quick):
    run = failing(raising(deadlock(), deadlock()))
    execute(run)
    assert reread(run.job).failure_reason == "No room."
    assert (outcomes(run.job), effects()) == (["failed"], [("kit",)])


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_verb_that_holds_the_machine_and_waits_for_the_job_does_not_cost_its_end(
    kind, account, alice, mona, quick
):
    def ended(job, code):
        with Parcel.moving(job.subject_id, by=None) as row:
            row.address = code

    parcel, held = make_parcel(account), Event()
    type = kind(fails_late(Full("No room.")), ended=ended)
    start_job(type, parcel, by=alice)
    run = take_one()

    def verb():
        with Parcel.moving(parcel.pk, by=mona):
            run_sql("SET LOCAL deadlock_timeout = '20s'")
            held.set()
            until(somebody_waits)
            return cancel_job(run.job, by=mona)

    def worker():
        held.wait(60)
        run_sql("SET deadlock_timeout = '1s'")
        execute(run)

    asked, _none = at_once([verb, worker])
    assert asked.stopping
    assert (reread(run.job).status, outcomes(run.job)) == ("failed", ["failed"])
    assert Parcel.objects.get().address == "disk_full"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_broken_reference_is_found_before_the_commit(failing, caplog):
    def ended(job, code):
        User.groups.through.objects.create(user_id=job.pk, group_id=0)

    run = failing(ended)
    execute(run)
    assert reread(run.job).failure_reason == "No room."
    assert "ended, but not for its kind" in caplog.text
    assert not User.groups.through.objects.filter(group_id=0).exists()


@pytest.mark.django_db(transaction=True)
def test_an_end_whose_connection_breaks_is_written_again(failing, quick):
    """Else the rollback would be taken for the end of the job."""
    broken = [True]

    def ended(job, code):
        effect("kit")
        if broken and broken.pop():
            lose_the_connection()

    run = failing(ended)
    execute(run)
    assert reread(run.job).failure_reason == "No room."
    assert (outcomes(run.job), effects()) == (["failed"], [("kit",)])


@pytest.mark.django_db(transaction=True)
def test_the_reaper_leaves_a_deadlock_to_its_next_round(failing, caplog):
    run = failing(raising(deadlock()))
    expire(run.job)
    assert reap() == 0
    assert (reread(run.job).status, effects()) == ("running", [])
    assert f"job {run.job.pk} is left to the next round" in caplog.text
    assert reap() == 1
    assert (reread(run.job).status, effects()) == ("failed", [("kit",)])


@pytest.mark.django_db(transaction=True)
def test_who_cancels_at_a_deadlock_is_told_to_look_again(kind, alice):
    job = start_job(kind(ended=raising(deadlock())), None, by=alice)
    with pytest.raises(LeaseLost):
        cancel_job(job, by=alice)
    assert (reread(job).status, effects()) == ("queued", [])
    cancel_job(job, by=alice)
    assert (reread(job).status, effects()) == ("canceled", [("kit",)])


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
def test_a_database_that_is_away_is_not_taken_for_a_deadlock(
    kind, alice, monkeypatch, error
):
    def away(*args, **options):
        raise error

    job = start_job(kind(), None, by=alice)
    take_one()
    expire(job)
    monkeypatch.setattr(reaping, "settle_lost", away)
    monkeypatch.setattr(stopping, "moving", away)
    with pytest.raises(type(error)):
        reap()
    with pytest.raises(type(error)):
        cancel_job(job, by=alice)


def test_a_job_that_cannot_be_ended_keeps_no_other_from_its_end(
    kind, alice, monkeypatch, caplog
):
    def settle(job):
        if job == bad:
            raise ValueError("a slip")
        settle_lost(job)

    bad, good = (start_job(kind(type=f"kit.{n}"), None, by=alice) for n in (1, 2))
    for job in (bad, good):
        take_one()
        expire(job)
    monkeypatch.setattr(reaping, "settle_lost", settle)
    assert reap() == 1
    assert (reread(bad).status, reread(good).status) == ("running", "queued")
    assert f"job {bad.pk} cannot be ended" in caplog.text
