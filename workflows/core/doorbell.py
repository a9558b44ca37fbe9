"""Wakes a worker after the commit. The database holds the work; a ring may be lost."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def ring(task: str) -> None:
    """Ask for a run of the named task once the current transaction is committed.

    The task must find its work in the database: it is also run by schedule, so a
    broker that is down costs a delay and never an error after the commit.
    """

    def send() -> None:
        try:
            current_app.send_task(task, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("%s waits for its schedule: %s", task, type(error).__name__)

    transaction.on_commit(send)
