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
# While a bell is on its way, another one would find the same work. Its flag ends by
# itself, for messages do get lost.
FLAG_SECONDS = 1


def ring(queue: str) -> None:
    """Wake a worker of the queue, unless a bell is on its way already.

    A broker that is down costs a delay, for the dispatcher rings again, and never an
    error after the commit.
    """
    try:
        if caches["bells"].add(flag(queue), 1, FLAG_SECONDS):
            current_app.send_task(TASK, args=[queue], queue=queue, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning(
            "queue %s waits for the dispatcher: %s", queue, type(error).__name__
        )


def ring_on_commit(queue: str) -> None:
    """Ring once what the caller wrote is there to be found."""
    transaction.on_commit(lambda: ring(queue))


def answered(queue: str) -> None:
    """Take the flag down, before looking for work: what comes later rings again."""
    try:
        caches["bells"].delete(flag(queue))
    except (RedisError, OSError) as error:
        log.warning("the bell of %s rings on: %s", queue, type(error).__name__)


def flag(queue: str) -> str:
    return f"bell:{queue}"
