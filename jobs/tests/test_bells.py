"""A worker is woken after the commit, once; a broken bell costs a delay, no error."""

from __future__ import annotations

import logging

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.core.cache import caches
from django.db import transaction

from jobs.actions.bells import FLAG_SECONDS, answered, flag, ring
from jobs.actions.running import drain
from jobs.actions.starting import start_job
from jobs.models import Job
from jobs.tests.engine import QUEUE

pytestmark = pytest.mark.django_db
NOWHERE = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://:hunter2@127.0.0.1:1/0",
}


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


def test_many_jobs_ring_once_until_somebody_answers(
    broker, job_kind, alice, django_capture_on_commit_callbacks
):
    def start(number):
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(number):
                start_job(job_kind, None, by=alice)

    start(5)
    start(3)
    assert broker.rung() == 1
    answered(QUEUE)
    start(1)
    assert broker.rung() == 1


def test_each_queue_has_its_bell(broker):
    ring(QUEUE)
    ring("kit-other")
    assert (broker.rung(), broker.rung("kit-other")) == (1, 1)


def test_the_flag_of_a_lost_bell_ends_by_itself(broker):
    ring(QUEUE)
    assert 0 < FLAG_SECONDS <= 2
    caches["bells"].touch(flag(QUEUE), -1)  # its time is over
    ring(QUEUE)
    assert broker.rung() == 2


def test_who_drains_answers_first(broker, job_kind, alice):
    ring(QUEUE)
    drain(QUEUE)
    ring(QUEUE)
    assert broker.rung() == 2


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


def test_flags_that_cannot_be_kept_are_lines_in_the_log(broker, settings, caplog):
    settings.CACHES = {**settings.CACHES, "bells": NOWHERE}
    ring(QUEUE)
    answered(QUEUE)
    assert lines(caplog) == [
        (logging.WARNING, f"queue {QUEUE} waits for the dispatcher: ConnectionError"),
        (logging.WARNING, f"the bell of {QUEUE} rings on: ConnectionError"),
    ]
    assert "hunter2" not in caplog.text


@pytest.mark.redis
def test_the_product_gives_up_as_quickly():
    options = django_settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert options.items() >= {"max_retries": 0, "socket_connect_timeout": 2}.items()


def test_what_the_bell_wakes_is_registered_under_its_name():
    import jobs.tasks
    from jobs.actions.bells import TASK

    assert current_app.tasks[TASK].name == jobs.tasks.drain.name == TASK
