"""Wakes workers. The database holds the work: a bell may be lost, or ring twice."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, Protocol

from celery import current_app
from django.conf import settings
from django.core.cache import caches
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

TASK = "jobs.drain"
# While a worker is on its way, or looks for more, nobody else need be sent. The flag
# that says so ends by itself, for messages do get lost.
FLAG_SECONDS = 1
# How long a worker stands by after brief work: the next job need not send for one.
STANDBY_SECONDS = 0.1


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
    """Raise the queue's flag; False when it is up, and who stands by has been told."""
    try:
        return flags().raised(queue)
    except (RedisError, OSError) as error:
        log.warning("no flag for %s: %s", queue, type(error).__name__)
        return True


def lower(queue: str, worker: str) -> None:
    """Take the flag down unless another worker stands by: who comes then rings.

    Look once more after it.
    """
    try:
        flags().lower(queue, worker)
    except (RedisError, OSError) as error:
        log.warning("the flag of %s stays up: %s", queue, type(error).__name__)


def stand_by(queue: str, worker: str) -> bool:
    """Keep the flag up and wait for a job, a moment at most; False when none came.

    One worker a queue does that; any other is told False at once. True where nobody can
    tell, so that the worker looks for itself.
    """
    try:
        return flags().stand_by(queue, worker)
    except (RedisError, OSError) as error:
        log.warning("nobody stands by %s: %s", queue, type(error).__name__)
        return True


class Flags(Protocol):
    """Where web and workers see the same flags."""

    def raised(self, queue: str) -> bool: ...
    def lower(self, queue: str, worker: str) -> None: ...
    def stand_by(self, queue: str, worker: str) -> bool: ...


class RedisFlags:
    """A flag, which names who stands by, and a list with at most one call for them."""

    RAISE = """
    if redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) then return 1 end
    redis.call('LPUSH', KEYS[2], 1)
    redis.call('LTRIM', KEYS[2], 0, 0)
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
    return 0
    """
    KEEP = """
    local keeper = redis.call('GET', KEYS[1])
    if keeper and keeper ~= '' and keeper ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
    """
    LOWER = """
    local keeper = redis.call('GET', KEYS[1])
    if keeper == '' or keeper == ARGV[1] then redis.call('DEL', KEYS[1]) end
    """

    def __init__(self, url: str) -> None:
        # Its own client: the one of Django's cache is made anew for each call.
        self.redis: Any = Redis.from_url(url, **settings.REDIS_PATIENCE)
        self._raise = self.redis.register_script(self.RAISE)
        self._keep = self.redis.register_script(self.KEEP)
        self._lower = self.redis.register_script(self.LOWER)

    def raised(self, queue: str) -> bool:
        keys = (self.flag(queue), self.calls(queue))
        return bool(self._raise(keys, (FLAG_SECONDS * 1000,)))

    def lower(self, queue: str, worker: str) -> None:
        self._lower((self.flag(queue),), (worker,))

    def stand_by(self, queue: str, worker: str) -> bool:
        if not self._keep((self.flag(queue),), (worker, FLAG_SECONDS * 1000)):
            return False
        return bool(self.redis.blpop([self.calls(queue)], STANDBY_SECONDS))

    def flag(self, queue: str) -> str:
        return f"bell:{queue}"

    def calls(self, queue: str) -> str:
        return f"bell:{queue}:calls"


class FileFlags:
    """Beside the embedded broker: a worker looks for itself whether a job came."""

    def raised(self, queue: str) -> bool:
        return caches["bells"].add(queue, 1, FLAG_SECONDS)

    def lower(self, queue: str, worker: str) -> None:
        caches["bells"].delete(queue)

    def stand_by(self, queue: str, worker: str) -> bool:
        return True


@cache
def flags() -> Flags:
    return RedisFlags(settings.REDIS_URL) if settings.REDIS_URL else FileFlags()
