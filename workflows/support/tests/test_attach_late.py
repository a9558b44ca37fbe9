"""Jira has all of a file and does not say so: it gets time, and the file goes once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.html import escape

from jobs.actions.guard import Guard
from jobs.actions.kinds import KINDS
from jobs.actions.reaping import reap
from jobs.actions.run import CANCELED
from jobs.actions.running import drain
from jobs.actions.stopping import cancel_job, retry_job
from jobs.tests.engine import change, expire, make_due, outcomes, reread, take_one
from jobs.tests.guarded import helper  # noqa: F401
from tests.conftest import signed_in
from workflows.core.jira import client
from workflows.core.tests.make import make_connection_to
from workflows.support.actions import confirming
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.reporting import ATTACH
from workflows.support.actions.verifying import use_connection, verify_issue
from workflows.support.tests.make import make_archive, make_case
from workflows.support.tests.pages import opened, text
from workflows.support.tests.sending import (
    CONTENT,
    MIB,
    QUEUE,
    attachments,
    failed,
    held,
    is_whole,
    run_out,
    said,
    sent,
)

pytestmark = pytest.mark.django_db
# What a proxy that has given up says, and what a broken way does.
UNSAID = pytest.mark.parametrize(
    "fault",
    [{"status": 502}, {"status": 504}, {"drop": "reply"}, {"drop": "in reply"}],
    ids=["502", "504", "no reply", "half a reply"],
)
NOTHING_KEPT = "Jira keeps nothing"
NOT_TWICE = "what is there by then is not sent twice"


@pytest.fixture
def case(ready):
    return ready


@pytest.fixture
def uncertain(server, case, alice):
    """Return a job that has sent all, to a Jira that has not stored it yet."""
    server.fails("/attachments", status=502, stores="late")
    job = jira_attach_artifact(case, by=alice)
    drain(QUEUE)
    return reread(job)


def look(job):
    """Have a waiting job look now, however long it was to wait; return it then."""
    make_due(job)
    drain(QUEUE)
    return reread(job)


# --- it is waited for -----------------------------------------------------------------
@UNSAID
def test_what_jira_stores_late_is_not_sent_again(server, case, alice, fault):
    server.fails("/attachments", stores="late", **fault)
    job = jira_attach_artifact(case, by=alice)
    drain(QUEUE)
    assert reread(job).run_after - timezone.now() < timedelta(seconds=10)
    assert said(case) == ("jira_attach", "", "")
    row = look(job)  # too early
    assert (row.status, sent(server), attachments(server)) == ("queued", 1, [])
    left = row.run_after - timezone.now()
    assert timedelta(seconds=100) < left <= timedelta(seconds=125)
    server.catch_up()
    row = run_out(job)
    assert outcomes(row) == ["failed", "failed", "succeeded"]
    assert row.result == {"issue": "ABC-1", "alreadyThere": True}
    assert sent(server) == 1
    assert is_whole(server, case)


def test_what_jira_has_already_is_seen_at_the_next_look(server, case, alice):
    server.fails("/attachments", status=502, stores="at once")
    row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["failed", "succeeded"]
    assert sent(server) == 1
    assert is_whole(server, case)


def test_jira_may_ask_for_more_time(server, case, alice):
    server.fails("/attachments", status=503, headers={"Retry-After": "600"})
    job = jira_attach_artifact(case, by=alice)
    drain(QUEUE)
    assert reread(job).run_after - timezone.now() > timedelta(minutes=9)


def test_what_never_comes_is_sent_again(server, case, uncertain, monkeypatch):
    server.late.clear()
    monkeypatch.setattr(confirming, "LATE", timedelta())
    row = run_out(uncertain)
    assert outcomes(row) == ["failed", "succeeded"]
    assert row.result == {"issue": "ABC-1", "alreadyThere": False}
    assert sent(server) == 2
    assert is_whole(server, case)


@pytest.mark.parametrize("again", ["a click", "a retry"])
def test_who_asks_anew_waits_too(server, case, alice, again):
    server.fails("/attachments", status=502, stores="late")
    job = jira_attach_artifact(case, by=alice)
    change(job, max_attempts=1)
    drain(QUEUE)
    assert failed(case, "reply_lost", "may be attached already, or in a while")
    if again == "a click":
        second = jira_attach_artifact(case, by=alice)
    else:
        second = retry_job(reread(job), by=alice)
    drain(QUEUE)
    assert (reread(second).status, sent(server)) == ("queued", 1)
    server.catch_up()
    assert run_out(second).result["alreadyThere"] is True
    assert sent(server) == 1
    assert is_whole(server, case)


def test_what_jira_has_refused_waits_for_nothing(server, case, alice):
    server.fails("/attachments", status=403)
    run_out(jira_attach_artifact(case, by=alice))
    assert failed(case, "forbidden")
    row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["succeeded"]


def test_another_archive_waits_for_nothing(server, case, alice, uncertain):
    cancel_job(uncertain, by=alice)
    change(case.sosreport, fetch_status="pending")
    make_archive(case, content=CONTENT[::-1])
    verify_issue(case, by=alice, key="ABC-1")
    assert outcomes(run_out(jira_attach_artifact(case, by=alice))) == ["succeeded"]
    assert is_whole(server, case)


def test_another_issue_waits_for_nothing(server, case, alice, uncertain):
    server.add_issue("ABC-2")
    cancel_job(uncertain, by=alice)
    verify_issue(case, by=alice, key="ABC-2")
    assert outcomes(run_out(jira_attach_artifact(case, by=alice))) == ["succeeded"]
    assert len(attachments(server, "ABC-2")) == 1


# --- the worker is lost ---------------------------------------------------------------
@pytest.fixture
def alone(server, alice):
    """As ``ready``, for threads."""
    case = make_case(alice, at="jira_attach")
    make_archive(case, content=CONTENT)
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    verify_issue(case, by=alice, key="ABC-1")
    return case


@pytest.mark.django_db(transaction=True)
def test_who_comes_after_a_lost_worker_waits_as_well(server, alice, alone):
    job = jira_attach_artifact(alone, by=alice)
    with held(server, take_one("a", QUEUE), holds="reply", stores="late"):
        expire(job)
        assert reap() == 1
        row = look(job)
        assert (row.status, sent_so_far(server)) == ("queued", 1)
        assert row.run_after - timezone.now() > timedelta(minutes=1)
        server.catch_up()
        assert look(job).status == "succeeded"
    assert outcomes(job) == ["lost", "failed", "succeeded"]
    assert sent(server) == 1
    assert is_whole(server, alone)


@pytest.mark.django_db(transaction=True)
def test_the_last_byte_waits_for_the_job_to_be_ours(server, alice, alone):
    """Who was thought dead midway does not finish what another does by then."""
    make_archive(alone, content=b"x" * 24 * MIB)  # more than sockets hold
    job = jira_attach_artifact(alone, by=alice)
    late = take_one("a", QUEUE)
    late._written = float("inf")  # it never writes how far it is
    with held(server, late, holds="midway"):
        expire(job)
        reap()
        assert look(job).status == "succeeded"
    assert outcomes(job) == ["lost", "succeeded"]
    assert is_whole(server, alone)


def sent_so_far(server):
    """Return how many files have begun to come, while one of them is held."""
    return [asked.method for asked in server.requests].count("POST")


# --- it is stopped --------------------------------------------------------------------
def test_who_cancels_the_wait_hears_that_it_may_be_there(
    server, case, alice, uncertain
):
    cancel_job(uncertain, by=alice)
    assert failed(case, "canceled", NOT_TWICE)
    page = text(opened(signed_in(alice), case))
    assert escape("the issue may show it, or will in a while") in page
    assert NOTHING_KEPT not in page
    server.catch_up()
    row = run_out(jira_attach_artifact(case, by=alice))
    assert row.result["alreadyThere"] is True
    assert sent(server) == 1
    assert is_whole(server, case)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("code", ["canceled", "timeout"])
def test_who_is_killed_while_jira_stores_says_so(server, alice, alone, code):
    job = jira_attach_artifact(alone, by=alice)
    with held(server, take_one("a", QUEUE), holds="reply", stores="late"):
        if code == "canceled":
            cancel_job(job, by=alice)
        change(job, timed_out=code == "timeout")
        expire(job)
        assert reap() == 1
        assert failed(alone, code, NOT_TWICE)
    server.catch_up()
    run_out(jira_attach_artifact(alone, by=alice))
    assert sent(server) == 1
    assert is_whole(server, alone)


def test_a_run_has_the_time_that_jira_may_take():
    """The last bytes, the reply, and the look at the issue that follows it."""
    sending, asking = client.UPLOAD_TIMEOUT, client.TIMEOUT
    longest = sending.write + sending.read + asking.connect + asking.read
    assert KINDS[ATTACH].grace.total_seconds() > longest


@pytest.mark.django_db(transaction=True)
def test_who_cancels_while_jira_stores_waits_for_it(
    server,
    alice,
    alone,
    helper,  # noqa: F811
):
    """Minutes after the click nothing is killed: Jira says that it has the file."""
    job = jira_attach_artifact(alone, by=alice)
    run = take_one("a", QUEUE)
    guard = Guard()
    guard.pid, guard._current = helper.pid, run
    with held(server, run, holds="reply"):
        cancel_job(job, by=alice)
        run.tell(CANCELED)
        why, since = run.told
        guard.press(run, why, since, since + client.UPLOAD_TIMEOUT.read)
        assert run.killed is None
    assert reread(job).status == "succeeded"
    assert is_whole(server, alone)


# --- what is said otherwise -----------------------------------------------------------
@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"{}", b"", b'"%s"' % (b"x" * 2 * client.MOST_BYTES)],
    ids=["a page", "none", "another shape", "nothing", "too much"],
)
def test_an_odd_answer_does_not_matter(server, case, alice, body):
    server.fails("/attachments", status=200, body=body, stores="at once")
    row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["succeeded"]
    assert sent(server) == 1
    assert is_whole(server, case)


@pytest.mark.parametrize("status", [404, 403])
@pytest.mark.parametrize("nth", [3, 4])
def test_an_issue_that_is_hidden_after_the_file_went(server, case, alice, status, nth):
    """By the look that follows, or by the one of the next try."""
    if nth == 4:
        server.fails("/attachments", status=502, stores="at once")
    server.fails("/issue/ABC-1", status=status, nth=3)
    run_out(jira_attach_artifact(case, by=alice))
    assert failed(case, "issue_access_denied", "the issue may have it")
    assert "Nothing was sent" not in text(opened(signed_in(alice), case))
    verify_issue(case, by=alice, key="ABC-1")
    run_out(jira_attach_artifact(case, by=alice))
    assert sent(server) == 1
    assert is_whole(server, case)


def test_an_issue_that_is_hidden_as_the_file_arrives(server, case, alice):
    server.fails("/attachments", status=404)
    run_out(jira_attach_artifact(case, by=alice))
    assert failed(case, "issue_access_denied", "no longer shows this issue")
    assert "Nothing was sent" not in text(opened(signed_in(alice), case))


def test_an_issue_that_is_hidden_before_has_nothing(server, case, alice):
    server.fails("/issue/ABC-1", status=404)
    run_out(jira_attach_artifact(case, by=alice))
    assert failed(case, "issue_access_denied", "Nothing was sent")
