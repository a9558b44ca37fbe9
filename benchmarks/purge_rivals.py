"""The purge of old jobs as one writes it by hand, straight on PostgreSQL."""

from __future__ import annotations

from typing import Any

import psycopg

CHUNK = 5_000  # the fastest of 2,000, 5,000 and 10,000
FIRST = "00000000-0000-0000-0000-000000000000"

DOOMED = """
SELECT id FROM jobs_job
WHERE completed_at < now() - interval '30 days' AND id > %s ORDER BY id LIMIT %s
FOR UPDATE
"""
# A lookup for each row: joins by IN, USING or a temporary table took up to three times
# as long, and two ranges joined by IN, of which the planner expects one row each, ten.
CHILDREN = """
DELETE FROM {table} AS child WHERE job_id BETWEEN %(first)s AND %(last)s AND job_id = (
    SELECT id FROM jobs_job
    WHERE id = child.job_id AND completed_at < now() - interval '30 days' LIMIT 1
)
"""
JOBS = """
DELETE FROM jobs_job WHERE completed_at < now() - interval '30 days'
AND id BETWEEN %(first)s AND %(last)s
"""


def by_hand(connection: psycopg.Connection[Any]) -> None:
    """In chunks by key; the foreign keys take the children along."""
    last = FIRST
    while True:
        with connection.transaction():
            keys = connection.execute(DOOMED, [last, CHUNK]).fetchall()
            if not keys:
                return
            last = keys[-1][0]
            connection.execute(JOBS, {"first": keys[0][0], "last": last})


def children_first(connection: psycopg.Connection[Any]) -> None:
    """As one writes it where the foreign keys only forbid."""
    last = FIRST
    while True:
        with connection.transaction():
            keys = connection.execute(DOOMED, [last, CHUNK]).fetchall()
            if not keys:
                return
            ends = {"first": keys[0][0], "last": keys[-1][0]}
            for table in ("jobs_jobattempt", "jobs_jobstep", "jobs_jobevent"):
                connection.execute(CHILDREN.format(table=table), ends)
            connection.execute(JOBS, ends)
            last = ends["last"]
