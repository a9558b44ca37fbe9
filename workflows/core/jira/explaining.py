"""What an answer or a broken connection means, as a problem its reader can act on.

The causes hold headers, and those the token: no problem is chained to one.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.request import getproxies, proxy_bypass

import h11
import httpx
from django.utils.translation import gettext as _

from workflows.core.jira.addresses import is_loopback
from workflows.core.jira.errors import (
    ArtifactTooLarge,
    CaptchaRequired,
    CertificateUntrusted,
    ConnectionLost,
    ConnectionRefused,
    Forbidden,
    HostNotFound,
    InvalidCredentials,
    JiraProblem,
    NotFound,
    NotJira,
    ProxyRefused,
    RateLimited,
    RequestRefused,
    SsoRedirect,
    TimedOut,
    UpstreamUnavailable,
)

MOST_SECONDS_TO_WAIT = 3600
TOO_LARGE = b"maximum permitted size"
PLAIN: dict[int, type[JiraProblem]] = {
    401: InvalidCredentials,
    403: Forbidden,
    407: ProxyRefused,
    408: TimedOut,
    413: ArtifactTooLarge,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as much of it as is ever read."""

    status: int
    # Not shown where a trace shows its variables: they can quote the token.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def explain_answer(answer: Answer, *, of_issue: bool) -> JiraProblem | None:
    """Return what is wrong with the answer by its head, None for a good one."""
    status = answer.status
    if refused := explain_login(answer.headers):
        return refused
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return SsoRedirect()
    if status == 429:
        return RateLimited(retry_after=retry_after(answer.headers))
    if status >= 500:
        return UpstreamUnavailable(retry_after=retry_after(answer.headers))
    if status == 404 and TOO_LARGE in answer.body.lower():
        return ArtifactTooLarge()
    # Elsewhere it tells that there is no such interface: another program, another path.
    if status == 404 and of_issue:
        return NotFound()
    if status in PLAIN:
        return PLAIN[status]()
    # Who asks for an issue knows already that it is a Jira.
    if of_issue and status >= 400:
        return refused_with(status)
    return NotJira(
        _(
            "Something answers at this address, but not as Jira does (status "
            "%(status)s). Nothing here is lost. Check the address, with its path, and "
            "the kind of Jira."
        )
        % {"status": status}
    )


def refused_with(status: int) -> RequestRefused:
    return RequestRefused(
        _(
            "Jira refused this (status %(status)s). Nothing here is lost. Try again; "
            "if it stays so, tell Jira's administrator the status."
        )
        % {"status": status}
    )


def explain_login(headers: Mapping[str, str]) -> JiraProblem | None:
    """Tell a token that Jira ignored: it may answer as to a stranger, with any status.

    The values are Seraph's, Jira's login filter. One request can get several.
    """
    denied = headers.get("X-Authentication-Denied-Reason", "")
    reasons = headers.get("X-Seraph-LoginReason", "")
    if denied.startswith("CAPTCHA_CHALLENGE") or "AUTHENTICATION_DENIED" in reasons:
        return CaptchaRequired()
    if "AUTHENTICATED_FAILED" in reasons:
        return InvalidCredentials()
    return None


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long Jira asks to wait, by seconds or a date: at most an hour."""
    said = headers.get("Retry-After", "").strip()
    try:
        if said.isdecimal():
            seconds = float(said)
        else:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
    except (OverflowError, ValueError):
        return None
    return timedelta(seconds=min(max(seconds, 0), MOST_SECONDS_TO_WAIT))


def explain_network(error: httpx.HTTPError) -> JiraProblem:
    """Return what broke on the way there or back."""
    found = tuple(type(cause) for cause in causes(error))

    def due_to(*kinds: type[BaseException]) -> bool:
        return any(issubclass(kind, kinds) for kind in found)

    if isinstance(error, httpx.ProxyError):
        return explain_proxy(error)
    if due_to(ssl.SSLCertVerificationError):
        return CertificateUntrusted()
    if due_to(socket.gaierror):
        return HostNotFound(without_proxy(error))
    if isinstance(error, httpx.TimeoutException):
        return TimedOut()
    cut = due_to(ssl.SSLEOFError, ConnectionResetError)
    if isinstance(error, httpx.ConnectError) and not cut:
        if due_to(ssl.SSLError):
            return no_https()
        return ConnectionRefused(without_proxy(error))
    if due_to(h11.RemoteProtocolError):
        return NotJira()
    return ConnectionLost()


def without_proxy(error: httpx.HTTPError) -> str | None:
    """Return words for a proxy that is not there, None where none is on the way."""
    url = error.request.url
    proxies = getproxies()
    by_proxy = "all" in proxies or url.scheme in proxies
    if not by_proxy or is_loopback(str(url)) or proxy_bypass(url.host):
        return None
    return _(
        "The proxy on the way to Jira cannot be reached. Nothing was sent. Try again "
        "after a while; if it stays so, ask an administrator to check HTTPS_PROXY and "
        "ALL_PROXY."
    )


def explain_proxy(error: httpx.ProxyError) -> ProxyRefused:
    """Read the status that a proxy answers instead of connecting."""
    if str(error).startswith("407"):
        return ProxyRefused()
    return ProxyRefused(
        _(
            "The proxy on the way to Jira does not connect to it. Nothing here is "
            "lost. Ask an administrator whether the proxy may reach Jira."
        )
    )


def no_https() -> NotJira:
    return NotJira(
        _(
            "What answers at this address does not speak https. Nothing was sent. "
            "Check the address, with its port."
        )
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that led to it."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
