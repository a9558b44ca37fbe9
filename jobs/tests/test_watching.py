"""The watchdog: it barks when work waits though somebody is free, and not before."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from jobs.actions.claiming import HEARTBEAT, LEASE
from jobs.actions.starting import start_job
from jobs.actions.watching import EVERY_SECONDS, PATIENCE_SECONDS, Watchdog
from jobs.tests.engine import change, take_one

pytestmark = pytest.mark.django_db


@pytest.fixture
def dog():
    return Watchdog(slots=1)


def barks_after(dog, seconds):
    """Let the dog look when so many seconds have passed."""
    dog.looked -= seconds
    dog.since -= seconds
    return dog.barks()


def test_work_that_nobody_takes_makes_it_bark_once(kind, alice, dog):
    start_job(kind(), None, by=alice)
    assert not barks_after(dog, EVERY_SECONDS)
    assert not barks_after(dog, PATIENCE_SECONDS - EVERY_SECONDS)
    assert barks_after(dog, EVERY_SECONDS)
    assert not barks_after(dog, EVERY_SECONDS)


def test_it_looks_no_more_often_than_it_has_to(dog, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not dog.barks()


def test_a_queue_that_moves_is_left_alone(kind, alice, dog):
    type = kind()
    for _ in range(2):
        start_job(type, None, by=alice)
    assert not barks_after(dog, EVERY_SECONDS)
    take_one("a")
    dog.slots = 2
    assert not barks_after(dog, PATIENCE_SECONDS)


def test_nothing_that_waits_is_nothing_to_bark_at(dog):
    assert not barks_after(dog, PATIENCE_SECONDS)
    assert not barks_after(dog, PATIENCE_SECONDS)


def test_work_may_wait_while_all_are_busy(kind, alice, dog):
    type = kind()
    for _ in range(2):
        start_job(type, None, by=alice)
    take_one("a")
    for _ in range(3):
        assert not barks_after(dog, PATIENCE_SECONDS)


def test_who_has_missed_a_heartbeat_is_not_busy(kind, alice, dog):
    """A worker that hangs must not look like one that works until its lease ends."""
    type = kind()
    for _ in range(2):
        start_job(type, None, by=alice)
    run = take_one("a")
    change(run.job, lease_until=Now() + LEASE - 2 * HEARTBEAT)
    assert not barks_after(dog, EVERY_SECONDS)
    assert barks_after(dog, PATIENCE_SECONDS)


def test_a_database_that_is_away_is_no_reason(dog, monkeypatch, caplog):
    def away():
        raise OperationalError("hunter2")

    monkeypatch.setattr(dog, "waiting_for_nobody", away)
    monkeypatch.setattr("jobs.actions.watching.connection.close", lambda: None)
    assert not barks_after(dog, PATIENCE_SECONDS)
    assert "the watchdog has no database: OperationalError" in caplog.text
    assert "hunter2" not in caplog.text
