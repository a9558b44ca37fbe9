"""Taking queued jobs: one conditional UPDATE, so that each is run by one worker."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import timedelta
from functools import cache
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, JSONField, QuerySet
from django.db.models.functions import Now

from jobs.actions.kinds import KINDS
from jobs.actions.statements import deadlocked, one_statement, rows_of
from jobs.models import Job, JobEvent, JobStep, lent
from jobs.models.tracked import Status
from workflows.core.ids import uuid7

LEASE = timedelta(seconds=settings.JOB_LEASE_SECONDS)
HEARTBEAT = LEASE / 3
# Brief jobs that one statement takes; they run one after another.
BATCH = 8


class Claimed(NamedTuple):
    """What a worker has got. ``more``: the queue holds work for another worker."""

    jobs: list[Job]
    more: bool


def claim(queue: str, worker: str) -> Claimed:
    """Take the next due job of the queue, or the next few if they are brief."""
    take = take_at_once if one_statement() else take_in_turn
    for _ in range(3):
        alone = one_statement() and not connection.in_atomic_block
        try:
            with nullcontext() if alone else transaction.atomic():
                return take(queue, worker)
        except IntegrityError:
            # Another worker took a job of the same exclusive key in this moment: the
            # next look leaves its jobs out.
            continue
        except OperationalError as error:
            # Two batches wait for each other's keys; PostgreSQL lets one of them go on.
            if not deadlocked(error):
                raise
    return Claimed([], more=True)


def take_in_turn(queue: str, worker: str) -> Claimed:
    found = list(waiting(queue)[:BATCH])
    jobs = batch(found)
    if not jobs:
        return Claimed([], more=False)
    steps = defaultdict(list)
    pks = [job.pk for job in jobs]
    for step in JobStep.objects.filter(job__in=pks).order_by("position"):
        steps[step.job_id].append(step)
    with lent(*jobs, *(step for job in jobs for step in steps[job.pk])) as said:
        for job in jobs:
            job.ordered = steps[job.pk]
            job.begin()
            if first := next((s for s in job.ordered if not s.ended), None):
                first.begin()
        begun = [change.row for change in said if isinstance(change.row, JobStep)]
        values = jobs[0].columns() | {
            "worker": worker,
            "attempt": F("attempt") + 1,
            "lease_until": Now() + LEASE,
            "done": 0,
            "total": None,
            "phase": "",
        }
        Job._base_manager.filter(pk__in=pks, status=Status.QUEUED).update(**values)
        if begun:
            JobStep._base_manager.filter(pk__in=[step.pk for step in begun]).update(
                **begun[0].columns()
            )
        JobEvent.objects.bulk_create(
            JobEvent(job_id=row.job_id, step=row, status=status)
            if isinstance(row, JobStep)
            else JobEvent(job_id=row.pk, status=status)
            for row, status, _message in said
        )
    for job in jobs:
        job.worker, job.attempt = worker, job.attempt + 1
        job.started_at = max(job.created_at, job.clock)
    return Claimed(jobs, more=len(found) > len(jobs) or len(found) == BATCH)


# What take_in_turn() does, in one round trip. The claim alone is committed without
# waiting for the disk: if the server falls over in this moment the job is queued again,
# and whoever took it can no longer write.
TAKE = """
WITH found AS MATERIALIZED (
    SELECT id, type, exclusive_key, run_after FROM jobs_job AS j
    WHERE queue = %(queue)s AND status = 'queued' AND type = ANY(%(known)s::text[])
    AND run_after <= statement_timestamp()
    AND (exclusive_key = '' OR NOT EXISTS (
        SELECT FROM jobs_job AS r
        WHERE r.status = 'running' AND r.exclusive_key = j.exclusive_key
        AND NOT r.exclusive_key = ''))
    ORDER BY run_after, id LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT id, type = ANY(%(brief)s::text[]) AS brief,
        row_number() OVER (ORDER BY run_after, id) AS place,
        first_value(type = ANY(%(brief)s::text[])) OVER (ORDER BY run_after, id) AS led,
        CASE exclusive_key WHEN '' THEN 1 ELSE row_number() OVER (
            PARTITION BY exclusive_key ORDER BY run_after, id) END AS of_key
    FROM found
), chosen AS (
    SELECT id, place FROM ranked WHERE place = 1 OR led AND brief AND of_key = 1
), job AS (
    UPDATE jobs_job AS j SET status = 'running', failure_reason = NULL,
        started_at = greatest(j.created_at, statement_timestamp()),
        worker = %(worker)s, attempt = attempt + 1,
        lease_until = statement_timestamp() + %(lease)s,
        done = 0, total = NULL, phase = ''
    FROM chosen WHERE j.id = chosen.id RETURNING {columns}
), first AS (
    SELECT DISTINCT ON (s.job_id) s.id, s.job_id, place
    FROM jobs_jobstep AS s JOIN chosen ON chosen.id = s.job_id
    WHERE s.status = 'queued' ORDER BY s.job_id, s.position
), step AS (
    UPDATE jobs_jobstep AS s SET status = 'running', failure_reason = NULL,
        started_at = statement_timestamp()
    FROM first WHERE s.id = first.id
), event AS (
    INSERT INTO jobs_jobevent (id, job_id, step_id, status, message)
    SELECT (%(ids)s::uuid[])[2 * place - 1], id, NULL, 'running', '' FROM chosen
    UNION ALL
    SELECT (%(ids)s::uuid[])[2 * place], job_id, id, 'running', '' FROM first
)
SELECT job.*, (SELECT count(*) FROM found) AS found,
    (SELECT id FROM first WHERE first.job_id = job.id) AS begun,
    (SELECT json_agg(json_build_array(s.id, s.step_type, s.position, s.status)
        ORDER BY s.position) FROM jobs_jobstep AS s WHERE s.job_id = job.id) AS plan,
    (SELECT set_config('synchronous_commit', 'off', true)) AS calm
FROM job JOIN chosen ON chosen.id = job.id ORDER BY chosen.place
"""


def take_at_once(queue: str, worker: str) -> Claimed:
    values = {
        "queue": queue,
        "known": array(KINDS),
        "brief": array(kind.type for kind in KINDS.values() if kind.brief),
        "worker": worker,
        "lease": LEASE,
        "batch": BATCH,
        "ids": array(str(uuid7()) for _ in range(2 * BATCH)),
    }
    fields = Job._meta.local_concrete_fields
    jobs, found = [], 0
    for row in rows_of(statement(), values):
        *own, found, begun, plan, _calm = row
        job = Job.from_db(
            connection.alias,
            [field.attname for field in fields],
            [
                json.loads(value) if isinstance(field, JSONField) else value
                for field, value in zip(fields, own, strict=True)
            ],
        )
        job.ordered = [planned(job, begun, *step) for step in plan or ()]
        jobs.append(job)
    return Claimed(jobs, more=found > len(jobs) or found == BATCH)


def array(words: Iterable[str]) -> str:
    """Return an array as PostgreSQL reads it; psycopg is slow at many short ones."""
    return "{" + ",".join(words) + "}"


@cache
def statement() -> str:
    """Return TAKE with the columns by name: a plan outlives columns that are added."""
    columns = (f'j."{field.column}"' for field in Job._meta.local_concrete_fields)
    return TAKE.replace("{columns}", ", ".join(columns))


def planned(
    job: Job, begun: UUID, pk: str, step_type: str, position: int, status: str
) -> JobStep:
    """Return a step as the statement left it; it saw the steps before its writes."""
    return JobStep(
        id=UUID(pk),
        job=job,
        step_type=step_type,
        position=position,
        status=Status.RUNNING if UUID(pk) == begun else status,
    )


def waiting(queue: str) -> QuerySet[Job]:
    """Return the queue's due jobs, longest waiting first."""
    # What this release does not know is left to workers that do.
    known = Job.objects.filter(queue=queue, type__in=KINDS)
    rows = known.due().free().order_by("run_after", "id")
    timed: QuerySet[Job] = rows.annotate(clock=Now())
    return timed


def batch(found: list[Job]) -> list[Job]:
    """Return the first job, and those behind it that are as brief as it is."""
    if not found or not is_brief(found[0]):
        return found[:1]
    keys: set[str] = set()
    jobs = []
    for job in found:
        if is_brief(job) and job.exclusive_key not in keys:
            jobs.append(job)
            if job.exclusive_key:
                keys.add(job.exclusive_key)
    return jobs


def is_brief(job: Job) -> bool:
    return KINDS[job.type].brief
