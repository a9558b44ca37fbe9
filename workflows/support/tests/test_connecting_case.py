"""Who connects is asked for first and linked at once: no case is half connected."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_fsm import TransitionNotAllowed

from jobs.tests.engine import change
from l1walk.tests.test_concurrency import at_once
from tests.conftest import signed_in
from tests.jira import TOKEN
from workflows.core.connecting import expire_connection, revoke_connection
from workflows.core.connections import JiraConnection
from workflows.core.jira import InvalidCredentials, UpstreamUnavailable
from workflows.core.secrets import Secret, unseal
from workflows.core.tests.make import make_connection_to
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.cases import go_back
from workflows.support.actions.verifying import (
    connect_case,
    use_connection,
    verify_issue,
)
from workflows.support.problems import CannotSeal, ReportFirst
from workflows.support.tests.conftest import until
from workflows.support.tests.make import jira_of, make_case, reread
from workflows.support.tests.pages import moved_to, opened, send, text
from workflows.support.tests.sending import (
    asked,
    is_whole,
    run_out,
    said,
    told,
    turned_down,
)

pytestmark = pytest.mark.django_db
AT_ONCE = pytest.mark.django_db(transaction=True)
WRONG = "planted-wrong"


@pytest.fixture
def case(server, alice):
    """Alice's case, at Jira with its archive; nobody is connected."""
    return make_case(alice, at="jira_attach")


def typed(server, token=TOKEN):
    login = server.credentials()
    email = login.email if login.kind == "cloud" else ""
    names = {"kind": login.kind.value, "base_url": server.url, "email": email}
    return {**names, "token": Secret(token)}


def connect(server, case, by, token=TOKEN):
    return connect_case(case, by=by, **typed(server, token))


def post(server, case, by, token=TOKEN):
    """Send the form that takes a token."""
    fields = {**typed(server), "token": token}
    return send(signed_in(by), case, "jira", "connect", **fields)


def live():
    return list(JiraConnection.objects.active())


@contextmanager
def slowly(server, *calls, **fault):
    """The calls wait for what Jira says of their tokens until the block ends."""
    outcomes = []
    for nth in range(len(calls)):
        server.fails("/myself", holds="reply", nth=nth + 1, **fault)

    def run(call):
        try:
            outcomes.append(call())
        except Exception as problem:
            outcomes.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    before = len(server.requests)
    for thread in threads:
        thread.start()
    try:
        assert until(lambda: len(server.requests) == before + len(calls))
        assert server.held.wait(30)
        yield outcomes
    finally:
        server.release()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


# --- connected ------------------------------------------------------------------------
def test_who_connects_is_connected_in_this_case(server, case, alice):
    made = connect(server, case, alice)
    assert live() == [made]
    state = jira_of(case)
    assert (state.connection, state.connection_status) == (made, "connected")
    assert unseal(made.token).reveal() == TOKEN
    assert asked(server) == ["GET /myself"]
    verify_issue(case, by=alice, key="ABC-1")


def test_another_token_makes_the_issue_unchecked(server, case, alice):
    first = connect(server, case, alice)
    verify_issue(case, by=alice, key="ABC-1")
    server.people[0].token = "planted-newer"
    second = connect(server, case, alice, "planted-newer")
    state = jira_of(case)
    assert (state.connection, state.issue_key) == (second, "ABC-1")
    assert not state.issue_access_verified
    assert live() == [first, second]


def test_the_same_token_again_lasts_anew_and_is_kept_once(server, case, alice):
    first = connect(server, case, alice)
    verify_issue(case, by=alice, key="ABC-1")
    soon = timezone.now() + timedelta(minutes=5)
    change(first, expires_at=soon)
    assert moved_to(post(server, case, alice), case, "jira", signed_in(alice))
    [kept] = live()
    assert kept == first
    assert kept.expires_at > soon + timedelta(hours=1)
    assert jira_of(case).issue_access_verified
    # Who takes it away has taken it away.
    revoke_connection(kept, by=alice)
    assert live() == []


@pytest.mark.parametrize("end", ["expired", "revoked", "over", "unreadable"])
def test_the_same_token_after_its_end_is_another_connection(
    server, case, alice, settings, end
):
    first = connect(server, case, alice)
    match end:
        case "expired":
            expire_connection(first.pk)
        case "revoked":
            revoke_connection(first, by=alice)
        case "over":
            change(first, expires_at=timezone.now())
        case "unreadable":
            settings.SEAL_KEYS = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
    second = connect(server, case, alice)
    assert second != first
    assert jira_of(case).connection == second


def test_a_colleague_with_the_same_token_has_a_connection_of_their_own(
    server, case, alice, egon
):
    mine, theirs = connect(server, case, alice), connect(server, case, egon)
    assert (mine.user, theirs.user) == (alice, egon)
    assert live() == [mine, theirs]


# --- clicked twice --------------------------------------------------------------------
@AT_ONCE
@pytest.mark.parametrize("clicks", [2, 4])
def test_many_clicks_make_one_connection(server, case, alice, clicks):
    made = at_once([lambda: connect(server, case, alice)] * clicks)
    assert len({row.pk for row in made}) == 1
    assert live() == [made[0]]
    assert jira_of(case).connection == made[0]


@AT_ONCE
def test_clicks_that_both_asked_jira_make_one_connection(server, case, alice):
    clicks = [lambda: post(server, case, alice).status_code] * 2
    with slowly(server, *clicks) as codes:
        assert live() == []
    assert codes == [303, 303]
    assert live() == [jira_of(case).connection]
    assert jira_of(case).connection.moves().count() == 1


@AT_ONCE
def test_a_late_failure_says_nothing_about_who_is_connected_by_now(server, case, alice):
    late = [lambda: connect(server, case, alice)]
    with slowly(server, *late, status=503) as outcome:
        made = connect(server, case, alice)
    assert isinstance(outcome[0], UpstreamUnavailable)
    assert said(case) == ("jira_attach", "", "")
    assert jira_of(case).connection == made


# --- not connected --------------------------------------------------------------------
def test_a_token_that_jira_does_not_take_fails_the_case(server, case, alice):
    with told(case, InvalidCredentials, "invalid_credentials"):
        connect(server, case, alice, WRONG)
    assert live() == []
    assert jira_of(case).connection is None
    connect(server, case, alice)
    assert said(case) == ("jira_attach", "", "")


def test_without_keys_the_case_says_that_no_token_can_be_kept(
    server, case, alice, settings, caplog
):
    caplog.set_level(logging.DEBUG)
    settings.SEAL_KEYS = []
    words = "Nothing was sent to Jira; the archive is kept."
    with told(case, CannotSeal, "cannot_seal", words) as caught:
        connect(server, case, alice)
    assert caught.value.__suppress_context__
    response = post(server, case, alice)
    assert response.status_code == 422
    page = text(response)
    assert "its SEAL_KEYS are missing or wrong" in page
    assert "Tell an administrator." in page
    assert TOKEN not in page + caplog.text
    assert server.requests == []
    assert "its SEAL_KEYS are missing or wrong" in text(opened(signed_in(alice), case))


@pytest.mark.parametrize("at", ["select_product", "sos_report", "failed"])
def test_before_its_report_no_token_is_sent_anywhere(server, alice, at):
    case = make_case(alice, at=at)
    with turned_down(case, ReportFirst, "step_gate_sos_report"):
        connect(server, case, alice)
    assert server.requests == []


def test_when_it_is_completed_no_token_is_sent_anywhere(server, alice):
    case = make_case(alice, at="completed")
    with pytest.raises(TransitionNotAllowed):
        connect(server, case, alice)
    assert server.requests == []


# --- meanwhile ------------------------------------------------------------------------
@pytest.fixture
def ready(server, case, alice):
    """The same case, connected and checked."""
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    verify_issue(case, by=alice, key="ABC-1")
    server.requests.clear()
    return reread(case)


def test_a_wrong_token_does_not_fail_what_is_on_its_way(server, ready, alice):
    job = jira_attach_artifact(ready, by=alice)
    response = post(server, ready, alice, WRONG)
    assert response.status_code == 409
    assert "changed in the meantime" in text(response)
    assert server.requests == []
    assert said(ready) == ("jira_attach", "", "")
    assert run_out(job).status == "succeeded"
    assert is_whole(server, ready)


@AT_ONCE
@pytest.mark.parametrize("token", [TOKEN, WRONG])
def test_an_upload_that_begins_while_jira_is_asked_goes_on(server, ready, alice, token):
    before = live()
    with slowly(server, lambda: connect(server, ready, alice, token)) as outcome:
        job = jira_attach_artifact(ready, by=alice)
    refusal = TransitionNotAllowed if token == TOKEN else InvalidCredentials
    assert isinstance(outcome[0], refusal)
    assert live() == before
    assert run_out(job).status == "succeeded"
    assert is_whole(server, ready)


@AT_ONCE
@pytest.mark.parametrize(
    ("token", "code"), [(TOKEN, "step_gate_sos_report"), (WRONG, "")]
)
def test_a_case_that_went_back_while_jira_was_asked_has_not_failed(
    server, case, alice, token, code
):
    with slowly(server, lambda: post(server, case, alice, token)) as outcome:
        go_back(case, by=alice, to="sos_report")
    assert outcome[0].status_code == 422
    assert said(case) == ("sos_report", "", code)
    # No token is kept of which nobody knows.
    assert not JiraConnection.objects.exists()
    assert jira_of(case).connection is None
