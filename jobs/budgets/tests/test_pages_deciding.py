"""Decisions on the review page: one payee, some of it, all that is sure; and back."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from jobs.budgets.actions import deciding
from jobs.budgets.models import Lesson, Suggestion
from jobs.budgets.tests.make import (
    COFFEE,
    FOOD,
    FUEL,
    at_most,
    make_budget,
    make_suggestions,
    reread,
    sent,
    statuses,
    url,
)
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "item"}


@pytest.fixture
def client(berta):
    return signed_in(berta)


@pytest.fixture
def budget(account):
    return make_budget(account)


def page(response):
    return response.content.decode()


def decide(client, budget, verb="approve", *, htmx=False, **over):
    data = sent(budget, verb, **over)
    return client.post(url("decide", budget), data, headers=HTMX if htmx else {})


def queue(response):
    return [payee.key for payee, _category in response.context["payees"]]


# --- deciding -------------------------------------------------------------------------
def test_without_javascript_the_next_payee_is_the_next_page(client, budget):
    make_suggestions(budget, 3, payee_proposal="Shell", payee_confidence=0.8)
    make_suggestions(budget, 2, key="aldi")
    shown = page(client.get(url("review", budget)))
    assert '<input type="hidden" name="next" value="aldi">' in shown
    response = decide(client, budget, next="aldi")
    assert response.status_code == 303
    assert "payee=aldi" in response.url
    assert statuses(budget) == {("approved", "approved")}
    after = client.get(response.url)
    assert after.context["focus"].key == "aldi"
    assert "3 approved." in page(after)
    response = decide(client, budget, "reject", payee="aldi")
    after = client.get(response.url)
    assert "2 left as they are." in page(after)
    assert statuses(budget, "aldi") == {("rejected", "skipped")}


def test_htmx_gets_the_next_card_and_what_else_changed(client, budget):
    make_suggestions(budget, 3)
    make_suggestions(budget, 2, key="aldi")
    with at_most(23):
        response = decide(client, budget, htmx=True, next="aldi")
    shown = page(response)
    assert response.status_code == 200
    assert "<!doctype" not in shown.lower()
    assert response.context["focus"].key == "aldi"
    assert 'hx-swap-oob="delete"' in shown
    assert '<span id="count-open" class="num" hx-swap-oob="true">2</span>' in shown
    assert "3 approved." in shown
    last = decide(client, budget, htmx=True, payee="aldi")
    assert last.headers["HX-Redirect"].startswith(url("review", budget))
    assert "2 approved." in page(client.get(last.headers["HX-Redirect"]))


def test_a_correction_takes_the_category_and_the_name(client, budget):
    (row,) = make_suggestions(budget)
    decide(client, budget, category=COFFEE, name="Kiosk")
    row = reread(row)
    assert (row.category_id, row.payee) == (COFFEE, "Kiosk")
    assert Lesson.objects.filter(kind="correction").count() == 2


def test_the_name_can_be_left_as_it_is(client, budget):
    make_suggestions(budget, payee_proposal="Shell", payee_confidence=0.9)
    decide(client, budget, rename=None)
    assert statuses(budget) == {("approved", "rejected")}


def test_some_of_a_payee_are_decided_and_the_others_stay(client, budget):
    rows = make_suggestions(budget, 3)
    ticked = [str(rows[0].pk)]
    response = decide(client, budget, htmx=True, row=ticked, category=FOOD, next="x")
    assert response.context["focus"].key == "shell"
    assert "1 approved. 2 of this payee are left." in page(response)
    assert reread(rows[0]).category_id == FOOD
    assert reread(rows[1]).category_status == "pending"
    response = decide(client, budget, row=[], category=COFFEE)
    assert response.status_code == 422
    assert "Tick at least one" in page(response)
    assert f'<option value="{COFFEE}" selected>' in page(response)


def test_more_than_are_shown_are_decided_at_once(client, budget):
    make_suggestions(budget, 60)
    data = sent(budget)
    one = data["row"][0]
    data["row"] = data["row"][1:]
    client.post(url("decide", budget), data)
    left = budget.suggestions.filter(category_status="pending")
    assert [str(row.pk) for row in left] == [one]


@pytest.mark.parametrize("htmx", [False, True])
def test_nothing_proposed_and_nothing_chosen_is_told(client, budget, htmx):
    make_suggestions(budget, category_proposal_id="")
    response = decide(client, budget, htmx=htmx, name="", rename=None)
    assert response.status_code == 422
    assert "choose a category" in page(response)
    assert statuses(budget) == {("pending", "skipped")}


@pytest.mark.parametrize("htmx", [False, True])
def test_a_category_that_is_gone_is_told(client, budget, htmx):
    make_suggestions(budget)
    response = decide(client, budget, htmx=htmx, category="cat-gone", name="Kiosk")
    assert response.status_code == 422
    assert "no longer has this category" in page(response)
    assert 'value="Kiosk"' in page(response)
    assert statuses(budget) == {("pending", "skipped")}


WRONG = [
    {"verb": "explode"},
    {"state": ""},
    {"row": ["no-id"]},
    {"shown": ["no-id"]},
    {"name": "x" * 201},
    {"payee": "a\0b"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_no_page_sends_changes_nothing(client, budget, wrong):
    make_suggestions(budget)
    data = sent(budget) | wrong
    assert client.post(url("decide", budget), data).status_code == 409
    assert client.post(url("decide", budget), {}).status_code == 409
    assert client.get(url("decide", budget)).status_code == 405
    assert statuses(budget) == {("pending", "skipped")}


def test_suggestions_of_another_budget_are_out_of_reach(client, account, budget):
    make_suggestions(budget)
    (other,) = make_suggestions(make_budget(account, name="Other"))
    data = sent(budget)
    data["row"] = data["shown"] = [str(other.pk), str(uuid4())]
    client.post(url("decide", budget), data)
    assert reread(other).category_status == "pending"


# --- two at once ----------------------------------------------------------------------
@pytest.mark.parametrize("htmx", [False, True])
def test_the_second_is_told_who_was_faster_and_keeps_the_choice(
    client, budget, mona, htmx
):
    make_suggestions(budget, 2)
    mine = sent(budget, category=COFFEE, name="Kiosk")
    decide(signed_in(mona), budget, category=FOOD)
    response = client.post(url("decide", budget), mine, headers=HTMX if htmx else {})
    assert response.status_code == 409
    shown = page(response)
    assert "Mona was faster" in shown
    assert f'<option value="{COFFEE}" selected>' in shown
    assert 'value="Kiosk"' in shown
    assert set(budget.suggestions.values_list("category_id", flat=True)) == {FOOD}
    # The form is about how it is now: sent again, it is put over theirs.
    assert response.context["show"] == "approved"
    again = mine | {"show": "approved", "state": response.context["focus"].state}
    assert client.post(url("decide", budget), again).status_code == 303
    assert set(budget.suggestions.values_list("category_id", flat=True)) == {COFFEE}


def test_what_is_left_after_somebody_else_stays_in_the_form(client, budget, mona):
    rows = make_suggestions(budget, 3)
    mine = sent(budget, category=COFFEE)
    decide(signed_in(mona), budget, row=[str(rows[0].pk)])
    response = client.post(url("decide", budget), mine, headers=HTMX)
    assert response.status_code == 409
    assert response.context["focus"].n == 2
    assert "Mona was faster" in page(response)
    assert f'<option value="{COFFEE}" selected>' in page(response)


def test_a_double_click_decides_once(client, budget):
    make_suggestions(budget, 2)
    make_suggestions(budget, key="aldi")
    data = sent(budget, next="aldi")
    for _again in range(2):
        response = client.post(url("decide", budget), data, headers=HTMX)
        assert response.status_code == 200
        assert response.context["focus"].key == "aldi"
    assert Lesson.objects.count() == 2


def test_a_new_proposal_is_not_approved_unseen(client, budget):
    (row,) = make_suggestions(budget)
    data = sent(budget)
    Suggestion.objects.filter(pk=row.pk).update(category_proposal_id=COFFEE)
    response = client.post(url("decide", budget), data)
    assert response.status_code == 409
    assert "as it is now" in page(response) or "how it is now" in page(response)
    assert reread(row).category_status == "pending"


# --- taking back ----------------------------------------------------------------------
def test_undo_brings_the_last_payee_back(client, budget):
    make_suggestions(budget, 2)
    make_suggestions(budget, key="aldi")
    response = decide(client, budget, htmx=True, next="aldi")
    assert f'name="at" value="{response.context["done"]}"' in page(response)
    data = {"at": response.context["done"], "payee": "shell"}
    response = client.post(url("undo", budget), data)
    assert response.status_code == 303
    after = client.get(response.url)
    assert after.context["focus"].key == "shell"
    assert "2 are to be reviewed again." in page(after)
    assert statuses(budget) == {("pending", "skipped")}
    assert Lesson.objects.count() == 0
    response = client.post(url("undo", budget), data, follow=True)
    assert "nothing to take back" in page(response)


def test_nobody_undoes_what_somebody_else_decided(client, budget, mona):
    make_suggestions(budget)
    response = decide(signed_in(mona), budget, htmx=True, next="shell")
    at = budget.suggestions.get().moves().last().at.isoformat()
    assert response.status_code == 200
    client.post(url("undo", budget), {"at": at, "payee": "shell"})
    assert statuses(budget) == {("approved", "skipped")}
    for wrong in ("", "yesterday", "2026-13-01"):
        assert client.post(url("undo", budget), {"at": wrong}).status_code == 400


def test_anybody_takes_an_approval_back_until_it_is_applied(client, budget, mona):
    make_suggestions(budget)
    decide(signed_in(mona), budget)
    shown = page(client.get(url("review", budget), {"show": "approved"}))
    assert "Take it back" in shown
    data = {"payee": "shell", "show": "approved"}
    assert client.post(url("take_back", budget), data).status_code == 303
    assert statuses(budget) == {("pending", "skipped")}
    response = client.post(url("take_back", budget), data, follow=True)
    assert "nothing to take back" in page(response)


# --- in bulk --------------------------------------------------------------------------
def test_everything_sure_is_approved_at_once(client, budget):
    make_suggestions(budget, 2, category_confidence=0.96)
    make_suggestions(budget, key="aldi", category_confidence=0.91)
    make_suggestions(budget, key="zoo", category_confidence=0.86)
    make_suggestions(budget, key="kiosk", category_confidence=0.5)
    response = client.get(url("review", budget))
    assert response.context["sure"] == [(0.95, 2), (0.9, 3), (0.85, 4)]
    assert "Approve the 3 suggestions" in page(response)
    response = client.post(url("approve_sure", budget), {"least": "0.9"}, follow=True)
    assert "3 approved." in page(response)
    assert statuses(budget, "aldi") == {("approved", "skipped")}
    assert statuses(budget, "zoo") == {("pending", "skipped")}
    done = response.context["done"]
    client.post(url("undo", budget), {"at": done})
    assert not budget.suggestions.filter(category_status="approved").exists()
    response = client.post(url("approve_sure", budget), {"least": "0.95"}, follow=True)
    assert "2 approved." in page(response)
    response = client.post(url("approve_sure", budget), {"least": "0.95"}, follow=True)
    assert "Nothing was left" in page(response)
    assert client.post(url("approve_sure", budget), {"least": "0.1"}).status_code == 409


def test_more_than_one_turn_takes_is_said(client, budget, monkeypatch):
    monkeypatch.setattr(deciding, "MOST_AT_ONCE", 2)
    make_suggestions(budget, 3)
    response = client.post(url("approve_sure", budget), {"least": "0.9"}, follow=True)
    assert "2 approved. 1 more are as sure" in page(response)


def test_decisions_have_names_and_times(client, budget, berta):
    (row,) = make_suggestions(budget)
    before = timezone.now()
    decide(client, budget, category=FUEL)
    last = reread(row).moves().last()
    assert (last.name, last.actor, last.target) == (
        "approve_category",
        berta,
        "approved",
    )
    assert before <= last.at <= timezone.now()
