"""The third step: the archive goes onto the issue, once, and is seen there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_fsm import TransitionNotAllowed

from jobs.actions.run import Run
from jobs.actions.starting import start_job
from jobs.actions.stopping import NotNow
from jobs.models import Job
from workflows.core.accounts import TenantQuerySet, User
from workflows.core.errors import UserFixable
from workflows.core.jira import (
    ArtifactTooLarge,
    Attachment,
    Forbidden,
    Issue,
    JiraProblem,
    NotFound,
)
from workflows.support.actions.archives import in_mib, open_archive
from workflows.support.actions.cases import fail_case
from workflows.support.actions.verifying import (
    asking,
    case_and_jira,
    connection_of,
    remembering,
    resume,
)
from workflows.support.collecting.problems import sizes
from workflows.support.models import Artifact, JiraAttachmentState, WorkflowSession
from workflows.support.models.report import RunStatus
from workflows.support.problems import (
    AccessNotVerified,
    AttachFailed,
    CaseProblem,
    IssueAccessDenied,
    MissingArtifact,
)

if TYPE_CHECKING:
    from workflows.core.jira.client import Jira

KIND = "support.jira_attach_artifact"
MIB = 1024 * 1024


class AttachmentDiffers(CaseProblem, UserFixable):
    """Jira said that it has the file; the issue says otherwise."""

    code = "attach_failed"
    words = gettext_lazy(
        "Jira took the archive, but the issue does not show it by its name and in its "
        "size. The archive is kept here. Look at the issue's attachments, remove what "
        "is not whole, then try again."
    )


class AttachCanceled(CaseProblem, UserFixable):
    code = "canceled"
    words = gettext_lazy(
        "The upload was stopped, and Jira keeps nothing of a file that is not whole. "
        "The archive and the issue's key are kept. Attach it again when you want to."
    )


class AttachTimedOut(CaseProblem, UserFixable):
    code = "timeout"
    words = gettext_lazy(
        "The upload took too long and was stopped. The archive and the issue's key are "
        "kept. Try again when the way to Jira is faster, or make a smaller report."
    )


# How a job ended that had no problem of its own to tell.
ENDINGS: dict[str, type[CaseProblem]] = {
    problem.code: problem for problem in (AttachCanceled, AttachTimedOut)
}


# --- asked for ------------------------------------------------------------------------
def jira_attach_artifact(case: WorkflowSession, *, by: User) -> Job:
    """Send the archive to the checked issue; a second click finds the first one's job.

    Raises CaseProblem, ArtifactTooLarge, both remembered on the case; JiraProblem;
    TransitionNotAllowed for a case that is completed.
    """
    with remembering(case, by=by), transaction.atomic():
        # The job before the case, in the order in which a retry and the end of a run
        # lock them too. It goes with the transaction if there is something against it.
        job = start_job(
            KIND, case, by=by, unique=f"{KIND}:{case.pk}", metadata=sending(case)
        )
        if job.is_new:
            begin(job)
    return job


def sending(case: WorkflowSession) -> dict[str, Any]:
    """Return what a job is about, for people and for its retry."""
    found = archives_of(case).first()
    return {"archive": found.filename, "archiveId": str(found.pk)} if found else {}


def begin(job: Job) -> None:
    """Let the job's case attach. Raises CaseProblem, JiraProblem, TransitionNotAllowed.

    A retry sends what the job before it was to send, or nothing.
    """
    by = job.created_by
    with case_and_jira(cast(UUID, job.subject_id), by=by) as (row, state):
        if state.attachment_status == RunStatus.RUNNING:
            state.not_attached()  # by a job that is gone without a word
        archive = archive_of(row)
        connection_of(state, by)
        if not state.is_verified():
            raise AccessNotVerified
        check_size(archive, state.upload_limit)
        if job.metadata != sending(row):
            raise TransitionNotAllowed(_("The case has another archive by now."))
        if last_archive(job) != str(archive.pk):
            state.known_ids = None
        state.attach()
        resume(row)


def last_archive(job: Job) -> str:
    """Return which archive the case's attachment before this one was to send."""
    jobs = Job.objects.filter(subject_id=job.subject_id, type=KIND).exclude(pk=job.pk)
    last = jobs.order_by("-id").first()
    return str(last.metadata.get("archiveId")) if last else ""


def archives_of(case: WorkflowSession) -> TenantQuerySet:
    return Artifact.objects.filter(report__session_id=case.pk).exclude(file="")


def archive_of(case: WorkflowSession) -> Artifact:
    """Return the archive as it is now. Raises MissingArtifact."""
    found: Artifact | None = archives_of(case).first()
    if found is None:
        raise MissingArtifact
    return found


# --- sizes ----------------------------------------------------------------------------
def check_size(archive: Artifact, limit: int | None) -> None:
    """Compare before anything is sent. Raises ArtifactTooLarge with both sizes."""
    cap = settings.SUPPORT_LARGEST_MIB * MIB
    if limit is not None and archive.size > limit:
        raise ArtifactTooLarge(
            _(
                "The archive has %(size)s, and Jira takes at most %(most)s of a file. "
                "Nothing was sent; the archive is kept. Make a smaller report, with "
                "fewer plugins or smaller logs, or ask Jira's administrator to raise "
                "the limit."
            )
            % sizes(archive.size, limit)
        )
    if archive.size > cap:
        raise ArtifactTooLarge(
            _(
                "The archive has %(size)s, and Handrail sends at most %(most)s. "
                "Nothing was sent; the archive is kept. Make a smaller report, with "
                "fewer plugins or smaller logs, or ask an administrator to raise the "
                "limit."
            )
            % sizes(archive.size, cap)
        )


# --- the job --------------------------------------------------------------------------
def attach(run: Run) -> None:
    """Send the archive unless Jira has it, and look for it there. Raises Problem.

    Nothing is taken for granted that was so before: Jira is asked for the account and
    the issue again, and every try begins by looking for what the one before it left.
    """
    case = cast(WorkflowSession, run.subject)
    state, archive = case.jira, archive_of(case)
    connection, key = connection_of(state, run.job.created_by), state.issue_key
    run.progress(0, None, _("Asking Jira"))
    with asking(connection) as jira:
        with still_visible():
            issue = jira.issue(key)
        known = note(run, state, issue, limit := jira.upload_limit())
        found = look(jira, key, archive, known)
        was_there = found is not None
        if not was_there:
            check_size(archive, limit)
            send(run, jira, key, archive)
            found = look(jira, key, archive, known)
    if found is None:
        raise AttachmentDiffers
    run.result = {"issue": issue.key, "alreadyThere": was_there}
    with (
        run.completing(),
        WorkflowSession.moving(case.pk, by=None) as row,
        JiraAttachmentState.moving(state.pk, by=None) as there,
    ):
        row.attached()
        there.attached(found.id, issue.url)


@contextmanager
def still_visible() -> Iterator[None]:
    """The issue was there when it was checked. Raises IssueAccessDenied."""
    try:
        yield
    except (NotFound, Forbidden):
        raise IssueAccessDenied from None


def note(
    run: Run, state: JiraAttachmentState, issue: Issue, limit: int | None
) -> list[str]:
    """Write down what is on the issue before the first try; return it at each try.

    Committed before anything is sent: whoever comes after a run that ended nobody knows
    where has to tell its attachment from older ones. Raises LeaseLost.
    """
    with run.fenced(), JiraAttachmentState.moving(state.pk, by=None) as row:
        row.upload_limit = limit
        if row.known_ids is None:
            row.known_ids = [attachment.id for attachment in issue.attachments]
    return list(row.known_ids)


def look(
    jira: Jira, key: str, archive: Artifact, known: list[str]
) -> Attachment | None:
    """Return the archive as it is on the issue, by name and size."""
    with still_visible():
        return jira.find_attachment(
            key, archive.filename, archive.size, since_ids=known
        )


def send(run: Run, jira: Jira, key: str, archive: Artifact) -> None:
    """Stream the archive. No safe point follows: what has arrived is not canceled."""

    def show(sent: int) -> None:
        run.progress(*in_mib(sent, archive.size), _("Sending to Jira (MiB)"))

    show(0)
    try:
        with open_archive(archive) as file:
            jira.attach(
                key,
                file,
                name=archive.filename,
                size=archive.size,
                progress=show,
            )
    except NotFound:
        raise IssueAccessDenied from None


# --- told by the engine ---------------------------------------------------------------
def attach_ended(job: Job, code: str) -> None:
    """The job failed or was canceled: so has its case, for the same reason."""
    pk, running = job.subject_id, RunStatus.RUNNING
    states = JiraAttachmentState.objects.filter(session=pk, attachment_status=running)
    found = states.values_list("pk", flat=True).first()
    if pk is None or found is None:  # the case is gone
        return
    by = job.cancel_requested_by if code == AttachCanceled.code else None
    fail_case(pk, code or AttachFailed.code, reason(job, code), by=by)
    with JiraAttachmentState.moving(found, by=by) as state:
        state.not_attached()
        if code == IssueAccessDenied.code:
            state.issue_access_verified = False


def reason(job: Job, code: str) -> str:
    if code in ENDINGS:
        return str(ENDINGS[code].words)
    return job.failure_reason or str(AttachFailed.words)


def attach_restarted(job: Job) -> None:
    """Somebody tries a job again: whoever it is needs a connection. Raises NotNow."""
    try:
        begin(job)
    except (CaseProblem, JiraProblem) as problem:
        raise NotNow(str(problem)) from None
    except (TransitionNotAllowed, WorkflowSession.DoesNotExist):
        raise NotNow(
            _(
                "The case of this job has moved on since, or has another archive by "
                "now. Nothing was sent. Open the case to see how it stands."
            )
        ) from None
