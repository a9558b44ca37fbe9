"""Starting jobs: the row in the caller's transaction, the bell after its commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, models, transaction

from jobs.actions.bells import ring_on_commit
from jobs.actions.kinds import Kind, kind_of
from jobs.actions.statements import Statement, one_statement
from jobs.models import BUDGET_TYPES, Job, JobEvent, JobStep
from jobs.models.tracked import Status
from workflows.core.accounts import Account, User

UNENDED = (Status.QUEUED, Status.RUNNING)


def start_job(
    kind: str,
    subject: models.Model | None,
    *,
    by: User | None,
    account: Account | None = None,
    steps: Sequence[str] | None = None,
    run_after: datetime | None = None,
    unique: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    parent: Job | None = None,
) -> Job:
    """Write a job, its steps and its first event in the caller's transaction.

    It belongs to the given account, else to its subject's, else to the person's; with
    none of them it is the product's own. ``unique``: while a job with this key is
    queued or running, that one is returned, with ``is_new`` False; a key says what kind
    of job it is for and whose, since all accounts share them. ``metadata`` is for
    everybody to read: never a secret. Raises UnknownKind.
    """
    known = kind_of(kind)
    owner = account or getattr(subject, "account", None) or (by.account if by else None)
    job = Job(
        type=kind,
        account=owner,
        created_by=by,
        parent_job=parent,
        metadata=dict(metadata or {}),
        unique_key=unique or "",
        **placed(known, subject),
    )
    if run_after:
        job.run_after = run_after
    names = known.steps if steps is None else steps
    return insert(
        job,
        [
            JobStep(job=job, step_type=name, position=position)
            for position, name in enumerate(names, start=1)
        ],
    )


def placed(kind: Kind, subject: models.Model | None) -> dict[str, Any]:
    """Return the columns that follow from the kind and the subject."""
    values: dict[str, Any] = {
        "queue": kind.queue,
        "max_attempts": kind.retries + 1,
        "exclusive_key": exclusive_key(kind, subject) if kind.exclusive else "",
    }
    if subject:
        values |= {
            "subject_type": ContentType.objects.get_for_model(subject),
            "subject_id": subject.pk,
        }
        if kind.type in BUDGET_TYPES:
            values["budget_id"] = subject.pk
    return values


def exclusive_key(kind: Kind, subject: models.Model | None) -> str:
    return str(subject.pk) if subject else kind.type


def insert(job: Job, steps: Sequence[JobStep], *, note: str = "") -> Job:
    """Write the job unless one with its unique key has not ended; return either."""
    event = JobEvent(job=job, status=Status.QUEUED, message=note)
    write = write_at_once if one_statement() else write_in_turn
    while not write(job, steps, event):
        found: Job | None = Job.objects.filter(
            unique_key=job.unique_key, status__in=UNENDED
        ).first()
        if found:
            found.is_new = False
            return found
        # It ended between the two looks: now there is room.
    ring_on_commit(job.queue)
    return job


UNLESS = """
ON CONFLICT (unique_key) WHERE status IN ('queued', 'running') AND NOT unique_key = ''
DO NOTHING
"""


def write_at_once(job: Job, steps: Sequence[JobStep], event: JobEvent) -> bool:
    statement = Statement().insert([job], unless=UNLESS if job.unique_key else "")
    if steps:
        statement.insert(steps)
    row = statement.insert([event]).run("created_at, run_after")
    if row is None:
        return False
    job.created_at, job.run_after = row
    job._state.adding, job._state.db = False, connection.alias
    return True


def write_in_turn(job: Job, steps: Sequence[JobStep], event: JobEvent) -> bool:
    try:
        with transaction.atomic():
            job.save(force_insert=True)
            JobStep.objects.bulk_create(steps)
            event.save(force_insert=True)
    except IntegrityError as error:
        if "unique_key" not in str(error):
            raise
        job._state.adding = True
        return False
    return True
