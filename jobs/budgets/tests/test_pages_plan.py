"""The plan, applying it, and the report."""

from __future__ import annotations

from uuid import uuid4

import pytest

from jobs.actions.running import drain
from jobs.actions.stopping import cancel_job
from jobs.budgets.actions import asking, deciding
from jobs.budgets.actions.opening import open_budget
from jobs.budgets.models import Budget
from jobs.budgets.tests.make import (
    COFFEE,
    at_most,
    make_budget,
    make_demo,
    make_suggestions,
    statuses,
    url,
)
from jobs.models import Job
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(berta):
    return signed_in(berta)


@pytest.fixture
def budget(account):
    return make_budget(account)


def page(response):
    return response.content.decode()


def approve(budget, by, key="shell", **over):
    rows = budget.suggestions.filter(payee_key=key)
    verb = deciding.correct if over else deciding.approve
    verb(rows, by=by, **over)


def test_the_plan_says_what_changes_by_payee(client, budget, berta):
    make_suggestions(budget, 12, payee_proposal="Shell", payee_confidence=0.9)
    make_suggestions(budget, key="aldi", amount=-250000)
    make_suggestions(budget, key="zoo")
    approve(budget, berta)
    approve(budget, berta, "aldi", category_id=COFFEE)
    response = client.get(url("plan", budget))
    aldi, shell = response.context["page"]
    assert (aldi.key, aldi.n, aldi.total) == ("aldi", 1, -250000)
    assert [change.after for change in aldi.categories] == ["Coffee"]
    assert not aldi.payees
    assert (shell.n, len(shell.rows), shell.rest) == (12, 5, 7)
    (change,) = shell.payees
    assert (change.before, change.after, change.n) == ("Shell 0643", "Shell", 12)
    totals = response.context["totals"]
    assert (totals.n, totals.categories, totals.payees) == (13, 13, 12)
    assert totals.total == -250000 - 12 * 1050
    shown = page(response)
    for words in ("\N{MINUS SIGN}2,500.00", "and 7 older ones", url("apply", budget)):
        assert words in shown


def test_an_empty_plan_leads_to_the_review(client, budget):
    make_suggestions(budget)
    shown = page(client.get(url("plan", budget)))
    assert "The plan is empty" in shown
    assert url("apply", budget) not in shown
    for method in (client.get, client.post):
        assert method(url("apply", budget)).url == url("plan", budget)
    assert not Job.objects.exists()


def test_the_plan_is_paged_and_costs_the_same_for_many(client, budget, berta):
    for place in range(60):
        make_suggestions(budget, 20 if place < 2 else 1, key=f"payee {place:02}")
    deciding.approve(budget.suggestions.all(), by=berta)
    client.get(url("plan", budget))
    with at_most(10):
        first = client.get(url("plan", budget))
    assert len(first.context["page"]) == 50
    second = client.get(url("plan", budget), {"after": first.context["mark"]})
    assert [planned.key for planned in second.context["page"]] == [
        f"payee {place:02}" for place in range(50, 60)
    ]
    assert second.context["mark"] is None


def test_one_or_a_payee_is_taken_out(client, budget, berta):
    make_suggestions(budget, 3)
    make_suggestions(budget, key="")
    deciding.approve(budget.suggestions.all(), by=berta)
    row = budget.suggestions.filter(payee_key="shell").first()
    for _again in range(2):
        response = client.post(url("plan_remove", budget), {"row": str(row.pk)})
        assert (response.status_code, response.url) == (303, url("plan", budget))
    assert budget.suggestions.filter(category_status="approved").count() == 3
    client.post(url("plan_remove", budget), {"payee": ""})
    assert statuses(budget, "") == {("pending", "skipped")}
    client.post(url("plan_remove", budget), {"payee": "shell"})
    assert statuses(budget) == {("pending", "skipped")}
    for wrong in ({"row": "no-id"}, {"row": str(uuid4())}, {}):
        assert client.post(url("plan_remove", budget), wrong).status_code == 303


def test_apply_asks_once_more_and_for_what_was_seen(client, budget, berta):
    make_suggestions(budget, 2)
    make_suggestions(budget, key="aldi")
    approve(budget, berta)
    shown = page(client.get(url("apply", budget)))
    assert "Write 2 transactions into the budget?" in shown
    assert '<input type="hidden" name="seen" value="2">' in shown
    approve(budget, berta, "aldi")
    for data in ({"seen": "2"}, {}):
        response = client.post(url("apply", budget), data)
        assert response.status_code == 409
        assert "has changed since you looked" in page(response)
    assert not Job.objects.exists()


def test_a_second_click_finds_the_apply_that_runs(client, budget, berta, mona):
    make_suggestions(budget)
    approve(budget, berta)
    first = client.post(url("apply", budget), {"seen": "1"})
    job = Job.objects.get()
    assert first.url == url("report", budget, job.pk)
    again = signed_in(mona).post(url("apply", budget), {"seen": "1"}, follow=True)
    assert again.redirect_chain[0][0] == first.url
    assert "under way already" in page(again)
    assert Job.objects.count() == 1
    shown = page(client.get(url("plan", budget)))
    assert first.url in shown
    assert url("plan_remove", budget) not in shown
    assert "Progress" in page(client.get(first.url)) or "Queued" in page(
        client.get(first.url)
    )


def test_from_the_plan_to_the_ledger_and_the_report(client, account, berta):
    budget = make_demo(account, berta)
    rows = budget.suggestions.filter(category_confidence__gte=0.9)
    chosen = {
        row.transaction_id: row.category_id for row in deciding.approve(rows, by=berta)
    }
    response = client.post(url("apply", budget), {"seen": str(len(chosen))})
    drain("budgets")
    shown = page(client.get(response.url))
    assert "All of it is in the budget." in shown
    assert "Written" in shown
    assert budget.suggestions.filter(category_status="applied").count() == len(chosen)
    with open_budget(Budget.objects.get(pk=budget.pk)) as ledger:
        found = {row.id: row.category_id for row in ledger.transactions()}
    assert all(found[pk] == category for pk, category in chosen.items())
    assert client.get(url("report", budget, uuid4())).status_code == 404
    sync = Job.objects.filter(type="sync_and_suggest").first()
    assert client.get(url("report", budget, sync.pk)).status_code == 404


def test_what_was_left_alone_is_reported_with_its_reason(client, account, berta):
    budget = make_demo(account, berta)
    row = budget.suggestions.exclude(category_proposal_id="").first()
    budget.suggestions.filter(pk=row.pk).update(transaction_id="gone")
    deciding.approve(budget.suggestions.filter(pk=row.pk), by=berta)
    response = client.post(url("apply", budget), {"seen": "1"})
    drain("budgets")
    shown = page(client.get(response.url))
    assert "Some were left as they are" in shown
    assert "no longer in the budget" in shown
    skipped = page(client.get(url("review", budget), {"show": "skipped"}))
    assert "no longer in the budget" in skipped


def test_a_canceled_apply_can_be_tried_again(client, account, berta):
    budget = make_demo(account, berta)
    deciding.approve(budget.suggestions.all(), by=berta)
    job = asking.request_apply(budget, by=berta)
    cancel_job(job, by=berta)
    shown = page(client.get(url("report", budget, job.pk)))
    assert "It was canceled." in shown
    client.post(f"/jobs/{job.pk}/retry/")
    again = Job.objects.get(retry_of=job)
    assert url("report", budget, again.pk) in page(
        client.get(url("report", budget, job.pk))
    )
    drain("budgets")
    assert "All of it" in page(client.get(url("report", budget, again.pk)))


def test_more_than_one_apply_takes_is_said(client, budget, berta, monkeypatch):
    monkeypatch.setattr(asking, "MOST_APPLIED", 2)
    make_suggestions(budget, 3)
    approve(budget, berta)
    shown = page(client.get(url("apply", budget)))
    assert "Write 2 transactions" in shown
    assert "The first 2 of 3 are written" in shown
