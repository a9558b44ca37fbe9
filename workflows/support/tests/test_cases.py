"""A case is begun, goes back and on, and fails in words."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from django_fsm import TransitionNotAllowed

from workflows.core.machine import Move
from workflows.support.actions.cases import (
    begin_case,
    fail_case,
    go_back,
    go_on_to_jira,
    refuse,
    select_product,
)
from workflows.support.models import (
    Artifact,
    Host,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)
from workflows.support.problems import (
    HostNotReady,
    MissingArtifact,
    MissingFetchReference,
    ProductFirst,
    UnsupportedProduct,
)
from workflows.support.tests.make import (
    jira_of,
    make_archive,
    make_case,
    make_host,
    report_of,
    reread,
)

pytestmark = pytest.mark.django_db


def names(machine):
    return [move.name for move in machine.moves()]


def start(case, by):
    """Have a report running."""
    with SosReportState.moving(case.sosreport.pk, by=by) as report:
        report.consented_by, report.consented_at = by, case.created_at
        report.generate()


def fail(case, code="timeout", text="It took too long."):
    fail_case(case.pk, code, text)
    return reread(case)


# --- begun ----------------------------------------------------------------------------
def test_a_case_begins_with_all_its_parts(alice, account):
    case = begin_case(by=alice)
    parts = [case, report_of(case), jira_of(case)]
    assert [part.account for part in parts] == [account] * 3
    assert case.created_by == alice
    assert case.current_step == "select_product"
    for part in parts:
        [move] = part.moves()
        assert (move.name, move.actor) == ("begin", alice)


def test_an_operator_has_no_account_for_a_case(db):
    operator = get_user_model().objects.create_superuser("root", password="x")
    with pytest.raises(ValueError, match="account"):
        begin_case(by=operator)
    assert not WorkflowSession.objects.exists()


# --- the product ----------------------------------------------------------------------
def test_a_product_and_a_host_are_chosen(alice, account):
    case, host = begin_case(by=alice), make_host(account)
    select_product(case, by=alice, product="linux", host=host)
    case = reread(case)
    assert (case.current_step, case.selected_product) == ("sos_report", "linux")
    assert case.host == host
    assert case.moves().last().actor == alice


def test_chosen_twice_alike_is_chosen_once(alice, account):
    case, host = begin_case(by=alice), make_host(account)
    for _ in range(2):
        select_product(case, by=alice, product="linux", host=host)
    assert names(case) == ["begin", "select"]
    with pytest.raises(TransitionNotAllowed):
        select_product(case, by=alice, product="linux", host=make_host(account))
    assert reread(case).host == host


def test_without_a_host_an_archive_is_brought_along(alice, egon, account):
    cases = [begin_case(by=by) for by in (alice, egon)]
    for case in cases:
        select_product(case, by=case.created_by, product="linux", host=None)
    [host] = Host.objects.filter(transport="upload")
    assert {reread(case).host for case in cases} == {host}
    assert host.account == account


def test_a_host_may_have_the_name_that_uploads_would_get(alice, account):
    name = str(Host.Transport.UPLOAD.label)
    make_host(account, name=name)
    case = begin_case(by=alice)
    select_product(case, by=alice, product="linux", host=None)
    assert reread(case).host.name == f"{name} (Acme)"


def test_another_accounts_host_is_a_slip(alice, charlie):
    case = begin_case(by=alice)
    with pytest.raises(ValueError, match="account"):
        select_product(case, by=alice, product="linux", host=make_host(charlie.account))
    assert reread(case).host is None


def test_a_product_that_is_not_known_fails_the_case(alice, account):
    case, host = begin_case(by=alice), make_host(account)
    for _ in range(2):
        with pytest.raises(UnsupportedProduct):
            select_product(case, by=alice, product="windows", host=host)
        case = reread(case)
        assert (case.current_step, case.failed_step) == ("failed", "select_product")
        assert case.last_error_code == "unsupported_product"
        assert "cannot make reports of this product" in case.last_error_text
        assert (case.selected_product, case.host) == ("", None)
    select_product(case, by=alice, product="linux", host=host)
    assert reread(case).current_step == "sos_report"
    assert reread(case).last_error_code == ""


@pytest.mark.parametrize("over", [{"host_key": ""}, {"retired_at": timezone.now()}])
def test_a_host_that_cannot_be_used_fails_the_case(alice, account, over):
    """A page may have been open for long: its choices are not asked, the host is."""
    case, host = begin_case(by=alice), make_host(account, **over)
    with pytest.raises(HostNotReady):
        select_product(case, by=alice, product="linux", host=host)
    row = reread(case)
    assert (row.current_step, row.failed_step) == ("failed", "select_product")
    assert row.last_error_code == "validation_error"
    assert "Choose another one" in row.last_error_text
    assert (row.selected_product, row.host) == ("", None)
    select_product(case, by=alice, product="linux", host=make_host(account))
    assert reread(case).current_step == "sos_report"


@pytest.mark.parametrize("at", ["sos_report", "failed", "jira_attach", "completed"])
def test_a_late_choice_does_not_fail_the_step_that_the_case_is_at(alice, account, at):
    # As in a tab that was opened before: the host was retired since.
    case = make_case(alice, at=at)
    retired = make_host(account, retired_at=timezone.now())
    with pytest.raises(TransitionNotAllowed):
        select_product(case, by=alice, product="linux", host=retired)
    found = reread(case)
    assert (found.current_step, found.host) == (case.current_step, case.host)
    assert found.last_error_code == case.last_error_code


def test_another_hosts_report_is_forgotten(alice, account):
    case = make_case(alice, at="jira_attach")
    archive = Artifact.objects.get()
    with JiraAttachmentState.moving(case.jira.pk, by=alice) as jira:
        jira.issue_key = "ABC-1"
    go_back(case, by=alice, to="select_product")
    select_product(case, by=alice, product="linux", host=make_host(account))
    report = report_of(case)
    assert (report.generation_status, report.fetch_status) == ("pending", "pending")
    assert (report.fetch_reference, report.artifact, report.run_id) == ("", None, "")
    assert report.consented_at is None
    archive.refresh_from_db()
    assert archive.file
    assert jira_of(case).issue_key == "ABC-1"


def test_the_same_hosts_report_stays(alice):
    case = make_case(alice, at="jira_attach")
    go_back(case, by=alice, to="select_product")
    select_product(case, by=alice, product="linux", host=case.host)
    report = report_of(case)
    assert (report.generation_status, report.fetch_status) == ("succeeded", "succeeded")
    go_on_to_jira(case, by=alice)
    assert reread(case).current_step == "jira_attach"


# --- back and on ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at", "to", "moves"),
    [
        ("select_product", "select_product", []),
        ("sos_report", "sos_report", []),
        ("sos_report", "select_product", ["choose_again"]),
        ("jira_attach", "sos_report", ["collect_again"]),
        ("jira_attach", "select_product", ["collect_again", "choose_again"]),
        ("failed", "sos_report", ["collect_again"]),
        ("failed", "select_product", ["choose_again"]),
    ],
)
def test_a_case_goes_back(alice, at, to, moves):
    case = make_case(alice, at=at)
    before = len(case.moves())
    go_back(case, by=alice, to=to)
    assert reread(case).current_step == to
    assert names(case)[before:] == moves


@pytest.mark.parametrize(
    ("at", "to"),
    [
        ("select_product", "sos_report"),
        ("completed", "sos_report"),
        ("completed", "select_product"),
    ],
)
def test_a_case_does_not_go_back_to_where_it_has_not_been(alice, at, to):
    case = make_case(alice, at=at)
    with pytest.raises(TransitionNotAllowed):
        go_back(case, by=alice, to=to)
    assert reread(case).current_step == at


def test_a_case_that_failed_at_jira_goes_back_to_the_product(alice):
    case = fail(make_case(alice, at="jira_attach"))
    go_back(case, by=alice, to="select_product")
    assert reread(case).current_step == "select_product"


def test_nobody_leaves_while_something_runs(alice):
    case = make_case(alice)
    start(case, alice)
    with pytest.raises(TransitionNotAllowed):
        go_back(case, by=alice, to="select_product")
    with pytest.raises(TransitionNotAllowed):
        go_on_to_jira(case, by=alice)
    case = make_case(alice, at="jira_attach")
    with JiraAttachmentState.moving(case.jira.pk, by=alice) as jira:
        done = reread(make_case(alice, at="completed")).jira
        jira.connection, jira.issue_key = done.connection, "ABC-1"
        jira.issue_access_verified = True
        jira.attach()
    for to in ("sos_report", "select_product"):
        with pytest.raises(TransitionNotAllowed):
            go_back(case, by=alice, to=to)


def test_a_case_goes_on_with_its_archive(alice):
    case = make_case(alice)
    with pytest.raises(MissingArtifact):
        go_on_to_jira(case, by=alice)
    assert reread(case).last_error_code == "missing_artifact_ref"
    assert reread(case).current_step == "sos_report"
    make_archive(case)
    for _ in range(2):  # the second click changes nothing
        go_on_to_jira(case, by=alice)
    assert reread(case).current_step == "jira_attach"
    assert reread(case).last_error_code == ""
    assert names(case) == ["begin", "select", "collected"]


def test_a_failure_does_not_stand_in_the_way_of_an_archive(alice):
    case = make_case(alice)
    make_archive(case)
    fail(case)
    go_on_to_jira(case, by=alice)
    assert reread(case).current_step == "jira_attach"
    assert names(case)[-2:] == ["collect_again", "collected"]


def test_nobody_goes_on_without_a_product(alice):
    case = begin_case(by=alice)
    with pytest.raises(ProductFirst):
        go_on_to_jira(case, by=alice)
    assert reread(case).last_error_code == "step_gate_select_product"
    case = make_case(alice, at="completed")
    with pytest.raises(TransitionNotAllowed):
        go_on_to_jira(case, by=alice)


def test_a_deleted_archive_is_none(alice):
    case = make_case(alice)
    archive = make_archive(case)
    Artifact.objects.filter(pk=archive.pk).update(file="", deleted_at=case.created_at)
    with pytest.raises(MissingArtifact):
        go_on_to_jira(case, by=alice)


# --- how it fails ---------------------------------------------------------------------
@pytest.mark.parametrize("at", ["select_product", "sos_report", "jira_attach"])
def test_a_case_fails_where_it_is(alice, at):
    case = fail(make_case(alice, at=at))
    assert (case.current_step, case.failed_step) == ("failed", at)
    assert (case.last_error_code, case.last_error_text) == (
        "timeout",
        "It took too long.",
    )
    move = case.moves().last()
    assert (move.name, move.actor, move.actor_name) == ("fail", None, "Handrail")


def test_the_words_of_a_failure_are_renewed(alice):
    case = fail(make_case(alice, at="failed"), "disk_full", "No room.")
    assert (case.last_error_code, case.last_error_text) == ("disk_full", "No room.")
    assert case.failed_step == "sos_report"
    assert names(case).count("fail") == 1


def test_a_completed_case_does_not_fail(alice):
    case = fail(make_case(alice, at="completed"))
    assert (case.current_step, case.last_error_code) == ("completed", "")


@pytest.mark.parametrize("at", ["select_product", "jira_attach", "failed"])
def test_what_is_refused_is_remembered(alice, at):
    case = make_case(alice, at=at)
    with pytest.raises(MissingFetchReference):
        refuse(case, MissingFetchReference(), by=alice)
    found = reread(case)
    assert (found.current_step, found.failed_step) == (at, case.failed_step)
    assert found.last_error_code == "missing_fetch_reference"
    assert found.last_error_text == str(MissingFetchReference())


def test_nothing_is_remembered_on_a_completed_case(alice):
    case = make_case(alice, at="completed")
    with pytest.raises(MissingFetchReference):
        refuse(case, MissingFetchReference(), by=alice)
    assert reread(case).last_error_code == ""


def test_moves_tell_nothing_that_was_typed(alice):
    case = make_case(alice, at="completed")
    notes = Move.objects.filter(account=case.account).values_list("note", flat=True)
    assert set(notes) == {""}


def test_cases_of_another_account_are_not_seen(alice, charlie):
    make_case(alice)
    assert not WorkflowSession.objects.visible_to(charlie).exists()
