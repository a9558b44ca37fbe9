"""What the tests of the core make again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.jira import JiraServer, jira_server
from workflows.core.accounts import Account, User
from workflows.core.connecting import keep_connection, prove_token
from workflows.core.connections import JiraConnection
from workflows.core.jira import Kind
from workflows.core.secrets import Secret

CONNECTION_TOKEN = "planted-Q29ubmVjdGlvbjpmb3JnZXRtZQ"


def allow_hosts(account: Account, *hosts: str) -> None:
    """Let the account's people connect to these hosts."""
    account.settings = {**account.settings, "jira.hosts": list(hosts)}
    account.save()


@contextmanager
def lent_jira(
    account: Account, settings: Any, kind: Kind = Kind.CLOUD
) -> Iterator[JiraServer]:
    """Run a Jira with one issue, trusted, and allowed to the account's people."""
    with jira_server(kind=kind) as running:
        running.add_issue("ABC-1", "The disk is full")
        settings.JIRA_CA_FILE = str(running.ca_file)
        allow_hosts(account, "localhost")
        yield running


def make_connection(user: User, **over: Any) -> JiraConnection:
    """Return an active connection of theirs; ``left`` is for how long."""
    left = over.pop("left", timedelta(hours=24))
    made: dict[str, Any] = {
        "account": user.account,
        "user": user,
        "kind": "data_center",
        "base_url": "https://jira.example.com",
        "token": Secret(CONNECTION_TOKEN),
        "jira_user_id": "JIRAUSER10100",
        "display_name": "Alice Arends",
        "expires_at": timezone.now() + left,
    }
    return JiraConnection.begin(by=user, **{**made, **over})


def connect_jira(*, by: User, **typed: Any) -> JiraConnection:
    """Connect with what somebody typed, as Jira says."""
    return keep_connection(prove_token(by=by, **typed), by=by)


def make_connection_to(server: JiraServer, user: User, **over: Any) -> JiraConnection:
    """Return a connection that the stand-in takes, and allow its host."""
    assert user.account is not None
    allow_hosts(user.account, "localhost")
    login = server.credentials()
    email = login.email if login.kind == "cloud" else ""
    made = {"kind": login.kind.value, "base_url": server.url, "email": email}
    return make_connection(user, **{**made, "token": login.token, **over})
