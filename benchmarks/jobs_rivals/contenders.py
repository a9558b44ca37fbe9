"""The contenders, each started as its documentation says for production.

One object serves two processes: the one that measures starts, watches and checks it,
the producer (benchmarks.jobs_rivals.producer) calls `enqueue`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import psutil
from redis import Redis

from benchmarks.jobs_rivals.processes import Group

CELERY_WORKER = (
    *("-m", "celery", "--app", "config", "--quiet", "worker", "--pool", "prefork"),
    *("--loglevel", "warning", "--without-mingle", "--without-gossip"),
)


def count(query: str) -> int:
    """Return the single number that a query answers with."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query)
        (number,) = cursor.fetchone()
    return int(number)


def postmaster() -> int:
    """Return the process id of the PostgreSQL server, whose children do the work."""
    return psutil.Process(count("SELECT pg_backend_pid()")).ppid()


class Contender:
    """A job queue that can be started, fed, watched and checked."""

    name: str
    kept: str  # what is left of a job, and what becomes of it when its worker is killed
    environ: dict[str, str] = {}
    tables: Sequence[str] = ()  # its records

    def setup(self) -> None:
        """Forget former runs, so that every turn begins alike."""
        from django.db import connection

        with connection.cursor() as cursor:
            if self.tables:
                # Append-only tables are held by triggers, which replicas do not fire.
                cursor.execute("SET session_replication_role = replica")
                cursor.execute(f"TRUNCATE {', '.join(self.tables)} CASCADE")
                cursor.execute("SET session_replication_role = origin")
            # Nobody pays for what another contender has left to be flushed.
            cursor.execute("CHECKPOINT")
        with Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.flushdb()

    def start(self, group: Group, workers: int, environ: dict[str, str]) -> None:
        """Start its worker processes."""
        environ = {**environ, **self.environ, "BENCH_WORKERS": str(workers)}
        for command in self.commands(workers):
            group.start(command, environ)

    def commands(self, workers: int) -> list[Sequence[str]]:
        raise NotImplementedError

    def enqueue(self, index: int) -> None:
        """Hand one job over, in the producer's transaction."""
        raise NotImplementedError

    def finished(self, jobs: int) -> bool:
        """Say whether all jobs are finished by its own records; all have begun."""
        raise NotImplementedError

    def check(self, jobs: int) -> None:
        """Raise AssertionError unless its records say exactly what was done."""


class Celery(Contender):
    """The limit: a message to Redis and back, nothing recorded, as config sets it.

    Celery's own defaults, acknowledged early and prefetch 4, are no faster here.
    """

    name = "celery"
    kept = "nothing; delivered again"

    def commands(self, workers: int) -> list[Sequence[str]]:
        return [(*CELERY_WORKER, "--concurrency", str(workers))]

    def enqueue(self, index: int) -> None:
        from benchmarks.jobs_rivals.tasks import celery_noop

        celery_noop.delay(index)

    def finished(self, jobs: int) -> bool:
        from django.conf import settings

        queue = settings.CELERY_TASK_DEFAULT_QUEUE
        with Redis.from_url(os.environ["REDIS_URL"]) as client:
            return not client.llen(queue) and not client.hlen("unacked")


class Procrastinate(Contender):
    """PostgreSQL with LISTEN/NOTIFY; every job stays recorded with its events."""

    name = "procrastinate"
    kept = "job and events"
    tables = ("procrastinate_jobs", "procrastinate_events")
    concurrency = "4"  # a process; 1 is slower by a seventh, 2 to 20 are alike

    def commands(self, workers: int) -> list[Sequence[str]]:
        worker = ("manage.py", "procrastinate", "worker", "--listen-notify")
        return [(*worker, "--concurrency", self.concurrency)] * workers

    def enqueue(self, index: int) -> None:
        from benchmarks.jobs_rivals.tasks import procrastinate_noop

        procrastinate_noop.defer(index=index)

    def finished(self, jobs: int) -> bool:
        done = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        return count(done) >= jobs

    def check(self, jobs: int) -> None:
        assert count("SELECT count(*) FROM procrastinate_jobs") == jobs
        events = "SELECT count(*) FROM procrastinate_events WHERE type = 'succeeded'"
        assert count(events) == jobs


class DjangoQRedis(Contender):
    """Its Redis broker, which loses a job with its worker; every result is kept."""

    name = "django-q2-redis"
    kept = "result; lost with its worker"
    environ = {"BENCH_Q_BROKER": "redis"}
    tables = ("django_q_task", "django_q_ormq")
    broker: Any = None

    def commands(self, workers: int) -> list[Sequence[str]]:
        return [("manage.py", "qcluster")]  # BENCH_WORKERS says how many

    def enqueue(self, index: int) -> None:
        from django_q.brokers import get_broker
        from django_q.tasks import async_task

        # One for the process, as its documentation says under "Connection pooling":
        # else each call makes a connection, and the producer is the limit.
        self.broker = self.broker or get_broker()
        async_task(
            "benchmarks.jobs_rivals.tasks.django_q_noop", index, broker=self.broker
        )

    def finished(self, jobs: int) -> bool:
        return count("SELECT count(*) FROM django_q_task WHERE success") >= jobs

    def check(self, jobs: int) -> None:
        assert count("SELECT count(*) FROM django_q_task") == jobs


class DjangoQOrm(DjangoQRedis):
    """Its ORM broker, which delivers again what a dead worker held."""

    name = "django-q2-orm"
    kept = "result; delivered again"
    environ = {"BENCH_Q_BROKER": "orm"}

    def finished(self, jobs: int) -> bool:
        return (
            super().finished(jobs) and count("SELECT count(*) FROM django_q_ormq") == 0
        )


class DjangoQUnsaved(DjangoQRedis):
    """Redis, and no result is kept: the least that it can do."""

    name = "django-q2-unsaved"
    kept = "nothing; lost with its worker"
    environ = {"BENCH_Q_BROKER": "redis", "BENCH_Q_SAVE": "-1"}

    def finished(self, jobs: int) -> bool:
        return True  # nothing of it is written down but the beginning

    def check(self, jobs: int) -> None:
        assert count("SELECT count(*) FROM django_q_task") == 0
