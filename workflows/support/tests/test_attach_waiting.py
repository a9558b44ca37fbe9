"""What changes while a job waits, and what may be tried again from its page."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage
from django.db import transaction

from jobs.actions.run import Run
from jobs.actions.running import drain
from jobs.actions.stopping import NotNow, retry_job
from jobs.models import Job
from jobs.tests.engine import (
    change,
    outcomes,
)
from workflows.core.connecting import revoke_connection
from workflows.core.jira import (
    UpstreamUnavailable,
)
from workflows.core.tests.make import make_connection_to
from workflows.core.tests.test_machine_races import at_once
from workflows.support.actions.attaching import (
    attach_ended,
    jira_attach_artifact,
)
from workflows.support.actions.cases import go_back, go_on_to_jira
from workflows.support.actions.verifying import (
    use_connection,
    verify_issue,
)
from workflows.support.models import (
    WorkflowSession,
)
from workflows.support.problems import (
    AccessNotVerified,
)
from workflows.support.tests.make import (
    jira_of,
    make_archive,
    reread,
)
from workflows.support.tests.sending import (  # noqa: F401
    CONTENT,
    ENDINGS,
    QUEUE,
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


# --- what ends while it waits ---------------------------------------------------------
@ENDINGS
def test_a_connection_that_ends_while_the_job_waits(
    server, case, alice, end, kind, code
):
    server.fails("/myself", status=503)
    job = jira_attach_artifact(case, by=alice)
    drain(QUEUE)
    end(jira_of(case).connection)
    server.requests.clear()
    row = run_out(job)
    assert outcomes(row) == ["failed", "failed"]
    assert server.requests == []
    assert failed(case, code, "Connect")
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    assert said(case) == ("jira_attach", "", "")
    verify_issue(case, by=alice, key="ABC-1")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_a_connection_that_ends_in_this_moment(server, case, alice, monkeypatch):
    job = jira_attach_artifact(case, by=alice)

    def ending(self, done, total=None, phase=None, real=Run.progress):
        real(self, done, total, phase)
        revoke_connection(jira_of(case).connection, by=alice)

    monkeypatch.setattr(Run, "progress", ending)
    run_out(job)
    assert failed(case, "connection_revoked")
    assert server.requests == []


def test_nobody_elses_token_is_used(server, case, alice):
    job = jira_attach_artifact(case, by=alice)
    change(job, created_by=None)
    run_out(job)
    assert failed(case, "connection_unknown")
    assert server.requests == []


def test_an_archive_that_is_purged_while_the_job_waits(server, case, alice):
    job = jira_attach_artifact(case, by=alice)
    delete(case)
    run_out(job)
    assert said(case) == ("failed", "jira_attach", "missing_artifact_ref")
    assert attachments(server) == []


def test_a_file_that_somebody_has_removed(server, case, alice):
    default_storage.delete(reread(case).sosreport.artifact.file)
    run_out(jira_attach_artifact(case, by=alice))
    assert said(case) == ("failed", "jira_attach", "missing_artifact_ref")


def test_a_file_that_somebody_has_changed(server, case, alice):
    change(reread(case).sosreport.artifact, size=len(CONTENT) - 1)
    run_out(jira_attach_artifact(case, by=alice))
    assert said(case) == ("failed", "jira_attach", "read_failed")
    assert attachments(server) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/issue/ABC-1", 404),
        ("/issue/ABC-1", 403),
        ("/issue/ABC-1/attachments", 404),
    ],
)
def test_an_issue_that_jira_no_longer_shows(server, case, alice, path, status):
    job = jira_attach_artifact(case, by=alice)
    server.fails(path, status=status)
    row = run_out(job)
    assert outcomes(row) == ["failed"]
    assert failed(case, "issue_access_denied", "no longer shows this issue")
    state = jira_of(case)
    assert (state.issue_access_verified, state.connection_status) == (
        False,
        "connected",
    )
    with turned_down(case, AccessNotVerified, "issue_access_not_verified"):
        jira_attach_artifact(case, by=alice)
    verify_issue(case, by=alice, key="ABC-1")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


def test_a_case_that_is_deleted_while_the_job_waits(server, case, alice):
    job = jira_attach_artifact(case, by=alice)
    WorkflowSession.objects.filter(pk=case.pk).delete()
    assert run_out(job).status == "canceled"
    assert server.requests == []
    attach_ended(job, "")


# --- tried again from the page of jobs ------------------------------------------------
@pytest.fixture
def broken(server, case, alice):
    """Return a job that failed although nothing is wrong with the case."""
    server.fails("/attachments", status=403)
    return run_out(jira_attach_artifact(case, by=alice))


def test_a_retry_goes_on_with_the_case(server, case, alice, broken):
    assert failed(case, "forbidden")
    again = retry_job(broken, by=alice)
    assert (again.is_new, again.metadata) == (True, broken.metadata)
    assert said(case) == ("jira_attach", "", "")
    assert jira_of(case).attachment_status == "running"
    assert jira_attach_artifact(case, by=alice) == again
    run_out(again)
    assert is_whole(server, case)


def refused(job, by, words):
    """The retry is refused in words, and nothing of it is kept."""
    before = Job.objects.count()
    with pytest.raises(NotNow, match=words), transaction.atomic():
        retry_job(job, by=by)
    assert Job.objects.count() == before


def test_who_has_no_connection_does_not_retry(case, mona, broken):
    refused(broken, mona, "not connected to Jira in this case")
    assert failed(case, "forbidden")


def test_what_has_changed_since_is_not_retried(server, case, alice, broken):
    state = jira_of(case)
    change(state, upload_limit=5)
    refused(broken, alice, "takes at most 5\xa0bytes")
    change(state, upload_limit=None)
    go_back(case, by=alice, to="sos_report")
    refused(broken, alice, "not at Jira yet")
    make_archive(case, content=CONTENT[::-1])
    go_on_to_jira(case, by=alice)
    refused(broken, alice, "another archive")
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)
    refused(broken, alice, "has moved on")


def test_a_retry_of_a_case_that_is_gone(case, alice, broken):
    WorkflowSession.objects.filter(pk=case.pk).delete()
    refused(broken, alice, "has moved on")


@pytest.mark.django_db(transaction=True)
def test_a_click_and_a_retry_at_once_are_one(server, case, alice, broken):
    acts = [
        lambda: jira_attach_artifact(case, by=alice),
        lambda: retry_job(broken, by=alice),
    ]
    jobs = at_once(acts, lambda act: act())
    assert len({job.pk for job in jobs}) == 1
    drain(QUEUE)
    assert is_whole(server, case)


def test_a_problem_is_a_problem_again(server, case, alice):
    """Failing twice renews the words."""
    for status, code in ((403, "forbidden"), (413, "artifact_too_large")):
        server.fails("/attachments", status=status)
        run_out(jira_attach_artifact(case, by=alice))
        assert failed(case, code)
    with told(case, UpstreamUnavailable, "upstream_unavailable"):
        server.fails("/myself", status=500)
        verify_issue(case, by=alice, key="ABC-1")
