"""What happens every two seconds: lost jobs, due schedules, bells that nobody heard."""

from __future__ import annotations

import signal
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from jobs.actions.bells import lower
from jobs.actions.kinds import KINDS, queues
from jobs.actions.starting import start_job
from jobs.actions.ticking import FORGOTTEN, OVERDUE, overdue, tick
from jobs.management.commands import scheduler
from jobs.models import Job, Schedule, Worker
from jobs.tests.engine import HOUR, QUEUE, change, expire, reread, take_one
from tests.kit.make import make_parcel

pytestmark = pytest.mark.django_db
OTHER = "kit-other"
SECOND = timedelta(seconds=1)


def waiting(job, since=2 * SECOND):
    """Let the job have been due for so long."""
    change(job, run_after=Now() - since)


def test_a_job_that_nobody_took_is_rung_for(kind, alice, broker):
    waiting(start_job(kind(), None, by=alice))
    start_job(kind(type="kit.other", queue=OTHER), None, by=alice)
    tick()
    assert (broker.rung(), broker.rung(OTHER)) == (1, 0)


def test_a_bell_that_was_lost_is_rung_again_and_again(kind, alice, broker):
    waiting(start_job(kind(), None, by=alice))
    for _ in range(3):
        lower(QUEUE, "")  # its time is over
        tick()
    assert broker.rung() == 3


def test_a_bell_on_its_way_is_enough(kind, alice, broker):
    waiting(start_job(kind(), None, by=alice))
    for _ in range(3):
        tick()
    assert broker.rung() == 1


def test_who_is_overdue(kind, account, alice):
    type, parcel = kind(exclusive=True), make_parcel(account)
    assert not overdue(QUEUE, OVERDUE)
    job = start_job(type, parcel, by=alice)
    assert not overdue(QUEUE, OVERDUE)  # a bell is on its way
    waiting(job)
    assert overdue(QUEUE, OVERDUE)
    assert not overdue(QUEUE, HOUR)
    assert not overdue(OTHER, OVERDUE)
    take_one()
    assert not overdue(QUEUE, OVERDUE)
    second = start_job(type, parcel, by=alice)
    waiting(second)
    assert not overdue(QUEUE, OVERDUE)  # it waits for the first one
    change(second, exclusive_key="")
    assert overdue(QUEUE, OVERDUE)
    change(second, run_after=Now() + HOUR)
    assert not overdue(QUEUE, OVERDUE)


def test_a_kind_that_is_gone_is_not_rung_for(kind, alice, broker):
    kind(type="kit.other")
    waiting(start_job(kind(), None, by=alice))
    del KINDS["kit.job"]
    tick()
    assert broker.rung() == 0


def test_a_lost_job_comes_back(kind, alice):
    job = start_job(kind(), None, by=alice)
    take_one()
    expire(job)
    tick()
    assert reread(job).status == "queued"


def test_a_due_schedule_starts(kind, account):
    Schedule.objects.all().delete()
    Schedule.objects.create(
        name="kit", type=kind(), account=account, interval=HOUR, next_at=timezone.now()
    )
    tick()
    assert Job.objects.get().metadata["schedule"] == "kit"
    tick()
    assert Job.objects.count() == 1


def test_workers_that_were_not_seen_for_long_are_forgotten(db):
    for name, age in (
        ("gone", FORGOTTEN + HOUR),
        ("stalled", HOUR),
        ("live", 0 * HOUR),
    ):
        worker = Worker.objects.create(name=name, host="kit", pid=1)
        change(worker, seen_at=Now() - age)
    tick()
    assert set(Worker.objects.values_list("name", flat=True)) == {"stalled", "live"}


def test_a_tick_of_a_product_at_rest_is_cheap(kind, django_assert_max_num_queries):
    Schedule.objects.all().delete()
    kind()
    with django_assert_max_num_queries(len(queues()) + 3):
        tick()


# --- the process that ticks -----------------------------------------------------------
def test_the_scheduler_ticks_until_it_is_told_to_stop(monkeypatch, caplog):
    handlers, ticks = {}, []

    def one():
        ticks.append(True)
        if len(ticks) == 2:
            raise OperationalError("gone")
        if len(ticks) == 3:
            handlers[signal.SIGTERM](signal.SIGTERM, None)

    monkeypatch.setattr(scheduler, "tick", one)
    monkeypatch.setattr(scheduler, "TICK_SECONDS", 0)
    monkeypatch.setattr(scheduler.connection, "close", lambda: None)
    monkeypatch.setattr(
        scheduler.signal,
        "signal",
        lambda number, handler: handlers.update({number: handler}),
    )
    call_command("scheduler")
    assert len(ticks) == 3
    assert "no tick: OperationalError" in caplog.text
