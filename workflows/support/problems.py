"""Why a case cannot go on, beside what collectors and Jira say by themselves."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from workflows.core.errors import AdminRequired, Problem, UserFixable


class CaseProblem(Problem):
    """A failure of a case. ``code`` is what ``last_error_code`` keeps."""

    code: ClassVar[str]
    words: ClassVar[StrOrPromise]

    def __init__(self, text: str | None = None) -> None:
        super().__init__(text or str(self.words))


class UnsupportedProduct(CaseProblem, UserFixable):
    code = "unsupported_product"
    words = _(
        "Handrail cannot make reports of this product yet. Nothing was started. Choose "
        "one of the products on the list."
    )


class HostNotReady(CaseProblem, UserFixable):
    code = "validation_error"
    words = _(
        "This host cannot be used: it was retired, or nobody has confirmed its key. "
        "Nothing was started. Choose another one, or have an engineer look at it."
    )


# --- out of order ---------------------------------------------------------------------
class Gate(CaseProblem, UserFixable):
    """What was asked for comes later: the step itself has not failed."""


class ProductFirst(Gate):
    code = "step_gate_select_product"
    words = _(
        "This case has no product and no host yet. Nothing was started. Choose them "
        "first."
    )


class ReportFirst(Gate):
    code = "step_gate_sos_report"
    words = _(
        "This case is not at Jira yet. Nothing was sent. Finish the report first, then "
        "go on to Jira."
    )


class MissingFetchReference(Gate):
    code = "missing_fetch_reference"
    words = _(
        "No report waits on the host to be fetched. Your choices are kept. Generate "
        "the report first."
    )


class MissingArtifact(Gate):
    code = "missing_artifact_ref"
    words = _(
        "The archive of this case is not here: it was not fetched yet, or it was "
        "deleted since. Nothing was sent. Get a report first."
    )


class AccessNotVerified(Gate):
    code = "issue_access_not_verified"
    words = _(
        "The issue was not checked yet, or was changed since. Nothing was sent. Check "
        "the issue first."
    )


# --- the connection -------------------------------------------------------------------
class NotConnected(Gate):
    """There is no connection, or it is a colleague's: nobody uses another's token."""

    code = "connection_unknown"
    words = _(
        "You are not connected to Jira in this case. The archive and the issue's key "
        "are kept. Connect first."
    )


class CannotSeal(CaseProblem, AdminRequired):
    code = "cannot_seal"
    words = _(
        "Tokens cannot be stored on this installation: its SEAL_KEYS are missing or "
        "wrong. Nothing was sent to Jira; the archive is kept. Tell an administrator."
    )


class ConnectionExpired(CaseProblem, UserFixable):
    code = "connection_expired"
    words = _(
        "Your connection to Jira has expired, and its token was removed. The archive "
        "and the issue's key are kept. Connect again."
    )


class ConnectionRevoked(CaseProblem, UserFixable):
    code = "connection_revoked"
    words = _(
        "This connection to Jira was revoked, and its token was removed. The archive "
        "and the issue's key are kept. Connect again."
    )


class IssueAccessDenied(CaseProblem, UserFixable):
    code = "issue_access_denied"
    words = _(
        "Jira no longer shows this issue to your account. Nothing was sent; the "
        "archive is kept. Check the key, or connect an account that sees the issue."
    )


# --- a job that ended without saying why ----------------------------------------------
class GenerateFailed(CaseProblem, UserFixable):
    code = "generate_failed"
    words = _(
        "The report was not made: the program that made it ended unexpectedly. Your "
        "choices are kept. Generate it again."
    )


class FetchFailed(CaseProblem, UserFixable):
    code = "fetch_failed"
    words = _(
        "The archive did not arrive: the program that fetched it ended unexpectedly. "
        "It may still be on the host. Fetch it again."
    )


class AttachFailed(CaseProblem, UserFixable):
    code = "attach_failed"
    words = _(
        "The archive was not attached: the program that sent it ended unexpectedly. "
        "It is kept here. Try again: what Jira already has is not sent twice."
    )
