"""The review: payees in a queue, one of them in focus with what is proposed."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db.models import Count

from jobs.actions.running import drain
from jobs.budgets.actions import asking, deciding
from jobs.budgets.models import Suggestion
from jobs.budgets.tests.make import (
    FOOD,
    at_most,
    make_budget,
    make_demo,
    make_suggestions,
    reread,
    sent,
    statuses,
    url,
)
from jobs.models import Job
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


# --- what is shown --------------------------------------------------------------------
def test_the_largest_payee_comes_first_with_its_proposal_and_reason(client, budget):
    make_suggestions(budget, 1, key="aldi", category_proposal_id=FOOD)
    make_suggestions(budget, 3, payee_proposal="Shell", payee_confidence=0.8)
    make_suggestions(budget, 1, key="zoo", category_proposal_id="")
    response = client.get(url("review", budget))
    assert queue(response) == ["shell", "aldi", "zoo"]
    assert response.context["focus"].key == "shell"
    shown = page(response)
    for words in (
        "3 transactions",
        "\N{MINUS SIGN}31.50",
        "Right about 95 times in 100",
        "14 of 15 &#x27;Shell&#x27; went to Fuel.",
        "Right about 8 times in 10",
        "No proposal",
        "Visa",
    ):
        assert words in shown


def test_several_proposals_are_told_apart(client, budget):
    make_suggestions(budget, 2)
    make_suggestions(budget, 1, category_proposal_id=FOOD, category_confidence=0.62)
    shown = page(client.get(url("review", budget)))
    for words in ("As proposed for each", "Several proposals", "<strong>Groceries"):
        assert words in shown
    assert "Right about 6 times in 10" in shown


def test_an_empty_review_says_what_to_do(client, budget, berta):
    assert "Nothing to review" in page(client.get(url("review", budget)))
    make_suggestions(budget)
    deciding.approve(budget.suggestions.all(), by=berta)
    assert "All reviewed" in page(client.get(url("review", budget)))
    assert "Nothing fits" in page(client.get(url("review", budget), {"q": "zzz"}))
    shown = page(client.get(url("review", budget), {"show": "applied"}))
    assert "Nothing here" in shown


@pytest.mark.parametrize(
    ("show", "keys"),
    [
        ("open", ["open", "unsure"]),
        ("unsure", ["unsure"]),
        ("approved", ["approved"]),
        ("rejected", ["rejected"]),
        ("applied", ["applied"]),
        ("skipped", ["skipped"]),
        ("nonsense", ["open", "unsure"]),
    ],
)
def test_each_tab_has_its_own(client, budget, berta, show, keys):
    for key in ("open", "approved", "rejected", "applied", "skipped"):
        make_suggestions(budget, key=key)
    make_suggestions(budget, key="unsure", category_proposal_id="")
    rows = budget.suggestions.filter(payee_key__in=("approved", "applied"))
    deciding.approve(rows, by=berta)
    deciding.reject(budget.suggestions.filter(payee_key="rejected"), by=berta)
    for key, verb in (("applied", "apply_category"), ("skipped", "skip_category")):
        row = budget.suggestions.get(payee_key=key)
        with Suggestion.moving(row.pk, by=None) as held:
            getattr(held, verb)()
            if key == "skipped":
                held.remark = "Somebody set it to “Rent” meanwhile."
    response = client.get(url("review", budget), {"show": show})
    assert sorted(queue(response)) == keys
    assert ("meanwhile" in page(response)) == (show == "skipped")
    if show in {"applied", "skipped"}:
        assert 'value="approve"' not in page(response)


def test_words_find_payees_as_imported_named_or_proposed(client, budget):
    make_suggestions(budget)
    make_suggestions(
        budget, key="aldi", payee_proposal="Aldi Nord", payee_confidence=0.9
    )
    for words, keys in {
        "SHELL 06": ["shell"], "shell": ["shell"], "nord": ["aldi"],
        "0643": ["aldi", "shell"], "%": [], "no\0rd": ["aldi"],
    }.items():  # fmt: skip
        response = client.get(url("review", budget), {"q": words})
        assert sorted(queue(response)) == keys, words


def test_a_payee_is_shown_by_its_key_whatever_the_letters(client, budget):
    for key in ("", "a&b=c?", "çöffee “x”", "<script>", "x" * 200):
        make_suggestions(budget, key=key)
        response = client.get(url("review", budget), {"payee": key})
        assert response.context["focus"].key == key
        assert decide(client, budget, payee=key).status_code == 303
        assert statuses(budget, key) == {("approved", "skipped")}
        assert "<script>" not in page(response).replace("<script src", "")
    response = client.get(
        url("review", budget), {"payee": "nobody", "show": "approved"}
    )
    assert "Nothing of this payee is here" in page(response)
    assert client.get(url("review", budget), {"payee": "a\0b"}).status_code == 200


def test_the_queue_is_paged_by_number_and_key(client, budget):
    make_suggestions(budget, 2, key="zz largest")
    for place in range(60):
        make_suggestions(budget, key=f"payee {place:02}")
    first = client.get(url("review", budget))
    assert queue(first) == ["zz largest", *(f"payee {n:02}" for n in range(49))]
    second = client.get(first.context["older"])
    assert queue(second) == [f"payee {n:02}" for n in range(49, 60)]
    assert second.context["older"] == ""
    assert "First page" in page(second)
    for cursor in ("rubbish", "W10=", "WzEsMl0="):
        assert client.get(url("review", budget), {"after": cursor}).status_code == 200


def test_the_page_and_the_card_cost_the_same_for_many(client, budget):
    for place in range(70):
        make_suggestions(budget, 60 if place == 0 else 1, key=f"payee {place:02}")
    client.get(url("review", budget))
    with at_most(11):
        response = client.get(url("review", budget))
    assert response.context["focus"].n == 60
    assert len(response.context["focus"].rows) == 50
    assert "and 10 older ones" in page(response)
    with at_most(6):  # session, user, budget, categories, the payee, its rows
        client.get(url("card", budget), {"payee": "payee 00"}, headers=HTMX)


def test_keys_are_off_for_who_has_switched_them_off(client, budget, berta):
    berta.key_shortcuts = False
    berta.save()
    assert 'data-shortcuts="off"' in page(client.get(url("review", budget)))


def test_who_else_looks_at_it_is_told(client, budget, mona):
    make_suggestions(budget)
    signed_in(mona).get(url("card", budget), {"payee": "shell"})
    assert "Looking at this too: Mona" in page(client.get(url("review", budget)))


# --- a second look --------------------------------------------------------------------
def test_a_payee_is_looked_at_again(client, account, berta):
    budget = make_demo(account, berta)
    row = budget.suggestions.filter(category_status="pending").first()
    data = {"payee": row.payee_key}
    response = client.post(url("look_again", budget), data, headers=HTMX)
    job = Job.objects.get(type="suggestions_retry_payee")
    looking = url("looking", budget, job.pk)
    assert looking in page(response)
    assert "every 1500ms" in page(client.get(looking))
    client.post(url("look_again", budget), data, headers=HTMX)
    assert Job.objects.filter(type="suggestions_retry_payee").count() == 1
    drain("budgets")
    shown = page(client.get(looking))
    assert "every" not in shown
    assert "See what is suggested now" in shown
    response = client.post(url("look_again", budget), data)
    assert response.status_code == 303
    assert client.get(url("looking", budget, uuid4())).status_code == 404


def test_corrections_teach_the_next_look(client, account, berta):
    budget = make_demo(account, berta)
    counted = budget.suggestions.values_list("payee_key").annotate(n=Count("id"))
    key = next(key for key, n in counted if n > 1)
    row = budget.suggestions.filter(payee_key=key).first()
    others = budget.categories.exclude(is_income=True)
    other = others.exclude(ledger_id=row.category_proposal_id).last().ledger_id
    over = {"row": [str(row.pk)], "rename": None}
    response = decide(client, budget, payee=key, category=other, **over)
    assert response.status_code == 303
    assert reread(row).category_id == other
    asking.request_retry(budget, key, by=berta)
    drain("budgets")
    left = budget.suggestions.filter(payee_key=key, category_status="pending")
    assert {found.category_proposal_id for found in left} == {other}
    shown = page(client.get(url("review", budget), {"payee": key}))
    assert "Somebody moved" in shown
