"""Each answer that is no success has its code, and says what to do."""

import time
import traceback
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate

import pytest

import workflows.core.jira
from tests.jira import TOKEN, jira_server
from workflows.core.errors import AdminRequired, Temporary, UserFixable
from workflows.core.jira import (
    AnswerTooLarge,
    ArtifactTooLarge,
    CaptchaRequired,
    Forbidden,
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
    client,
)
from workflows.core.jira.client import Jira
from workflows.core.secrets import Secret

TOO_LARGE = b'{"errorMessages": ["It exceeds its Maximum Permitted Size of 10 MB."]}'
FAILED = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
CAPTCHA = {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=https://j/"}


@contextmanager
def failing(kind, words="", *, code=None):
    """The block raises the problem, which holds no secret, nor leads to one."""
    with pytest.raises(JiraProblem) as caught:
        yield caught
    error = caught.value
    assert type(error) is kind
    assert code in {None, error.code}
    assert words in str(error)
    assert str(error).endswith(".")
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN not in "".join(traceback.format_exception(error))


# --- what Jira answers ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("fault", "kind", "code", "words", "category"),
    [
        (
            {"status": 401},
            InvalidCredentials,
            "invalid_credentials",
            "Connect again",
            UserFixable,
        ),
        (
            {"status": 200, "headers": FAILED},
            InvalidCredentials,
            "invalid_credentials",
            "does not accept this token",
            UserFixable,
        ),
        (
            {"status": 404, "headers": FAILED},
            InvalidCredentials,
            "invalid_credentials",
            "does not accept this token",
            UserFixable,
        ),
        ({"status": 403}, Forbidden, "forbidden", "permission", UserFixable),
        (
            {"status": 403, "headers": CAPTCHA},
            CaptchaRequired,
            "captcha_required",
            "in a browser",
            UserFixable,
        ),
        (
            {
                "status": 401,
                "headers": {"X-Seraph-LoginReason": "AUTHENTICATION_DENIED"},
            },
            CaptchaRequired,
            "captcha_required",
            "in a browser",
            UserFixable,
        ),
        (
            {"status": 404},
            NotFound,
            "not_found",
            "doesn't exist, or this account can't see it",
            UserFixable,
        ),
        (
            {"status": 404, "body": TOO_LARGE},
            ArtifactTooLarge,
            "artifact_too_large",
            "larger than Jira takes",
            UserFixable,
        ),
        (
            {"status": 413},
            ArtifactTooLarge,
            "artifact_too_large",
            "larger than Jira takes",
            UserFixable,
        ),
        *(
            (
                {"status": status, "headers": {"Location": "https://sso.example/"}},
                SsoRedirect,
                "sso_redirect",
                "The token was not sent",
                UserFixable,
            )
            for status in (301, 302, 303, 307, 308)
        ),
        ({"status": 429}, RateLimited, "rate_limited", "wait", Temporary),
        *(
            (
                {"status": status},
                UpstreamUnavailable,
                "upstream_unavailable",
                "down",
                Temporary,
            )
            for status in (500, 502, 503, 504, 599)
        ),
        ({"status": 407}, ProxyRefused, "proxy_refused", "proxy", AdminRequired),
        ({"status": 408}, TimedOut, "timed_out", "in time", Temporary),
        *(
            (
                {"status": status},
                RequestRefused,
                "request_refused",
                rf"Jira refused this (status {status}). Nothing here is lost.",
                AdminRequired,
            )
            for status in (400, 405, 410, 415, 418)
        ),
        ({"status": 204, "body": b""}, NotJira, "not_jira", "address", UserFixable),
    ],
)
def test_each_answer_has_its_code(server, jira, fault, kind, code, words, category):
    server.fails(**fault)
    with failing(kind, words, code=code):
        jira.issue("ABC-1")
    assert issubclass(kind, category)
    # Neither tried again nor followed.
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>Log in", b"[]", b"{}", b"null", b"7", b'"ABC-1"', b"[" * 9**5),
        *(b"\xff\xfe", b'{"key": "ABC-1", "fields": null}'),
        b'{"key": "../x", "fields": {"summary": "", "attachment": []}}',
        b'{"key": 7, "fields": {"summary": "", "attachment": []}}',
        b'{"key": "ABC-1", "fields": {"summary": null, "attachment": []}}',
        b'{"key": "ABC-1", "fields": {"summary": "", "attachment": null}}',
        *(
            b'{"key": "AB-1", "fields": {"summary": "", "attachment": [{"id":1, %s}]}}'
            % entry
            for entry in (
                b'"filename": "a", "size": true, "created": 0',
                b'"filename": "a", "size": "7", "created": 0',
                b'"filename": "a", "size": 7, "created": null',
                b'"filename": "a", "size": 7, "created": "today"',
                b'"filename": "a", "size": 7, "created": "2026-01-05T09:00:00"',
                b'"filename": "a", "size": 7, "created": 99999999999999999999',
                b'"filename": "a", "size": 7, "created": 0, "author": "mia"',
                b'"filename": 7, "size": 7, "created": 0',
            )
        ),
    ],
    ids=lambda body: body[:60].decode(errors="replace"),
)
def test_what_no_jira_answers(server, jira, body):
    server.fails(status=200, body=body)
    with failing(NotJira, "not as Jira does"):
        jira.issue("ABC-1")


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"displayName": "Mia"}'])
def test_nobody_is_no_person(server, jira, body):
    server.fails(status=200, body=body)
    with failing(NotJira):
        jira.myself()


@pytest.mark.parametrize(
    "body", [b"{}", b'{"enabled": true, "uploadLimit": "big"}', b"[7]"]
)
def test_what_is_no_limit(server, jira, body):
    server.fails(status=200, body=body)
    with failing(NotJira):
        jira.upload_limit()


@pytest.mark.parametrize("status", [400, 404, 405, 418])
def test_a_missing_interface_is_no_missing_issue(server, jira, status):
    for ask_for in (jira.myself, jira.upload_limit):
        server.fails(status=status, body=b"<html>No such page")
        with failing(NotJira, f"(status {status})", code="not_jira"):
            ask_for()


def test_a_token_that_ends(server, jira):
    jira.issue("ABC-1")
    server.people[0].expired = True
    for ask_for in (jira.myself, lambda: jira.issue("ABC-1"), jira.upload_limit):
        with failing(InvalidCredentials, "expired"):
            ask_for()


def test_a_token_that_jira_takes_for_no_login_at_all():
    with jira_server() as server:
        server.lets_strangers_in = True
        server.add_issue("ABC-1")
        credentials = server.credentials(token=Secret("wrong"))
        with Jira(credentials, ca_file=server.ca_file) as jira:
            for ask_for in (jira.myself, lambda: jira.issue("ABC-1")):
                with failing(InvalidCredentials):
                    ask_for()
        assert [asked.status for asked in server.requests] == [401, 200]


def test_an_issue_that_others_see(server, jira):
    server.add_person("bob", token="another")
    server.add_issue("SEC-1", readers={"bob"})
    for key in ("SEC-1", "ABC-2"):
        with failing(NotFound):
            jira.issue(key)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("7", timedelta(seconds=7)),
        (" 0 ", timedelta(0)),
        ("86400", timedelta(hours=1)),
        ("9" * 400, timedelta(hours=1)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(hours=1)),
        ("soon", None),
        ("-5", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_how_long_jira_asks_to_wait(server, jira, status, said, wait):
    server.fails(status=status, headers={"Retry-After": said})
    with pytest.raises(Temporary) as caught:
        jira.myself()
    assert caught.value.retry_after == wait


def test_a_date_to_wait_for_is_in_the_future(server, jira):
    later = formatdate(time.time() + 1800, usegmt=True)
    server.fails(status=429, headers={"Retry-After": later})
    with pytest.raises(RateLimited) as caught:
        jira.myself()
    assert timedelta(minutes=29) < caught.value.retry_after <= timedelta(minutes=30)


def test_no_answer_is_read_without_end(server, jira):
    server.fails(status=200, body=b'"%s"' % (b"x" * 3 * client.MOST_BYTES))
    with failing(AnswerTooLarge, "too much to read", code="answer_too_large"):
        jira.issue("ABC-1")
    server.fails(status=500, body=b"x" * 3 * client.MOST_BYTES)
    with failing(UpstreamUnavailable):
        jira.issue("ABC-1")
    assert jira.issue("ABC-1").key == "ABC-1"


# --- all of them ----------------------------------------------------------------------
def test_every_problem_has_a_code_of_its_own_and_says_what_is_kept():
    found = [
        each
        for each in vars(workflows.core.jira).values()
        if isinstance(each, type) and issubclass(each, JiraProblem)
    ]
    found.remove(JiraProblem)
    assert len(found) == 22
    assert len({each.code for each in found}) == 22
    for each in found:
        text = str(each())
        kept = ("is lost", "is kept", "was sent", "was attached")
        assert any(words in text for words in kept), text
        assert each().category in {"user_fixable", "admin_required", "temporary"}
