"""A report is asked for once, made by a job, and explained when it is not."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from functools import partial
from threading import Thread

import pytest
from django.utils import timezone
from django_fsm import TransitionNotAllowed

from jobs.actions.run import CANCELED, HANDED_BACK, TIMED_OUT
from jobs.actions.running import execute
from jobs.actions.stopping import cancel_job
from jobs.models import Job
from jobs.tests.engine import change, make_due, outcomes, take_one
from tests.services import free_port
from workflows.support.actions.cases import go_back
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.actions.generating import generate_sosreport, options_of
from workflows.support.actions.reporting import GENERATE
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import (
    ArchiveNotFound,
    Canceled,
    DependencyMissing,
    DiskFull,
    PrivilegeRequired,
    TimedOut,
    Unexpected,
)
from workflows.support.models import SosReportState, WorkflowSession
from workflows.support.problems import MissingFetchReference, ProductFirst
from workflows.support.tests import make
from workflows.support.tests.conftest import until
from workflows.support.tests.make import (
    failure,
    finish,
    make_archive,
    make_case,
    make_host,
    report_of,
    reread,
    states,
)

pytestmark = pytest.mark.django_db
OPTIONS = ReportOptions(
    only=("host", "login", "networking"), log_size=5, clean=True, label="it-s"
)
QUEUE = "support"
ask = partial(make.ask, options=OPTIONS)


def on_the_way(copy, run, why=CANCELED):
    """Tell the run to stop as soon as sos has started all that it starts."""

    def tell():
        assert until(copy.under_way)
        run.tell(why)

    thread = Thread(target=tell)
    thread.start()
    execute(run)
    thread.join()


@pytest.fixture
def case(alice):
    return make_case(alice)


# --- asked for ------------------------------------------------------------------------
def test_a_report_is_asked_for(case, alice):
    job = ask(case)
    assert (job.type, job.subject, job.created_by) == (GENERATE, case, alice)
    assert (job.queue, job.status, job.is_new) == (QUEUE, "queued", True)
    report = report_of(case)
    assert states(case) == ("sos_report", "running", "pending")
    assert report.consented_by == alice
    assert timezone.now() - report.consented_at < timedelta(minutes=1)
    assert options_of(report) == OPTIONS
    assert report.moves().last().actor == alice


@pytest.mark.parametrize("options", [ReportOptions(), ReportOptions(enable=("a",))])
def test_options_are_kept_as_they_were_agreed_to(options):
    assert options_of(SosReportState(options=asdict(options))) == options


def test_nothing_is_made_that_nobody_agreed_to(case, alice):
    with pytest.raises(ValueError, match="agreed"):
        generate_sosreport(case, by=alice, options=OPTIONS, consent=False)
    assert states(case) == ("sos_report", "pending", "pending")
    assert not Job.objects.exists()


def test_a_second_click_finds_the_job_of_the_first(case, egon):
    first = ask(case)
    before = report_of(case)
    second = ask(case, by=egon, options=ReportOptions())
    assert (second, second.is_new) == (first, False)
    after = report_of(case)
    assert after.consented_by == before.consented_by
    assert after.consented_at == before.consented_at
    assert options_of(after) == OPTIONS
    assert Job.objects.count() == 1
    assert after.moves().count() == 2


def test_a_product_comes_first(alice):
    case = make_case(alice, at="select_product")
    with pytest.raises(ProductFirst):
        ask(case)
    found = reread(case)
    assert found.current_step == "select_product"
    assert found.last_error_code == "step_gate_select_product"
    assert not Job.objects.exists()


@pytest.mark.parametrize("at", ["jira_attach", "completed"])
def test_a_case_that_has_gone_on_makes_no_report(alice, at):
    case = make_case(alice, at=at)
    with pytest.raises(TransitionNotAllowed):
        ask(case)
    assert states(case) == (at, "succeeded", "succeeded")
    assert not Job.objects.exists()


def test_a_case_that_failed_at_jira_goes_back_first(alice):
    case = make_case(alice, at="jira_attach")
    with WorkflowSession.moving(case.pk, by=None) as row:
        row.fail("artifact_too_large", "Too large.")
    with pytest.raises(TransitionNotAllowed):
        ask(case)
    assert failure(case)[:2] == ("jira_attach", "artifact_too_large")
    go_back(case, by=alice, to="sos_report")
    assert ask(case).is_new


def test_what_is_brought_along_is_not_made(alice, account):
    case = make_case(alice, host=make_host(account, transport="upload"))
    with pytest.raises(TransitionNotAllowed):
        ask(case)
    assert not Job.objects.exists()


def test_nothing_is_made_while_an_archive_is_on_its_way(case, alice, install):
    install()
    ask(case)
    execute(take_one(queue=QUEUE))
    assert states(case) == ("sos_report", "succeeded", "running")
    with pytest.raises(TransitionNotAllowed):
        ask(case)
    assert states(case) == ("sos_report", "succeeded", "running")


def test_a_fetch_is_not_asked_for_while_a_report_is_made(case, alice):
    ask(case)
    with pytest.raises(MissingFetchReference):
        fetch_sosreport(case, by=alice)
    assert states(case) == ("sos_report", "running", "pending")


def test_another_report_forgets_the_one_before(case):
    archive = make_archive(case)
    ask(case)
    report = report_of(case)
    assert states(case) == ("sos_report", "running", "pending")
    assert (report.artifact, report.fetch_reference) == (None, "")
    archive.refresh_from_db()
    assert archive.file


def test_a_failed_case_tries_again(alice):
    case = make_case(alice, at="failed")
    ask(case)
    found = reread(case)
    assert (found.current_step, found.failed_step) == ("sos_report", "")
    assert (found.last_error_code, found.last_error_text) == ("", "")


def test_what_was_refused_before_is_not_said_any_more(case, alice):
    with WorkflowSession.moving(case.pk, by=alice) as row:
        row.last_error_code = "missing_fetch_reference"
    ask(case)
    assert reread(case).last_error_code == ""


def test_a_job_that_is_gone_without_a_word_keeps_nobody(case):
    first = ask(case)
    change(first, status="canceled", completed_at=timezone.now())
    second = ask(case)
    assert second.is_new
    assert states(case) == ("sos_report", "running", "pending")
    assert list(report_of(case).moves().values_list("name", flat=True)) == [
        "begin",
        "generate",
        "not_generated",
        "generate",
    ]


# --- made -----------------------------------------------------------------------------
def test_a_report_is_made_and_its_fetch_is_asked_for(case, alice, install):
    copy = install()
    job = ask(case)
    run, shown = take_one(queue=QUEUE), []
    progress = run.progress
    run.progress = lambda *now: (shown.append(now), progress(*now))
    execute(run)
    job = Job.objects.get(pk=job.pk)
    assert job.status == "succeeded", job.failure_reason
    assert {(2, 2, "Collecting"), (0, None, "Packing")} <= set(shown)
    assert states(case) == ("sos_report", "succeeded", "running")
    report = report_of(case)
    assert report.run_id == report.fetch_reference
    [kept] = (copy.folder(report.run_id) / "archive").iterdir()
    assert report.archive_name == kept.name
    assert report.archive_size == kept.stat().st_size
    assert len(report.archive_sha256) == 64
    [fetch] = Job.objects.exclude(pk=job.pk)
    assert (fetch.type, fetch.status) == ("support.fetch_sosreport", "queued")
    assert (fetch.subject, fetch.created_by) == (case, alice)
    assert report.moves().last().actor is None


@pytest.mark.parametrize(
    ("fake", "problem"),
    [
        ("failing", Unexpected),
        ("nothing", ArchiveNotFound),
        ("two", ArchiveNotFound),
        ("full", DiskFull),
        ("unmasked", Unexpected),
    ],
)
def test_a_report_that_fails_fails_its_case_in_words(case, install, fake, problem):
    copy = install(fake)
    job = finish(ask(case))
    assert job.status == "failed"
    assert job.failure_reason == str(problem())
    assert failure(case) == ("sos_report", problem.code, str(problem()))
    report = report_of(case)
    assert (report.generation_status, report.fetch_status) == ("failed", "pending")
    assert report.fetch_reference == ""
    assert options_of(report) == OPTIONS
    assert copy.clean()


def test_a_host_without_sos_is_told_how_to_get_it(case, install):
    copy = install(SOS=("/nowhere/sos",))
    finish(ask(case))
    step, code, text = failure(case)
    assert (step, code) == ("sos_report", DependencyMissing.code)
    assert text == str(DependencyMissing())
    assert copy.clean()


def test_a_host_without_the_wrapper_is_told_how_to_get_it(case, settings):
    settings.SOS_WRAPPER = "/nowhere/handrail-sos"
    finish(ask(case))
    assert failure(case)[1:] == (PrivilegeRequired.code, str(PrivilegeRequired()))


def test_a_host_that_does_not_answer_is_asked_once_more(alice, account):
    host = make_host(account, address="127.0.0.1", port=free_port())
    case = make_case(alice, host=host)
    job = finish(ask(case))
    assert (job.status, job.attempt) == ("queued", 1)
    assert states(case) == ("sos_report", "running", "pending")
    make_due(job)
    job = finish(job)
    assert (job.status, job.attempt) == ("failed", 2)
    assert failure(case)[1] == "host_unreachable"
    assert "does not answer" in failure(case)[2]


def test_a_key_that_cannot_be_opened_is_an_operators_matter(alice, account, settings):
    case = make_case(alice, host=make_host(account))
    job = ask(case)
    settings.SEAL_KEYS = []
    job = finish(job)
    assert failure(case) == ("sos_report", "generate_failed", job.failure_reason)
    assert "SEAL_KEYS" in job.failure_reason


# --- stopped --------------------------------------------------------------------------
def test_a_canceled_report_leaves_nothing(case, alice, install):
    copy = install("endless")
    job = ask(case)
    on_the_way(copy, take_one(queue=QUEUE))
    assert Job.objects.get(pk=job.pk).status == "canceled"
    assert copy.clean()
    assert failure(case) == ("sos_report", "canceled", str(Canceled()))
    assert options_of(report_of(case)) == OPTIONS
    assert not Job.objects.exclude(pk=job.pk).exists()


def test_a_report_that_takes_too_long_leaves_nothing(case, install):
    copy = install("endless")
    job = ask(case)
    on_the_way(copy, take_one(queue=QUEUE), TIMED_OUT)
    assert Job.objects.get(pk=job.pk).status == "failed"
    assert copy.clean()
    assert failure(case) == ("sos_report", "timeout", str(TimedOut()))


def test_a_report_is_canceled_before_it_begins(case, alice):
    job = ask(case)
    cancel_job(job, by=alice)
    assert failure(case) == ("sos_report", "canceled", str(Canceled()))
    report = report_of(case)
    assert (report.generation_status, report.run_id) == ("failed", "")
    assert ask(case).is_new


def test_it_is_known_who_has_stopped_it(case, egon):
    job = ask(case)
    run = take_one(queue=QUEUE)
    cancel_job(job, by=egon)
    run.tell(CANCELED)
    execute(run)
    assert reread(case).moves().last().actor == egon
    assert report_of(case).moves().last().actor == egon


def test_a_worker_that_stops_hands_the_report_on(case, install):
    copy = install("endless")
    job = ask(case)
    on_the_way(copy, take_one(queue=QUEUE), HANDED_BACK)
    assert Job.objects.get(pk=job.pk).status == "queued"
    assert outcomes(job) == ["handed_back"]
    assert states(case) == ("sos_report", "running", "pending")
    assert copy.clean()
    first = report_of(case).run_id
    install("good")
    run = take_one(queue=QUEUE)
    execute(run)
    assert states(case) == ("sos_report", "succeeded", "running")
    assert report_of(case).run_id != first
