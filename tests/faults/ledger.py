"""What became of the jobs, asked of the database itself, past all code of ours."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.names import EFFECT, LEASE_SECONDS, STEPS

# From a fault until work goes on: the lease has to end, then somebody has to notice.
LIMIT_SECONDS = LEASE_SECONDS + 10
NAME = "faults-ledger"  # of the connection, so that it is not cut with the others


class Ledger:
    """Plain SQL over a PostgreSQL (a URL) or an SQLite (a file)."""

    def __init__(self, place: str | Path) -> None:
        self.place = place
        self.postgres = (
            psycopg.connect(place, autocommit=True, application_name=NAME)
            if isinstance(place, str)
            else None
        )

    def close(self) -> None:
        if self.postgres:
            self.postgres.close()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a statement; ``?`` stands for a value."""
        if self.postgres:
            return self.postgres.execute(sql.replace("?", "%s"), values).fetchall()
        with closing(sqlite3.connect(f"file:{self.place}?mode=ro", uri=True)) as file:
            file.execute("PRAGMA busy_timeout = 20000")
            return file.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        [row] = self.rows(sql, *values)
        return row[0] if len(row) == 1 else row

    # --- while it goes on -------------------------------------------------------------
    def count(self, status: str, kind: str = EFFECT) -> int:
        sql = "SELECT count(*) FROM jobs_job WHERE status = ? AND type = ?"
        return int(self.one(sql, status, kind))

    def unended(self) -> int:
        sql = "SELECT count(*) FROM jobs_job WHERE status IN ('queued', 'running')"
        return int(self.one(sql))

    def effects(self) -> int:
        return int(self.one("SELECT count(*) FROM faults_effect"))

    def running(self) -> dict[str, str]:
        """Return the running jobs with their workers."""
        sql = "SELECT id, worker FROM jobs_job WHERE status = 'running'"
        return {str(id): worker for id, worker in self.rows(sql)}

    def job(self, id: str) -> tuple[str, int, str]:
        """Return a job's status, attempt and worker."""
        sql = "SELECT status, attempt, worker FROM jobs_job WHERE id = ?"
        status, attempt, worker = self.one(sql, self.key(id))
        return status, attempt, worker

    def outcomes(self) -> dict[str, int]:
        """Return how often attempts ended in which way."""
        sql = "SELECT outcome, count(*) FROM jobs_jobattempt GROUP BY outcome"
        return dict(self.rows(sql))

    def key(self, id: str) -> str:
        return id if self.postgres else id.replace("-", "")

    # --- at the end -------------------------------------------------------------------
    def lost(self) -> list[str]:
        """Name the jobs that have not succeeded, or without one of their effects."""
        sql = "SELECT id FROM jobs_job WHERE type = ? AND status != 'succeeded'"
        unended = [str(id) for (id,) in self.rows(sql, EFFECT)]
        sql = """SELECT id FROM jobs_job AS j WHERE type = ? AND status = 'succeeded'
            AND ? > (SELECT count(DISTINCT step) FROM faults_effect WHERE job_id = j.id)
            """
        return unended + [str(id) for (id,) in self.rows(sql, EFFECT, len(STEPS))]

    def doubled(self) -> list[tuple[str, str]]:
        """Name each step whose effect is there more than once."""
        sql = """SELECT job_id, step FROM faults_effect GROUP BY job_id, step
            HAVING count(*) > 1"""
        return [(str(id), step) for id, step in self.rows(sql)]

    def recovery(self, fault: float) -> float:
        """Return the seconds from a fault until work goes on.

        That is until the last job that it interrupted runs again or has ended, and
        until one of those that waited is taken.
        """
        history: dict[str, list[tuple[float, str]]] = {}
        sql = """SELECT job_id, created_at, status FROM jobs_jobevent
            WHERE step_id IS NULL ORDER BY created_at, id"""
        for id, at, status in self.rows(sql):
            history.setdefault(str(id), []).append((seconds(at), status))
        interrupted, taken = [], []
        for events in history.values():
            before = [status for at, status in events if at <= fault]
            after = [at for at, status in events if at > fault and status != "queued"]
            if before and before[-1] == "running":
                interrupted.append(min(after, default=float("inf")) - fault)
            elif after:  # it waited, from then on or since it was asked for
                taken.append((min(after), min(after) - max(fault, events[0][0])))
        waited = [min(taken)[1]] if taken else []
        return max(interrupted + waited, default=0.0)

    def story(self, fault: float) -> list[str]:
        """Tell what happened to jobs, in seconds since a fault."""
        sql = """SELECT job_id, created_at, status FROM jobs_jobevent
            WHERE step_id IS NULL ORDER BY job_id, created_at, id"""
        return [
            f"{id} {seconds(at) - fault:+7.2f} {status}"
            for id, at, status in self.rows(sql)
        ]

    def repeated(self) -> int:
        """Return how many runs ended before their job did."""
        sql = """SELECT count(*) FROM jobs_jobattempt AS a
            JOIN jobs_job AS j ON j.id = a.job_id WHERE a.number < j.attempt"""
        return int(self.one(sql))


def seconds(at: datetime | str) -> float:
    """Return a time of either database as seconds since 1970."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return at.timestamp()


def figure(
    ledger: Ledger, name: str, faults: Sequence[float], limit: float = LIMIT_SECONDS
) -> str:
    """Put the figures of a scenario into words. Raises AssertionError for bad ones."""
    jobs = int(ledger.one("SELECT count(*) FROM jobs_job WHERE type = ?", EFFECT))
    lost, doubled = ledger.lost(), ledger.doubled()
    longest = max((ledger.recovery(fault) for fault in faults), default=0.0)
    words = (
        f"{name}: {jobs} jobs, {len(lost)} lost, {len(doubled)} effects doubled, "
        f"longest recovery {longest:.1f} s of {limit:.0f} s; "
        f"{ledger.repeated()} runs repeated"
    )
    assert jobs, words
    assert lost == [], words
    assert doubled == [], words
    assert longest <= limit, "\n".join([words, *ledger.story(faults[0])])
    return words


def now() -> float:
    """Return the time by the clock that the databases of these tests go by."""
    return time.time()
