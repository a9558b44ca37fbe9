"""The archive goes onto the issue, once: asked for, sent, found again, and stopped."""

from __future__ import annotations

import hashlib
import io

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django_fsm import TransitionNotAllowed

from jobs.actions.running import drain
from jobs.models import Job
from jobs.tests.engine import (
    change,
    outcomes,
)
from workflows.core.jira import (
    ArtifactTooLarge,
)
from workflows.core.tests.test_machine_races import at_once
from workflows.support.actions import attaching
from workflows.support.actions.attaching import (
    jira_attach_artifact,
)
from workflows.support.actions.cases import go_back
from workflows.support.actions.reporting import ATTACH, running_job
from workflows.support.actions.verifying import (
    verify_issue,
)
from workflows.support.models import (
    SosReportState,
)
from workflows.support.problems import (
    AccessNotVerified,
    MissingArtifact,
    NotConnected,
    ReportFirst,
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
    ENDINGS,
    MIB,
    QUEUE,
    asked,
    attachments,
    delete,
    failed,
    is_whole,
    ready_case,
    run_out,
    said,
    told,
    turned_down,
)

pytestmark = pytest.mark.django_db


# --- it arrives -----------------------------------------------------------------------
def test_an_archive_is_attached(server, case, alice):
    before = server.add_attachment("ABC-1", ARCHIVE, len(CONTENT))
    job = jira_attach_artifact(case, by=alice)
    state = jira_of(case)
    assert (state.attachment_status, job.status) == ("running", "queued")
    assert (job.subject, job.created_by, job.account) == (case, alice, case.account)
    row = run_out(job)
    assert (row.status, outcomes(row)) == ("succeeded", ["succeeded"])
    assert (row.done, row.total, row.phase) == (4, 4, "Sending to Jira (MiB)")
    assert row.metadata == {"archive": ARCHIVE, "archiveId": case.artifact_ref}
    assert row.result == {"issue": "ABC-1", "alreadyThere": False}
    assert jira_of(case).known_ids == [before.id]
    server.issues["ABC-1"].attachments.remove(before)
    assert is_whole(server, case)
    assert asked(server) == [
        "GET /myself",
        "GET /issue/ABC-1",
        "GET /attachment/meta",
        "GET /issue/ABC-1",
        "POST /issue/ABC-1/attachments",
        "GET /issue/ABC-1",
    ]
    [*_before, last] = reread(case).moves()
    assert (last.name, last.source, last.target) == (
        "attached",
        "jira_attach",
        "completed",
    )
    moves = [(move.name, move.actor_name) for move in jira_of(case).moves()]
    assert moves == [("begin", "Alice"), ("attach", "Alice"), ("attached", "Handrail")]


def test_any_name_is_found_again(server, case, alice):
    archive = reread(case).sosreport.artifact
    change(archive, filename='sosreport-"Ü"\\.tar')
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)
    assert attachments(server)[0].filename == "sosreport-%22Ü%22%5C.tar"


def test_an_empty_file_has_no_progress(server, case, alice):
    change(
        reread(case).sosreport.artifact,
        size=0,
        sha256=hashlib.sha256().hexdigest(),
        file=default_storage.save("support/empty", io.BytesIO()),
    )
    row = run_out(jira_attach_artifact(case, by=alice))
    assert (row.done, row.total, row.percent) == (0, 0, None)
    assert is_whole(server, case)


# --- out of order ---------------------------------------------------------------------
def begun(case):
    """Has anything begun? A refusal leaves no job behind."""
    jobs = Job.objects.filter(subject_id=case.pk)
    return jobs.exists() or jira_of(case).attachment_status == "running"


@pytest.mark.parametrize("at", ["select_product", "sos_report", "failed"])
def test_the_report_comes_first(alice, at):
    case = make_case(alice, at=at)
    with turned_down(case, ReportFirst, "step_gate_sos_report"):
        jira_attach_artifact(case, by=alice)
    assert not begun(case)


def forget(case):
    SosReportState.objects.filter(session=case).update(artifact=None)


@pytest.mark.parametrize("lose", [delete, forget])
def test_there_has_to_be_an_archive(server, case, alice, lose):
    change(reread(case).sosreport, fetch_status="pending")
    lose(case)
    with turned_down(case, MissingArtifact, "missing_artifact_ref"):
        jira_attach_artifact(case, by=alice)
    assert not begun(case)


def test_there_has_to_be_a_connection_of_ones_own(case, alice, egon):
    with turned_down(case, NotConnected, "connection_unknown"):
        jira_attach_artifact(case, by=egon)
    change(jira_of(case), connection=None, issue_access_verified=False)
    with turned_down(case, NotConnected, "connection_unknown"):
        jira_attach_artifact(case, by=alice)
    assert not begun(case)


@ENDINGS
def test_the_connection_has_to_be_active(case, alice, end, kind, code):
    end(jira_of(case).connection)
    with told(case, kind, code, "are kept"):
        jira_attach_artifact(case, by=alice)
    assert not begun(case)


def test_the_issue_has_to_be_checked(case, alice):
    change(jira_of(case), issue_access_verified=False)
    with turned_down(case, AccessNotVerified, "issue_access_not_verified"):
        jira_attach_artifact(case, by=alice)
    assert not begun(case)


def test_a_completed_case_stays_so(server, case, alice):
    run_out(jira_attach_artifact(case, by=alice))
    with pytest.raises(TransitionNotAllowed):
        jira_attach_artifact(case, by=alice)
    assert is_whole(server, case)
    assert Job.objects.filter(subject_id=case.pk).count() == 1


def test_an_archive_that_changes_in_this_moment(case, alice, monkeypatch):
    monkeypatch.setattr(attaching, "sending", lambda row: {"archive": row.updated_at})
    with pytest.raises(TransitionNotAllowed):
        attaching.begin(Job(subject_id=case.pk, created_by=alice, type=ATTACH))
    assert not begun(case)


# --- too large ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (2 * MIB, "has 3.0\xa0MB, and Jira takes at most 2.0\xa0MB of a file"),
        (
            len(CONTENT) - 1,
            "has 3,145,735 bytes, and Jira takes at most 3,145,734 bytes",
        ),
    ],
)
def test_what_jira_does_not_take_is_not_sent(server, case, alice, limit, words):
    server.upload_limit = limit
    verify_issue(case, by=alice, key="ABC-1")
    server.requests.clear()
    with told(case, ArtifactTooLarge, "artifact_too_large", words) as caught:
        jira_attach_artifact(case, by=alice)
    assert "Make a smaller report" in str(caught.value)
    assert server.requests == []
    assert not begun(case)
    # The way to a smaller one is open.
    go_back(case, by=alice, to="sos_report")
    assert said(case) == ("sos_report", "", "")


def test_what_is_exactly_as_large_as_allowed_is_sent(server, case, alice, settings):
    make_archive(case, content=b"x" * MIB)
    server.upload_limit = MIB
    settings.SUPPORT_LARGEST_MIB = 1
    verify_issue(case, by=alice, key="ABC-1")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_handrail_has_a_limit_of_its_own(server, case, alice, settings):
    settings.SUPPORT_LARGEST_MIB = 3
    words = "3,145,735 bytes, and Handrail sends at most 3,145,728 bytes"
    with told(case, ArtifactTooLarge, "artifact_too_large", words):
        jira_attach_artifact(case, by=alice)
    settings.SUPPORT_LARGEST_MIB = 4
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_a_limit_that_was_lowered_since(server, case, alice):
    job = jira_attach_artifact(case, by=alice)
    server.upload_limit = 1_500
    run_out(job)
    assert failed(case, "artifact_too_large", "Jira takes at most 1.5\xa0KB")
    assert jira_of(case).upload_limit == 1_500
    assert "POST /issue/ABC-1/attachments" not in asked(server)


# --- twice ----------------------------------------------------------------------------
def test_a_second_click_finds_the_job_of_the_first(server, case, alice):
    first, second = (jira_attach_artifact(case, by=alice) for _ in range(2))
    assert (first, first.is_new, second.is_new) == (second, True, False)
    assert drain(QUEUE) == 1
    assert is_whole(server, case)


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_are_one(server, case, alice):
    jobs = at_once(range(2), lambda _number: jira_attach_artifact(case, by=alice))
    assert len({job.pk for job in jobs}) == 1
    assert sorted(job.is_new for job in jobs) == [False, True]
    assert drain(QUEUE) == 1
    assert is_whole(server, case)
    names = [move.name for move in jira_of(case).moves()]
    assert names == ["begin", "attach", "attached"]


def test_one_job_of_a_case_is_a_rule_of_the_database(case, alice):
    job = jira_attach_artifact(case, by=alice)
    assert running_job(case.pk) == job
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.create(type=ATTACH, queue=QUEUE, unique_key=job.unique_key)


def test_what_is_on_its_way_is_left_alone(case, alice):
    jira_attach_artifact(case, by=alice)
    with pytest.raises(TransitionNotAllowed):
        verify_issue(case, by=alice, key="ABC-1")
    with pytest.raises(TransitionNotAllowed):
        go_back(case, by=alice, to="sos_report")
    assert said(case) == ("jira_attach", "", "")


def test_a_job_that_is_gone_without_a_word_stands_in_nobodys_way(server, case, alice):
    jira_attach_artifact(case, by=alice)
    Job.objects.filter(subject_id=case.pk).delete()
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)
