"""A Jira for tests, Data Center or Cloud, over real HTTP and TLS.

It knows people by their tokens, keeps issues and what is attached to them (size and
digest, never the content), and fails as a test tells it to. Its errors quote the login,
as an unkind server might. workflows/core/tests/test_jira_wire.py holds it against the
description that Atlassian publishes.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from tests.certificates import make_certificates
from workflows.core.jira import Credentials, Kind
from workflows.core.secrets import Secret

TOKEN = "planted-NjQ1MDk3MjE4NzUzOiLqk0p1"
EMAIL = "alice@example.com"
EPOCH = datetime(2026, 1, 5, 9, tzinfo=UTC)
PIECE = 64 * 1024


@dataclass
class Person:
    """Somebody with a token, which may have expired."""

    name: str
    email: str
    token: str
    id: str
    expired: bool = False


@dataclass(frozen=True)
class Stored:
    """An attachment as Jira keeps it."""

    id: str
    filename: str
    size: int
    sha256: str
    author: Person
    created: datetime


@dataclass
class StoredIssue:
    """An issue. None among readers or writers means everybody."""

    key: str
    summary: str
    readers: set[str] | None = None
    writers: set[str] | None = None
    attachments: list[Stored] = field(default_factory=list)


@dataclass
class Asked:
    """One request as it came over the wire, and what was answered."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int = 0  # of the body, as much of it as came
    status: int = 0
    answer: bytes = b""


@dataclass
class Fault:
    """What goes wrong with the ``nth`` request from now whose path ends so.

    With a status it is the answer, and nothing is done. ``early`` gives it before the
    body is read. ``drop`` breaks the connection: at once, midway in the request's body,
    instead of the reply to what was done, or in the middle of that reply. ``holds``
    waits there until ``release()``, and tells so by the event ``held``.
    """

    path: str = ""
    nth: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    early: bool = False
    drop: Literal["", "at once", "midway", "reply", "in reply"] = ""
    holds: Literal["", "midway", "reply"] = ""


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Jira says no, with a status, headers and words."""

    def __init__(self, status: int, words: str, **headers: str) -> None:
        super().__init__(words)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"errorMessages": [words], "errors": {}}
        self.reply = Reply(status, json.dumps(body).encode(), named)


class Body:
    """What is left of a request's body; a client that goes away breaks the request."""

    def __init__(
        self, file: Any, length: int, asked: Asked, midway: Callable[[], None]
    ) -> None:
        self._file = file
        self.left = length
        self._asked = asked
        self._half = length // 2
        self._midway = midway

    def read(self, most: int) -> bytes:
        wanted = min(most, self.left)
        found: bytes = self._file.read(wanted)
        self.left -= len(found)
        self._asked.size += len(found)
        if len(found) < wanted:
            raise ConnectionAbortedError
        if found and self.left <= self._half < self.left + len(found):
            self._midway()
        return found

    def skip(self) -> None:
        while self.left:
            self.read(PIECE)


def read_file(body: Body, content_type: str) -> tuple[str, int, str]:
    """Return name, size and digest of the one file, read a piece at a time."""
    boundary = re.fullmatch(r"multipart/form-data; boundary=([0-9a-z]+)", content_type)
    if not boundary:
        raise Refused(415, "Unsupported Media Type")
    delimiter = f"\r\n--{boundary[1]}".encode()
    opening, window = delimiter[2:] + b"\r\n", body.read(PIECE)
    head, end_of_head, window = window.partition(b"\r\n\r\n")
    name = re.search(
        rb'^Content-Disposition: form-data; name="file"; filename="([^"\r\n]*)"\r\n',
        head.removeprefix(opening),
    )
    if not head.startswith(opening) or not end_of_head or not name:
        raise Refused(400, "There is no part of the name file")
    digest, size, overlap = sha256(), 0, len(delimiter) - 1
    while (end := window.find(delimiter)) < 0:
        done, window = window[:-overlap], window[-overlap:]
        digest.update(done)
        size += len(done)
        if not body.left:
            raise Refused(400, "The last part does not end")
        window += body.read(PIECE)
    digest.update(window[:end])
    if window[end + len(delimiter) :] + body.read(PIECE) != b"--\r\n":
        raise Refused(400, "There is more than one file")
    return name[1].decode(), size + end, digest.hexdigest()


@dataclass
class JiraServer:
    """The stand-in: a test changes it while it runs. Alice's login is given along."""

    kind: Kind
    url: str
    ca_file: Path | None
    people: list[Person] = field(default_factory=list)
    issues: dict[str, StoredIssue] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    upload_limit: int | None = 1024**4
    enabled: bool = True
    lets_strangers_in: bool = False  # Data Center may take a wrong token for none
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    quiet: threading.Condition = field(default_factory=threading.Condition)
    running: int = 0
    made: int = 10000

    def __post_init__(self) -> None:
        self.add_person("alice", token=TOKEN)

    @property
    def token(self) -> str:
        return self.people[0].token

    @property
    def email(self) -> str:
        return self.people[0].email

    @property
    def root(self) -> str:
        version = {Kind.CLOUD: 3, Kind.DATA_CENTER: 2}[self.kind]
        return f"{urlsplit(self.url).path}/rest/api/{version}"

    def credentials(self, **over: Any) -> Credentials:
        given = {"base_url": self.url, "kind": self.kind, "token": Secret(self.token)}
        return Credentials(**{**given, "email": self.email, **over})

    # --- what a test sets up ----------------------------------------------------------
    def add_person(self, name: str, *, token: str) -> Person:
        number = 10100 + len(self.people)
        cloud = self.kind == Kind.CLOUD
        identity = f"5b10ac8d82e05b22cc7d{number}" if cloud else f"JIRAUSER{number}"
        person = Person(name, f"{name}@example.com", token, identity)
        self.people.append(person)
        return person

    def add_issue(self, key: str, summary: str = "It is slow", **over: Any) -> None:
        self.issues[key] = StoredIssue(key, summary, **over)

    def add_attachment(self, key: str, filename: str, size: int) -> Stored:
        return self.store(self.issues[key], self.people[0], (filename, size, ""))

    def fails(self, path: str = "", **what: Any) -> None:
        self.faults.append(Fault(path, **what))

    def release(self) -> None:
        """Let go on what a fault holds."""
        self.released.set()

    def wait_until_idle(self, *, requests: int = 0) -> None:
        """Return when so many have come and none is being worked on."""

        def idle() -> bool:
            return not self.running and len(self.requests) >= requests

        with self.quiet:
            assert self.quiet.wait_for(idle, timeout=30)

    # --- what Jira does ---------------------------------------------------------------
    def hold(self) -> None:
        self.held.set()
        self.released.wait(60)

    def due(self, path: str) -> Fault:
        """Return the fault of this request; all that wait for its path count it."""
        found = Fault()
        with self.quiet:
            for fault in [each for each in self.faults if path.endswith(each.path)]:
                fault.nth -= 1
                if fault.nth == 0:
                    self.faults.remove(fault)
                    found = fault
        return found

    def answer(self, asked: Asked, body: Body) -> Reply:
        try:
            person, headers = self.log_in(asked.headers)
            said = self.act(asked, body, person)
        except Refused as refused:
            headers = refused.reply.headers
            return Reply(refused.reply.status, refused.reply.body, headers)
        return Reply(200, json.dumps(said).encode(), headers)

    def log_in(self, headers: dict[str, str]) -> tuple[Person | None, dict[str, str]]:
        """Return who asks, None for a stranger, and what Jira says about the login."""
        login = headers.get("authorization", "")
        for person in self.people:
            pair = base64.b64encode(f"{person.email}:{person.token}".encode()).decode()
            basic = self.kind == Kind.CLOUD
            if login != (f"Basic {pair}" if basic else f"Bearer {person.token}"):
                continue
            if not person.expired:
                return person, {"X-Seraph-LoginReason": "OK"}
        if self.kind == Kind.CLOUD or self.lets_strangers_in:
            return None, {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
        words = f"Client must be authenticated to access this resource: {login}"
        raise Refused(401, words, WWW_Authenticate='OAuth realm="jira"')

    def act(self, asked: Asked, body: Body, person: Person | None) -> Any:
        method, path = asked.method, asked.path.removeprefix(self.root)
        if not person and (path == "/myself" or self.kind == Kind.CLOUD):
            status = 404 if path.startswith("/issue/") else 401
            raise Refused(
                status,
                f"It does not exist or you do not have permission to see it. {asked}",
                X_Seraph_LoginReason="AUTHENTICATED_FAILED",
            )
        if person and (method, path) == ("GET", "/myself"):
            return self.person(person)
        if (method, path) == ("GET", "/attachment/meta"):
            limit = self.upload_limit
            said = {"enabled": self.enabled, "uploadLimit": limit}
            return {name: value for name, value in said.items() if value is not None}
        wanted = re.fullmatch(r"/issue/([A-Z0-9_]+-\d+)(/attachments)?", path)
        if not wanted or method != ("POST" if wanted[2] else "GET"):
            raise Refused(404, f"There is no such resource: {asked}")
        issue = self.find(wanted[1], person)
        if not wanted[2]:
            return self.issue(issue, asked.query.get("fields", "").split(","))
        return [self.attachment(self.attach(issue, person, asked, body))]

    def find(self, key: str, person: Person | None) -> StoredIssue:
        issue = self.issues.get(key)
        name = person.name if person else ""
        if not issue or (issue.readers is not None and name not in issue.readers):
            raise Refused(404, "Issue Does Not Exist")
        return issue

    def attach(
        self, issue: StoredIssue, person: Person | None, asked: Asked, body: Body
    ) -> Stored:
        if asked.headers.get("x-atlassian-token") != "no-check":
            raise Refused(403, "XSRF check failed")
        allowed = issue.writers is None or (person and person.name in issue.writers)
        if not person or not allowed or not self.enabled:
            raise Refused(403, "You do not have permission to create attachments")
        found = read_file(body, asked.headers.get("content-type", ""))
        if self.upload_limit is not None and found[1] > self.upload_limit:
            cloud = self.kind == Kind.CLOUD
            words = f"{found[0]} exceeds its maximum permitted size of 10.00 MB."
            raise Refused(413 if cloud else 404, words)
        return self.store(issue, person, found)

    def store(
        self, issue: StoredIssue, person: Person, found: tuple[str, int, str]
    ) -> Stored:
        with self.quiet:
            self.made += 1
            created = EPOCH + timedelta(seconds=self.made)
            stored = Stored(str(self.made), *found, person, created)
            issue.attachments.append(stored)
        return stored

    # --- how Jira tells it ------------------------------------------------------------
    def person(self, person: Person) -> dict[str, Any]:
        named: dict[str, Any] = {"name": person.name, "key": person.id}
        if self.kind == Kind.CLOUD:
            named = {"accountId": person.id, "accountType": "atlassian"}
        return named | {
            "self": f"{self.url}/rest/api/user?id={person.id}",
            "emailAddress": person.email,
            "displayName": person.name.title(),
            "active": True,
            "timeZone": "Europe/Berlin",
        }

    def issue(self, issue: StoredIssue, wanted: list[str]) -> dict[str, Any]:
        attachments = [self.attachment(stored) for stored in issue.attachments]
        fields: dict[str, Any] = {"summary": issue.summary, "labels": ["slow"]}
        if self.enabled:
            fields["attachment"] = attachments
        return {
            "expand": "renderedFields,names,schema",
            "id": "10002",
            "self": f"{self.url}/rest/api/issue/10002",
            "key": issue.key,
            "fields": {name: fields[name] for name in wanted if name in fields},
        }

    def attachment(self, stored: Stored) -> dict[str, Any]:
        return {
            "self": f"{self.url}/rest/api/attachments/{stored.id}",
            "id": stored.id,
            "filename": stored.filename,
            "author": self.person(stored.author),
            "created": stored.created.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "size": stored.size,
            "mimeType": "application/octet-stream",
            "content": f"{self.url}/rest/api/attachment/content/{stored.id}",
        }


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the Jira of its server, and breaks them on demand."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # 40 ms between the head and the body of a reply
    jira: ClassVar[JiraServer]

    def do_GET(self) -> None:
        with self.jira.quiet:
            self.jira.running += 1
        try:
            self.serve()
        except ConnectionError:
            self.close_connection = True
        finally:
            with self.jira.quiet:
                self.jira.running -= 1
                self.jira.quiet.notify_all()

    do_POST = do_GET  # noqa: N815

    def serve(self) -> None:
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(target.query))
        asked = Asked(self.command, target.path, query, headers)
        self.jira.requests.append(asked)
        fault = self.jira.due(asked.path)

        def midway() -> None:
            if fault.holds == "midway":
                self.jira.hold()
            if fault.drop == "midway":
                self.hang_up()
                raise ConnectionAbortedError

        length = int(headers.get("content-length", 0))
        body = Body(self.rfile, length, asked, midway)
        if fault.drop == "at once":
            return self.hang_up()
        if fault.early and fault.status:
            self.say(asked, Reply(fault.status, fault.body, fault.headers))
            return self.linger()
        if fault.status:
            reply = Reply(fault.status, fault.body, fault.headers)
        else:
            reply = self.jira.answer(asked, body)
        body.skip()
        if fault.holds == "reply":
            self.jira.hold()
        if fault.drop == "reply":
            return self.hang_up()
        self.say(asked, reply, cut=fault.drop == "in reply")
        return None

    def say(self, asked: Asked, reply: Reply, *, cut: bool = False) -> None:
        asked.status, asked.answer = reply.status, reply.body
        self.send_response(reply.status)
        for name, value in {
            "Content-Type": "application/json;charset=UTF-8",
            "Content-Length": str(len(reply.body)),
            "Set-Cookie": "JSESSIONID=0A1B2C3D; Path=/; HttpOnly",
            **reply.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        if cut:
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def linger(self) -> None:
        """Read on, as servers do, or the reply would be lost with the connection."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)
        while self.connection.recv(PIECE):
            pass

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that go away, or do not trust the certificate."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def jira_server(
    *, kind: Kind = Kind.DATA_CENTER, tls: bool = True, prefix: str = ""
) -> Iterator[JiraServer]:
    """Run the stand-in on a free port while the block lasts."""
    with TemporaryDirectory(prefix="handrail-jira-") as folder:
        server = Server(("127.0.0.1", 0), Handler)
        # Or else the kernel may take 32 MiB of a file that nobody has read yet.
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
        ca_file = None
        if tls:
            ca_file, context = make_certificates(Path(folder))
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "https" if tls else "http"
        url = f"{scheme}://localhost:{server.server_address[1]}{prefix}"
        jira = JiraServer(kind, url, ca_file)
        server.RequestHandlerClass = type("JiraHandler", (Handler,), {"jira": jira})
        with served(server):
            try:
                yield jira
            finally:
                jira.release()


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
