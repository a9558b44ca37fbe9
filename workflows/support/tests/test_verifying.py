"""Through whose connection, and is the issue there? Nothing is taken on trust."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress

import pytest
from django.db import connection
from django_fsm import TransitionNotAllowed

from jobs.tests.engine import (
    change,
)
from tests.conftest import make_user
from workflows.core.connecting import revoke_connection
from workflows.core.connections import JiraConnection
from workflows.core.jira import (
    Forbidden,
    InvalidIssueKey,
    NotFound,
    UpstreamUnavailable,
)
from workflows.core.tests.make import make_connection, make_connection_to
from workflows.support.actions.cases import go_back
from workflows.support.actions.verifying import (
    ConnectionUnreadable,
    use_connection,
    verify_issue,
)
from workflows.support.models import (
    JiraAttachmentState,
    WorkflowSession,
)
from workflows.support.problems import (
    ConnectionRevoked,
    NotConnected,
    ReportFirst,
)
from workflows.support.tests.make import (
    jira_of,
    make_case,
    reread,
)
from workflows.support.tests.sending import (
    ENDINGS,
    asked,
    said,
    told,
    turned_down,
)

pytestmark = pytest.mark.django_db
KEPT = ["10000"]


@pytest.fixture
def case(alice):
    """Alice's case, at Jira with its archive."""
    return make_case(alice, at="jira_attach")


@pytest.fixture
def connected(server, case, alice):
    """The same, and she is connected."""
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    return case


# --- a connection ---------------------------------------------------------------------
def test_ones_own_connection_is_used(case, alice):
    row = make_connection(alice)
    use_connection(case, by=alice, connection=row)
    found = reread(case)
    assert found.connection_id == str(row.pk)
    assert found.jira.connection_status == "connected"
    assert said(case) == ("jira_attach", "", "")


def test_another_connection_makes_the_issue_unchecked(connected, server, alice):
    verify_issue(connected, by=alice, key="ABC-1")
    use_connection(connected, by=alice, connection=make_connection_to(server, alice))
    state = jira_of(connected)
    assert (state.issue_key, state.issue_access_verified) == ("ABC-1", False)
    assert (state.issue_summary, state.issue_url, state.upload_limit) == ("", "", None)


def test_the_same_connection_changes_nothing(connected, alice):
    verify_issue(connected, by=alice, key="ABC-1")
    state = jira_of(connected)
    use_connection(connected, by=alice, connection=state.connection)
    assert jira_of(connected).issue_access_verified


@pytest.mark.parametrize(
    ("base_url", "kept"),
    [("https://jira.example.com", KEPT), ("https://other.example.com", None)],
)
def test_what_was_there_before_is_known_of_one_jira(case, alice, base_url, kept):
    use_connection(case, by=alice, connection=make_connection(alice))
    change(jira_of(case), known_ids=KEPT)
    other = make_connection(alice, base_url=base_url)
    use_connection(case, by=alice, connection=other)
    assert jira_of(case).known_ids == kept


def test_nobody_uses_anothers_connection(case, alice, egon, charlie):
    for owner in (egon, charlie):
        with turned_down(case, NotConnected, "connection_unknown"):
            use_connection(case, by=alice, connection=make_connection(owner))
    assert jira_of(case).connection is None


@ENDINGS
def test_what_has_ended_is_not_used(case, alice, end, kind, code):
    row = make_connection(alice)
    end(row)
    row = JiraConnection.objects.get(pk=row.pk)
    with told(case, kind, code, "was removed. The archive"):
        use_connection(case, by=alice, connection=row)
    assert jira_of(case).connection is None
    assert reread(case).artifact_ref


def test_a_new_connection_takes_a_failed_case_up_again(case, alice):
    with suppress(ConnectionRevoked):
        row = make_connection(alice)
        revoke_connection(row, by=alice)
        row = JiraConnection.objects.get(pk=row.pk)
        use_connection(case, by=alice, connection=row)
    assert said(case)[0] == "failed"
    use_connection(case, by=alice, connection=make_connection(alice))
    assert said(case) == ("jira_attach", "", "")
    assert reread(case).last_error_text == ""


def run(case, act):
    """Let the archive of the case be on its way."""
    with JiraAttachmentState.moving(jira_of(case).pk, by=None) as state:
        state.connection = make_connection(case.created_by)
        state.issue_key, state.issue_access_verified = "ABC-1", True
        state.attach()


ACTS = pytest.mark.parametrize(
    "act",
    [
        lambda case, by: use_connection(case, by=by, connection=make_connection(by)),
        lambda case, by: verify_issue(case, by=by, key="ABC-1"),
    ],
    ids=["use", "verify"],
)


@ACTS
@pytest.mark.parametrize("at", ["select_product", "sos_report", "failed"])
def test_the_report_comes_first(alice, act, at):
    case = make_case(alice, at=at)
    with turned_down(case, ReportFirst, "step_gate_sos_report"):
        act(case, alice)


@ACTS
def test_what_is_completed_or_on_its_way_stays(case, alice, act):
    done = make_case(alice, at="completed")
    run(case, act)
    for each, step in ((done, "completed"), (case, "jira_attach")):
        before = jira_of(each)
        with pytest.raises(TransitionNotAllowed):
            act(each, alice)
        assert said(each) == (step, "", "")
        assert jira_of(each).connection_id == before.connection_id
        assert jira_of(each).issue_access_verified


# --- an issue -------------------------------------------------------------------------
def test_an_issue_that_is_there(connected, server, alice):
    server.upload_limit = 7_000
    issue = verify_issue(connected, by=alice, key=" abc-1 ")
    state = jira_of(connected)
    assert (issue.key, state.issue_key) == ("ABC-1", "ABC-1")
    assert (state.issue_summary, state.issue_url) == (issue.summary, issue.url)
    assert issue.summary == "The disk is full"
    assert state.issue_url == f"{server.url}/browse/ABC-1"
    assert (state.issue_access_verified, state.upload_limit) == (True, 7_000)
    assert reread(connected).issue_access_verified
    assert asked(server) == [
        "GET /myself",
        "GET /issue/ABC-1",
        "GET /attachment/meta",
    ]


def test_the_address_of_its_page_will_do(connected, server, alice):
    verify_issue(connected, by=alice, key=f"{server.url}/browse/ABC-1?focused=7")
    assert jira_of(connected).issue_key == "ABC-1"


def test_a_jira_without_a_limit_and_with_much_to_say(connected, server, alice):
    server.upload_limit = None
    server.add_issue("ABC-2", "ß" * 999)
    verify_issue(connected, by=alice, key="ABC-2")
    state = jira_of(connected)
    assert (state.issue_summary, state.upload_limit) == ("ß" * 255, None)


def test_nothing_is_checked_without_a_connection(case, egon, alice):
    with turned_down(case, NotConnected, "connection_unknown"):
        verify_issue(case, by=alice, key="ABC-1")
    use_connection(case, by=alice, connection=make_connection(alice))
    with turned_down(case, NotConnected, "connection_unknown"):
        verify_issue(case, by=egon, key="ABC-1")
    assert jira_of(case).issue_key == ""


@ENDINGS
def test_nothing_is_checked_through_what_has_ended(
    connected, server, alice, end, kind, code
):
    end(jira_of(connected).connection)
    with told(connected, kind, code):
        verify_issue(connected, by=alice, key="ABC-1")
    assert server.requests == []


@pytest.mark.parametrize(
    "key",
    ["", "ABC", "ABC-0", "../x", f"A{'B' * 90}-1", "https://elsewhere/browse/A-1"],
)
def test_what_is_no_key(connected, server, alice, key):
    with suppress(NotFound):
        verify_issue(connected, by=alice, key="ABC-2")
    server.requests.clear()
    with told(connected, InvalidIssueKey, "invalid_issue_key"):
        verify_issue(connected, by=alice, key=key)
    assert jira_of(connected).issue_key == "ABC-2"
    assert server.requests == []


def test_an_issue_that_is_not_there_keeps_its_key(connected, server, alice):
    with told(connected, NotFound, "not_found", "this account can't see it"):
        verify_issue(connected, by=alice, key="SEC-1")
    state = jira_of(connected)
    assert (state.issue_key, state.issue_access_verified) == ("SEC-1", False)
    server.add_issue("SEC-1")
    verify_issue(connected, by=alice, key="SEC-1")
    assert said(connected) == ("jira_attach", "", "")
    assert jira_of(connected).issue_access_verified


def test_a_check_that_fails_takes_the_access_back(connected, server, alice):
    verify_issue(connected, by=alice, key="ABC-1")
    change(jira_of(connected), known_ids=KEPT)
    server.fails("/issue/ABC-1", status=503)
    with told(connected, UpstreamUnavailable, "upstream_unavailable"):
        verify_issue(connected, by=alice, key="ABC-1")
    state = jira_of(connected)
    assert (state.issue_access_verified, state.known_ids) == (False, KEPT)


def test_what_was_there_before_is_known_of_one_issue(connected, server, alice):
    change(jira_of(connected), issue_key="ABC-1", known_ids=KEPT)
    verify_issue(connected, by=alice, key="ABC-1")
    assert jira_of(connected).known_ids == KEPT
    server.add_issue("ABC-2")
    verify_issue(connected, by=alice, key="ABC-2")
    assert jira_of(connected).known_ids is None


def test_a_problem_of_before_is_over_with_the_next_check(connected, egon, alice):
    with suppress(NotConnected):
        verify_issue(connected, by=egon, key="ABC-1")
    assert said(connected)[2] == "connection_unknown"
    verify_issue(connected, by=alice, key="ABC-1")
    assert said(connected) == ("jira_attach", "", "")


def test_a_token_that_nobody_can_unseal(connected, server, alice, settings):
    keys, settings.SEAL_KEYS = settings.SEAL_KEYS, []
    with told(connected, ConnectionUnreadable, "connection_unreadable", "SEAL_KEYS"):
        verify_issue(connected, by=alice, key="ABC-1")
    assert jira_of(connected).connection_status == "connected"
    settings.SEAL_KEYS = keys
    verify_issue(connected, by=alice, key="ABC-1")
    assert server.requests


def test_a_colleague_goes_on_through_a_connection_of_their_own(connected, server):
    egon = make_user(connected.account, "egon", "engineer")
    use_connection(connected, by=egon, connection=make_connection_to(server, egon))
    verify_issue(connected, by=egon, key="ABC-1")
    moves = WorkflowSession.objects.get(pk=connected.pk).moves()
    assert jira_of(connected).connection.user == egon
    assert [move.name for move in moves][-1] == "collected"


# --- slowly ---------------------------------------------------------------------------
@contextmanager
def slowly(server, case, by, **fault):
    """A check of ABC-1 waits for Jira until the block ends; what it said is lent."""
    outcome = []
    server.fails("/issue/ABC-1", holds="reply", **fault)

    def check():
        try:
            outcome.append(verify_issue(case, by=by, key="ABC-1"))
        except Exception as problem:
            outcome.append(problem)
        finally:
            connection.close()

    thread = threading.Thread(target=check)
    thread.start()
    try:
        assert server.held.wait(30)
        yield outcome
    finally:
        server.release()
        thread.join(30)
    assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [({}, TransitionNotAllowed), ({"status": 404}, NotFound)],
)
def test_a_late_answer_says_nothing_about_a_newer_key(
    connected, server, alice, fault, kind
):
    server.add_issue("ABC-2", "Another one")
    with slowly(server, connected, alice, **fault) as outcome:
        # Nobody waits for a lock meanwhile: there is no transaction around the network.
        verify_issue(connected, by=alice, key="ABC-2")
    assert [type(each) for each in outcome] == [kind]
    state = jira_of(connected)
    assert (state.issue_key, state.issue_summary) == ("ABC-2", "Another one")
    assert state.issue_access_verified
    assert said(connected) == ("jira_attach", "", "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", [{}, {"status": 503}])
def test_a_late_answer_says_nothing_about_a_newer_connection(
    connected, server, alice, fault
):
    newer = make_connection_to(server, alice)
    with slowly(server, connected, alice, **fault) as outcome:
        use_connection(connected, by=alice, connection=newer)
    assert isinstance(outcome[0], TransitionNotAllowed | UpstreamUnavailable)
    state = jira_of(connected)
    assert (state.connection, state.issue_access_verified) == (newer, False)
    assert said(connected) == ("jira_attach", "", "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "kind"), [({}, ReportFirst), ({"status": 403}, Forbidden)]
)
def test_a_late_answer_finds_that_the_case_went_back(
    connected, server, alice, fault, kind
):
    with slowly(server, connected, alice, **fault) as outcome:
        go_back(connected, by=alice, to="sos_report")
    assert [type(each) for each in outcome] == [kind]
    assert not jira_of(connected).issue_access_verified
    assert said(connected)[:2] == ("sos_report", "")
