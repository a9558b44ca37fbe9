"""One Jira over HTTP: nothing is followed, retried, kept or logged that could leak."""

from __future__ import annotations

import json
import logging
import ssl
import time
import unicodedata
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import httpx
from django.utils.translation import gettext as _

from workflows.core.jira.addresses import check_key, is_loopback
from workflows.core.jira.credentials import Credentials, Kind, authorization
from workflows.core.jira.errors import (
    AnswerTooLarge,
    CertificateUntrusted,
    JiraProblem,
    NotJira,
    ProxyRefused,
    ReplyLost,
    UpstreamUnavailable,
)
from workflows.core.jira.explaining import Answer, explain_answer, explain_network
from workflows.core.jira.reading import (
    Attachment,
    Issue,
    Person,
    as_attached,
    as_issue,
    as_limit,
    as_person,
    read,
)
from workflows.core.jira.upload import REPLY_SECONDS, Upload, escaped

log = logging.getLogger("handrail.jira")
TIMEOUT = httpx.Timeout(30, connect=10)
# Who stops an upload that is stuck on its way waits no longer than for a request.
UPLOAD_TIMEOUT = httpx.Timeout(30, connect=10, read=REPLY_SECONDS)
MOST_BYTES = 1024 * 1024  # of any answer
# What they say at DEBUG: whole addresses, and every header of the answers.
LOUD = ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy")


API = {Kind.DATA_CENTER: "/rest/api/2", Kind.CLOUD: "/rest/api/3"}


class TokenAuth(httpx.Auth):
    """Reveals the token for one request at a time; no client holds it in the clear."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = authorization(self._credentials)
        yield request


class Jira:
    """A conversation with one Jira, as one account. Every method raises JiraProblem.

    Not to be used inside a transaction. Each request is made once: who asks knows
    whether to wait, and whether asking again is safe.
    """

    def __init__(
        self, credentials: Credentials, *, ca_file: Path | None = None
    ) -> None:
        """``ca_file``: certificate authorities that are trusted besides the usual."""
        for name in LOUD:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._base_url = credentials.base_url
        self._api = API[credentials.kind]
        self._client = new_client(credentials, trusting(ca_file))

    def __repr__(self) -> str:
        return f"<Jira {self._base_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def myself(self) -> Person:
        """Return whose token it is."""
        return read(as_person, self._ask("/myself"))

    def issue(self, key: str) -> Issue:
        """Return the issue with its attachments."""
        data = self._ask(
            f"/issue/{check_key(key)}", query={"fields": "attachment,summary"}
        )
        return read(partial(as_issue, base_url=self._base_url), data)

    def upload_limit(self) -> int | None:
        """Return how large an attachment may be, in bytes; None where Jira says not.

        Raises AttachmentsDisabled.
        """
        return read(as_limit, self._ask("/attachment/meta"))

    def attach(
        self,
        key: str,
        file: BinaryIO,
        *,
        name: str,
        size: int,
        progress: Callable[[int], None],
    ) -> Attachment:
        """Send the file, ``size`` bytes of it and no more, and return what Jira made.

        ``progress`` is told how many bytes of it have gone. What it raises breaks the
        connection off, so that Jira keeps nothing, and passes through. Raises ReplyLost
        when all of it has gone, and the answer is missing or tells of a failure: Jira
        may have the file, or be storing it still. Ask ``find_attachment`` before every
        try, and after an answer that is odd: it is the issue that counts.
        """
        upload = Upload(file, name=name, size=size, progress=progress)
        data = self._ask(f"/issue/{check_key(key)}/attachments", upload=upload)
        return read(as_attached, data)

    def find_attachment(
        self, key: str, name: str, size: int, *, since_ids: Collection[str]
    ) -> Attachment | None:
        """Return the newest such file that was not among ``since_ids`` before."""
        names = {unicodedata.normalize("NFC", each) for each in (name, escaped(name))}
        found = [
            attachment
            for attachment in self.issue(key).attachments
            if attachment.id not in since_ids
            and attachment.size == size
            and unicodedata.normalize("NFC", attachment.filename) in names
        ]
        return max(found, key=lambda each: each.created, default=None)

    def _ask(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        upload: Upload | None = None,
    ) -> Any:
        """Return what the JSON of a good answer says."""
        request = self._client.build_request(
            "POST" if upload else "GET",
            self._api + path,
            params=query,
            content=upload,
            headers=upload.headers if upload else None,
            timeout=UPLOAD_TIMEOUT if upload else TIMEOUT,
        )
        started, outcome = time.monotonic(), "stopped"
        problem: JiraProblem | None
        try:
            answer = self._exchange(request)
            outcome = str(answer.status)
            problem = explain_answer(answer, of_issue=path.startswith("/issue/"))
            if is_whole(upload) and isinstance(problem, UpstreamUnavailable):
                # It may come from a proxy that gave up while Jira goes on storing.
                problem = ReplyLost(retry_after=problem.retry_after)
        except httpx.HTTPError as error:
            problem = ReplyLost() if is_whole(upload) else explain_network(error)
            outcome = problem.code
        finally:
            taken = (time.monotonic() - started) * 1000
            log.debug(
                "%s %s%s %s %d ms", request.method, self._api, path, outcome, taken
            )
        # Outside the handler, which would chain the cause with its headers.
        if problem:
            raise problem
        return parsed(answer)

    def _exchange(self, request: httpx.Request) -> Answer:
        with closing(self._client.send(request, stream=True)) as response:
            body = first_bytes(response)
        return Answer(response.status_code, response.headers, body)


def is_whole(upload: Upload | None) -> bool:
    """Has all of a file gone, so that Jira may have it, whatever comes back?"""
    return upload is not None and upload.whole


def new_client(credentials: Credentials, trusted: ssl.SSLContext) -> httpx.Client:
    """Return a client that keeps to one host and remembers nothing."""
    try:
        return httpx.Client(
            base_url=credentials.base_url,
            auth=TokenAuth(credentials),
            # Compressed, a small answer could grow without bounds.
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "Handrail",
            },
            # A session's cookie would outlive a token that is revoked.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            verify=trusted,
            timeout=TIMEOUT,
            follow_redirects=False,
            # Proxies: there is none between this machine and itself.
            trust_env=not is_loopback(credentials.base_url),
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        pass
    # Outside the handler: a proxy's address can hold its password.
    raise ProxyRefused(
        _(
            "The proxy that is set for Handrail cannot be used. Nothing was sent. Ask "
            "an administrator to check HTTPS_PROXY and ALL_PROXY."
        )
    )


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Return whom to trust: public authorities, this machine's, and the file's."""
    try:
        context = httpx.create_ssl_context()
        context.load_default_certs()
        if ca_file is not None:
            context.load_verify_locations(cafile=ca_file)
        return context
    except (OSError, ValueError):
        pass
    # Outside the handler: the cause names the file's place on this machine.
    raise CertificateUntrusted(
        _(
            "The file of Jira's certificate authority cannot be read. Nothing was "
            "sent. Ask an administrator to check its place and its content."
        )
    )


def first_bytes(response: httpx.Response) -> bytes:
    """Return the body, or somewhat more than is ever read of one."""
    body = bytearray()
    broken: httpx.HTTPError | None = None
    try:
        for piece in response.iter_raw(64 * 1024):
            body += piece
            if len(body) > MOST_BYTES:
                break
    except httpx.RemoteProtocolError:
        # By its head it did speak HTTP: what is missing now was cut off.
        broken = httpx.ReadError("cut off")
    except httpx.HTTPError as error:
        broken = error
    # A refusal says enough by its status.
    if broken and response.is_success:
        raise broken
    return bytes(body)


def parsed(answer: Answer) -> Any:
    if len(answer.body) > MOST_BYTES:
        raise AnswerTooLarge
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        pass
    # Outside the handler: the cause holds the body.
    raise NotJira
