"""A job that is lost, and one that is tried again, take their case along."""

from __future__ import annotations

from threading import Thread

import pytest

from jobs.actions.reaping import reap
from jobs.actions.run import CANCELED
from jobs.actions.running import execute
from jobs.actions.stopping import NotNow, retry_job
from jobs.models import Job
from jobs.tests.engine import change, expire, make_due, outcomes, take_one
from workflows.support.actions import generating
from workflows.support.actions.cases import go_back, select_product
from workflows.support.models import SosReportState
from workflows.support.tests.conftest import until
from workflows.support.tests.make import (
    ask,
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
QUEUE = "support"


@pytest.fixture
def case(alice):
    return make_case(alice)


# --- a worker is lost -----------------------------------------------------------------
def lose(job, copy, run_id):
    """Have the worker of the first attempt gone, with a run of its own begun."""
    take_one(queue=QUEUE)
    SosReportState.objects.filter(session=job.subject_id).update(run_id=run_id)
    expire(job)
    assert reap() == 1
    make_due(job)


def test_what_a_lost_attempt_has_made_is_removed(case, install, run_id):
    copy = install()
    job = ask(case)
    copy.call("run", run_id)
    assert copy.folder(run_id).exists()
    lose(job, copy, run_id)
    assert states(case) == ("sos_report", "running", "pending")
    execute(take_one(queue=QUEUE))
    assert states(case) == ("sos_report", "succeeded", "running")
    assert not copy.folder(run_id).exists()
    assert copy.folder(report_of(case).run_id).exists()
    assert outcomes(job) == ["lost", "succeeded"]


def test_what_a_lost_attempt_still_does_is_ended(case, install, run_id):
    copy = install("endless")
    job = ask(case)
    with copy.start("run", run_id) as orphan:
        assert until(copy.under_way)
        lose(job, copy, run_id)
        run = take_one(queue=QUEUE)
        thread = Thread(target=lambda: (orphan.wait(), run.tell(CANCELED)))
        thread.start()
        execute(run)
        thread.join()
        assert orphan.returncode != 0
    assert not copy.folder(run_id).exists()
    assert copy.clean()


def test_a_report_that_is_lost_twice_has_failed(case, install, run_id):
    copy = install()
    job = ask(case)
    lose(job, copy, run_id)
    take_one(queue=QUEUE)
    expire(job)
    assert reap() == 1
    step, code, text = failure(case)
    assert (step, code) == ("sos_report", "generate_failed")
    assert text == Job.objects.get(pk=job.pk).failure_reason
    assert report_of(case).generation_status == "failed"


def test_whoever_has_lost_the_job_leaves_nothing(case, install):
    copy = install()
    job = ask(case)
    run = take_one(queue=QUEUE)
    run.progress = lambda *now: change(job, worker="another")
    execute(run)
    assert copy.clean()
    assert states(case) == ("sos_report", "running", "pending")
    assert not Job.objects.exclude(pk=job.pk).exists()


def test_a_report_whose_job_fails_at_its_end_is_not_half_written(case, install):
    """What is made stays on the host until the next run, and is known to nobody."""
    copy = install()
    job = ask(case)
    with SosReportState.moving(case.sosreport.pk, by=None) as report:
        report.not_generated()  # as nobody can
    finish(job)
    assert states(case) == ("sos_report", "failed", "pending")
    assert Job.objects.get(pk=job.pk).status == "failed"
    assert not Job.objects.exclude(pk=job.pk).exists()
    left = report_of(case).run_id
    assert copy.folder(left).exists()
    ask(case)
    execute(take_one(queue=QUEUE))
    assert not copy.folder(left).exists()


# --- tried again from the page of jobs ------------------------------------------------
def failed_job(case, install):
    install("failing")
    return finish(ask(case))


def test_a_job_that_is_tried_again_takes_its_case_along(case, egon, install):
    old = failed_job(case, install)
    install("good")
    job = retry_job(old, by=egon)
    assert job.is_new
    assert states(case) == ("sos_report", "running", "pending")
    assert reread(case).last_error_code == ""
    assert report_of(case).moves().last().actor == egon
    assert report_of(case).consented_by == case.created_by
    assert (ask(case), ask(case).is_new) == (job, False)
    execute(take_one(queue=QUEUE))
    assert states(case) == ("sos_report", "succeeded", "running")


def moves_to_another_host(case, by):
    go_back(case, by=by, to="select_product")
    select_product(case, by=by, product="linux", host=make_host(by.account))


def goes_back(case, by):
    go_back(case, by=by, to="select_product")


def gets_an_archive(case, by):
    go_back(case, by=by, to="sos_report")
    make_archive(case)


@pytest.mark.parametrize("move", [moves_to_another_host, goes_back, gets_an_archive])
def test_a_job_whose_case_has_moved_on_is_not_tried_again(case, alice, install, move):
    old = failed_job(case, install)
    move(case, alice)
    before = states(case)
    with pytest.raises(NotNow, match="moved on"):
        retry_job(old, by=alice)
    assert states(case) == before
    assert Job.objects.count() == 1


def test_while_another_one_runs_that_one_is_found(case, alice, install):
    old = failed_job(case, install)
    running = ask(case)
    found = retry_job(old, by=alice)
    assert (found, found.is_new) == (running, False)


def test_a_job_without_its_case_ends_and_stays_ended(case, alice):
    jobs = [ask(case)]
    case.delete()
    job = finish(jobs[0])
    assert job.status == "canceled"
    with pytest.raises(NotNow, match="deleted"):
        retry_job(job, by=alice)
    generating.PART.ended(job, "")
