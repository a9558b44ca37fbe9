"""Replies and workers are lost, people cancel: nothing is sent twice."""

from __future__ import annotations

import json
import threading

import pytest

from jobs.actions.reaping import reap
from jobs.actions.run import CANCELED, HANDED_BACK, TIMED_OUT
from jobs.actions.running import drain, execute
from jobs.actions.stopping import cancel_job
from jobs.models import Job
from jobs.tests.engine import (
    change,
    expire,
    make_due,
    outcomes,
    take_one,
)
from jobs.tests.engine import reread as reread_job
from workflows.core.connecting import revoke_connection
from workflows.core.tests.make import make_connection_to
from workflows.support.actions import archives, attaching
from workflows.support.actions.attaching import (
    AttachmentDiffers,
    jira_attach_artifact,
)
from workflows.support.actions.cases import go_back, go_on_to_jira
from workflows.support.actions.verifying import (
    use_connection,
    verify_issue,
)
from workflows.support.tests.make import (
    ARCHIVE,
    jira_of,
    make_archive,
    make_case,
    reread,
)
from workflows.support.tests.sending import (  # noqa: F401
    CONTENT,
    MIB,
    QUEUE,
    asked,
    attachments,
    failed,
    held,
    is_whole,
    ready_case,
    run_out,
    said,
)

pytestmark = pytest.mark.django_db


# --- lost replies, lost workers -------------------------------------------------------
@pytest.mark.parametrize("drop", ["reply", "in reply"])
def test_a_lost_reply_is_looked_for_and_not_sent_again(server, case, alice, drop):
    server.fails("/attachments", drop=drop)
    row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["failed", "succeeded"]
    assert row.result == {"issue": "ABC-1", "alreadyThere": True}
    assert asked(server).count("POST /issue/ABC-1/attachments") == 1
    assert is_whole(server, case)


def test_what_was_lost_is_found_by_a_person_too(server, case, alice):
    job = jira_attach_artifact(case, by=alice)
    change(job, max_attempts=1)
    server.fails("/attachments", drop="reply")
    run_out(job)
    assert failed(case, "reply_lost", "may be attached already")
    # Not even a new token makes it forget what was there before.
    revoke_connection(jira_of(case).connection, by=alice)
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    verify_issue(case, by=alice, key="ABC-1")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_what_is_there_needs_no_room(server, case, alice):
    """A limit that was lowered since does not matter for what Jira has."""
    server.fails("/attachments", drop="reply")
    job = jira_attach_artifact(case, by=alice)
    drain(QUEUE)
    server.upload_limit = 5
    run_out(job)
    assert is_whole(server, case)


def test_a_reading_back_that_fails_is_no_reason_to_send_again(server, case, alice):
    server.fails("/issue/ABC-1", status=503, nth=3)
    row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["failed", "succeeded"]
    assert is_whole(server, case)


def test_another_archive_is_sent_although_the_first_is_there(server, case, alice):
    """The same name and size by chance: only what came since counts."""
    job = jira_attach_artifact(case, by=alice)
    change(job, max_attempts=1)
    server.fails("/attachments", drop="reply")
    run_out(job)
    go_back(case, by=alice, to="sos_report")
    other = make_archive(case, content=CONTENT[::-1])
    go_on_to_jira(case, by=alice)
    row = run_out(jira_attach_artifact(case, by=alice))
    assert row.result["alreadyThere"] is False
    first, second = attachments(server)
    assert jira_of(case).known_ids == [first.id]
    assert (second.sha256, jira_of(case).attachment_id) == (other.sha256, second.id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("holds", ["reply", "midway"])
def test_a_worker_that_was_thought_dead_sends_nothing_twice(server, alice, holds):
    case = make_case(alice, at="jira_attach")
    make_archive(case, content=b"x" * 24 * MIB)
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    verify_issue(case, by=alice, key="ABC-1")
    job = jira_attach_artifact(case, by=alice)
    late = take_one("a", QUEUE)
    with held(server, late, holds=holds):
        expire(job)
        assert reap() == 1
        make_due(job)
        drain(QUEUE)
        assert said(case) == ("completed", "", "")
        late._written = 0.0  # a second has passed, and it writes how far it is
    assert outcomes(job) == ["lost", "succeeded"]
    assert reread_job(job).result["alreadyThere"] is (holds == "reply")
    assert is_whole(server, case)


def test_a_worker_that_is_lost_for_good(server, case, alice):
    job = jira_attach_artifact(case, by=alice)
    change(job, max_attempts=1)
    take_one("gone", QUEUE)
    expire(job)
    reap()
    assert reread_job(job).status == "failed"
    assert failed(case, "attach_failed", "ended unexpectedly")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_a_slip_of_ours_is_an_end_too(server, case, alice, monkeypatch):
    def slip(archive):
        raise ValueError("a slip")

    with monkeypatch.context() as patched:
        patched.setattr(attaching, "reading", slip)
        run_out(jira_attach_artifact(case, by=alice))
    assert failed(case, "attach_failed", "did not expect")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_a_case_without_words_has_some(case):
    assert "not sent twice" in attaching.reason(Job(failure_reason=None), "")


# --- not as it was sent ---------------------------------------------------------------
@pytest.mark.parametrize(
    "found",
    [{"size": 7}, {"filename": "other.tar.xz"}, None],
    ids=["size", "name", "gone"],
)
def test_what_is_read_back_is_compared(server, case, alice, found):
    stored = {
        "id": "10001",
        "filename": ARCHIVE,
        "size": len(CONTENT),
        "created": "2026-01-05T11:46:41.000+0000",
    }
    shown = [{**stored, **found}] if found else []
    issue = {"key": "ABC-1", "fields": {"summary": "", "attachment": shown}}
    server.fails("/issue/ABC-1", nth=3, status=200, body=json.dumps(issue).encode())
    row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["failed"]
    assert failed(case, AttachmentDiffers.code, "remove what is not whole")
    # Somebody removes it; what is whole meanwhile would be found.
    server.issues["ABC-1"].attachments.clear()
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


# --- stopped --------------------------------------------------------------------------
def stopping(server, run, why):
    """Tell the run to stop while the file is on its way to Jira, and let it end."""

    def tell():
        assert server.held.wait(30)
        run.tell(why)
        server.release()

    server.fails("/attachments", holds="midway")
    thread = threading.Thread(target=tell)
    thread.start()
    execute(run)
    thread.join(30)


@pytest.fixture
def large(case):
    """The case's archive is larger than what sockets hold by themselves."""
    make_archive(case, content=b"x" * 24 * MIB)
    return case


def test_who_cancels_leaves_nothing_in_jira(server, large, alice, mona):
    job = jira_attach_artifact(large, by=alice)
    run = take_one("a", QUEUE)
    cancel_job(job, by=mona)
    stopping(server, run, CANCELED)
    assert reread_job(job).status == "canceled"
    assert attachments(server) == []
    assert failed(large, "canceled", "Jira keeps nothing of a file that is not whole")
    assert [move.actor for move in reread(large).moves()][-1] == mona
    run_out(jira_attach_artifact(large, by=alice))
    assert is_whole(server, large)


def test_who_takes_too_long(server, large, alice):
    job = jira_attach_artifact(large, by=alice)
    stopping(server, take_one("a", QUEUE), TIMED_OUT)
    assert reread_job(job).status == "failed"
    assert attachments(server) == []
    assert failed(large, "timeout", "took too long")


def test_a_worker_that_goes_home_hands_it_on(server, large, alice):
    job = jira_attach_artifact(large, by=alice)
    stopping(server, take_one("a", QUEUE), HANDED_BACK)
    assert reread_job(job).status == "queued"
    assert said(large) == ("jira_attach", "", "")
    run_out(job)
    assert outcomes(job) == ["handed_back", "succeeded"]
    assert is_whole(server, large)


@pytest.mark.parametrize("tried", [False, True])
def test_a_job_that_waits_is_canceled_at_once(server, case, alice, tried):
    job = jira_attach_artifact(case, by=alice)
    if tried:
        server.fails("/myself", status=503)
        drain(QUEUE)
    cancel_job(reread_job(job), by=alice)
    assert failed(case, "canceled")
    assert attachments(server) == []


def test_what_has_arrived_is_not_canceled(server, case, alice):
    job = jira_attach_artifact(case, by=alice)
    run = take_one("a", QUEUE)
    cancel_job(job, by=alice)
    server.fails("/attachments", holds="reply")

    def tell():
        assert server.held.wait(30)
        run.tell(CANCELED)
        server.release()

    thread = threading.Thread(target=tell)
    thread.start()
    execute(run)
    thread.join(30)
    assert reread_job(job).status == "succeeded"
    assert is_whole(server, case)


@pytest.mark.usefixtures("hurried")
def test_the_file_is_closed_however_it_ends(server, case, alice, monkeypatch):
    opened = []

    def noting(archive, real=archives.open_archive):
        opened.append(real(archive))
        return opened[-1]

    monkeypatch.setattr(archives, "open_archive", noting)
    for fault in ({"status": 403}, {"drop": "midway"}):
        server.fails("/attachments", **fault)
        run_out(jira_attach_artifact(case, by=alice))
        if reread(case).current_step == "failed":
            assert failed(case, "forbidden")
    assert is_whole(server, case)
    assert len(opened) == 3
    assert all(file.closed for file in opened)
