"""Whatever Jira, or the way there, has against it: in words, kept, and mended."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.apps import apps
from django.utils import timezone
from django.utils.html import escape

from jobs.actions.running import drain
from jobs.tests.engine import make_due, outcomes, reread
from tests.conftest import signed_in
from tests.jira import EMAIL, TOKEN, jira_server
from tests.services import free_port
from workflows.core.connections import JiraConnection
from workflows.core.jira import JiraProblem, client
from workflows.core.secrets import sealed_columns
from workflows.core.tests.make import allow_hosts, make_connection_to
from workflows.core.tests.test_jira_network import saying
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.verifying import use_connection, verify_issue
from workflows.support.problems import CaseProblem
from workflows.support.tests.make import jira_of
from workflows.support.tests.make import reread as case_now
from workflows.support.tests.pages import opened, text
from workflows.support.tests.sending import (  # noqa: F401
    QUEUE,
    asked,
    attachments,
    failed,
    is_whole,
    ready_case,
    run_out,
    said,
)

pytestmark = pytest.mark.django_db
ATTEMPTS = 4
FAILED = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
CAPTCHA = {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=https://j/"}
TOO_LARGE = b'{"errorMessages": ["It exceeds its maximum permitted size of 10 MB."]}'
ISSUE, SEND = "/issue/ABC-1", "/issue/ABC-1/attachments"


@dataclass
class World:
    """What a trouble is made of."""

    server: Any
    case: Any
    settings: Any


@pytest.fixture
def world(server, case, settings):
    return World(server, case, settings)


Trouble = Callable[[World], AbstractContextManager[object]]


# --- troubles -------------------------------------------------------------------------
def answers(path="/myself", **fault):
    """Jira answers so, to each try."""

    @contextmanager
    def trouble(world):
        for nth in range(ATTEMPTS):
            world.server.fails(path, nth=nth + 1, **fault)
        yield
        world.server.faults.clear()

    return trouble


@contextmanager
def expired_token(world):
    world.server.people[0].expired = True
    yield
    world.server.people[0].expired = False


@contextmanager
def no_right_to_attach(world):
    world.server.issues["ABC-1"].writers = set()
    yield
    world.server.issues["ABC-1"].writers = None


@contextmanager
def another_page(world):
    """Something sends everybody to a login page, which would gladly take a token."""
    with jira_server() as other:
        headers = {"Location": f"{other.url}/login"}
        with answers("", status=302, headers=headers)(world):
            yield
        assert other.requests == []


def elsewhere(address):
    """The connection is to an address where Jira was once."""

    @contextmanager
    def trouble(world):
        rows = JiraConnection.objects.filter(pk=jira_of(world.case).connection_id)
        before = rows.get().base_url
        allow_hosts(world.case.account, "localhost", "127.0.0.1", "no-host.invalid")
        with address(world) as found:
            rows.update(base_url=found)
            yield
        rows.update(base_url=before)

    return trouble


@contextmanager
def nobody(world):
    yield "https://no-host.invalid"


@contextmanager
def closed(world):
    yield f"https://127.0.0.1:{free_port()}"


@contextmanager
def no_jira(world):
    with saying(b"220 mail.example.com ESMTP\r\n\r\n") as (address, _heard):
        yield f"http://{address}"


@contextmanager
def not_allowed(world):
    allow_hosts(world.case.account, "jira.example.com")
    yield
    allow_hosts(world.case.account, "localhost")


@contextmanager
def silence(world):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "TIMEOUT", httpx.Timeout(0.2))
        with answers("/myself", holds="reply")(world):
            yield
        world.server.release()


@contextmanager
def proxy(world):
    words = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    with saying(words) as (address, heard), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://joe:proxy-password@{address}")
        # There is none between this machine and itself.
        patch.setattr(client, "is_loopback", lambda base_url: False)
        yield
    assert TOKEN.encode() not in b"".join(heard)


@contextmanager
def untrusted(world):
    before, world.settings.JIRA_CA_FILE = world.settings.JIRA_CA_FILE, ""
    yield
    world.settings.JIRA_CA_FILE = before


@dataclass(frozen=True)
class Row:
    """One line of the mapping: what it comes to while checking, and while attaching."""

    trouble: Trouble
    code: str
    words: str
    tries: int = 1  # of a job
    status: str = "connected"  # of the connection afterwards
    at_attach: str = ""  # another code
    words_at_attach: str = ""
    else_: tuple[str, str] | None = None  # where all had left before it broke


BOTH = {
    "401": Row(expired_token, "invalid_credentials", "Connect again", status="expired"),
    "401 as a stranger": Row(
        answers(ISSUE, status=404, headers=FAILED),
        "invalid_credentials",
        "does not accept this token",
        status="expired",
    ),
    "captcha": Row(
        answers(status=403, headers=CAPTCHA), "captcha_required", "in a browser"
    ),
    "403 for the account": Row(
        answers(status=403), "forbidden", "token was removed", status="failed"
    ),
    "403 for the issue": Row(
        answers(ISSUE, status=403),
        "forbidden",
        "project's administrator",
        at_attach="issue_access_denied",
        words_at_attach="no longer shows this issue",
    ),
    "403 for the limit": Row(
        answers("/attachment/meta", status=403), "forbidden", "administrator"
    ),
    "404 for the issue": Row(
        answers(ISSUE, status=404),
        "not_found",
        "doesn't exist, or this account can't see it",
        at_attach="issue_access_denied",
        words_at_attach="no longer shows this issue",
    ),
    "404 for the rest": Row(answers(status=404), "not_jira", "(status 404)"),
    "3xx": Row(another_page, "sso_redirect", "The token was not sent there"),
    "429": Row(
        answers(status=429, headers={"Retry-After": "7"}),
        "rate_limited",
        "Jira asks to wait",
        ATTEMPTS,
    ),
    "5xx": Row(answers(status=503), "upstream_unavailable", "Jira is down", ATTEMPTS),
    "5xx for the issue": Row(
        answers(ISSUE, status=500), "upstream_unavailable", "Jira is down", ATTEMPTS
    ),
    "DNS": Row(elsewhere(nobody), "host_not_found", "No host of this name", ATTEMPTS),
    "refused": Row(
        elsewhere(closed), "connection_refused", "Nothing accepts", ATTEMPTS
    ),
    "broken": Row(answers(drop="at once"), "connection_lost", "broke", ATTEMPTS),
    "timeout": Row(silence, "timed_out", "did not answer in time", ATTEMPTS),
    "proxy 407": Row(proxy, "proxy_refused", "does not let Handrail through"),
    "certificate": Row(untrusted, "certificate_untrusted", "certificate authority"),
    "no Jira": Row(elsewhere(no_jira), "not_jira", "not as Jira does"),
    "not allowed": Row(not_allowed, "invalid_base_url", "list of allowed Jira servers"),
    "too much": Row(
        answers(ISSUE, status=200, body=b'"%s"' % (b"x" * 2 * client.MOST_BYTES)),
        "answer_too_large",
        "too many attachments",
    ),
    "switched off": Row(
        answers("/attachment/meta", status=200, body=b'{"enabled": false}'),
        "attachments_disabled",
        "switched off",
    ),
}
# What can only go wrong with the file itself.
SENDING = {
    "403": Row(no_right_to_attach, "forbidden", "permission"),
    "401": Row(
        answers(SEND, status=401),
        "invalid_credentials",
        "Connect again",
        status="expired",
    ),
    "404": Row(answers(SEND, status=404), "issue_access_denied", "no longer shows"),
    "404, too large": Row(
        answers(SEND, status=404, body=TOO_LARGE),
        "artifact_too_large",
        "Make a smaller one",
    ),
    "413": Row(answers(SEND, status=413), "artifact_too_large", "larger than Jira"),
    "413 at once": Row(
        answers(SEND, status=413, early=True), "artifact_too_large", "larger than Jira"
    ),
    "3xx": Row(
        answers(SEND, status=307, headers={"Location": "https://sso.example/"}),
        "sso_redirect",
        "The token was not sent there",
    ),
    "429": Row(
        answers(SEND, status=429), "rate_limited", "Jira asks to wait", ATTEMPTS
    ),
    "5xx": Row(
        answers(SEND, status=502), "reply_lost", "may be attached already", ATTEMPTS
    ),
    "broken": Row(
        answers(SEND, drop="midway"),
        "connection_lost",
        "broke",
        ATTEMPTS,
        else_=("reply_lost", "may be attached already"),
    ),
    "proxy": Row(answers(SEND, status=407), "proxy_refused", "proxy"),
    "no Jira": Row(
        answers(SEND, status=200, body=b"<html>"), "not_jira", "not as Jira does"
    ),
}
LINES = [
    *(pytest.param(row, id=name) for name, row in BOTH.items()),
    *(pytest.param(row, id=f"sending, {name}") for name, row in SENDING.items()),
]


# --- what is said and kept ------------------------------------------------------------
def whole_database():
    """Return all that any table holds, the sealed columns apart."""
    sealed = set(sealed_columns())
    for model in apps.get_models():
        names = [field.attname for field in model._meta.concrete_fields]
        names = [name for name in names if (model, name) not in sealed]
        for row in model._base_manager.values(*names):
            yield json.dumps(row, default=str)


@pytest.fixture
def no_secret(server, caplog):
    """Whatever the test does, the token is nowhere but in its sealed column."""
    caplog.set_level(logging.DEBUG)
    yield
    told = [caplog.text, *(str(vars(record)) for record in caplog.records)]
    told += whole_database()
    logins = {asked.headers.get("authorization", "") for asked in server.requests}
    secrets = {TOKEN, "proxy-password"} | {
        login.split()[1] for login in logins if login
    }
    assert any("ABC-1" in text for text in told)
    for private in (EMAIL, "The disk is full"):
        assert private not in caplog.text
    for secret in secrets:
        assert not [text for text in told if secret in text]


def seen(case, user, words):
    """Is it said on the case's page, which has kept archive and key?"""
    page = text(opened(signed_in(user), case))
    kept = (jira_of(case).issue_key, case.sosreport.artifact.filename)
    assert TOKEN not in page
    return all(escape(word) in page for word in (words, *kept))


@pytest.mark.usefixtures("no_secret", "hurried")
@pytest.mark.parametrize("row", LINES)
def test_an_attachment_that_fails(world, server, case, alice, row):
    """What happened, what is kept; and when the cause is mended, it goes on."""
    job = jira_attach_artifact(case, by=alice)
    with row.trouble(world):
        ended = run_out(job)
    assert outcomes(ended) == ["failed"] * row.tries
    code, words = row.at_attach or row.code, row.words_at_attach or row.words
    if row.else_ and said(case)[-1] == row.else_[0]:
        code, words = row.else_
    assert failed(case, code, words)
    assert seen(case, alice, words)
    state = jira_of(case)
    assert state.connection_status == row.status
    assert bool(state.connection.token) is (row.status == "connected")
    assert state.issue_access_verified is (code != "issue_access_denied")
    assert attachments(server) == []
    if row.status != "connected":
        use_connection(case, by=alice, connection=make_connection_to(server, alice))
    if not jira_of(case).issue_access_verified:
        verify_issue(case, by=alice, key="ABC-1")
    assert run_out(jira_attach_artifact(case, by=alice)).status == "succeeded"
    assert is_whole(server, case)


@pytest.mark.usefixtures("no_secret")
@pytest.mark.parametrize("row", [pytest.param(BOTH[name], id=name) for name in BOTH])
def test_a_check_that_fails(world, server, case, alice, row):
    with (
        row.trouble(world),
        pytest.raises((JiraProblem, CaseProblem)) as caught,
    ):
        verify_issue(case, by=alice, key="ABC-1")
    assert caught.value.code == row.code
    assert said(case) == ("failed", "jira_attach", row.code)
    kept = case_now(case).last_error_text
    assert row.words in kept
    assert kept == str(caught.value)
    assert seen(case, alice, row.words)
    state = jira_of(case)
    assert (state.issue_key, state.issue_access_verified) == ("ABC-1", False)
    assert state.connection_status == row.status
    assert bool(state.connection.token) is (row.status == "connected")
    if row.status != "connected":
        use_connection(case, by=alice, connection=make_connection_to(server, alice))
    verify_issue(case, by=alice, key="ABC-1")
    assert said(case) == ("jira_attach", "", "")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_jira_says_how_long_to_wait(server, case, alice):
    server.fails("/myself", status=429, headers={"Retry-After": "600"})
    job = jira_attach_artifact(case, by=alice)
    drain(QUEUE)
    row = reread(job)
    assert (row.status, said(case)) == ("queued", ("jira_attach", "", ""))
    left = row.run_after - timezone.now()
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    make_due(job)
    drain(QUEUE)
    assert is_whole(server, case)


def test_a_refused_token_is_not_tried_again(server, case, alice):
    """Each wrong login counts: too many of them, and Jira wants to see a person."""
    server.people[0].expired = True
    run_out(jira_attach_artifact(case, by=alice))
    assert asked(server) == ["GET /myself"]
    [move] = jira_of(case).connection.moves().filter(name="expire")
    assert (move.actor, move.note) == (None, "Jira does not accept the token.")
