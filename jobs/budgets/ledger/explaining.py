"""Every failure of a server or a file, as a Problem that its reader can act on.

The causes carry passwords and tokens (a failed request holds its headers), so none is
chained: a Problem that leaves this package has neither cause nor context.
"""

from __future__ import annotations

import functools
import logging
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import ParamSpec, TypeVar

import httpx
from actual.exceptions import (
    ActualDecryptionError,
    ActualError,
    ActualOverflowError,
    AuthorizationError,
    InvalidZipFile,
    UnknownFileId,
)
from django.utils.translation import gettext as _
from google.protobuf.message import DecodeError
from sqlalchemy.exc import SQLAlchemyError

from workflows.core.errors import AdminRequired, Problem, Temporary, UserFixable

log = logging.getLogger("handrail.budgets")
P = ParamSpec("P")
R = TypeVar("R")


class TooNew(Exception):
    """A budget uses what this version of the library does not know."""


class WrongPassword(UserFixable):
    """The server is there, but does not take the password."""


class FileReset(Temporary):
    """The budget's history was started anew; the private copy is of no use."""


FAILURES = (
    httpx.HTTPError,
    httpx.InvalidURL,
    ActualError,
    SQLAlchemyError,
    sqlite3.Error,
    OSError,
    TooNew,
)
# What an answer comes to that no Actual server gives: not caught where our own code,
# with mistakes of its own, would be meant.
STRANGE = (ValueError, KeyError, TypeError, AttributeError, DecodeError)


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Have the function raise a Problem instead of what its libraries raise."""
    return explaining(function, FAILURES)


def answered(function: Callable[P, R]) -> Callable[P, R]:
    """As ``explained``, for what asks a server: its answer may be anything."""
    return explaining(function, (*FAILURES, *STRANGE))


def explaining(
    function: Callable[P, R], failures: tuple[type[Exception], ...]
) -> Callable[P, R]:
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Problem as problem:
            found = problem.with_traceback(None)
            found.__cause__ = found.__context__ = None
        except failures as error:
            found = explain(error)
            # Neither its text nor its traceback: both can hold what somebody typed.
            log.warning("A budget could not be used: %s", describe(error))
        # Outside the handlers, which would chain the cause with its secrets.
        raise found

    return call


def describe(error: BaseException) -> str:
    """Name the error for the log, and where it rose, without its text."""
    name, frame = type(error).__name__, error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is not None:
        name += f" in {frame.tb_frame.f_code.co_qualname}, line {frame.tb_lineno}"
    if isinstance(error, httpx.HTTPStatusError):
        name += f": {error.response.status_code} for {error.request.url.path}"
    return name


def explain(error: Exception) -> Problem:
    """Return what to tell whoever asked."""
    if isinstance(error, TooNew | ActualOverflowError):
        return too_new()
    if isinstance(error, httpx.HTTPStatusError):
        return explain_status(error.response)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return explain_network(error)
    if isinstance(error, ActualError):
        return explain_actual(error)
    if isinstance(error, sqlite3.Error | SQLAlchemyError):
        return UserFixable(
            _(
                "The budget's database is damaged. Open it in Actual, which checks it, "
                "or choose another file."
            )
        )
    if isinstance(error, OSError):
        return Temporary(
            _("The budget's files could not be read or written. It is tried again.")
        )
    return not_actual()


def explain_network(error: Exception) -> Problem:
    broken = [cause for cause in causes(error) if isinstance(cause, ssl.SSLError)]
    if broken and not isinstance(broken[-1], ssl.SSLCertVerificationError):
        return UserFixable(
            _("The server does not speak https at this address. Try it with http://.")
        )
    if broken:
        return AdminRequired(
            _(
                "The server's certificate is not trusted. Set the file of its "
                "certificate authority, or have the certificate renewed."
            )
        )
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return UserFixable(
            _("That is not a server's address. It begins with http:// or https://.")
        )
    if isinstance(error, httpx.TimeoutException):
        return Temporary(_("The Actual server did not answer in time."))
    return Temporary(
        _("The Actual server cannot be reached. Is it running, and the address right?")
    )


def explain_status(response: httpx.Response) -> Problem:
    """Read the server's refusal; its reasons are words of Actual's sync protocol."""
    status, reason = response.status_code, response.text[:200]
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return Temporary(
            _("The Actual server asks to wait: too many requests, or wrong passwords."),
            retry_after=retry_after(response),
        )
    if status == httpx.codes.NOT_FOUND:
        return not_actual()
    if "file-has-reset" in reason or "file-needs-upload" in reason:
        return FileReset(
            _("The budget was reset on its server. It is downloaded anew.")
        )
    if "file-has-new-key" in reason:
        return wrong_encryption()
    if "file-old-version" in reason:
        return too_new()
    if "not-found" in reason or "not found" in reason or "invalid fileId" in reason:
        return no_file()
    if "not-allowed" in reason:
        return UserFixable(
            _("This login may not use that budget. Ask its owner to share it.")
        )
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return wrong_password()
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return AdminRequired(
            _("The Actual server takes no files of this size. Raise its upload limits.")
        )
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Temporary(_("The Actual server failed. It is tried again."))
    return not_actual()


def explain_actual(error: ActualError) -> Problem:
    if isinstance(error, AuthorizationError):
        return wrong_password()
    if isinstance(error, ActualDecryptionError):
        return wrong_encryption()
    if isinstance(error, UnknownFileId):
        return no_file()
    if isinstance(error, InvalidZipFile):
        return not_a_budget()
    if "not supported by the library" in str(error):
        return too_new()
    return Temporary(_("The Actual server failed. It is tried again."))


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that led to it."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def retry_after(response: httpx.Response) -> timedelta | None:
    """Return how long the server asks to wait, at most an hour."""
    seconds = response.headers.get("Retry-After", "")
    if not seconds.isdecimal():
        return None
    return timedelta(seconds=min(int(seconds), 3600))


def wrong_password() -> WrongPassword:
    return WrongPassword(
        _("The Actual server does not take this password. Enter the right one.")
    )


def wrong_encryption() -> Problem:
    return UserFixable(
        _(
            "The budget is encrypted, and its encryption password is missing or wrong. "
            "Enter the one that was set in Actual."
        )
    )


def no_file() -> Problem:
    return UserFixable(
        _("The Actual server has no such budget any more. Choose one of its budgets.")
    )


def not_actual() -> Problem:
    return UserFixable(
        _("Something answers at this address, but it is no Actual server. Check it.")
    )


def not_a_budget() -> Problem:
    return UserFixable(
        _(
            "This is not a budget of Actual. In Actual, choose Settings, then Export "
            "data, and give that .zip file."
        )
    )


def too_large() -> Problem:
    return UserFixable(
        _("The file is larger than a budget can be. Choose another, or a part of it.")
    )


def too_new() -> Problem:
    return AdminRequired(
        _(
            "This budget was written by a newer Actual than Handrail knows. Nothing "
            "was changed. Update Handrail."
        )
    )
