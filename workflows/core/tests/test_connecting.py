"""Jira says whose token it is, then it is kept sealed, and lent to who may use it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.conftest import make_user
from tests.jira import EMAIL, TOKEN
from tests.services import free_port
from workflows.core import jira as problems
from workflows.core.connecting import NotActive, open_jira
from workflows.core.connections import JiraConnection
from workflows.core.jira import JiraProblem, Kind
from workflows.core.moves import Move
from workflows.core.secrets import SealError, Secret, unseal
from workflows.core.tests.make import (
    allow_hosts,
    connect_jira,
    make_connection_to,
)
from workflows.core.tests.test_connection_machine import finish

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def trusted(server, settings, account):
    """The account allows the stand-in, and this installation trusts it."""
    settings.JIRA_CA_FILE = str(server.ca_file)
    allow_hosts(account, "localhost")


def connect(server, by, **over):
    told = {
        "kind": server.kind.value,
        "base_url": server.url,
        "email": server.email,
        "token": Secret(server.token),
    }
    return connect_jira(by=by, **{**told, **over})


# --- made -----------------------------------------------------------------------------
def test_a_connection_is_what_jira_says_about_the_token(server, alice, settings):
    settings.JIRA_CONNECTION_HOURS = 3
    before = timezone.now()
    made = connect(server, alice)
    row = JiraConnection.objects.get()
    assert row == made
    assert (row.account, row.user, row.kind) == (alice.account, alice, server.kind)
    assert (row.base_url, row.status) == (server.url, "connected")
    assert row.jira_user_id == server.people[0].id
    assert row.display_name == "Alice"
    assert row.email == (EMAIL if server.kind == Kind.CLOUD else "")
    assert (
        timedelta()
        <= row.expires_at - before - timedelta(hours=3)
        < timedelta(minutes=1)
    )
    assert unseal(row.token).reveal() == TOKEN
    [asked] = server.requests
    assert asked.path.endswith("/myself")
    [move] = row.moves()
    assert (move.name, move.target, move.actor) == ("begin", "connected", alice)


def test_what_was_pasted_may_have_blanks_around_it(server, alice):
    made = connect(
        server,
        alice,
        base_url=f" {server.url}/ ",
        email=f" {server.email} ",
        token=Secret(f"\n {server.token}\t\r\n"),
    )
    assert unseal(made.token).reveal() == TOKEN
    assert made.base_url == server.url


@pytest.mark.parametrize(
    ("body", "identity", "name"),
    [
        (
            b'{"key": "%s", "displayName": "%s"}' % (b"k" * 300, b"n" * 300),
            "k" * 200,
            "n" * 200,
        ),
        (b'{"key": "mia", "displayName": ""}', "mia", "mia"),
        (b'{"key": "mia", "displayName": " \\u0000\\ud800\\u202eMia "}', "mia", "Mia"),
    ],
    ids=["too long", "without a name", "of letters that no column takes"],
)
def test_names_are_kept_as_columns_take_them(server, alice, body, identity, name):
    server.fails("/myself", status=200, body=body)
    connect(server, alice)
    row = JiraConnection.objects.get()
    assert (row.jira_user_id, row.display_name) == (identity, name)


# --- not made -------------------------------------------------------------------------
CAPTCHA = {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=https://j/"}
ANSWERS = {
    "RateLimited": {"status": 429},
    "UpstreamUnavailable": {"status": 503},
    "SsoRedirect": {"status": 302, "headers": {"Location": "https://sso.example/"}},
    "InvalidCredentials": {"status": 401},
    "Forbidden": {"status": 403},
    "CaptchaRequired": {"status": 403, "headers": CAPTCHA},
    "NotJira": {"status": 404},
    "ProxyRefused": {"status": 407},
    "TimedOut": {"status": 408},
    "AnswerTooLarge": {"status": 200, "body": b" " * (1024 * 1024 + 1)},
    "ConnectionLost": {"drop": "at once"},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_jira_refuses_leaves_nothing(server, alice, name):
    server.fails("/myself", **ANSWERS[name])
    with pytest.raises(JiraProblem) as caught:
        connect(server, alice)
    assert type(caught.value) is getattr(problems, name)
    assert not JiraConnection.objects.exists()
    assert not Move.objects.exists()


def test_an_account_that_is_shut_out_hears_of_no_project(server, alice):
    server.fails("/myself", status=403)
    words = "does not let its account in. The token was not kept. Connect another"
    with pytest.raises(problems.Forbidden, match=words) as caught:
        connect(server, alice)
    assert "project" not in str(caught.value)


BEFORE = {
    "a host that is not allowed": ({"base_url": "https://127.0.0.1"}, "InvalidBaseUrl"),
    "no address": ({"base_url": "jira"}, "InvalidBaseUrl"),
    "an address longer than its column": (
        {"base_url": f"https://localhost/{'a' * 290}"},
        "InvalidBaseUrl",
    ),
    "a token with a space": ({"token": Secret("a b")}, "InvalidCredentials"),
    "no token": ({"token": Secret(" ")}, "InvalidCredentials"),
    "the token of nobody": ({"token": Secret("wrong")}, "InvalidCredentials"),
}


@pytest.mark.parametrize("case", BEFORE)
def test_what_was_typed_wrong_leaves_nothing(server, alice, case):
    typed, name = BEFORE[case]
    with pytest.raises(JiraProblem) as caught:
        connect(server, alice, **typed)
    assert type(caught.value) is getattr(problems, name)
    assert not JiraConnection.objects.exists()
    assert len(server.requests) == (case == "the token of nobody")


@pytest.mark.parametrize("ca_file", ["", "/nowhere/ca.pem"])
def test_who_is_not_trusted_gets_no_token(server, alice, settings, ca_file):
    settings.JIRA_CA_FILE = ca_file
    with pytest.raises(problems.CertificateUntrusted):
        connect(server, alice)
    assert not server.requests
    assert not JiraConnection.objects.exists()


def test_where_nothing_listens_nothing_is_kept(server, alice):
    with pytest.raises(problems.ConnectionRefused):
        connect(server, alice, base_url=f"https://localhost:{free_port()}")
    assert not JiraConnection.objects.exists()


def test_cloud_needs_an_address_to_log_in_with(server, alice):
    with pytest.raises(problems.InvalidCredentials, match="e-mail"):
        connect(server, alice, kind="cloud", email=" ")
    assert not server.requests


@pytest.mark.parametrize("keys", [[], ["no key"]])
def test_a_token_that_cannot_be_sealed_is_not_sent(server, alice, settings, keys):
    settings.SEAL_KEYS = keys
    with pytest.raises(SealError, match="SEAL_KEYS"):
        connect(server, alice)
    assert not server.requests
    assert not JiraConnection.objects.exists()


def test_an_operator_has_no_account_that_allows_anything(server, db):
    olga = make_user(None, "olga", is_superuser=True)
    with pytest.raises(problems.InvalidBaseUrl, match="not on the list"):
        connect(server, olga)
    assert not server.requests


# --- used -----------------------------------------------------------------------------
def test_who_is_connected_speaks_to_jira(server, alice):
    made = connect(server, alice)
    with open_jira(made) as jira:
        assert jira.issue("ABC-1").summary == "The disk is full"
    first, second = (asked.headers["authorization"] for asked in server.requests)
    assert first == second


@pytest.mark.parametrize(
    ("end", "status"),
    [("revoke", "revoked"), ("expire", "expired"), ("refuse", "failed")],
)
def test_what_has_ended_meanwhile_is_not_used(server, alice, end, status):
    made = make_connection_to(server, alice)
    finish(made, end)
    assert made.status == "connected"  # as somebody still has it in their hands
    with pytest.raises(NotActive) as caught, open_jira(made):
        pass
    assert caught.value.status == status
    assert not server.requests


def test_time_ends_it_before_anything_has_noticed(server, alice):
    made = make_connection_to(server, alice, left=-timedelta(seconds=1))
    with pytest.raises(NotActive) as caught, open_jira(made):
        pass
    assert caught.value.status == "expired"


def test_what_is_gone_is_as_good_as_revoked(server, alice):
    made = make_connection_to(server, alice)
    JiraConnection.objects.all().delete()
    with pytest.raises(NotActive) as caught, open_jira(made):
        pass
    assert caught.value.status == "revoked"


def test_a_host_that_is_not_allowed_any_more_gets_no_token(server, alice):
    made = make_connection_to(server, alice)
    allow_hosts(alice.account, "jira.example.com")
    with pytest.raises(problems.InvalidBaseUrl, match="not on the list"):
        open_jira(made).__enter__()
    assert not server.requests
    assert JiraConnection.objects.get().status == "connected"


def test_this_machine_gets_no_token_unless_the_operator_lets_it(
    server, alice, settings
):
    made = make_connection_to(server, alice)
    settings.JIRA_LOOPBACK = False
    for ask in (lambda: connect(server, alice), open_jira(made).__enter__):
        with pytest.raises(problems.InvalidBaseUrl, match="JIRA_LOOPBACK"):
            ask()
    assert not server.requests


def test_without_its_key_a_token_is_not_used(server, alice, settings):
    made = make_connection_to(server, alice)
    settings.SEAL_KEYS = []
    with pytest.raises(SealError, match="SEAL_KEYS is not set"):
        open_jira(made).__enter__()
    assert not server.requests


def test_problems_pass_through_to_who_asked(server, alice):
    made = make_connection_to(server, alice)
    with pytest.raises(problems.NotFound), open_jira(made) as jira:
        jira.issue("ABC-2")
