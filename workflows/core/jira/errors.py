"""What can go wrong with Jira, one class for each code, in words for its reader.

Neither headers nor bodies reach these texts: both can hold the token.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from workflows.core.errors import AdminRequired, Problem, Temporary, UserFixable


class JiraProblem(Problem):
    """A failure with Jira. ``code`` is what is stored and what pages decide by."""

    code: ClassVar[str]
    words: ClassVar[StrOrPromise]

    def __init__(self, text: str | None = None) -> None:
        super().__init__(text or str(self.words))


class PassingProblem(JiraProblem, Temporary):
    """One that passes by itself."""

    def __init__(
        self, text: str | None = None, *, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(text)
        self.retry_after = retry_after


# --- what was entered -----------------------------------------------------------------
class InvalidBaseUrl(JiraProblem, UserFixable):
    code = "invalid_base_url"
    words = _(
        "That is not Jira's address. Nothing was sent. Enter it as the browser shows "
        "it, from https:// up to the host, as in https://jira.example.com."
    )


class InvalidIssueKey(JiraProblem, UserFixable):
    code = "invalid_issue_key"
    words = _(
        "That is not an issue's key. Nothing was sent. Enter it as in ABC-123, or "
        "paste the address of the issue's page."
    )


class InvalidCredentials(JiraProblem, UserFixable):
    code = "invalid_credentials"
    words = _(
        "Jira does not accept this token: it is wrong, expired or revoked. Nothing "
        "else is lost. Connect again with a valid token."
    )


# --- what Jira refuses ----------------------------------------------------------------
class CaptchaRequired(JiraProblem, UserFixable):
    code = "captcha_required"
    words = _(
        "Jira wants a person to log in to this account, after too many failed logins. "
        "Nothing here is lost. Log in to Jira in a browser once, then try again."
    )


class Forbidden(JiraProblem, UserFixable):
    code = "forbidden"
    words = _(
        "Jira does not allow this account to do that. Nothing here is lost. Ask the "
        "project's administrator for the permission, or connect another account."
    )


class RequestRefused(JiraProblem, AdminRequired):
    code = "request_refused"
    words = _(
        "Jira refused what it was asked. Nothing here is lost. Try again; if it stays "
        "so, ask Jira's administrator."
    )


class NotFound(JiraProblem, UserFixable):
    code = "not_found"
    words = _(
        "This issue doesn't exist, or this account can't see it. Nothing here is lost. "
        "Check the key, or connect an account that sees the issue."
    )


class ArtifactTooLarge(JiraProblem, UserFixable):
    code = "artifact_too_large"
    words = _(
        "The file is larger than Jira takes, and was not attached. It is kept here. "
        "Make a smaller one, or ask Jira's administrator to raise the limit."
    )


class AttachmentsDisabled(JiraProblem, AdminRequired):
    code = "attachments_disabled"
    words = _(
        "Attachments are switched off in this Jira, or hidden in this project. Nothing "
        "here is lost. Ask Jira's administrator to switch them on."
    )


class AnswerTooLarge(JiraProblem, UserFixable):
    code = "answer_too_large"
    words = _(
        "What Jira tells about this issue is too much to read: it has too many "
        "attachments. Nothing here is lost. Choose another issue, or remove some."
    )


class FileUnreadable(JiraProblem, UserFixable):
    code = "read_failed"
    words = _(
        "The file cannot be read as it was recorded: it was changed or removed "
        "meanwhile. Nothing was attached. Choose the file again."
    )


# --- what passes ----------------------------------------------------------------------
class RateLimited(PassingProblem):
    code = "rate_limited"
    words = _(
        "Jira asks to wait: there were too many requests. Nothing here is lost. Try "
        "again after a while."
    )


class UpstreamUnavailable(PassingProblem):
    code = "upstream_unavailable"
    words = _(
        "Jira is down or failed to answer. Nothing here is lost. Try again after a "
        "while."
    )


class ReplyLost(PassingProblem):
    """The whole file went out: whether it was attached, only the issue can tell."""

    code = "reply_lost"
    words = _(
        "The file was sent, but Jira has not confirmed it: it may be attached already, "
        "or in a while. It is kept here. Look at the issue's attachments before it is "
        "sent again."
    )


# --- the way there --------------------------------------------------------------------
class HostNotFound(PassingProblem):
    code = "host_not_found"
    words = _(
        "No host of this name was found. Nothing here is lost. Check Jira's address; "
        "if it is right, try again after a while."
    )


class ConnectionRefused(PassingProblem):
    code = "connection_refused"
    words = _(
        "Nothing accepts connections at Jira's address. Nothing here is lost. Check "
        "the address; if it is right, try again when Jira runs."
    )


class ConnectionLost(PassingProblem):
    code = "connection_lost"
    words = _(
        "The connection to Jira broke. Nothing here is lost. Try again; if it breaks "
        "while a file is sent, Jira may not take its size."
    )


class TimedOut(PassingProblem):
    code = "timed_out"
    words = _(
        "Jira did not answer in time. Nothing here is lost. Try again after a while."
    )


class ProxyRefused(JiraProblem, AdminRequired):
    code = "proxy_refused"
    words = _(
        "The proxy on the way to Jira does not let Handrail through. Nothing here is "
        "lost. Ask an administrator to check the proxy and Handrail's settings for it."
    )


class CertificateUntrusted(JiraProblem, AdminRequired):
    code = "certificate_untrusted"
    words = _(
        "Jira's certificate is not trusted, so nothing was sent. Ask an administrator "
        "to set the file of its certificate authority, or to have it renewed."
    )


class SsoRedirect(JiraProblem, UserFixable):
    code = "sso_redirect"
    words = _(
        "Jira's address leads elsewhere, as to a login page. The token was not sent "
        "there, and nothing here is lost. Check the address, with its path; if it is "
        "right, ask Jira's administrator to let API tokens past the login page."
    )


class NotJira(JiraProblem, UserFixable):
    code = "not_jira"
    words = _(
        "Something answers at this address, but not as Jira does. Nothing here is "
        "lost. Check the address, with its path, and the kind of Jira."
    )
