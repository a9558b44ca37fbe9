"""The seed's seven validation rules: through the verbs, and against the database."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from jobs.models import Job
from jobs.tests.engine import change
from workflows.core.secrets import SealedField, SealError, Secret, unseal
from workflows.core.tests.make import make_connection
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.cases import begin_case, fail_case, select_product
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.actions.generating import generate_sosreport
from workflows.support.actions.verifying import use_connection, verify_issue
from workflows.support.collecting.options import ReportOptions
from workflows.support.models import JiraAttachmentState, WorkflowSession
from workflows.support.problems import (
    AccessNotVerified,
    MissingArtifact,
    MissingFetchReference,
    NotConnected,
    ProductFirst,
    UnsupportedProduct,
)
from workflows.support.tests.make import (
    jira_of,
    make_case,
    make_host,
    report_of,
    reread,
)

pytestmark = pytest.mark.django_db
PLANTED = "planted-token-that-must-not-leak"


def refused(name, row, **columns):
    """The database refuses these values, by this constraint."""
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        change(row, **columns)


def remembered(case, problem):
    """The case keeps what was refused, where it stands; nothing was begun."""
    found = reread(case)
    assert found.current_step == case.current_step
    assert found.last_error_code == problem.code
    assert found.last_error_text == str(problem())
    assert not Job.objects.exists()


# 1. selected_product MUST be linux before step transition to sos_report.
@pytest.mark.parametrize("product", ["", "windows", "Linux", "linux "])
def test_only_linux_leads_to_a_report(alice, account, product):
    case, host = begin_case(by=alice), make_host(account)
    with pytest.raises(UnsupportedProduct):
        select_product(case, by=alice, product=product, host=host)
    found = reread(case)
    assert found.current_step == "failed"
    assert found.last_error_code == "unsupported_product"
    assert found.selected_product == ""


def test_a_report_is_not_made_without_a_product(alice):
    case = begin_case(by=alice)
    with pytest.raises(ProductFirst):
        generate_sosreport(case, by=alice, options=ReportOptions(), consent=True)
    remembered(case, ProductFirst)


@pytest.mark.parametrize("step", ["sos_report", "jira_attach", "completed"])
def test_no_row_is_past_the_product_without_one(alice, step):
    case = begin_case(by=alice)
    refused("ck_session_product", case, current_step=step)
    failed = {"current_step": "failed", "failed_step": "sos_report"}
    refused("ck_session_product", case, last_error_code="x", **failed)
    chosen = make_case(alice, at="jira_attach")
    refused("ck_session_product", chosen, selected_product="windows")
    refused("ck_session_product", chosen, host=None)


# 2. fetch_reference MUST exist before invoking fetch step.
def test_nothing_is_fetched_without_a_reference(alice):
    case = make_case(alice)
    with pytest.raises(MissingFetchReference):
        fetch_sosreport(case, by=alice)
    remembered(case, MissingFetchReference)


@pytest.mark.parametrize("status", ["running", "failed", "succeeded"])
def test_no_row_is_fetched_without_a_reference(alice, status):
    report = report_of(make_case(alice))
    refused("ck_sosreport_fetch", report, fetch_status=status)
    fetched = report_of(make_case(alice, at="jira_attach"))
    refused("ck_sosreport_fetch_needs_reference", fetched, fetch_reference="")
    refused("ck_sosreport_fetched_has_artifact", fetched, artifact=None)


# 3. artifact_ref MUST exist before invoking attachment step.
def test_nothing_is_attached_without_an_archive(alice):
    case = make_case(alice, at="jira_attach")
    change(report_of(case), artifact=None, fetch_status="pending")
    with pytest.raises(MissingArtifact):
        jira_attach_artifact(case, by=alice)
    remembered(case, MissingArtifact)


# 4. connection_id MUST be opaque and non-empty before issue access verification.
def test_nothing_is_verified_without_a_connection(alice):
    case = make_case(alice, at="jira_attach")
    with pytest.raises(NotConnected):
        verify_issue(case, by=alice, key="ABC-1")
    remembered(case, NotConnected)


def test_no_row_is_verified_without_a_connection(alice):
    state = jira_of(make_case(alice, at="jira_attach"))
    name = "ck_jiraattachment_verified"
    refused(name, state, issue_access_verified=True, issue_key="ABC-1")
    connection = make_connection(alice)
    refused(name, state, issue_access_verified=True, connection=connection)


def test_what_a_case_knows_of_a_connection_is_opaque(alice):
    case = make_case(alice, at="completed")
    connection = jira_of(case).connection
    assert case.connection_id == str(connection.pk)
    for told in (connection.base_url, connection.display_name, connection.jira_user_id):
        assert told not in case.connection_id


# 5. PAT values are disallowed in all WorkflowSession fields.
def test_a_token_is_in_no_column_but_its_own(alice):
    case = make_case(alice, at="jira_attach")
    connection = make_connection(alice, token=Secret(PLANTED))
    use_connection(case, by=alice, connection=connection)
    found = []
    for model in apps.get_models():
        for row in model._base_manager.values():
            found += [
                (model, name) for name, value in row.items() if PLANTED in repr(value)
            ]
    assert found == []
    assert unseal(jira_of(case).connection.token) == Secret(PLANTED)


def test_no_column_of_a_case_takes_a_token(alice):
    for model in (WorkflowSession, JiraAttachmentState):
        fields = model._meta.concrete_fields
        assert not any(isinstance(field, SealedField) for field in fields)
    with pytest.raises(SealError) as refusal:
        make_connection(alice, token=PLANTED)
    assert PLANTED not in str(refusal.value)


# 6. issue_access_verified MUST be true before jira_attach_artifact.
def test_nothing_is_attached_to_what_was_not_verified(alice):
    case = make_case(alice, at="jira_attach")
    use_connection(case, by=alice, connection=make_connection(alice))
    with JiraAttachmentState.moving(case.jira.pk, by=alice) as state:
        state.issue_key = "ABC-1"
    with pytest.raises(AccessNotVerified):
        jira_attach_artifact(case, by=alice)
    remembered(case, AccessNotVerified)


@pytest.mark.parametrize("status", ["running", "succeeded"])
def test_no_row_is_attached_to_what_was_not_verified(alice, status):
    state = jira_of(make_case(alice, at="jira_attach"))
    refused(
        "ck_jiraattachment_needs_access",
        state,
        attachment_status=status,
        attachment_id="1",
    )
    done = jira_of(make_case(alice, at="completed"))
    refused("ck_jiraattachment_has_id", done, attachment_id="")


# 7. Any failed step sets current_step=failed and records last_error_code.
@pytest.mark.parametrize("at", ["select_product", "sos_report", "jira_attach"])
def test_a_step_that_fails_says_so(alice, at):
    case = make_case(alice, at=at)
    fail_case(case.pk, "timeout", "It took too long.")
    found = reread(case)
    assert (found.current_step, found.failed_step) == ("failed", at)
    assert found.last_error_code == "timeout"


def test_no_row_has_failed_without_a_code_and_a_step(alice):
    case, name = make_case(alice, at="failed"), "ck_session_failed_has_code"
    refused(name, case, last_error_code="")
    for step in ("", "completed", "failed"):
        refused(name, case, failed_step=step)
    refused(name, make_case(alice, at="sos_report"), failed_step="sos_report")


# --- and what else the database holds -------------------------------------------------
def test_states_are_the_seeds(alice):
    case = make_case(alice, at="completed")
    refused("ck_session", case, current_step="somewhere")
    for name in ("generation_status", "fetch_status"):
        refused(f"ck_sosreport_{name}", report_of(case), **{name: "maybe"})
    refused("ck_jiraattachment", jira_of(case), attachment_status="maybe")


def test_nothing_runs_that_nobody_agreed_to(alice):
    report = report_of(make_case(alice))
    refused("ck_sosreport_consent", report, generation_status="running")
