"""Taking queued jobs: one conditional UPDATE, so that each is run by one worker."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from jobs.actions.kinds import KINDS
from jobs.models import Job, JobEvent, JobStep, lent
from jobs.models.tracked import Status

LEASE = timedelta(seconds=30)
HEARTBEAT = timedelta(seconds=10)
# Brief jobs that one statement takes; they run one after another.
BATCH = 8


class Claimed(NamedTuple):
    """What a worker has got. ``more``: the queue holds work for another worker."""

    jobs: list[Job]
    more: bool


def claim(queue: str, worker: str) -> Claimed:
    """Take the next due job of the queue, or the next few if they are brief."""
    for _ in range(3):
        try:
            with transaction.atomic():
                return take(queue, worker)
        except IntegrityError:
            # Another worker took a job of the same exclusive key in this moment: the
            # next look leaves its jobs out.
            continue
    return Claimed([], more=True)


def take(queue: str, worker: str) -> Claimed:
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


def waiting(queue: str) -> QuerySet[Job]:
    """Return the queue's due jobs, longest waiting first, locked where that is done."""
    # What this release does not know is left to workers that do.
    known = Job.objects.filter(queue=queue, type__in=KINDS)
    rows = known.due().free().order_by("run_after", "id")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, of=("self",))
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
