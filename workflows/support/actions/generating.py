"""Having a report made on a host: asked for by a person, done by a job."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast
from uuid import uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_fsm import TransitionNotAllowed

from jobs.actions.run import Run
from jobs.actions.starting import start_job
from jobs.models import Job, LeaseLost
from workflows.core.accounts import User
from workflows.support.actions.cases import (
    DONE,
    case_and_report,
    fail_case,
    gated,
    require_report,
    require_rest,
)
from workflows.support.actions.ending import Part
from workflows.support.actions.reporting import FETCH, GENERATE, unique_key
from workflows.support.collecting.collector import Collector, Report
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import Canceled, TimedOut
from workflows.support.models import Host, SosReportState, WorkflowSession
from workflows.support.models.report import RunStatus
from workflows.support.problems import GenerateFailed, HostNotReady
from workflows.support.products import product_kind

LONGEST_SECONDS = 7200  # that a host gives a report


# --- asked for ------------------------------------------------------------------------
def generate_sosreport(
    case: WorkflowSession, *, by: User, options: ReportOptions, consent: bool
) -> Job:
    """Have a report made, once somebody has agreed to what it contains.

    A second click finds the first one's job (``is_new`` is False) and changes nothing.
    Raises ProductFirst; HostNotReady, for which the case fails; TransitionNotAllowed
    when the case is elsewhere, its archive is on the way, or is brought along.
    """
    if not consent:
        raise ValueError("nobody has agreed to what a report contains")
    try:
        with gated(case, by=by), transaction.atomic():
            # Whoever ends a job, or tries it again, locks the job before the case.
            job = start_job(GENERATE, case, by=by, unique=unique_key(GENERATE, case.pk))
            if job.is_new:
                with case_and_report(case.pk, by=by) as (row, report):
                    report.consented_by, report.consented_at = by, timezone.now()
                    report.options = asdict(options)
                    begin(row, report)
    except HostNotReady as problem:
        fail_case(case.pk, problem.code, str(problem), by=by)
        raise
    return job


def begin(row: WorkflowSession, report: SosReportState) -> None:
    """Raises ProductFirst, HostNotReady, TransitionNotAllowed."""
    require_report(row)
    if row.host is None or row.host.transport == Host.Transport.UPLOAD:
        raise TransitionNotAllowed(_("The archive of this case is brought along."))
    if row.host.unconfirmed:  # it was changed since it was chosen
        raise HostNotReady
    if report.generation_status == RunStatus.RUNNING:
        report.not_generated()  # by a job that is gone without a word
    require_rest(row, report)
    if report.fetch_status in DONE:
        report.forget_fetch()
    report.generate()


def options_of(report: SosReportState) -> ReportOptions:
    """Return what was agreed to. Raises ValidationFailed."""
    kept: dict[str, Any] = dict(report.options)
    # JSON knows no tuples.
    for name in ("only", "enable", "disable"):
        kept |= {name: tuple(kept.get(name, ()))}
    return ReportOptions(**kept)


# --- the job --------------------------------------------------------------------------
def generate(run: Run) -> None:
    """Make the report, then have it fetched. Raises Problem, SealError."""
    case = cast(WorkflowSession, run.subject)
    report: SosReportState = SosReportState.objects.get(session=case)
    options = options_of(report)
    with product_kind(case.selected_product).collecting(cast(Host, case.host)) as lent:
        run_id = next_run(run, report, lent)
        made = lent.generate(
            run_id, options, progress=run.progress, timeout=LONGEST_SECONDS
        )
        try:
            complete(run, case, run_id, made)
        except LeaseLost:
            lent.clear(run_id)  # nobody else may know of it
            raise


def next_run(run: Run, report: SosReportState, collector: Collector) -> str:
    """Return the id of a run of its own, known here before its host is asked for it.

    What an attempt before it has left there, its worker lost, is ended and removed.
    """
    if report.run_id:
        collector.clear(report.run_id)
        run.checkpoint()
    run_id = uuid4().hex
    with run.fenced():
        SosReportState.objects.filter(pk=report.pk).update(run_id=run_id)
    return run_id


def complete(run: Run, case: WorkflowSession, run_id: str, made: Report) -> None:
    with run.completing():
        by = run.job.created_by
        start_job(FETCH, case, by=by, unique=unique_key(FETCH, case.pk))
        with case_and_report(case.pk, by=None) as (_row, report):
            report.generated(run_id, made.name, made.size, made.sha256)
            report.fetch()


# --- told by the engine ---------------------------------------------------------------
PART = Part(
    status="generation_status",
    begin=begin,
    fail=SosReportState.not_generated,
    words={problem.code: problem.words for problem in (Canceled, TimedOut)},
    unknown=GenerateFailed,
)
