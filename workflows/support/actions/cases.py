"""Beginning a case, choosing its product, going back and on, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django_fsm import TransitionNotAllowed

from workflows.core.accounts import Account, User
from workflows.support.models import (
    Host,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)
from workflows.support.models.report import RunStatus
from workflows.support.problems import (
    CaseProblem,
    Gate,
    HostNotReady,
    MissingArtifact,
    ProductFirst,
    UnsupportedProduct,
)

Step = WorkflowSession.Step
DONE = (RunStatus.SUCCEEDED, RunStatus.FAILED)


def begin_case(*, by: User) -> WorkflowSession:
    """Begin a case, or return a person's newest while nothing was done in it.

    Raises ValueError for an operator, who has no account that it could belong to.
    """
    if by.account is None:
        raise ValueError("a case belongs to an account")
    with transaction.atomic():
        # The first of two clicks is waited for here, and its case then found. What
        # refers to the user meanwhile, such as a job of theirs, does not wait.
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        return untouched_case(by) or new_case(by, by.account)


def untouched_case(by: User) -> WorkflowSession | None:
    """Return the newest case of a person if nothing was done in it yet."""
    rows = WorkflowSession.objects.filter(account=by.account_id, created_by=by)
    newest: WorkflowSession | None = rows.order_by("-id").first()
    if newest and (newest.current_step, newest.host_id) == (Step.SELECT_PRODUCT, None):
        return newest
    return None


def new_case(by: User, account: Account) -> WorkflowSession:
    """Write a case with its report and its attachment: all three, or none."""
    with transaction.atomic():
        case = WorkflowSession.begin(by=by, account=account, created_by=by)
        SosReportState.begin(by=by, account=account, session=case)
        JiraAttachmentState.begin(by=by, account=account, session=case)
    return case


def select_product(
    case: WorkflowSession, *, by: User, product: str, host: Host | None
) -> None:
    """Choose what the report is made of; without a host an archive is brought along.

    The report of another host is forgotten; a checked issue stays. Chosen twice alike
    is chosen once. Raises UnsupportedProduct and HostNotReady, which are remembered on
    the case; TransitionNotAllowed when the case is elsewhere or something of it runs.
    """
    host = host or upload_host(case)
    if host.account_id != case.account_id:
        raise ValueError("the host is of another account")
    refused: CaseProblem | None = None
    with case_and_report(case.pk, by=by) as (row, report):
        if chosen(row, product, host):
            return
        require_rest(row, report)
        if row.current_step == Step.FAILED and row.failed_step == Step.SELECT_PRODUCT:
            row.choose_again()
        if row.current_step != Step.SELECT_PRODUCT:
            # Or else the step that it is at by now would fail of the product.
            raise TransitionNotAllowed(_("This case is not at its product any more."))
        before = row.selected_product, row.host_id
        try:
            # As it is now: it may have been retired since the page was made.
            if not Host.objects.ready().filter(pk=host.pk).exists():
                raise HostNotReady
            row.select(product, host)
        except (UnsupportedProduct, HostNotReady) as problem:
            row.fail(problem.code, str(problem))
            refused = problem
        if (row.selected_product, row.host_id) != before:
            forget(report)
    if refused:
        raise refused


def upload_host(case: WorkflowSession) -> Host:
    """Return what stands for archives that people of this account bring along."""
    host, _new = Host.objects.get_or_create(
        account=case.account,
        transport=Host.Transport.UPLOAD,
        defaults={"name": partial(upload_name, case)},  # type: ignore[misc]
    )
    return host


def upload_name(case: WorkflowSession) -> str:
    """Return a name that people have given to no host of theirs."""
    name = str(Host.Transport.UPLOAD.label)
    taken = Host.objects.filter(account=case.account, name=name).exists()
    return f"{name} ({case.account})" if taken else name


def chosen(row: WorkflowSession, product: str, host: Host) -> bool:
    """Is this what was chosen already, as by the first of two clicks?"""
    same = (row.selected_product, row.host_id) == (product, host.pk)
    return same and row.current_step == Step.SOS_REPORT


def forget(report: SosReportState) -> None:
    """Let go of what an earlier host has given; the archive is kept by itself."""
    if report.generation_status in DONE:
        report.forget_report()
    if report.fetch_status in DONE:
        report.forget_fetch()
    report.run_id = ""  # the host clears it away by itself


def go_back(case: WorkflowSession, *, by: User, to: str) -> None:
    """Go back to "select_product" or "sos_report"; what was chosen there is kept.

    Raises TransitionNotAllowed when the case is not past it, or something of it runs.
    """
    with case_and_report(case.pk, by=by) as (row, report):
        if row.current_step == to:
            return
        require_rest(row, report)
        if to == Step.SOS_REPORT or row.present_step == Step.JIRA_ATTACH:
            row.collect_again()
        if to == Step.SELECT_PRODUCT:
            row.choose_again()


def go_on_to_jira(case: WorkflowSession, *, by: User) -> None:
    """Go on with the archive that is here. Raises ProductFirst, MissingArtifact.

    A failure on the way to another archive does not stand in the way of this one.
    """
    with gated(case, by=by), case_and_report(case.pk, by=by) as (row, report):
        if row.present_step == Step.JIRA_ATTACH:
            return
        if row.present_step == Step.SELECT_PRODUCT:
            raise ProductFirst
        require_rest(row, report)
        if report.artifact is None or not report.artifact.file:
            raise MissingArtifact
        if row.current_step == Step.FAILED:
            row.collect_again()
        row.collected()


# --- how it fails ---------------------------------------------------------------------
def fail_case(case_pk: UUID, code: str, text: str, *, by: User | None = None) -> None:
    """Write why a step could not be done: the one place that does.

    Of a case that has failed already the words are renewed; one that is completed
    stays so. ``by`` is None when the product itself acts.
    """
    with WorkflowSession.moving(case_pk, by=by) as row:
        if row.current_step == Step.FAILED:
            row.last_error_code, row.last_error_text = code, text
        elif row.current_step != Step.COMPLETED:
            row.fail(code, text)


def refuse(case: WorkflowSession, problem: Gate, *, by: User) -> NoReturn:
    """Remember why something was not begun, then raise it: no step has failed."""
    with WorkflowSession.moving(case.pk, by=by) as row:
        if row.current_step != Step.COMPLETED:
            row.last_error_code, row.last_error_text = problem.code, str(problem)
    raise problem


@contextmanager
def gated(case: WorkflowSession, *, by: User) -> Iterator[None]:
    """Refuse what the block raises a Gate for; nothing else of the block is kept."""
    try:
        yield
    except Gate as problem:
        refuse(case, problem, by=by)


# --- what verbs hold ------------------------------------------------------------------
@contextmanager
def case_and_report(
    case_pk: UUID, *, by: User | None
) -> Iterator[tuple[WorkflowSession, SosReportState]]:
    """Lend both, locked in the order that everybody locks them."""
    with WorkflowSession.moving(case_pk, by=by) as row:
        reports = SosReportState.objects.filter(session_id=case_pk)
        pk = reports.values_list("pk", flat=True).get()
        with SosReportState.moving(pk, by=by) as report:
            yield row, report


def require_report(row: WorkflowSession) -> None:
    """Have the case at its report again. Raises ProductFirst, TransitionNotAllowed."""
    if row.present_step == Step.SELECT_PRODUCT:
        raise ProductFirst
    if (row.current_step, row.failed_step) == (Step.FAILED, Step.SOS_REPORT):
        row.collect_again()
    if row.current_step != Step.SOS_REPORT:
        raise TransitionNotAllowed(_("This case is not at its report any more."))
    row.clear_error()


def require_rest(row: WorkflowSession, report: SosReportState) -> None:
    """Raise TransitionNotAllowed while a report or an attachment is under way."""
    running = {report.generation_status, report.fetch_status}
    if RunStatus.RUNNING in running | {row.jira.attachment_status}:
        raise TransitionNotAllowed(_("Something of this case is still running."))
