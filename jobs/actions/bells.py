"""Wakes workers. The database holds the work: a bell may be lost, or ring twice."""

from __future__ import annotations

import logging

from celery import current_app
from django.core.cache import caches
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

TASK = "jobs.drain"
# While a worker is on its way, or looks for more, nobody else need be sent. The flag
# that says so ends by itself, for messages do get lost.
FLAG_SECONDS = 1


def ring(queue: str) -> None:
    """Wake a worker of the queue, unless one is on its way or at work already."""
    if raised(queue):
        wake(queue)


def ring_on_commit(queue: str) -> None:
    """Ring once what the caller wrote is there to be found."""
    transaction.on_commit(lambda: ring(queue))


def wake(queue: str) -> None:
    """Send a worker to the queue.

    A broker that is down costs a delay, for the dispatcher rings again, and never an
    error after the commit.
    """
    try:
        current_app.send_task(TASK, args=[queue], queue=queue, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning(
            "queue %s waits for the dispatcher: %s", queue, type(error).__name__
        )


def raised(queue: str) -> bool:
    """Raise the queue's flag; False when it is up, and somebody is looking for work."""
    try:
        return caches["bells"].add(flag(queue), 1, FLAG_SECONDS)
    except (RedisError, OSError) as error:
        log.warning("no flag for %s: %s", queue, type(error).__name__)
        return True


def lower(queue: str) -> None:
    """Take the flag down: what comes from now on rings. Look once more after it."""
    try:
        caches["bells"].delete(flag(queue))
    except (RedisError, OSError) as error:
        log.warning("the flag of %s stays up: %s", queue, type(error).__name__)


def flag(queue: str) -> str:
    return f"bell:{queue}"
