"""Which move is possible from which state, tried for every pair."""

from __future__ import annotations

import pytest
from django_fsm import TransitionNotAllowed, can_proceed

from workflows.support.models import (
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)
from workflows.support.models.report import RunStatus as R
from workflows.support.tests.make import make_case, report_of, reread

S = WorkflowSession.Step
# A case stands at a step, or has failed at one.
STANDINGS = [
    *((step, "") for step in S if step != S.FAILED),
    *((S.FAILED, step) for step in (S.SELECT_PRODUCT, S.SOS_REPORT, S.JIRA_ATTACH)),
]
AT_PRODUCT, AT_REPORT, AT_JIRA, _DONE = STANDINGS[:4]
FAILED_AT_PRODUCT, FAILED_AT_REPORT, FAILED_AT_JIRA = STANDINGS[4:]
MOVES = {
    "select": {AT_PRODUCT},
    "collected": {AT_REPORT},
    "attached": {AT_JIRA},
    "fail": {AT_PRODUCT, AT_REPORT, AT_JIRA},
    "choose_again": {AT_REPORT, FAILED_AT_PRODUCT, FAILED_AT_REPORT},
    "collect_again": {AT_JIRA, FAILED_AT_REPORT, FAILED_AT_JIRA},
    "attach_again": {FAILED_AT_JIRA},
}
ANY_BUT_RUNNING = {R.PENDING, R.SUCCEEDED, R.FAILED}
GENERATION = {
    "generate": ANY_BUT_RUNNING,
    "generated": {R.RUNNING},
    "not_generated": {R.RUNNING},
    "bring": ANY_BUT_RUNNING,
    "take_earlier": ANY_BUT_RUNNING,
    "forget_report": {R.SUCCEEDED, R.FAILED},
}
FETCH = {
    "fetch": {R.PENDING, R.FAILED},
    "fetched": {R.RUNNING},
    "not_fetched": {R.RUNNING},
    "not_there": {R.RUNNING},
    "forget_fetch": {R.SUCCEEDED, R.FAILED},
}
ATTACHMENT = {
    "attach": {R.PENDING, R.FAILED},
    "attached": {R.RUNNING},
    "not_attached": {R.RUNNING},
}


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("move", MOVES)
def test_each_move_of_a_case_from_each_standing(move, standing):
    step, failed = standing
    case = WorkflowSession(current_step=step, failed_step=failed)
    assert can_proceed(getattr(case, move)) is (standing in MOVES[move])


@pytest.mark.parametrize("status", R)
@pytest.mark.parametrize("move", GENERATION)
def test_each_move_of_a_generation_from_each_status(move, status):
    report = SosReportState(generation_status=status)
    assert can_proceed(getattr(report, move)) is (status in GENERATION[move])


@pytest.mark.parametrize("status", R)
@pytest.mark.parametrize("move", FETCH)
def test_each_move_of_a_fetch_from_each_status(move, status):
    report = SosReportState(fetch_status=status, fetch_reference="x")
    assert can_proceed(getattr(report, move)) is (status in FETCH[move])


@pytest.mark.parametrize("status", R)
@pytest.mark.parametrize("move", ATTACHMENT)
def test_each_move_of_an_attachment_from_each_status(move, status):
    state = JiraAttachmentState(attachment_status=status, issue_access_verified=True)
    assert can_proceed(getattr(state, move)) is (status in ATTACHMENT[move])


def test_conditions_hold_from_every_status():
    for status in R:
        assert not can_proceed(SosReportState(fetch_status=status).fetch)
        assert not can_proceed(JiraAttachmentState(attachment_status=status).attach)


def test_every_move_is_tried_here():
    tried = {
        WorkflowSession: MOVES,
        SosReportState: GENERATION | FETCH,
        JiraAttachmentState: ATTACHMENT,
    }
    for machine, moves in tried.items():
        found = {name for name in vars(machine) if is_move(vars(machine)[name])}
        assert found == set(moves)


def is_move(attribute):
    return hasattr(attribute, "_django_fsm")


# --- what the moves do ----------------------------------------------------------------
def test_a_case_fails_where_it_stands_and_goes_on_from_there(alice):
    for at, again in (("sos_report", "collect_again"), ("jira_attach", "attach_again")):
        case = make_case(alice, at=at)
        with WorkflowSession.moving(case.pk, by=None) as row:
            row.fail("timeout", "It took too long.")
        failed = reread(case)
        assert (failed.current_step, failed.failed_step) == ("failed", at)
        assert failed.present_step == at
        assert failed.last_error_code == "timeout"
        with WorkflowSession.moving(case.pk, by=alice) as row:
            getattr(row, again)()
        found = reread(case)
        assert (found.current_step, found.failed_step) == (at, "")
        assert (found.last_error_code, found.last_error_text) == ("", "")


def test_what_a_move_that_is_not_possible_leaves(alice):
    case = make_case(alice, at="select_product")
    with (
        pytest.raises(TransitionNotAllowed),
        WorkflowSession.moving(case.pk, by=alice) as row,
    ):
        row.collected()
    assert [move.name for move in case.moves()] == ["begin"]


@pytest.mark.parametrize("move", ["generate", "forget_report"])
def test_what_is_not_wanted_any_more_is_forgotten(alice, move):
    case = make_case(alice, at="jira_attach")
    before = report_of(case)
    assert before.artifact_ref
    assert before.run_id == ""
    with SosReportState.moving(before.pk, by=alice) as report:
        report.forget_fetch()
        getattr(report, move)()
    after = report_of(case)
    assert (after.fetch_reference, after.archive_name) == ("", "")
    assert (after.archive_size, after.archive_sha256) == (None, "")
    assert after.artifact_ref == ""
    assert (after.consented_by, bool(after.consented_at)) == (
        (alice, True) if move == "generate" else (None, False)
    )
    assert case.artifacts.get().file  # kept by itself


def test_what_is_brought_along_is_referred_to_as_well(alice):
    case = make_case(alice)
    with SosReportState.moving(report_of(case).pk, by=alice) as report:
        report.bring("upload", "sosreport-x.tar", 5, "0" * 64)
    report = report_of(case)
    assert (report.fetch_reference, report.archive_name) == ("upload", str(report))
    assert (report.archive_size, report.archive_sha256) == (5, "0" * 64)
    assert report.consented_by is None


def test_the_seeds_names_are_read_on_the_case(alice):
    case = make_case(alice, at="completed")
    report, jira = case.sosreport, case.jira
    assert case.session_id == str(case.pk)
    assert case.fetch_reference == report.fetch_reference != ""
    assert case.artifact_ref == report.artifact_ref == str(report.artifact_id)
    assert case.connection_id == str(jira.connection_id)
    assert jira.connection_status == "connected"
    assert (case.issue_key, case.issue_access_verified) == ("ABC-1", True)
    new = make_case(alice, at="select_product")
    assert (new.connection_id, new.jira.connection_status) == ("", "unknown")
    assert new.artifact_ref == new.fetch_reference == new.issue_key == ""


def test_rows_have_names(alice):
    case = make_case(alice, at="completed")
    assert str(case) == case.host.name
    assert str(case.jira) == "ABC-1"
    assert str(case.sosreport) == str(case.sosreport.artifact)
    new = make_case(alice, at="select_product")
    assert str(new) == "New case"
    for row in (new.jira, new.sosreport):
        assert str(new.pk) in str(row)
