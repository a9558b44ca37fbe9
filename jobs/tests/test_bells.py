"""A worker is woken after the commit, once; a broken bell costs a delay, no error."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.core.cache import caches
from django.db import transaction

from jobs import tasks
from jobs.actions import bells, running
from jobs.actions.bells import (
    FLAG_SECONDS,
    TASK,
    RedisFlags,
    flags,
    lower,
    ring,
    stand_by,
    wake,
)
from jobs.actions.guard import STOPPING, guard
from jobs.actions.running import drain
from jobs.actions.starting import start_job
from jobs.models import Job
from jobs.tests.engine import QUEUE
from tests.kit.make import make_parcel

pytestmark = pytest.mark.django_db
ME, OTHER = "host:1:a", "host:2:b"
NOWHERE = "redis://:hunter2@127.0.0.1:1/0"


@pytest.fixture
def job_kind(kind):
    return kind()


def lines(caplog):
    return [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if record.name == "jobs.actions.bells"
    ]


def test_a_bell_rings_after_the_commit(
    broker, job_kind, alice, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        with transaction.atomic():
            start_job(job_kind, None, by=alice)
        assert broker.rung() == 0
    assert broker.rung() == 1


def test_a_rollback_rings_nothing(
    broker, job_kind, alice, django_capture_on_commit_callbacks
):
    def fail():
        with transaction.atomic():
            start_job(job_kind, None, by=alice)
            raise ZeroDivisionError

    with (
        django_capture_on_commit_callbacks(execute=True) as callbacks,
        pytest.raises(ZeroDivisionError),
    ):
        fail()
    assert callbacks == []
    assert broker.rung() == 0
    assert not Job.objects.exists()


def test_many_jobs_ring_once_until_the_flag_is_down(
    broker, job_kind, alice, django_capture_on_commit_callbacks
):
    def start(number):
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(number):
                start_job(job_kind, None, by=alice)

    start(5)
    start(3)
    assert broker.rung() == 1
    lower(QUEUE, ME)
    start(1)
    assert broker.rung() == 1


def test_whoever_is_needed_at_once_is_sent_for_in_spite_of_the_flag(broker):
    ring(QUEUE)
    wake(QUEUE)
    assert broker.rung() == 2


def test_each_queue_has_its_bell(broker):
    ring(QUEUE)
    ring("kit-other")
    assert (broker.rung(), broker.rung("kit-other")) == (1, 1)


def test_the_flag_of_a_lost_bell_ends_by_itself(broker):
    ring(QUEUE)
    assert 0 < FLAG_SECONDS <= 2
    if django_settings.REDIS_URL:
        assert 0 < flags().redis.pttl(flags().flag(QUEUE)) <= FLAG_SECONDS * 1000
        flags().redis.pexpire(flags().flag(QUEUE), 0)
    else:
        caches["bells"].touch(QUEUE, -1)
    ring(QUEUE)
    assert broker.rung() == 2


def test_bells_ring_again_when_a_worker_has_looked(broker, job_kind, alice):
    ring(QUEUE)
    drain(QUEUE)
    ring(QUEUE)
    assert broker.rung() == 2


def test_a_worker_that_stops_is_counted_on_by_nobody(broker):
    ring(QUEUE)
    STOPPING.value = 1
    try:
        drain(QUEUE)
    finally:
        STOPPING.value = 0
    ring(QUEUE)
    assert broker.rung() == 2


def test_while_a_worker_is_kept_away_bells_ring_for_the_others(broker, kind, alice):
    start_job(kind(lambda run: ring(QUEUE)), None, by=alice)
    ring(QUEUE)
    drain(QUEUE)
    assert broker.rung() == 2


def test_a_worker_of_brief_jobs_looks_again_by_itself(broker, kind, alice):
    def work(run):
        ring(QUEUE)
        if not run.job.metadata:
            start_job("kit.job", None, by=alice, metadata={"number": 2})

    start_job(kind(work, brief=True), None, by=alice)
    ring(QUEUE)
    assert drain(QUEUE) == 2
    assert broker.rung() == 1


def test_a_broker_that_is_down_is_a_line_in_the_log(
    broker, job_kind, alice, caplog, django_capture_on_commit_callbacks
):
    broker.breaks()
    with django_capture_on_commit_callbacks(execute=True):
        job = start_job(job_kind, None, by=alice)
    assert lines(caplog) == [
        (logging.WARNING, f"queue {QUEUE} waits for the dispatcher: OperationalError")
    ]
    assert "hunter2" not in caplog.text
    assert drain(QUEUE) == 1
    assert Job.objects.get(pk=job.pk).status == "succeeded"


def test_a_broker_whose_folder_is_gone_is_a_line_in_the_log(broker, caplog, tmp_path):
    broker.app.conf.broker_url = "filesystem://localhost/"
    gone = str(tmp_path / "gone")
    names = ("data_folder_in", "data_folder_out", "control_folder")
    broker.app.conf.broker_transport_options = dict.fromkeys(names, gone)
    (tmp_path / "gone").write_text("a file where a folder should be")
    ring(QUEUE)
    [(level, text)] = lines(caplog)
    assert level == logging.WARNING
    assert text.startswith(f"queue {QUEUE} waits for the dispatcher: ")


def test_without_flags_bells_ring_each_time(broker, monkeypatch, caplog):
    monkeypatch.setattr(bells, "flags", lambda: RedisFlags(NOWHERE))
    ring(QUEUE)
    ring(QUEUE)
    lower(QUEUE, ME)
    assert stand_by(QUEUE, ME) is True
    assert broker.rung() == 2
    assert lines(caplog) == [
        (logging.WARNING, f"no flag for {QUEUE}: ConnectionError"),
        (logging.WARNING, f"no flag for {QUEUE}: ConnectionError"),
        (logging.WARNING, f"the flag of {QUEUE} stays up: ConnectionError"),
        (logging.WARNING, f"nobody stands by {QUEUE}: ConnectionError"),
    ]
    assert "hunter2" not in caplog.text


@pytest.mark.redis
class TestStandingBy:
    """After brief work a worker waits a moment: the next job need send for nobody."""

    def test_it_hears_of_a_job_at_once(self, broker, monkeypatch):
        ring(QUEUE)
        monkeypatch.setattr(bells, "STANDBY_SECONDS", 0.9)
        with ThreadPoolExecutor() as pool:
            heard = pool.submit(stand_by, QUEUE, ME)
            ring(QUEUE)
            assert heard.result() is True
        assert broker.rung() == 1

    def test_what_was_called_meanwhile_is_heard_once(self, broker):
        for _ in range(4):
            ring(QUEUE)
        assert [stand_by(QUEUE, ME), stand_by(QUEUE, ME)] == [True, False]
        assert broker.rung() == 1

    def test_it_keeps_the_flag_up(self, broker):
        ring(QUEUE)
        flags().redis.pexpire(flags().flag(QUEUE), 200)
        stand_by(QUEUE, ME)
        assert flags().redis.pttl(flags().flag(QUEUE)) > 200
        ring(QUEUE)
        assert broker.rung() == 1

    def test_one_worker_stands_by_at_a_time(self, broker):
        ring(QUEUE)
        stand_by(QUEUE, ME)
        ring(QUEUE)
        assert stand_by(QUEUE, OTHER) is False
        lower(QUEUE, OTHER)
        ring(QUEUE)
        assert broker.rung() == 1
        assert stand_by(QUEUE, ME) is True
        lower(QUEUE, ME)
        ring(QUEUE)
        assert broker.rung() == 1

    def test_whoever_is_last_may_take_the_place_of_one_that_died(self):
        ring(QUEUE)
        stand_by(QUEUE, ME)
        flags().redis.pexpire(flags().flag(QUEUE), 0)
        stand_by(QUEUE, OTHER)
        assert flags().redis.get(flags().flag(QUEUE)) == OTHER.encode()

    def test_a_worker_whose_turn_is_over_is_missed_by_nobody(
        self, broker, kind, alice, monkeypatch
    ):
        monkeypatch.setattr(running, "TURN_SECONDS", 0)
        start_job(kind(brief=True), None, by=alice)
        stand_by(QUEUE, guard().worker)
        assert drain(QUEUE) == 1
        assert broker.rung() == 1  # for whoever is next
        ring(QUEUE)
        assert broker.rung() == 1

    def test_each_queue_has_its_calls(self):
        for _ in range(2):
            ring("kit-other")
        assert stand_by(QUEUE, ME) is False

    def test_brief_work_that_comes_one_by_one_rings_once(
        self, broker, kind, alice, monkeypatch
    ):
        """The second job is started while the worker stands by."""
        name = kind(brief=True)
        waits = []

        def stand_by_once(queue, worker):
            waits.append(queue)
            if len(waits) == 1:
                start_job(name, None, by=alice)
                ring(QUEUE)
            return stand_by(queue, worker)

        monkeypatch.setattr(running, "stand_by", stand_by_once)
        start_job(name, None, by=alice)
        ring(QUEUE)
        assert drain(QUEUE) == 2
        assert broker.rung() == 1
        assert len(waits) == 2
        ring(QUEUE)  # it has gone and lowered its flag
        assert broker.rung() == 1

    def test_what_waits_for_a_key_is_taken_without_a_bell(
        self, broker, kind, alice, account, monkeypatch
    ):
        monkeypatch.setattr(running, "stand_by", lambda *_: pytest.fail("waits"))
        name, parcel = kind(brief=True, exclusive=True), make_parcel(account)
        for _ in range(2):
            start_job(name, parcel, by=alice)
        assert drain(QUEUE) == 2


@pytest.mark.redis
def test_the_product_gives_up_as_quickly():
    options = django_settings.CELERY_BROKER_TRANSPORT_OPTIONS
    patience = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    assert options.items() >= {"max_retries": 0, **patience}.items()


def test_what_the_bell_wakes_is_registered_under_its_name():
    assert tasks.drain.name == TASK
    assert TASK in current_app.tasks
