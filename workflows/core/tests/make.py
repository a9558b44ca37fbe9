"""What the tests of the core make again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.jira import JiraServer
from tests.kit.models import Parcel
from workflows.core.accounts import Account, User
from workflows.core.connections import JiraConnection
from workflows.core.secrets import Secret

CONNECTION_TOKEN = "planted-Q29ubmVjdGlvbjpmb3JnZXRtZQ"


def make_parcel(account: Account, *, by: User | None = None, **over: Any) -> Parcel:
    return Parcel.begin(by=by, account=account, **over)


def allow_hosts(account: Account, *hosts: str) -> None:
    """Let the account's people connect to these hosts."""
    account.settings = {**account.settings, "jira.hosts": list(hosts)}
    account.save()


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


def make_connection_to(server: JiraServer, user: User, **over: Any) -> JiraConnection:
    """Return a connection that the stand-in takes, and allow its host."""
    assert user.account is not None
    allow_hosts(user.account, "localhost")
    login = server.credentials()
    email = login.email if login.kind == "cloud" else ""
    made = {"kind": login.kind.value, "base_url": server.url, "email": email}
    return make_connection(user, **{**made, "token": login.token, **over})
