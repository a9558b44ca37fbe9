"""The only code that changes a job: fenced, with its steps, events and attempt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from jobs.actions.kinds import KINDS
from jobs.actions.statements import Statement, deadlocked, one_statement
from jobs.models import Fence, Job, JobAttempt, JobEvent, JobStep, LeaseLost, lent
from jobs.models.tracked import Said, Status, Tracked

log = logging.getLogger(__name__)


@contextmanager
def moving(
    pk: UUID, *, fence: Fence | None = None, wait: bool = True
) -> Iterator[LentJob]:
    """Lend the locked job and its steps, then save all: job, steps, events, attempt.

    If the job failed or was canceled its kind is told, in the same transaction. Raises
    Job.DoesNotExist, also for a row that somebody has locked if ``wait`` is False;
    LeaseLost when a fence is given and no longer holds.
    """
    skip = not wait and connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        job = Job._base_manager.select_for_update(skip_locked=skip).get(pk=pk)
        if fence and (job.status != Status.RUNNING or job.fence != fence):
            raise LeaseLost(f"job {pk}")
        before = job.status
        with lending(job, list(job.steps.order_by("position"))) as lend:
            yield lend
        if job.status != before and job.status in {Status.FAILED, Status.CANCELED}:
            tell_ended(job, lend.code)


def tell_ended(job: Job, code: str) -> None:
    """Call the kind's ``ended``; what fails there does not keep the job from ending.

    Raises what went wrong if the transaction is lost with it: then nothing is written,
    and whoever ends the job does it all once more.
    """
    kind = KINDS.get(job.type)
    if kind is None or kind.ended is None:
        return
    try:
        with transaction.atomic():
            kind.ended(job, "canceled" if job.status == Status.CANCELED else code)
            if one_statement():  # SQLite would read every table for it
                # A broken reference would else be found at the commit: too late.
                connection.check_constraints()
    except Exception as error:
        # To go on without a connection would end in a silent rollback. A deadlock is
        # nobody's mistake, and passes once this transaction lets go of the job.
        if transaction.get_rollback() or deadlocked(error):
            raise
        log.exception("job %s (%s) ended, but not for its kind", job.pk, job.type)


class LentJob:
    """A job that may move, its steps in order, and what else its UPDATE writes."""

    def __init__(self, job: Job, steps: Sequence[JobStep]) -> None:
        self.job = job
        self.steps = steps
        self.values: dict[str, Any] = {}
        self.attempt: JobAttempt | None = None
        self.code = ""  # why it fails, for its kind

    @property
    def unfinished(self) -> list[JobStep]:
        return [step for step in self.steps if not step.ended]

    def end_attempt(
        self, outcome: str, *, category: str = "", reason: str = "", trace: str = ""
    ) -> None:
        """Record what became of the present run."""
        self.attempt = JobAttempt(
            job=self.job,
            number=self.job.attempt,
            worker=self.job.worker,
            started_at=self.job.started_at,
            outcome=outcome,
            category=category,
            reason=reason,
            traceback=trace,
        )

    def close_steps(self, reason: str | None = None) -> None:
        """End what is unfinished with the job: the running step fails for a reason."""
        for step in self.unfinished:
            if reason is not None and step.status == Status.RUNNING:
                step.fail(reason)
            else:
                step.cancel()


@contextmanager
def lending(job: Job, steps: Sequence[JobStep]) -> Iterator[LentJob]:
    """Lend rows that are in memory; saved only where the database still holds them so.

    Belongs inside ``atomic`` or ``together``. Raises LeaseLost: somebody was faster.
    """
    before, fence = job.status, job.fence
    lend = LentJob(job, steps)
    with lent(job, *steps) as said:
        yield lend
        store(lend, said, before, fence)


def store(lend: LentJob, said: list[Said], before: str, fence: Fence) -> None:
    job = lend.job
    moved = {id(change.row) for change in said}
    values = (job.columns() if id(job) in moved else {}) | lend.values
    same = {
        "id": job.pk,
        "status": before,
        "worker": fence.worker,
        "attempt": fence.attempt,
    }
    steps = [step for step in lend.steps if id(step) in moved]
    events = [
        JobEvent(job=job, step=step_of(row), status=status, message=message)
        for row, status, message in said
    ]
    if not (values or said):
        return
    # Something is always written of the job itself: that is what the fence holds.
    write = store_at_once if one_statement() else store_in_turn
    if not write(lend, values or {"attempt": fence.attempt}, same, steps, events):
        raise LeaseLost(f"job {job.pk}")


def store_at_once(
    lend: LentJob,
    values: dict[str, Any],
    same: dict[str, Any],
    steps: list[JobStep],
    events: list[JobEvent],
) -> bool:
    statement = Statement().update(Job, values, same)
    for step in steps:
        statement.update(JobStep, step.columns(), {"id": step.pk})
    if events:
        statement.insert(events)
    if lend.attempt:
        statement.insert([lend.attempt])
    return statement.run() is not None


def store_in_turn(
    lend: LentJob,
    values: dict[str, Any],
    same: dict[str, Any],
    steps: list[JobStep],
    events: list[JobEvent],
) -> bool:
    if not Job._base_manager.filter(**same).update(**values):
        return False
    for step in steps:
        JobStep._base_manager.filter(pk=step.pk).update(**step.columns())
    JobEvent.objects.bulk_create(events)
    if lend.attempt:
        lend.attempt.save(force_insert=True)
    return True


def step_of(row: Tracked) -> JobStep | None:
    return row if isinstance(row, JobStep) else None


def together() -> AbstractContextManager[Any]:
    """Return what makes the writes of one ``lending`` happen together.

    A single statement is a transaction of its own already.
    """
    return nullcontext() if one_statement() else transaction.atomic()
