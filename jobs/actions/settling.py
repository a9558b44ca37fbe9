"""How a run ended, and what becomes of its job: over, or tried again."""

from __future__ import annotations

import logging
import random
import traceback
from dataclasses import dataclass
from datetime import timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from jobs.actions.bells import ring_on_commit
from jobs.actions.kinds import KINDS, Kind
from jobs.actions.run import (
    CANCELED,
    HANDED_BACK,
    TIMED_OUT,
    Run,
    Stopped,
    SubjectGone,
)
from jobs.actions.writing import LentJob, moving
from jobs.models import Job, JobAttempt, LeaseLost
from workflows.core.errors import Category, Problem, Temporary

log = logging.getLogger(__name__)
Outcome = JobAttempt.Outcome
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended. ``again``: may another one follow? ``code``: why, in a word."""

    outcome: Outcome
    reason: str = ""
    category: str = ""
    trace: str = ""
    again: bool = False
    wait: timedelta = timedelta(0)
    code: str = ""


def judge(run: Run, error: Exception) -> Verdict | None:
    """Tell what an exception means; None where the job is no longer ours."""
    if isinstance(error, LeaseLost):
        return None
    if isinstance(error, Stopped):
        return stopped(run.kind, error.why)
    said = storable(str(error)) or unexpected()
    trace = storable("".join(traceback.format_exception(error)))
    wait = wait_before(run.kind, run.job.attempt)
    match error:
        case SubjectGone():
            text = _("What it was about has been deleted meanwhile.")
            return Verdict(Outcome.CANCELED, text)
        case Temporary():
            wait = max(wait, error.retry_after or wait)
            code = code_of(error)
            return Verdict(
                Outcome.FAILED, said, Category.TEMPORARY, trace, True, wait, code
            )
        case Problem():
            code = code_of(error)
            return Verdict(Outcome.FAILED, said, error.category, trace, code=code)
        case OperationalError() | InterfaceError():
            text = _("The database could not be reached.")
            again = run.kind.repeatable
            return Verdict(
                Outcome.FAILED, text, Category.TEMPORARY, trace, again, FIRST_WAIT
            )
    log.error("job %s (%s) failed", run.job.pk, run.job.type, exc_info=error)
    return Verdict(Outcome.FAILED, unexpected(), Category.ADMIN_REQUIRED, trace)


def code_of(problem: Problem) -> str:
    """Return the problem's own word for machines; "" where its class has none."""
    code = getattr(problem, "code", "")
    return code if isinstance(code, str) else ""


def unexpected() -> str:
    return _(
        "Something went wrong that Handrail did not expect. Nothing that was done "
        "before is lost. Try again; if it fails again, tell an administrator: the "
        "details are kept with the job."
    )


def storable(text: str) -> str:
    """Replace what a database refuses: a verdict must not fail for its words."""
    return (
        text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        .encode("utf-8", "replace")
        .decode()
    )


def stopped(kind: Kind, why: str) -> Verdict | None:
    if why == CANCELED:
        return Verdict(Outcome.CANCELED)
    if why == TIMED_OUT:
        return out_of_time(kind)
    if why == HANDED_BACK:
        return Verdict(Outcome.HANDED_BACK, again=True)
    return None  # LOST: whoever has the job now writes how it ends


def out_of_time(kind: Kind | None) -> Verdict:
    text = too_long(kind)
    return Verdict(Outcome.TIMED_OUT, text, Category.TEMPORARY, code="timeout")


def too_long(kind: Kind | None) -> str:
    if kind is None:
        return _("It took too long and was stopped.")
    minutes = kind.timeout.total_seconds() / 60
    return _(
        "It took longer than %(minutes)s minutes and was stopped. Steps that were "
        "finished are kept: try again to go on from there."
    ) % {"minutes": f"{minutes:g}"}


def wait_before(kind: Kind, attempt: int) -> timedelta:
    """Return the wait before the next attempt, with jitter: not all come at once."""
    if kind.backoff:
        wait = kind.backoff[min(attempt, len(kind.backoff)) - 1]
    else:
        wait = min(FIRST_WAIT * 2 ** min(attempt - 1, 10), LONGEST_WAIT)
    return wait * (1 + JITTER * random.random())  # noqa: S311  (no secret)


def settle(job: Job, verdict: Verdict) -> None:
    """Write the verdict, under the fence of the run. Raises LeaseLost."""
    with moving(job.pk, fence=job.fence) as lend:
        decide(lend, verdict)


def settle_lost(job: Job) -> None:
    """End the run of a worker that has not renewed its lease. Raises LeaseLost."""
    kind = KINDS.get(job.type)
    # Who holds the row is writing: then it is not lost, and nobody waits for that.
    with moving(job.pk, fence=job.fence, wait=False) as lend:
        row = lend.job
        if row.lease_until != job.lease_until:
            raise LeaseLost(f"the worker of job {row.pk} came back")
        if row.timed_out:
            verdict = out_of_time(kind)
        elif row.cancel_requested_at:
            verdict = Verdict(Outcome.CANCELED)
        else:
            verdict = Verdict(
                Outcome.LOST,
                _(
                    "The process that ran it ended unexpectedly. What was finished is "
                    "kept: try again to go on from there."
                ),
                Category.TEMPORARY,
                again=kind is not None and kind.repeatable,
            )
        decide(lend, verdict)


def decide(lend: LentJob, verdict: Verdict) -> None:
    """Move job and steps as the verdict says, and record the attempt."""
    job = lend.job
    lend.code = verdict.code
    lend.end_attempt(
        verdict.outcome,
        category=verdict.category,
        reason=verdict.reason,
        trace=verdict.trace,
    )
    handed_back = verdict.outcome == Outcome.HANDED_BACK
    left = job.attempt < job.max_attempts or handed_back
    if verdict.outcome == Outcome.CANCELED or (
        verdict.again and job.cancel_requested_at
    ):
        lend.close_steps()
        job.cancel(verdict.reason)
    elif verdict.again and left:
        for step in lend.unfinished:
            if step.status == step.Status.RUNNING:
                step.requeue()
        job.requeue(verdict.reason)
        if handed_back:
            lend.values["max_attempts"] = F("max_attempts") + 1
        if verdict.wait:
            lend.values["run_after"] = Now() + verdict.wait
        else:  # it keeps its place in the queue
            ring_on_commit(job.queue)
    else:
        lend.close_steps(verdict.reason)
        job.fail(verdict.reason)
