"""The way to Jira: through whose connection, and is the issue there?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django_fsm import TransitionNotAllowed

from workflows.core.accounts import User
from workflows.core.connecting import (
    NotActive,
    expire_connection,
    keep_connection,
    open_jira,
    prove_token,
    refuse_connection,
)
from workflows.core.connections import ConnectionStatus, JiraConnection
from workflows.core.errors import AdminRequired
from workflows.core.jira import (
    Forbidden,
    InvalidCredentials,
    InvalidIssueKey,
    Issue,
    JiraProblem,
    check_key,
)
from workflows.core.secrets import SealError, Secret
from workflows.support.actions.cases import fail_case, refuse
from workflows.support.models import JiraAttachmentState, WorkflowSession
from workflows.support.models.report import RunStatus
from workflows.support.problems import (
    CannotSeal,
    CaseProblem,
    ConnectionExpired,
    ConnectionRevoked,
    Gate,
    NotConnected,
    ReportFirst,
)

if TYPE_CHECKING:
    from workflows.core.jira.client import Jira

Step = WorkflowSession.Step
LONGEST_KEY = 80  # that is kept


class ConnectionUnreadable(CaseProblem, AdminRequired):
    """The text is the seal's own: it says what an operator can do."""

    code = "connection_unreadable"


# --- the verbs ------------------------------------------------------------------------
def connect_case(
    case: WorkflowSession,
    *,
    by: User,
    kind: str,
    base_url: str,
    email: str,
    token: Secret,
) -> JiraConnection:
    """Connect somebody to Jira, and the case through them: both, or neither.

    The same token twice is one connection, whose time begins anew. Not to be used
    inside a transaction. Raises CaseProblem, JiraProblem; TransitionNotAllowed when
    the archive is on its way.
    """
    with remembering(case, by=by), at_jira(case.pk, by=by) as (_row, state):
        before = state.connection_id

    def unchanged(state: JiraAttachmentState) -> bool:
        return state.connection_id == before

    with remembering(case, by=by, wanted=unchanged):
        try:
            proven = prove_token(
                by=by, kind=kind, base_url=base_url, email=email, token=token
            )
        except SealError:
            raise CannotSeal from None
    with remembering(case, by=by), at_jira(case.pk, by=by) as (row, state):
        connection = keep_connection(proven, by=by, present=state.connection)
        go_through(connection, row, state)
    return connection


def use_connection(
    case: WorkflowSession, *, by: User, connection: JiraConnection
) -> None:
    """Go to Jira through this connection of one's own; the issue is to be checked anew.

    Raises CaseProblem, JiraProblem, TransitionNotAllowed.
    """
    with remembering(case, by=by), at_jira(case.pk, by=by) as (row, state):
        go_through(usable(connection, by), row, state)


def verify_issue(case: WorkflowSession, *, by: User, key: str) -> Issue:
    """Find out whether the person's account sees the issue, and how much Jira takes.

    ``key`` may be the address of its page. Whatever goes wrong stays with the case, as
    does the key. Raises CaseProblem, JiraProblem; TransitionNotAllowed when the case
    has moved on meanwhile, as by a check of another key that began later.
    """
    with remembering(case, by=by), at_jira(case.pk, by=by) as (_row, state):
        connection = connection_of(state, by)
        asked = Asked(connection.pk, short_key(key, connection.base_url))
        if state.issue_key != asked.key:
            state.issue_key, state.known_ids = asked.key, None
        forget_issue(state)
    with remembering(case, by=by, wanted=asked.is_of), asking(connection) as jira:
        issue, limit = jira.issue(asked.key), jira.upload_limit()
    with at_jira(case.pk, by=by) as (row, state):
        if not asked.is_of(state):
            raise TransitionNotAllowed(_("The case is about another issue by now."))
        state.issue_summary, state.issue_url = issue.summary, issue.url
        state.upload_limit, state.issue_access_verified = limit, True
        resume(row)
    return issue


# --- the case at its third step -------------------------------------------------------
@contextmanager
def at_jira(
    pk: UUID, *, by: User | None
) -> Iterator[tuple[WorkflowSession, JiraAttachmentState]]:
    """Lend a case that has nothing on its way to Jira, and its attachment, both locked.

    Raises ReportFirst, TransitionNotAllowed.
    """
    with case_and_jira(pk, by=by) as (row, state):
        if state.attachment_status == RunStatus.RUNNING:
            raise TransitionNotAllowed(_("The archive is on its way to Jira."))
        yield row, state


@contextmanager
def case_and_jira(
    pk: UUID, *, by: User | None
) -> Iterator[tuple[WorkflowSession, JiraAttachmentState]]:
    """Lend a case at its third step. Raises ReportFirst, TransitionNotAllowed."""
    with WorkflowSession.moving(pk, by=by) as row:
        if row.current_step == Step.COMPLETED:
            raise TransitionNotAllowed(_("The case is completed."))
        if not row.is_at_jira():
            raise ReportFirst
        with JiraAttachmentState.moving(row.jira.pk, by=by) as state:
            yield row, state


def go_through(
    connection: JiraConnection, row: WorkflowSession, state: JiraAttachmentState
) -> None:
    """Have the case go through this connection; the issue is to be checked anew.

    What a lost reply has left on the issue is found through a new token too: that it
    was not there before is remembered, as long as it is the same Jira.
    """
    before = state.connection
    if connection != before:
        state.connection = connection
        forget_issue(state)
    if before is None or before.base_url != connection.base_url:
        state.known_ids = None
    resume(row)


def resume(row: WorkflowSession) -> None:
    """What went wrong before is over."""
    if row.current_step == Step.FAILED:
        row.attach_again()
    row.clear_error()


def forget_issue(state: JiraAttachmentState) -> None:
    """Nothing is known of the issue but its key."""
    state.issue_access_verified, state.upload_limit = False, None
    state.issue_summary = state.issue_url = ""


def short_key(text: str, base_url: str) -> str:
    """Return the key that is meant. Raises InvalidIssueKey."""
    key = check_key(text, base_url=base_url)
    if len(key) > LONGEST_KEY:
        raise InvalidIssueKey
    return key


@dataclass(frozen=True, slots=True)
class Asked:
    """What a check is about: the answer is worth nothing for anything else."""

    connection_id: UUID
    key: str

    def is_of(self, state: JiraAttachmentState) -> bool:
        return (state.connection_id, state.issue_key) == (self.connection_id, self.key)


# --- what goes wrong ------------------------------------------------------------------
def always(_state: JiraAttachmentState) -> bool:
    return True


@contextmanager
def remembering(
    case: WorkflowSession,
    *,
    by: User,
    wanted: Callable[[JiraAttachmentState], bool] = always,
) -> Iterator[None]:
    """Write down with the case why the block could not do it; the problem goes on.

    Nothing is written when nobody waits for it any more: the case is elsewhere by now,
    its archive is on its way, or it is not ``wanted`` as things stand.
    """
    try:
        yield
    except Gate as problem:
        refuse(case, problem, by=by)
    except (CaseProblem, JiraProblem) as problem:
        with suppress(ReportFirst, TransitionNotAllowed), transaction.atomic():
            with at_jira(case.pk, by=by) as (_row, state):
                waited_for = wanted(state)
            if waited_for:
                fail_case(case.pk, problem.code, str(problem), by=by)
        raise


# --- the connection -------------------------------------------------------------------
def connection_of(state: JiraAttachmentState, by: User | None) -> JiraConnection:
    """Return the person's connection in this case. Raises as ``usable`` does."""
    if state.connection is None:
        raise NotConnected
    return usable(state.connection, by)


def usable(connection: JiraConnection, by: User | None) -> JiraConnection:
    """Return the connection if it is one's own and active.

    Raises NotConnected, ConnectionExpired, ConnectionRevoked, Forbidden.
    """
    if by is None or connection.user_id != by.pk:
        raise NotConnected
    status = connection.status_at()
    if status != ConnectionStatus.CONNECTED:
        raise ended(status)
    return connection


def ended(status: str) -> CaseProblem | JiraProblem:
    """Return why a connection is of no use any more."""
    match status:
        case ConnectionStatus.EXPIRED:
            return ConnectionExpired()
        case ConnectionStatus.REVOKED:
            return ConnectionRevoked()
    return not_let_in()


def not_let_in() -> Forbidden:
    return Forbidden(
        _(
            "Jira does not let this account in any more, so its token was removed. The "
            "archive and the issue's key are kept. Connect another account, or ask "
            "Jira's administrator to let this one in."
        )
    )


@contextmanager
def asking(connection: JiraConnection) -> Iterator[Jira]:
    """Lend Jira once it has said that it still takes the token.

    What it says against the token, here or in the block, ends the connection and not
    the work. Raises JiraProblem, CaseProblem.
    """
    try:
        with open_jira(connection) as jira:
            greet(jira, connection)
            yield jira
    except NotActive as error:
        raise ended(error.status) from None
    except SealError as error:
        raise ConnectionUnreadable(str(error)) from None
    except InvalidCredentials:
        expire_connection(connection.pk, note=_("Jira does not accept the token."))
        raise


def greet(jira: Jira, connection: JiraConnection) -> None:
    """Ask whose token it is: an account may be shut out with a good one."""
    try:
        jira.myself()
        return
    except Forbidden:
        refuse_connection(connection.pk)
    raise not_let_in()
