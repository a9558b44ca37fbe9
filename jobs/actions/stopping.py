"""What people do to a job: cancel it, try it again."""

from __future__ import annotations

from django.db import IntegrityError, OperationalError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from jobs.actions.kinds import kind_of
from jobs.actions.starting import insert
from jobs.actions.statements import deadlocked
from jobs.actions.writing import moving
from jobs.models import Job, JobStep, LeaseLost
from jobs.models.tracked import Status
from workflows.core.accounts import User

# What a retry takes over from the job before it.
KEPT = (
    "account_id",
    "budget_id",
    "exclusive_key",
    "metadata",
    "parent_job_id",
    "queue",
    "result",
    "subject_id",
    "subject_type_id",
    "type",
    "unique_key",
)
STEP_KEPT = ("status", "started_at", "completed_at")


class Ended(Exception):
    """The job has ended already: there is nothing to cancel."""


class NotFailed(Exception):
    """Only what failed or was canceled is tried again."""


class NotNow(Exception):
    """What the job is about has moved on; the text says what to do."""


def cancel_job(job: Job, *, by: User) -> Job:
    """Cancel a queued job at once; ask a running one to stop.

    Raises Ended; LeaseLost when it changed in this moment.
    """
    try:
        with moving(job.pk) as lend:
            row = lend.job
            if row.ended:
                raise Ended(str(row.pk))
            if row.cancel_requested_at is None:
                lend.values |= {"cancel_requested_at": Now(), "cancel_requested_by": by}
            if row.status == Status.QUEUED:
                lend.close_steps()
                row.cancel(_("Canceled by %(who)s.") % {"who": by})
    except OperationalError as error:
        if deadlocked(error):
            raise LeaseLost(f"job {job.pk}") from error
        raise
    canceled: Job = Job.objects.get(pk=job.pk)
    return canceled


def retry_job(job: Job, *, by: User) -> Job:
    """Start the job again from its first unfinished step; return the new job.

    The old one stays as it ended. A second click finds the first one's job. Raises
    NotFailed; UnknownKind when nothing does such jobs any more; NotNow when its kind
    refuses.
    """
    if job.status not in {Status.FAILED, Status.CANCELED}:
        raise NotFailed(str(job.pk))
    if found := job.retries.first():
        found.is_new = False
        return found
    kind = kind_of(job.type)
    again = Job(
        retry_of=job,
        created_by=by,
        max_attempts=kind.retries + 1,
        **{name: getattr(job, name) for name in KEPT},
    )
    steps = [
        JobStep(
            job=again,
            step_type=step.step_type,
            position=step.position,
            **{name: getattr(step, name) for name in STEP_KEPT if is_done(step)},
        )
        for step in job.steps.order_by("position")
    ]
    try:
        with transaction.atomic():
            made = insert(again, steps, note=_("Tried again by %(who)s.") % {"who": by})
            if made.is_new and kind.restarted:
                kind.restarted(made)
            return made
    except IntegrityError:
        found = job.retries.first()
        if found is None:
            raise
        found.is_new = False
        return found
    except OperationalError as error:
        if deadlocked(error):
            text = _("It changed in this very moment. Look at it again.")
            raise NotNow(text) from error
        raise


def is_done(step: JobStep) -> bool:
    return bool(step.status == Status.SUCCEEDED)
