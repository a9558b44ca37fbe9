"""The Jira client asks as each kind of Jira wants it, and lets no token out."""

import logging
import re
import traceback
from datetime import UTC, datetime, timedelta

import pytest

from tests.jira import EMAIL, TOKEN, jira_server
from workflows.core.jira import (
    Attachment,
    AttachmentsDisabled,
    Issue,
    JiraProblem,
    Kind,
    Person,
)
from workflows.core.jira.client import Jira
from workflows.core.secrets import Secret

VERSIONS = {Kind.DATA_CENTER: 2, Kind.CLOUD: 3}


# --- asking ---------------------------------------------------------------------------
def test_whose_token_it_is(server, jira):
    [alice] = server.people
    assert jira.myself() == Person(alice.id, "Alice", EMAIL)
    [asked] = server.requests
    assert asked.path == f"/rest/api/{VERSIONS[server.kind]}/myself"
    scheme = {Kind.DATA_CENTER: "Bearer", Kind.CLOUD: "Basic"}[server.kind]
    assert asked.headers["authorization"].startswith(f"{scheme} ")
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"] == "Handrail"


def test_an_issue_with_its_attachments(server, jira):
    stored = server.add_attachment("ABC-1", "sosreport-a.tar.xz", 1234)
    attachment = Attachment(
        stored.id, "sosreport-a.tar.xz", 1234, stored.created, server.people[0].id
    )
    url = f"{server.url}/browse/ABC-1"
    assert jira.issue(" abc-1 ") == Issue(
        "ABC-1", "The disk is full", url, (attachment,)
    )
    assert server.requests[0].query == {"fields": "attachment,summary"}
    assert attachment.created.tzinfo is UTC


def test_a_jira_below_a_path():
    with jira_server(prefix="/jira") as server:
        server.add_issue("ABC-1")
        with Jira(server.credentials(), ca_file=server.ca_file) as jira:
            assert jira.issue("ABC-1").url == f"{server.url}/browse/ABC-1"
        assert server.requests[0].path == "/jira/rest/api/2/issue/ABC-1"


def test_plain_http_on_this_machine():
    with jira_server(tls=False) as server, Jira(server.credentials()) as jira:
        assert jira.myself().display_name == "Alice"


@pytest.mark.parametrize("limit", [10_485_760, None])
def test_how_large_an_attachment_may_be(server, jira, limit):
    server.upload_limit = limit
    assert jira.upload_limit() == limit


@pytest.mark.parametrize(
    "ask", [lambda jira: jira.upload_limit(), lambda jira: jira.issue("ABC-1")]
)
def test_attachments_that_are_switched_off(server, jira, ask):
    server.enabled = False
    with pytest.raises(AttachmentsDisabled, match="switch them on") as caught:
        ask(jira)
    assert caught.value.code == "attachments_disabled"


@pytest.mark.parametrize(
    ("person", "found"),
    [
        (
            b'{"accountId": "5b10", "displayName": "Mia"}',
            Person("5b10", "Mia", ""),
        ),
        (
            b'{"accountId": "5b10", "key": "", "displayName": "Mia",'
            b' "emailAddress": null}',
            Person("5b10", "Mia", ""),
        ),
        (
            b'{"name": "mia", "displayName": "Mia", "emailAddress": "m@example.com"}',
            Person("mia", "Mia", "m@example.com"),
        ),
    ],
)
def test_people_as_they_show_themselves(server, jira, person, found):
    server.fails("/myself", status=200, body=person)
    assert jira.myself() == found


@pytest.mark.parametrize(
    ("attachment", "created"),
    [
        (b'"created": 1651316514000', datetime(2022, 4, 30, 11, 1, 54, tzinfo=UTC)),
        (
            b'"created": "2022-10-06T09:32:47.000+0200", "author": null',
            datetime(2022, 10, 6, 7, 32, 47, tzinfo=UTC),
        ),
    ],
)
def test_attachments_of_nobody_with_numbers_for_texts(
    server, jira, attachment, created
):
    body = b'{"key": "XY_2-7", "fields": {"summary": "", "attachment": [%s]}}'
    entry = b'{"id": 10000, "filename": "a", "size": 0, %s}' % attachment
    server.fails("/ABC-1", status=200, body=body % entry)
    issue = jira.issue("ABC-1")
    assert issue.attachments == (Attachment("10000", "a", 0, created, ""),)
    assert issue.attachments[0].created.tzinfo is UTC
    # Moved meanwhile: the key is what Jira calls it now.
    assert issue.url == f"{server.url}/browse/XY_2-7"


def test_nothing_is_remembered_between_requests(server, jira):
    jira.myself()
    jira.myself()
    assert len(server.requests) == 2
    assert not [asked for asked in server.requests if "cookie" in asked.headers]


# --- secrets --------------------------------------------------------------------------
def everything(server, jira):
    """Make it succeed and fail in every way that quotes something; yield the errors."""
    ways = [
        {"drop": "at once"},
        {"drop": "in reply"},
        *(
            {"status": status, "body": TOKEN.encode(), "headers": {"X-Echo": TOKEN}}
            for status in (200, 302, 400, 401, 403, 404, 407, 413, 429, 500)
        ),
    ]
    jira.myself()
    for way in ways:
        server.fails(**way)
        with pytest.raises(JiraProblem) as caught:
            jira.issue("ABC-1")
        yield caught.value
    server.people[0].expired = True  # and the answer quotes the login
    with pytest.raises(JiraProblem) as caught:
        jira.issue("ABC-1")
    yield caught.value


def test_the_token_is_in_no_exception_and_no_log(server, jira, caplog):
    caplog.set_level(logging.DEBUG)
    errors = list(everything(server, jira))
    sent = server.requests[0].headers["authorization"]
    assert len(errors) == 13
    told = [caplog.text, str(jira), repr(jira), repr(vars(jira))]
    told += [repr(server.credentials()), repr(vars(jira._client))]
    told += [str(vars(record)) for record in caplog.records]
    for error in errors:
        assert error.__cause__ is None
        assert error.__context__ is None
        told += [repr(error), str(vars(error)), *traceback.format_exception(error)]
        for frame, _line in traceback.walk_tb(error.__traceback__):
            if "/workflows/core/jira/" in frame.f_code.co_filename:
                told += [repr(value) for value in frame.f_locals.values()]
    for secret in (TOKEN, sent.split()[1], "Authorization", "JSESSIONID", "X-Echo"):
        assert not [text for text in told if secret in text]


def test_a_request_is_one_line_of_log_without_host_and_query(server, jira, caplog):
    caplog.set_level(logging.DEBUG)
    jira.issue("ABC-1")
    server.fails(drop="at once")
    with pytest.raises(JiraProblem):
        jira.myself()
    version = VERSIONS[server.kind]
    found = [(record.name, record.getMessage()) for record in caplog.records]
    [(first, one), (second, other)] = found
    assert first == second == "handrail.jira"
    assert re.fullmatch(rf"GET /rest/api/{version}/issue/ABC-1 200 \d+ ms", one)
    path = f"/rest/api/{version}/myself"
    assert re.fullmatch(rf"GET {path} connection_lost \d+ ms", other)


def test_the_libraries_stay_quiet_whoever_made_them_talk(server, caplog):
    with caplog.at_level(logging.DEBUG, "httpcore.http11"):
        with Jira(server.credentials(), ca_file=server.ca_file) as jira:
            jira.myself()
        assert {record.name for record in caplog.records} <= {"handrail.jira"}


def test_what_is_shown_of_credentials(server):
    shown = repr(server.credentials())
    assert "Secret(…)" in shown
    assert TOKEN not in shown
    assert Secret(TOKEN) == server.credentials().token


def test_attachments_are_found_by_name_size_and_what_was_there(server, jira):
    first, second, other = (
        server.add_attachment("ABC-1", name, size)
        for name, size in [("Bericht-ä.tar", 7), ("Bericht-a\u0308.tar", 7), ("b", 7)]
    )

    def find(name="Bericht-ä.tar", size=7, since_ids=()):
        found = jira.find_attachment("ABC-1", name, size, since_ids=since_ids)
        return found and found.id

    assert find() == second.id  # the newest; letters that look the same are the same
    assert find(since_ids={second.id}) == first.id
    assert find(since_ids=[first.id, second.id]) is None
    assert find(size=8) is None
    assert find("c") is None
    assert find("b") == other.id
    assert second.created - first.created == timedelta(seconds=1)
