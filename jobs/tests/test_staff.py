"""The page of those who look after queues."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.actions import figures
from jobs.models import Job, JobAttempt, Schedule, Worker
from jobs.tests.engine import change
from jobs.tests.kinds import QUEUE
from jobs.tests.make import (
    BROKEN,
    REPORT,
    begin,
    done,
    make_job,
    past_job,
    register_kinds,
)
from tests.conftest import make_account, make_user, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds(kind):
    register_kinds()


@pytest.fixture
def client(mona) -> Client:
    return signed_in(mona)


@pytest.fixture
def operator(db):
    return make_user(None, "root", is_superuser=True, is_staff=True)


def queues(client: Client, **asked: str) -> Any:
    cache.clear()
    response = client.get(reverse("jobs:queues"), asked)
    assert response.status_code == 200
    return response


def line(response: Any, name: str = QUEUE) -> Any:
    return next(row for row in response.context["queues"] if row.name == name)


def test_it_is_for_those_who_look_after_queues(alice, egon, nora, mona, operator):
    for user in (alice, egon, nora):
        assert signed_in(user).get(reverse("jobs:queues")).status_code == 403
    for user in (mona, operator):
        assert signed_in(user).get(reverse("jobs:queues")).status_code == 200
    assert reverse("jobs:queues") in signed_in(mona).get(reverse("jobs:jobs")).text
    assert reverse("jobs:queues") not in signed_in(egon).get(reverse("jobs:jobs")).text


def test_an_empty_house(client):
    response = queues(client)
    for words in (
        "Nothing failed",
        "No worker is busy",
        "Nothing starts by the clock.",
    ):
        assert words in response.text
    assert line(response, "default").due == 0


def test_what_waits_and_for_how_long(client, alice, charlie):
    now = timezone.now()
    old, later, running = (make_job(alice) for _ in range(3))
    for job in (old, later):
        change(job, run_after=now + timedelta(hours=1))
    assert begin(running).status == "running"
    change(old, run_after=now - timedelta(minutes=10))
    make_job(charlie)
    response = queues(client)
    found = line(response)
    assert (found.due, found.later, found.running) == (1, 1, 1)
    assert found.oldest == now - timedelta(minutes=10)
    assert "10 min ago" in response.text


def test_how_jobs_ended_by_hour_and_by_day(client, alice, charlie):
    now = timezone.now()
    for hours, status in (
        (0, "succeeded"),
        (0, "failed"),
        (3, "canceled"),
        (30, "failed"),
    ):
        past_job(alice, now - timedelta(hours=hours, seconds=12), status)
    past_job(charlie, now - timedelta(seconds=12))
    response = queues(client)
    assert response.context["ended"] == 3
    assert response.context["failed"] == 1
    assert len(response.context["chart"].columns) == 24
    by_day = queues(client, by="day")
    assert by_day.context["ended"] == 4
    assert len(by_day.context["chart"].columns) == 14
    assert "The same as a table" in by_day.text


def test_on_the_day_when_clocks_go_back_no_hour_is_lost(account, alice, mona):
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2025, 10, 26, 0, tzinfo=UTC)  # 02:00 comes twice there
    for minutes in (10, 70, 130):
        past_job(alice, first + timedelta(minutes=minutes))
    with timezone.override(berlin):
        buckets = figures.counted(mona, figures.Span("hour", first, 3))
        assert [bucket.succeeded for bucket in buckets] == [1, 1, 1]
        day = datetime(2025, 10, 25, tzinfo=berlin)
        buckets = figures.counted(mona, figures.Span("day", day, 3))
    assert [bucket.succeeded for bucket in buckets] == [0, 3, 0]


def test_failures_by_kind_and_category(client, alice, kind):
    def crash(run: Any) -> None:
        raise RuntimeError("boom")

    kind(crash, type="kit.crash")
    for _ in range(2):
        done(alice, BROKEN)
    done(alice, "kit.crash")
    done(alice)
    response = queues(client)
    found = [
        (row.type, row.category, row.count) for row, _ in response.context["failures"]
    ]
    assert found == [(BROKEN, "user_fixable", 2), ("kit.crash", "admin_required", 1)]
    assert "67%" in response.text
    assert f"?status=failed&amp;kind={BROKEN}" in response.text
    assert JobAttempt.objects.count() == 4


def test_workers_that_are_silent_and_jobs_that_nobody_keeps(client, operator, alice):
    now = timezone.now()
    job = begin(make_job(alice), "host:1:a")
    begin(make_job(alice), "host:2:b")
    for name, seen in (("host:1:a", 60), ("host:2:b", 5), ("host:3:c", 60)):
        Worker.objects.create(
            name=name, host="host", pid=1, seen_at=now - timedelta(seconds=seen)
        )
    change(job, lease_until=now - timedelta(seconds=1))
    response = queues(client)
    stalled = {row.worker.name: row.stalled for row in response.context["workers"]}
    assert stalled == {"host:1:a": True, "host:2:b": False}
    assert [found for found, _label in response.context["lost"]] == [job]
    assert "without a sign of life" in response.text
    everything = queues(signed_in(operator))
    assert len(everything.context["workers"]) == 3


def test_schedules_are_the_accounts_own(client, account, charlie, operator):
    now = timezone.now()
    for name, owner in (
        ("ours", account),
        ("theirs", charlie.account),
        ("house", None),
    ):
        Schedule.objects.create(
            name=name, account=owner, type=REPORT, cron="15 3 * * *", next_at=now
        )
    page = queues(client).text
    assert "ours" in page
    assert "theirs" not in page
    page = queues(signed_in(operator)).text
    for name in ("ours", "theirs", "house"):
        assert name in page


def test_another_account_sees_nothing_of_it(alice, charlie):
    done(alice, BROKEN)
    make_job(alice)
    response = queues(signed_in(charlie))
    assert response.context["ended"] == 0
    assert response.context["due"] == 0
    assert response.context["failures"] == []


def test_it_costs_the_same_for_few_and_for_many(client, alice):
    def cost() -> int:
        queues(client)
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("jobs:queues"))
        return len(captured)

    costs = []
    for more in (3, 20):
        for _ in range(more):
            past_job(alice, timezone.now(), "failed")
            make_job(alice)
        costs.append(cost())
    assert costs[0] == costs[1]
    assert costs[0] <= 12


def test_figures_of_a_day_are_counted_once_a_minute(client, alice):
    queues(client)
    with CaptureQueriesContext(connection) as captured:
        client.get(reverse("jobs:queues"))
    assert not [query for query in captured if "TRUNC" in query["sql"].upper()]
    other = make_user(make_account("third"), "max", "manager", is_staff=True)
    past_job(alice, timezone.now())
    assert signed_in(other).get(reverse("jobs:queues")).context["ended"] == 0


def test_a_job_that_ended_after_the_last_hour_is_in_no_bar(account, alice, mona):
    """The database's clock may be ahead of ours."""
    job = make_job(alice)
    Job._base_manager.filter(pk=job.pk).update(
        status="canceled", completed_at=timezone.now() + timedelta(hours=2)
    )
    assert (
        sum(bucket.ended for bucket in figures.counted(mona, figures.last_hours())) == 0
    )
