"""Having a report's archive fetched from its host: asked for, and done by a job."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from django.db import transaction

from jobs.actions.run import Run
from jobs.actions.starting import start_job
from jobs.models import Job
from workflows.core.accounts import User
from workflows.core.errors import Problem
from workflows.support.actions import archives
from workflows.support.actions.cases import (
    case_and_report,
    gated,
    require_report,
)
from workflows.support.actions.ending import Part
from workflows.support.actions.reporting import FETCH, unique_key
from workflows.support.actions.sizes import largest_archive
from workflows.support.collecting.collector import Collector, Fetched, Progress, Report
from workflows.support.collecting.problems import (
    ArchiveNotFound,
    ArchiveTooLarge,
    FetchCanceled,
    FetchTimedOut,
    unwritable,
)
from workflows.support.models import Artifact, Host, SosReportState, WorkflowSession
from workflows.support.models.report import RunStatus
from workflows.support.problems import FetchFailed, MissingFetchReference
from workflows.support.products import product_kind


# --- asked for ------------------------------------------------------------------------
def fetch_sosreport(case: WorkflowSession, *, by: User) -> Job:
    """Have an archive fetched that did not arrive at first.

    A second click finds the first one's job. Raises MissingFetchReference and
    ProductFirst; TransitionNotAllowed when the case is elsewhere or it has arrived.
    """
    with gated(case, by=by), transaction.atomic():
        job = start_job(FETCH, case, by=by, unique=unique_key(FETCH, case.pk))
        if job.is_new:
            with case_and_report(case.pk, by=by) as (row, report):
                begin(row, report)
    return job


def begin(row: WorkflowSession, report: SosReportState) -> None:
    """Raises MissingFetchReference, ProductFirst, TransitionNotAllowed."""
    if not report.fetch_reference:
        raise MissingFetchReference
    require_report(row)
    if report.fetch_status == RunStatus.RUNNING:
        report.not_fetched()  # by a job that is gone without a word
    report.fetch()


# --- the job --------------------------------------------------------------------------
def fetch(run: Run) -> None:
    """Fetch the archive into the storage. Raises Problem, SealError."""
    case = cast(WorkflowSession, run.subject)
    report: SosReportState = SosReportState.objects.get(session=case)
    promised = Report(
        report.archive_name, report.archive_size or 0, report.archive_sha256
    )
    if promised.size > largest_archive():
        raise ArchiveTooLarge(promised.size, largest_archive())
    stem = f"{run.job.pk}."
    archives.drop_partials(stem)
    host, run_id = cast(Host, case.host), report.fetch_reference
    with product_kind(case.selected_product).collecting(host) as collector:
        try:
            with archives.receiving(f"{stem}{run.job.attempt}") as into:
                got = collector.fetch(promised, run_id, into, progress=counting(run))
                complete(run, case, promised.name, got, into.path)
        except OSError as error:
            raise unwritable(error) from error
        remove(collector, run_id)


def counting(run: Run) -> Progress:
    """Return what shows bytes as the MiB that a job can count."""

    def show(done: int, total: int | None, words: str) -> None:
        run.progress(*archives.in_mib(done, total or 0), f"{words} (MiB)")

    return show


def complete(
    run: Run, case: WorkflowSession, filename: str, got: Fetched, path: Path
) -> None:
    """Put the archive into the storage, and say that it is there: both, or neither."""
    with (
        archives.storing(path, case) as name,
        run.completing(),
        case_and_report(case.pk, by=None) as (row, report),
    ):
        artifact = archives.keep(
            row,
            name=name,
            filename=filename,
            size=got.size,
            sha256=got.sha256,
            origin=Artifact.Origin.COLLECTED,
            by=run.job.created_by,
        )
        report.fetched(artifact)
        if not row.failed_step:
            row.clear_error()  # of what was asked for too early


def remove(collector: Collector, run_id: str) -> None:
    """Remove what was fetched from its host, if that can be: else it stays a day."""
    with suppress(Problem):
        collector.remove(run_id)


# --- told by the engine ---------------------------------------------------------------
PART = Part(
    status="fetch_status",
    begin=begin,
    fail=SosReportState.not_fetched,
    words={problem.code: problem.words for problem in (FetchCanceled, FetchTimedOut)},
    unknown=FetchFailed,
)
# Nothing is left to be fetched: the page leads to another report.
NOT_THERE = replace(PART, fail=SosReportState.not_there)


def fetch_ended(job: Job, code: str) -> None:
    part = NOT_THERE if code == ArchiveNotFound.code else PART
    part.ended(job, code)
    # A worker that was killed could not; on another machine it is done in a day.
    drop = partial(archives.drop_partials, f"{job.pk}.")
    transaction.on_commit(drop, robust=True)
