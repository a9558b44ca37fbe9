"""Jobs by the clock: when they are due, once each, whatever the night does to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.apps.registry import Apps
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.utils import timezone

from jobs.actions import scheduling
from jobs.actions.kinds import KINDS
from jobs.actions.running import drain, execute
from jobs.actions.scheduling import (
    REGULAR,
    begin,
    install_schedules,
    regularly,
    start_due,
)
from jobs.actions.stopping import cancel_job, retry_job
from jobs.models import Job, Schedule
from jobs.models.schedule import check_cron
from jobs.tests.engine import QUEUE, change, reread, take_one
from tests.kit.make import make_parcel
from workflows.core.errors import Temporary

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.fixture(autouse=True)
def no_other_schedules(db):
    Schedule.objects.all().delete()


@pytest.fixture
def schedule(kind, account):
    """Make a schedule of a registered kind."""

    def make(name="kit", **over):
        if "kit.job" not in KINDS:
            kind()
        over = {"type": "kit.job", "account": account, "next_at": NOON, **over}
        if "cron" not in over:
            over.setdefault("interval", HOUR)
        return Schedule.objects.create(name=name, **over)

    return make


def due(schedule):
    return Schedule.objects.get(pk=schedule.pk).next_at


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def nights(schedule, start, count):
    """Return the next due times after the start, as UTC texts."""
    moment, found = at(start), []
    for _ in range(count):
        moment = schedule.after(moment)
        found.append(f"{moment:%m-%d %H:%M}")
    return found


# --- when -----------------------------------------------------------------------------
def test_every_so_often():
    schedule = Schedule(interval=timedelta(minutes=90))
    assert schedule.after(NOON) == NOON + timedelta(minutes=90)


def test_by_a_cron_expression_in_its_own_zone():
    nightly = Schedule(cron="15 3 * * *")
    assert nights(nightly, "2026-06-01T12:00", 2) == ["06-02 03:15", "06-03 03:15"]
    nightly.time_zone = BERLIN
    assert nights(nightly, "2026-06-01T12:00", 2) == ["06-02 01:15", "06-03 01:15"]
    nightly.time_zone = "Asia/Kathmandu"  # 5:45 ahead
    assert nights(nightly, "2026-06-01T12:00", 1) == ["06-01 21:30"]
    monday = Schedule(cron="0 9 * * 1", time_zone="America/New_York")
    assert nights(monday, "2026-06-01T13:00", 1) == ["06-08 13:00"]
    assert nightly.after(NOON).tzinfo is UTC


def test_the_night_that_loses_an_hour():
    """At 02:00 it is 03:00: what was due between runs at once, and once."""
    schedule = Schedule(cron="30 2 * * *", time_zone=BERLIN)
    assert nights(schedule, "2026-03-27T20:00", 4) == [
        "03-28 01:30",
        "03-29 01:00",
        "03-30 00:30",
        "03-31 00:30",
    ]
    hourly = Schedule(cron="0 * * * *", time_zone=BERLIN)
    assert nights(hourly, "2026-03-28T23:00", 3) == [
        "03-29 00:00",
        "03-29 01:00",
        "03-29 02:00",
    ]


def test_the_night_that_has_an_hour_twice():
    schedule = Schedule(cron="30 2 * * *", time_zone=BERLIN)
    assert nights(schedule, "2026-10-23T20:00", 4) == [
        "10-24 00:30",
        "10-25 00:30",
        "10-26 01:30",
        "10-27 01:30",
    ]
    hourly = Schedule(cron="0 * * * *", time_zone=BERLIN)
    assert nights(hourly, "2026-10-24T23:00", 3) == [
        "10-25 00:00",
        "10-25 01:00",
        "10-25 02:00",
    ]


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    "cron", ["30 2 * * *", "30 1 * * *", "*/7 * * * *", "0 */2 * * *", "59 23 * * 0"]
)
def test_time_goes_forward(zone, cron):
    """From any moment of the nights that change the clock, the next one is later."""
    schedule = Schedule(cron=cron, time_zone=zone)
    for night in ("03-08", "03-29", "04-04", "10-03", "10-24", "11-01"):
        moment = at(f"2026-{night}T00:00")
        for _ in range(48 * 4):
            assert moment < schedule.after(moment) <= moment + timedelta(days=8)
            moment += timedelta(minutes=15)


@pytest.mark.parametrize(
    "text", ["", "* * *", "61 * * * *", "never", "0 0 30 2 *", "@daily"]
)
def test_what_is_no_cron_expression(text):
    with pytest.raises(ValidationError, match="is not a cron expression"):
        check_cron(text)
    check_cron("*/5 8-17 * * 1-5")


def test_an_operator_gives_one_of_both():
    for wrong in ({}, {"interval": HOUR, "cron": "0 3 * * *"}):
        schedule = Schedule(name="kit", type="kit.job", next_at=NOON, **wrong)
        with pytest.raises(ValidationError, match="not both"):
            schedule.full_clean()
    with pytest.raises(ValidationError, match="not a time zone"):
        Schedule(name="kit", cron="0 3 * * *", time_zone="Mars/Olympus").full_clean()
    assert str(Schedule(name="Nightly purge")) == "Nightly purge"


# --- starting -------------------------------------------------------------------------
def test_a_due_schedule_starts_its_job(schedule, account):
    parcel = make_parcel(account)
    row = schedule(subject=parcel)
    assert start_due(now=NOON - timedelta(seconds=1)) == 0
    assert start_due(now=NOON) == 1
    job = Job.objects.get()
    assert (job.type, job.account, job.subject, job.created_by) == (
        "kit.job",
        account,
        parcel,
        None,
    )
    assert job.metadata == {"trigger": "schedule", "schedule": "kit"}
    again = Schedule.objects.get(pk=row.pk)
    assert (again.next_at, again.last_at) == (NOON + HOUR, NOON)
    assert start_due(now=NOON) == 0
    assert drain(QUEUE) == 1
    assert start_due(now=NOON + HOUR) == 1


def test_the_present_moment_counts_by_default(schedule):
    schedule(next_at=timezone.now() - HOUR)
    schedule(name="later", next_at=timezone.now() + HOUR)
    assert start_due() == 1


def test_missed_times_are_made_up_once(schedule):
    row = schedule()
    nightly = schedule(name="nightly", cron="15 3 * * *", interval=None)
    late = NOON + timedelta(days=3, minutes=7)
    assert start_due(now=late) == 2
    assert drain(QUEUE) == 2
    assert start_due(now=late) == 0
    assert due(row) == NOON + timedelta(days=3, hours=1)  # its own beat, not the tick's
    assert due(nightly) == at("2026-06-05T03:15")


def test_the_last_one_still_runs(schedule):
    """Then the due time passes; the next one starts again."""
    row = schedule()
    assert start_due(now=NOON) == 1
    run = take_one()
    assert start_due(now=NOON + HOUR) == 0
    assert Job.objects.count() == 1
    assert due(row) == NOON + 2 * HOUR
    execute(run)
    assert start_due(now=NOON + 2 * HOUR) == 1


def test_what_is_turned_off_starts_nothing(schedule):
    row = schedule(enabled=False)
    assert start_due(now=NOON + HOUR) == 0
    assert due(row) == NOON
    change(row, enabled=True)
    assert start_due(now=NOON + HOUR) == 1


def test_what_another_caller_has_claimed_is_left(schedule, monkeypatch):
    row = schedule()
    stale = list(Schedule.objects.all())
    assert start_due(now=NOON) == 1
    assert not scheduling.claim_due(stale[0], NOON)
    assert Job.objects.count() == 1
    assert due(row) == NOON + HOUR


def test_what_was_turned_off_in_this_moment_is_left(schedule):
    row = schedule()
    change(row, enabled=False)
    assert not scheduling.claim_due(row, NOON)
    assert not Job.objects.exists()


def test_a_subject_that_was_deleted_takes_its_schedule_along(schedule, account):
    parcel = make_parcel(account)
    schedule(subject=parcel)
    type(parcel)._base_manager.filter(pk=parcel.pk).delete()
    assert start_due(now=NOON) == 0
    assert not Schedule.objects.exists()
    assert not Job.objects.exists()


def test_a_kind_that_is_gone_waits_for_its_next_time(schedule, caplog):
    row = schedule(type="kit.gone")
    assert start_due(now=NOON) == 0
    assert "the schedule kit starts an unknown kind" in caplog.text
    assert due(row) == NOON + HOUR
    assert not begin(row)


def test_one_that_cannot_be_started_keeps_no_other_from_it(schedule, kind, caplog):
    if "budget_sync" not in KINDS:
        kind(type="budget_sync")
    broken = schedule(name="no budget", type="budget_sync")
    other = schedule(name="no rule")
    change(other, interval=None, cron="this was written by hand")
    schedule(name="sound")
    assert start_due(now=NOON) == 1
    assert Job.objects.get().metadata["schedule"] == "sound"
    assert "the schedule no budget could not start its job" in caplog.text
    assert "the schedule no rule could not start its job" in caplog.text
    assert due(broken) == NOON  # nothing is half done


def test_a_database_that_is_away_is_said(schedule, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("gone")

    schedule()
    monkeypatch.setattr(scheduling, "start_job", away)
    with pytest.raises(OperationalError):
        start_due(now=NOON)


def test_a_job_of_the_schedule_that_waits_for_its_retry_is_not_doubled(kind, schedule):
    def work(run):
        raise Temporary("Busy.")

    kind(work)
    schedule()
    start_due(now=NOON)
    drain(QUEUE)
    assert start_due(now=NOON + HOUR) == 0
    assert Job.objects.count() == 1


def test_a_failed_job_of_the_schedule_may_be_tried_again(schedule, mona):
    schedule()
    start_due(now=NOON)
    cancel_job(Job.objects.get(), by=mona)
    again = retry_job(Job.objects.get(), by=mona)
    assert start_due(now=NOON + HOUR) == 0
    drain(QUEUE)
    assert reread(again).status == "succeeded"
    assert start_due(now=NOON + 2 * HOUR) == 1


# --- the product's own ----------------------------------------------------------------
@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setattr(scheduling, "REGULAR", {})
    regularly("kit nightly", "kit.job", cron="15 3 * * *")
    regularly("kit hourly", "kit.job", interval=HOUR)
    return scheduling.REGULAR


def test_declared_schedules_are_installed(declared):
    install_schedules()
    rows = {row.name: row for row in Schedule.objects.all()}
    assert rows.keys() == {"kit nightly", "kit hourly"}
    assert rows["kit nightly"].cron == "15 3 * * *"
    assert rows["kit hourly"].interval == HOUR
    assert all(row.next_at > timezone.now() for row in rows.values())
    assert all(row.enabled and row.account is None for row in rows.values())


def test_what_an_operator_changed_stays(declared):
    install_schedules()
    row = Schedule.objects.get(name="kit nightly")
    change(row, cron="0 5 * * *", enabled=False, time_zone=BERLIN, next_at=NOON)
    Schedule.objects.filter(name="kit hourly").delete()
    install_schedules()
    row = Schedule.objects.get(name="kit nightly")
    assert (row.cron, row.enabled, row.time_zone) == ("0 5 * * *", False, BERLIN)
    assert row.next_at == NOON
    assert Schedule.objects.filter(name="kit hourly").exists()


def test_a_name_is_declared_once(declared):
    with pytest.raises(ValueError, match="declared twice"):
        regularly("kit hourly", "kit.job", interval=HOUR)


def test_the_products_schedules_start_known_kinds():
    for regular in REGULAR.values():
        assert regular.type in KINDS
        assert bool(regular.cron) != bool(regular.interval)
    install_schedules()
    assert {row.name for row in Schedule.objects.all()} == REGULAR.keys()


def test_before_its_table_is_made_nothing_is_installed(declared):
    """As `migrate` of another app does on a fresh database."""
    install_schedules(apps=Apps())
    assert not Schedule.objects.exists()
