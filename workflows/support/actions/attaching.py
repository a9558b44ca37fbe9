"""The third step: the archive goes onto the issue, once, and is seen there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_fsm import TransitionNotAllowed

from jobs.actions.run import Run
from jobs.actions.starting import start_job
from jobs.actions.stopping import NotNow
from jobs.models import Job
from workflows.core.accounts import TenantQuerySet, User
from workflows.core.errors import Problem, UserFixable
from workflows.core.jira import (
    AnswerTooLarge,
    ArtifactTooLarge,
    Attachment,
    Forbidden,
    Issue,
    JiraProblem,
    NotFound,
    NotJira,
)
from workflows.support.actions.archives import in_mib, reading
from workflows.support.actions.cases import fail_case
from workflows.support.actions.confirming import (
    all_gone,
    carried_over,
    confirming,
    give_time,
    unconfirmed_since,
)
from workflows.support.actions.reporting import ATTACH, unique_key
from workflows.support.actions.sizes import most_to_send
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


class CanceledUnconfirmed(AttachCanceled):
    words = gettext_lazy(
        "The upload was stopped when all of the file had gone, so the issue may show "
        "it, or will in a while. The archive and the issue's key are kept. Attach it "
        "again when you want to: what is there by then is not sent twice."
    )


class AttachTimedOut(CaseProblem, UserFixable):
    code = "timeout"
    words = gettext_lazy(
        "The upload took too long and was stopped. The archive and the issue's key are "
        "kept. Try again when the way to Jira is faster, or make a smaller report."
    )


class TimedOutUnconfirmed(AttachTimedOut):
    words = gettext_lazy(
        "The upload took too long and was stopped when all of the file had gone, so "
        "the issue may show it, or will in a while. The archive and the issue's key "
        "are kept. Try again: what is there by then is not sent twice."
    )


class IssueHidden(IssueAccessDenied):
    """As it looks once the archive was on its way."""

    words = gettext_lazy(
        "Jira no longer shows this issue to your account. The archive was on its way: "
        "the issue may have it. It is kept here too. Check the key, or connect an "
        "account that sees the issue: what is there is not sent twice."
    )


# How a job ended that had no problem of its own to tell.
Endings = dict[str, type[CaseProblem]]
ENDINGS: Endings = {each.code: each for each in (AttachCanceled, AttachTimedOut)}
UNCONFIRMED: Endings = {
    each.code: each for each in (CanceledUnconfirmed, TimedOutUnconfirmed)
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
            ATTACH,
            case,
            by=by,
            unique=unique_key(ATTACH, case.pk),
            metadata=sending(case),
        )
        if job.is_new:
            begin(job)
    return job


def sending(case: WorkflowSession) -> dict[str, Any]:
    """Return what a job is about, for people and for its retry."""
    found = archives_of(case).first()
    if found is None:
        return {}
    about: dict[str, Any] = {"archive": found.filename, "archiveId": str(found.pk)}
    last = attachments_of(case.pk).first()
    if last is not None and archive_id(last) == str(found.pk):
        about |= carried_over(last)
    return about


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
        if archive_id(job) != str(archive.pk):
            raise TransitionNotAllowed(_("The case has another archive by now."))
        last = attachments_of(row.pk).exclude(pk=job.pk).first()
        if last is None or archive_id(last) != str(archive.pk):
            state.known_ids = None
        state.attach()
        resume(row)


def attachments_of(case_pk: UUID) -> QuerySet[Job]:
    """Return the case's jobs of this kind, the newest first; old ones are purged."""
    return Job.objects.filter(subject_id=case_pk, type=ATTACH).order_by("-id")


def archive_id(job: Job) -> str:
    """Return which archive the job is to send."""
    return str(job.metadata.get("archiveId", ""))


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
    most = most_to_send(limit)
    if archive.size <= most:
        return
    if most == limit:
        raise ArtifactTooLarge(
            _(
                "The archive has %(size)s, and Jira takes at most %(most)s of a file. "
                "Nothing was sent; the archive is kept. Make a smaller report, with "
                "fewer plugins or smaller logs, or ask Jira's administrator to raise "
                "the limit."
            )
            % sizes(archive.size, most)
        )
    raise ArtifactTooLarge(
        _(
            "The archive has %(size)s, and Handrail sends at most %(most)s. Nothing "
            "was sent; the archive is kept. Make a smaller report, with fewer plugins "
            "or smaller logs, or ask an administrator to raise the limit."
        )
        % sizes(archive.size, most)
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
    since = unconfirmed_since(run.job, state.issue_url)
    run.progress(0, None, _("Asking Jira"))
    with asking(connection) as jira:
        with still_visible(gone=bool(since)):
            issue = jira.issue(key)
        known = note(run, state, issue, limit := jira.upload_limit())
        found = look(jira, key, archive, known, gone=bool(since))
        was_there = found is not None
        if found is None:
            give_time(run, since)
            check_size(archive, limit)
            found = sent(run, jira, state, archive, known)
    run.result = {"issue": issue.key, "alreadyThere": was_there}
    with (
        run.completing(),
        WorkflowSession.moving(case.pk, by=None) as row,
        JiraAttachmentState.moving(state.pk, by=None) as there,
    ):
        row.attached()
        there.attached(found.id, issue.url)


@contextmanager
def still_visible(*, gone: bool) -> Iterator[None]:
    """The issue was there when it was checked. Raises IssueAccessDenied.

    ``gone``: may it have the archive by now?
    """
    try:
        yield
    except (NotFound, Forbidden):
        raise (IssueHidden if gone else IssueAccessDenied) from None


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
    jira: Jira, key: str, archive: Artifact, known: list[str], *, gone: bool
) -> Attachment | None:
    """Return the archive as it is on the issue, by name and size."""
    with still_visible(gone=gone):
        return jira.find_attachment(
            key, archive.filename, archive.size, since_ids=known
        )


def sent(
    run: Run,
    jira: Jira,
    state: JiraAttachmentState,
    archive: Artifact,
    known: list[str],
) -> Attachment:
    """Send the archive and return it as it is on the issue then. Raises Problem."""
    problem: Problem = AttachmentDiffers()
    try:
        send(run, jira, state, archive)
    except (AnswerTooLarge, NotJira) as odd:  # whatever it was: the issue tells
        problem = odd
    found = look(jira, state.issue_key, archive, known, gone=True)
    if found is None:
        raise problem
    return found


def send(run: Run, jira: Jira, state: JiraAttachmentState, archive: Artifact) -> None:
    """Stream the archive. No safe point follows: what has arrived is not canceled."""

    def show(done: int) -> None:
        run.progress(*in_mib(done, archive.size), _("Sending to Jira (MiB)"))
        if done == archive.size:
            all_gone(run, state.issue_url)

    with reading(archive) as file, confirming(run):
        show(0)
        try:
            jira.attach(
                state.issue_key,
                file,
                name=archive.filename,
                size=archive.size,
                progress=show,
            )
        except NotFound:
            raise IssueHidden from None


# --- told by the engine ---------------------------------------------------------------
def attach_ended(job: Job, code: str) -> None:
    """The job failed or was canceled: so has its case, for the same reason."""
    pk, running = job.subject_id, RunStatus.RUNNING
    states = JiraAttachmentState.objects.filter(session=pk, attachment_status=running)
    found = states.values_list("pk", "issue_url").first()
    if pk is None or found is None:  # the case is gone
        return
    by = job.cancel_requested_by if code == AttachCanceled.code else None
    endings = UNCONFIRMED if unconfirmed_since(job, found[1]) else ENDINGS
    fail_case(pk, code or AttachFailed.code, reason(job, code, endings), by=by)
    with JiraAttachmentState.moving(found[0], by=by) as state:
        state.not_attached()
        if code == IssueAccessDenied.code:
            state.issue_access_verified = False


def reason(job: Job, code: str, endings: Endings = ENDINGS) -> str:
    if code in endings:
        return str(endings[code].words)
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
