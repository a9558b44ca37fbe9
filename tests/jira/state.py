"""People, issues and permissions, and how they answer."""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.jira.bodies import Body, read_file
from tests.jira.records import Asked, Fault, Person, Refused, Reply, Stored, StoredIssue
from workflows.core.jira import Credentials, Kind
from workflows.core.secrets import Secret

TOKEN = "planted-NjQ1MDk3MjE4NzUzOiLqk0p1"
EMAIL = "alice@example.com"
EPOCH = datetime(2026, 1, 5, 9, tzinfo=UTC)


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
    late: list[tuple[StoredIssue, Stored]] = field(default_factory=list)
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

    def catch_up(self) -> None:
        """Store what was taken and not stored yet."""
        with self.quiet:
            for issue, stored in self.late:
                issue.attachments.append(stored)
            self.late.clear()

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
        return self.store(issue, person, found, late=asked.late)

    def store(
        self,
        issue: StoredIssue,
        person: Person,
        found: tuple[str, int, str],
        *,
        late: bool = False,
    ) -> Stored:
        with self.quiet:
            self.made += 1
            created = EPOCH + timedelta(seconds=self.made)
            stored = Stored(str(self.made), *found, person, created)
            if late:
                self.late.append((issue, stored))
            else:
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
