"""Two tabs, two people, a job that ends: one report comes of it, and nobody waits."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from jobs.actions.running import execute
from jobs.actions.stopping import NotNow, cancel_job, retry_job
from jobs.models import Job, LeaseLost
from jobs.tests.engine import take_one
from l1walk.tests.test_concurrency import at_once
from tests.conftest import signed_in
from workflows.support.actions.cases import (
    begin_case,
    go_back,
    go_on_to_jira,
    select_product,
)
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.actions.reporting import FETCH, GENERATE
from workflows.support.models import Host, WorkflowSession
from workflows.support.problems import ProductFirst
from workflows.support.tests.make import (
    ask,
    finish,
    make_archive,
    make_case,
    make_host,
    report_of,
    reread,
)

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5
START = reverse("support:start")
REFUSED = (TransitionNotAllowed, ConcurrentTransition, NotNow, LeaseLost)


def generating(case, by):
    return lambda: ask(case, by=by)


def told(call):
    """Return what it returns, or how it was refused."""

    def trying():
        try:
            return call()
        except REFUSED as refusal:
            return refusal

    return trying


def running(kind):
    return Job.objects.filter(type=kind, status__in=("queued", "running")).count()


def test_many_clicks_begin_one_case(alice, egon):
    for number in range(1, ROUNDS + 1):
        clients = [signed_in(alice) for _ in range(4)]
        answers = at_once([lambda c=c: c.post(START) for c in clients])
        [address] = {answer.url for answer in answers}
        case = WorkflowSession.objects.get(pk=address.split("/")[-2])
        assert WorkflowSession.objects.count() == number
        select_product(case, by=alice, product="linux", host=None)
    # Each of two people has one of their own.
    begun = at_once([lambda by=by: begin_case(by=by) for by in (alice, egon)])
    assert [case.created_by for case in begun] == [alice, egon]


@pytest.mark.parametrize("clicks", [2, 8])
def test_many_clicks_make_one_report(alice, egon, clicks):
    case = make_case(alice)
    people = [alice, egon] * (clicks // 2)
    jobs = at_once([generating(case, by) for by in people])
    assert len({job.pk for job in jobs}) == 1
    assert sorted(job.is_new for job in jobs) == [False] * (clicks - 1) + [True]
    assert Job.objects.count() == 1
    assert report_of(case).moves().count() == 2


def test_many_clicks_make_one_fetch(alice, install):
    install()
    case = make_case(alice)
    generating(case, alice)()
    execute(take_one(queue="support"))
    cancel_job(Job.objects.get(type=FETCH), by=alice)
    jobs = at_once([lambda: fetch_sosreport(case, by=alice)] * 4)
    assert len({job.pk for job in jobs}) == 1
    assert sum(job.is_new for job in jobs) == 1
    assert finish(jobs[0]).status == "succeeded"
    assert case.artifacts.count() == 1


def test_a_click_on_the_case_and_one_on_its_job_make_one_report(alice, egon):
    for _ in range(ROUNDS):
        case = make_case(alice)
        old = generating(case, alice)()
        cancel_job(old, by=alice)
        old = Job.objects.get(pk=old.pk)
        made = at_once(
            [
                told(generating(case, alice)),
                told(lambda o=old: retry_job(o, by=egon)),
                told(generating(case, alice)),
            ]
        )
        jobs = {job.pk for job in made if isinstance(job, Job)}
        assert len(jobs) == 1
        assert running(GENERATE) == 1
        assert report_of(case).generation_status == "running"
        cancel_job(Job.objects.get(pk=jobs.pop()), by=alice)


def test_a_click_while_the_job_is_canceled_waits_for_nobody(alice, egon):
    for _ in range(ROUNDS):
        case = make_case(alice)
        old = generating(case, alice)()
        clicked, _canceled = at_once(
            [generating(case, egon), lambda o=old: cancel_job(o, by=alice)]
        )
        if clicked.is_new:
            assert reread(case).current_step == "sos_report"
            assert report_of(case).generation_status == "running"
            cancel_job(clicked, by=alice)
        assert clicked.is_new is (clicked != old)
        assert reread(case).last_error_code == "canceled"
        assert report_of(case).generation_status == "failed"


def test_who_goes_back_and_who_generates_at_once_do_not_both(alice, egon):
    for _ in range(ROUNDS):
        case = make_case(alice)
        went, asked = at_once(
            [
                told(lambda c=case: go_back(c, by=alice, to="select_product")),
                told(gated(case, egon)),
            ]
        )
        state = reread(case).current_step, report_of(case).generation_status
        assert state in {("select_product", "pending"), ("sos_report", "running")}
        if state[1] == "running":
            assert isinstance(went, TransitionNotAllowed)
            assert running(GENERATE) == 1
            cancel_job(asked, by=alice)
        else:
            assert (went, asked) == (None, None)
        assert running(GENERATE) == 0


def gated(case, by):
    """Generate, or be told that a product comes first."""

    def trying():
        try:
            return generating(case, by)()
        except ProductFirst:
            return None

    return trying


def test_a_product_is_chosen_once(alice, egon, account):
    hosts = [make_host(account) for _ in range(2)]
    case = make_case(alice, at="select_product")
    chosen = at_once(
        [
            told(lambda h=host: select_product(case, by=alice, product="linux", host=h))
            for host in hosts
        ]
    )
    [refusal] = [refusal for refusal in chosen if refusal is not None]
    assert isinstance(refusal, TransitionNotAllowed)
    assert reread(case).host == hosts[chosen.index(None)]
    assert case.moves().count() == 2


def test_uploads_get_one_host(alice, egon):
    cases = [make_case(alice, at="select_product") for _ in range(4)]
    at_once(
        [
            lambda c=case: select_product(c, by=alice, product="linux", host=None)
            for case in cases
        ]
    )
    assert Host.objects.filter(transport="upload").count() == 1


def test_who_goes_on_twice_goes_on_once(alice):
    case = make_case(alice)
    make_archive(case)
    at_once([lambda: go_on_to_jira(case, by=alice)] * 4)
    assert [move.name for move in case.moves()] == ["begin", "select", "collected"]
