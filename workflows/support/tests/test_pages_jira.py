"""The third step: connected oneself, the issue found, the archive sent and seen."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.actions.running import drain
from jobs.actions.stopping import cancel_job
from jobs.models import Job
from tests.conftest import signed_in
from tests.jira import TOKEN
from workflows.core.connecting import expire_connection, revoke_connection
from workflows.core.connections import JiraConnection
from workflows.core.tests.make import (
    CONNECTION_TOKEN,
    allow_hosts,
    make_connection,
    make_connection_to,
)
from workflows.support.actions.archives import delete_artifact
from workflows.support.actions.verifying import use_connection, verify_issue
from workflows.support.models import JiraAttachmentState
from workflows.support.tasks import QUEUE
from workflows.support.tests.make import jira_of, make_case, reread
from workflows.support.tests.pages import moved_to, opened, send, text, url

pytestmark = pytest.mark.django_db
ENDED = {"expired": expire_connection, "revoked": revoke_connection}


@pytest.fixture
def client(alice):
    return signed_in(alice)


@pytest.fixture
def case(alice):
    return make_case(alice, at="jira_attach")


@pytest.fixture
def connected(server, case, alice):
    """Alice's case through her connection to a Jira that takes it."""
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    return reread(case)


@pytest.fixture
def checked(connected, alice):
    verify_issue(connected, by=alice, key="ABC-1")
    return reread(connected)


def connect(client, case, server, **over):
    login = server.credentials()
    data = {
        "base_url": server.url,
        "kind": login.kind.value,
        "email": login.email,
        "token": TOKEN,
    }
    return send(client, case, "jira", "connect", **{**data, **over})


# --- connection -----------------------------------------------------------------------
def test_without_a_list_of_servers_it_says_who_can_write_one(client, case, mona):
    page = text(opened(client, case))
    assert "Nobody has allowed a Jira yet" in page
    assert "Ask a manager" in page
    assert 'name="token"' not in page
    assert reverse("account_settings") not in page
    assert reverse("account_settings") in text(opened(signed_in(mona), case))


def test_the_parts_open_one_after_the_other(client, case, account):
    allow_hosts(account, "jira.example.com")
    page = text(opened(client, case))
    assert 'name="token"' in page
    assert "Opens when you are connected." in page
    assert "Opens when the issue is found." in page
    assert 'value="attach"' not in page


def test_a_token_that_jira_does_not_take_is_not_kept(client, case, server, caplog):
    caplog.set_level(logging.DEBUG)
    response = connect(client, case, server, token="planted-wrong")
    assert response.status_code == 422
    page = text(response)
    assert "paste it once more" in page
    assert f'value="{server.url}"' in page
    assert "planted-wrong" not in page + caplog.text
    assert not JiraConnection.objects.exists()
    case = reread(case)
    assert (case.current_step, case.failed_step) == ("failed", "jira_attach")
    assert case.last_error_code == "invalid_credentials"
    connect(client, case, server)
    case = reread(case)
    assert (case.current_step, case.last_error_code) == ("jira_attach", "")


def test_a_server_that_is_not_on_the_list(client, case, server):
    response = connect(client, case, server, base_url="https://evil.example.com")
    assert response.status_code == 422
    assert "not on the list of allowed Jira servers" in text(response)
    assert TOKEN not in text(response)
    assert not server.requests


def test_ones_own_connections_are_offered(client, case, alice, egon, account):
    allow_hosts(account, "jira.example.com")
    mine = make_connection(alice, display_name="Alice at work")
    make_connection(egon, display_name="Egon at work")
    make_connection(alice, display_name="Over", left=timedelta(seconds=-1))
    page = text(opened(client, case))
    assert "Alice at work" in page
    assert "Egon at work" not in page
    assert "Over" not in page
    assert CONNECTION_TOKEN not in page
    taken = send(client, case, "jira", "use", connection=mine.pk)
    assert moved_to(taken, case, "jira", client)
    page = text(opened(client, case))
    assert "Connected to https://jira.example.com" in page
    assert "Use another connection" in page


def test_a_colleagues_connection_is_nobody_elses(client, case, alice, egon, account):
    allow_hosts(account, "jira.example.com")
    theirs = make_connection(egon)
    taken = send(client, case, "jira", "use", connection=theirs.pk)
    assert taken.status_code == 422
    assert jira_of(case).connection is None
    use_connection(case, by=egon, connection=theirs)
    page = text(opened(client, case))
    assert "So far this case goes through Egon's connection" in page
    assert "Check the issue" not in page
    response = send(client, case, "jira", "issue", key="ABC-1")
    assert response.status_code == 422
    assert "You are not connected to Jira in this case" in text(response)
    assert 'value="ABC-1"' not in text(response)  # there is no such form now


@pytest.mark.parametrize("how", ENDED)
def test_a_connection_that_has_ended_is_said(client, checked, alice, how):
    row = checked.jira.connection
    if how == "expired":
        expire_connection(row.pk)
    else:
        revoke_connection(row, by=alice)
    page = text(opened(client, checked))
    assert how.capitalize() in page
    assert "has ended, and its token was removed" in page
    assert "ABC-1 is kept: check it again once you are connected." in page
    # Nothing but the token has to be entered again.
    assert f'name="base_url" value="{row.base_url}"' in page
    intake = opened(client, checked).context["forms"]["connect"]
    assert [intake[name].value() for name in ("kind", "email")] == [row.kind, row.email]
    response = send(client, checked, "jira", "attach")
    assert response.status_code == 422
    assert reread(checked).last_error_code == f"connection_{how}"
    assert not Job.objects.exists()


# --- issue ----------------------------------------------------------------------------
def test_the_issue_is_found_and_shown(client, connected, server):
    found = send(client, connected, "jira", "issue", key="abc-1")
    assert moved_to(found, connected, "jira", client)
    page = text(opened(client, connected))
    assert "The disk is full" in page
    link = f'<a href="{server.url}/browse/ABC-1" target="_blank" rel="noopener'
    assert link in page
    assert "Jira's limit" not in page  # ours is the smaller one
    assert "Handrail's limit" in page
    assert "4.0\xa0GB" in page


@pytest.mark.parametrize(
    ("key", "said"), [("ABC-404", "exist"), ("not a key", "key"), ("", "Enter the key")]
)
def test_an_issue_that_is_not_found_is_told_and_kept(client, connected, key, said):
    response = send(client, connected, "jira", "issue", key=key)
    assert response.status_code == 422
    assert said in text(response)
    assert not key or f'value="{key}"' in text(response)
    # And the right one is taken afterwards.
    found = send(client, connected, "jira", "issue", key="ABC-1")
    assert moved_to(found, connected, "jira", client)


def test_another_issue_has_to_be_found_first(client, checked):
    send(client, checked, "jira", "issue", key="ABC-2")
    page = text(opened(client, checked))
    assert "The last try did not work." in page
    assert 'value="ABC-2"' in page
    assert 'value="attach"' not in page


def test_a_token_that_expires_meanwhile_ends_the_connection(client, connected, server):
    server.people[0].expired = True
    response = send(client, connected, "jira", "issue", key="ABC-1")
    assert response.status_code == 422
    page = text(opened(client, connected))
    assert "has ended, and its token was removed" in page
    assert jira_of(connected).connection.token == ""
    assert reread(connected).last_error_code == "invalid_credentials"


# --- attach ---------------------------------------------------------------------------
def test_gates(client, alice, connected, server):
    response = send(client, connected, "jira", "attach")
    assert response.status_code == 422
    assert "The issue was not checked yet" in text(response)
    assert reread(connected).last_error_code == "issue_access_not_verified"
    elsewhere = make_case(alice)
    early = send(client, elsewhere, "jira", "attach")
    assert early.status_code == 409
    assert "Get the report first." in text(early)


def test_while_it_is_sent_there_is_nothing_else_to_do(client, checked, alice):
    assert moved_to(send(client, checked, "jira", "attach"), checked, "jira", client)
    page = text(opened(client, checked))
    assert "Attach to Jira" in page
    assert "You can leave this page" in page
    for name in ("token", "key", "connection"):
        assert f'name="{name}"' not in page
    again = send(client, checked, "jira", "attach")
    assert moved_to(again, checked, "jira", client)
    assert Job.objects.count() == 1
    back = send(client, checked, "jira", "report")
    assert back.status_code == 409


def test_a_colleague_sees_how_far_it_is(client, checked, alice, egon):
    send(client, checked, "jira", "attach")
    page = text(opened(signed_in(egon), checked))
    assert "Through Alice's connection to" in page
    assert "Attach to Jira" in page


def test_one_that_was_canceled_can_be_sent_again(client, checked, alice, server):
    send(client, checked, "jira", "attach")
    cancel_job(Job.objects.get(), by=alice)
    page = text(opened(client, checked))
    assert "The upload was stopped" in page
    assert moved_to(send(client, checked, "jira", "attach"), checked, "jira", client)
    drain(QUEUE)
    assert client.get(url("case", checked)).url == url("done", checked)
    server.wait_until_idle()
    assert len(server.issues["ABC-1"].attachments) == 1


def test_an_archive_that_is_too_large_is_compared_before(client, connected, server):
    server.upload_limit = 100
    send(client, connected, "jira", "issue", key="ABC-1")
    page = text(opened(client, connected))
    assert "Jira's limit" in page
    assert "100\xa0bytes" in page
    assert "Make a smaller report" in page
    assert 'value="attach"' not in page
    response = send(client, connected, "jira", "attach")
    assert response.status_code == 422
    assert reread(connected).last_error_code == "artifact_too_large"
    assert not Job.objects.exists()
    smaller = send(client, connected, "jira", "report")
    assert moved_to(smaller, connected, "report", client)


def test_the_smaller_of_two_limits_is_the_one_that_is_told(
    client, connected, server, settings
):
    server.upload_limit, settings.SUPPORT_LARGEST_MIB = 100, 10 / 1024**2
    send(client, connected, "jira", "issue", key="ABC-1")
    page = text(opened(client, connected))
    assert "Handrail's limit" in page
    assert "10\xa0bytes" in page
    assert "Handrail sends at most 10" in text(
        send(client, connected, "jira", "attach")
    )


def test_a_summary_of_odd_letters_is_shown_and_stored(client, connected, server):
    server.add_issue("ABC-2", " \x00\ud800Full\n")
    found = send(client, connected, "jira", "issue", key="ABC-2")
    assert moved_to(found, connected, "jira", client)
    assert jira_of(connected).issue_summary == "Full"
    assert "ABC-2</a> Full</p>" in text(opened(client, connected))


def test_an_archive_that_was_deleted_is_not_sent(client, checked, alice):
    delete_artifact(checked.sosreport.artifact, by=alice)
    page = text(opened(client, checked))
    assert "The archive of this case was deleted." in page
    assert 'value="attach"' not in page
    response = send(client, checked, "jira", "attach")
    assert response.status_code == 422
    assert reread(checked).last_error_code == "missing_artifact_ref"


def test_a_form_from_before_is_shown_again_as_it_was_typed(client, connected):
    response = send(
        client, connected, "jira", "issue", key="ABC-77", state="sos_report/"
    )
    assert response.status_code == 409
    assert 'value="ABC-77"' in text(response)


def test_of_a_form_from_before_the_token_has_to_be_pasted_again(client, case, server):
    response = connect(client, case, server, state="sos_report/")
    assert response.status_code == 409
    assert f'value="{server.url}"' in text(response)
    assert "The token is not shown again, and was not kept" in text(response)


def test_a_token_is_never_said_again_whatever_happens(client, case, server, caplog):
    caplog.set_level(logging.DEBUG)
    seen = [
        connect(client, case, server, base_url=""),
        connect(client, case, server, state="elsewhere"),
        connect(client, case, server, kind="other"),
        connect(client, case, server),
        opened(client, case),
        client.get(url("page", case, "report")),
        client.get("/connections/"),
        client.get("/support/"),
    ]
    assert [response.status_code for response in seen] == [
        422, 409, 422, 303, 200, 200, 200, 200,
    ]  # fmt: skip
    for response in seen:
        assert TOKEN not in text(response)
    assert TOKEN not in caplog.text


def test_the_key_is_kept_for_who_connects_next(client, checked, server, egon, alice):
    person = server.add_person("egon", token="planted-egon")
    colleague = signed_in(egon)
    taken = connect(colleague, checked, server, token=person.token, email=person.email)
    assert moved_to(taken, checked, "jira", colleague)
    page = text(opened(colleague, checked))
    assert 'value="ABC-1"' in page
    assert 'value="attach"' not in page


def test_times_are_those_of_the_account(client, case, alice, account):
    account.time_zone = "Pacific/Auckland"
    account.save()
    allow_hosts(account, "jira.example.com")
    until = timezone.now().replace(year=2099, month=1, day=1, hour=12, minute=30)
    connection = make_connection(alice, expires_at=until)
    with JiraAttachmentState.moving(case.jira.pk, by=alice) as jira:
        jira.connection = connection
    assert "2 Jan 2099, 01:30" in text(opened(client, case))
