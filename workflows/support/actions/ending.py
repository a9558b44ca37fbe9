"""What a report hears of its jobs: one ended without it, or is tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from jobs.actions.stopping import NotNow
from jobs.models import Job
from workflows.support.actions.cases import Step, case_and_report, fail_case
from workflows.support.collecting.problems import Canceled
from workflows.support.models import SosReportState, WorkflowSession
from workflows.support.models.report import RunStatus
from workflows.support.problems import CaseProblem


@dataclass(frozen=True, slots=True)
class Part:
    """What a kind of job does of a report, and how the report takes part in it.

    ``begin`` raises what there is against it. ``words`` are better than the engine's
    for some codes; ``unknown`` is for a job that ended nobody knows why.
    """

    status: str
    begin: Callable[[WorkflowSession, SosReportState], None]
    fail: Callable[[SosReportState], None]
    words: Mapping[str, StrOrPromise]
    unknown: type[CaseProblem]

    def ended(self, job: Job, code: str) -> None:
        """Write that the job ended without it, and why, on the case too."""
        running = {self.status: RunStatus.RUNNING, "session_id": job.subject_id}
        pk = SosReportState.objects.filter(**running).values_list("pk", flat=True)
        if not pk:  # the case is gone
            return
        by = job.cancel_requested_by if code == Canceled.code else None
        text = self.words.get(code) or job.failure_reason or self.unknown.words
        case_pk = cast(UUID, job.subject_id)
        fail_case(case_pk, code or self.unknown.code, str(text), by=by)
        with SosReportState.moving(pk[0], by=by) as report:
            self.fail(report)

    def restarted(self, job: Job) -> None:
        """Move the case as if somebody had clicked on its page. Raises NotNow."""
        case_pk, by = cast(UUID, job.subject_id), job.created_by
        try:
            with case_and_report(case_pk, by=by) as (row, report):
                failed = getattr(report, self.status) == RunStatus.FAILED
                if row.present_step != Step.SOS_REPORT or not failed:
                    raise moved_on()
                self.begin(row, report)
        except WorkflowSession.DoesNotExist:
            raise NotNow(_("The case of this job was deleted.")) from None
        except CaseProblem as problem:  # as it would be told on its page
            raise NotNow(str(problem)) from None


def moved_on() -> NotNow:
    return NotNow(
        _(
            "The case of this job has moved on since. Nothing was started. Open the "
            "case to see how it stands."
        )
    )
