"""A worker is woken after the commit; a broker that is down costs a delay, no error."""

import logging

import pytest
from celery import Celery, current_app
from django.conf import settings as django_settings
from django.db import transaction

from workflows.core.doorbell import ring

pytestmark = pytest.mark.django_db

TASK = "kit.look_for_work"


@pytest.fixture
def broker():
    """A broker of this test's own: what was rung lies in its queue."""
    before = current_app._get_current_object()
    app = Celery("kit", broker="memory://localhost/", set_as_current=True)
    app.conf.task_default_queue = "doorbell"
    yield app
    app.close()
    before.set_current()


@pytest.fixture
def broken_broker(broker):
    """One where nobody listens, set up as production's Redis is."""
    broker.conf.broker_url = "redis://:hunter2@127.0.0.1:1/0"
    broker.conf.broker_transport_options = PRODUCTION
    return broker


PRODUCTION = {"max_retries": 0, "socket_connect_timeout": 2}


def rung(app):
    """Take and return the tasks that wait."""
    tasks = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("doorbell")
        while queue.qsize():
            message = queue.get(block=False)
            message.ack()
            tasks.append(message.headers["task"])
        queue.close()
    return tasks


def test_a_ring_is_heard_after_the_commit(broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        with transaction.atomic():
            ring(TASK)
        assert rung(broker) == []
    assert rung(broker) == [TASK]


def test_after_a_rollback_there_is_no_ring(broker, django_capture_on_commit_callbacks):
    def fail():
        with transaction.atomic():
            ring(TASK)
            raise ZeroDivisionError

    with (
        django_capture_on_commit_callbacks(execute=True) as callbacks,
        pytest.raises(ZeroDivisionError),
    ):
        fail()
    assert callbacks == []
    assert rung(broker) == []


@pytest.mark.usefixtures("broken_broker")
def test_a_broker_that_is_down_is_a_line_in_the_log(
    caplog, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        ring(TASK)
    [record] = [r for r in caplog.records if r.name == "workflows.core.doorbell"]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"{TASK} waits for its schedule: OperationalError"
    assert "hunter2" not in caplog.text


@pytest.mark.redis
def test_the_product_gives_up_as_quickly():
    options = django_settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert options.items() >= PRODUCTION.items()
