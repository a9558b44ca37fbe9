"""What people say of suggestions, and what it teaches."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.budgets.actions import deciding, reading, reviewing
from jobs.budgets.actions.reviewing import Choice, Outpaced, Ticked
from jobs.budgets.models import Lesson, Suggestion
from jobs.budgets.tests.make import (
    COFFEE,
    FOOD,
    FUEL,
    make_budget,
    make_suggestions,
    reread,
    statuses,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget(account):
    return make_budget(account)


def settle(budget, by, choice=None, *, key="shell", show="open", **over):
    rows = reading.shown(budget, show).filter(payee_key=key)
    seen = over.pop("seen", None) or reviewing.state_of(rows)
    at = over.pop("at", None) or timezone.now()
    return reviewing.settle(rows, by=by, seen=seen, choice=choice, at=at, **over)


def lessons():
    return sorted(
        Lesson.objects.values_list("kind", "imported_payee", "category_id", "payee")
    )


def test_approving_takes_both_parts_and_teaches(budget, berta):
    rows = make_suggestions(budget, 2, payee_proposal="Shell", payee_confidence=0.9)
    assert len(deciding.approve(deciding.of_payee(budget, "shell"), by=berta)) == 2
    assert statuses(budget) == {("approved", "approved")}
    row = reread(rows[0])
    assert (row.category_id, row.payee) == (FUEL, "Shell")
    assert lessons() == [
        *[("approval", "SHELL 0643", "", "Shell")] * 2,
        *[("approval", "SHELL 0643", FUEL, "")] * 2,
    ]
    assert {move.actor for move in row.moves().exclude(name="begin")} == {berta}


def test_sure_enough_goes_by_each_part(budget, berta):
    make_suggestions(
        budget, category_confidence=0.92, payee_proposal="Shell", payee_confidence=0.8
    )
    make_suggestions(budget, key="aldi", category_confidence=0.89)
    rows = deciding.of_confidence(budget, 0.9)
    assert len(deciding.approve(rows, by=berta, least=0.9)) == 1
    assert statuses(budget) == {("approved", "pending")}
    assert statuses(budget, "aldi") == {("pending", "skipped")}
    assert deciding.of_payee(budget, "shell").count() == 1  # its payee is still open


def test_correcting_teaches_what_was_chosen_instead(budget, berta):
    (row,) = make_suggestions(budget)
    deciding.correct(
        budget.suggestions.all(), by=berta, category_id=COFFEE, payee="Kiosk"
    )
    row = reread(row)
    assert (row.category_id, row.category_status) == (COFFEE, "approved")
    assert (row.payee, row.payee_status) == ("Kiosk", "approved")
    lesson = Lesson.objects.get(category_id=COFFEE)
    assert (lesson.kind, lesson.proposal, lesson.by) == ("correction", FUEL, berta)
    deciding.correct(budget.suggestions.all(), by=berta, category_id=FOOD)
    assert reread(row).category_id == FOOD
    before = reread(row).moves().count()
    assert deciding.correct(budget.suggestions.all(), by=berta, category_id=FOOD) == []
    assert reread(row).moves().count() == before


def test_an_unknown_category_changes_nothing(budget, account, berta):
    make_suggestions(budget)
    other = make_budget(account, name="Other")
    other.categories.create(ledger_id="cat-theirs", name="Theirs")
    for category in ("cat-none", "cat-theirs"):
        with pytest.raises(deciding.UnknownCategory):
            deciding.correct(budget.suggestions.all(), by=berta, category_id=category)
        with pytest.raises(deciding.UnknownCategory):
            settle(budget, berta, Choice(category_id=category))
    assert statuses(budget) == {("pending", "skipped")}
    assert lessons() == []


def test_taking_back_forgets_what_that_decision_taught(budget, berta, mona):
    make_suggestions(budget, 3)
    first, second, third = budget.suggestions.order_by("id")
    deciding.approve(budget.suggestions.exclude(pk=third.pk), by=berta)
    deciding.correct(budget.suggestions.filter(pk=second.pk), by=mona, category_id=FOOD)
    deciding.reject(budget.suggestions.filter(pk=third.pk), by=berta)
    assert len(lessons()) == 3
    deciding.reopen(budget.suggestions.filter(pk=third.pk), by=mona)
    assert len(lessons()) == 3  # a rejection has taught nothing
    deciding.reopen(budget.suggestions.filter(pk=second.pk), by=berta)
    assert lessons() == [("approval", "SHELL 0643", FUEL, "")] * 2
    deciding.reopen(budget.suggestions.filter(pk=first.pk), by=berta)
    assert lessons() == [("approval", "SHELL 0643", FUEL, "")]
    assert statuses(budget) == {("pending", "skipped")}


def test_what_is_applied_or_skipped_is_left_alone(budget, berta):
    (row,) = make_suggestions(budget)
    deciding.approve(budget.suggestions.all(), by=berta)
    with Suggestion.moving(row.pk, by=None) as held:
        held.apply_category()
    for verb in (deciding.approve, deciding.reject, deciding.reopen):
        assert verb(budget.suggestions.all(), by=berta) == []
    assert deciding.correct(budget.suggestions.all(), by=berta, category_id=FOOD) == []
    assert reread(row).category_id == FUEL


# --- the review's decisions -----------------------------------------------------------
def test_a_choice_is_about_what_was_seen(budget, berta):
    make_suggestions(budget, 2)
    rows = reading.shown(budget, "open").filter(payee_key="shell")
    seen = reviewing.state_of(rows)
    make_suggestions(budget)
    with pytest.raises(Outpaced):
        settle(budget, berta, Choice(), seen=seen)
    Suggestion.objects.filter(pk=budget.suggestions.first().pk).delete()
    assert reviewing.state_of(rows) == seen  # as many, of the same proposal
    Suggestion.objects.filter(budget=budget).update(category_proposal_id=FOOD)
    with pytest.raises(Outpaced):
        settle(budget, berta, Choice(), seen=seen)
    assert statuses(budget) == {("pending", "skipped")}


@pytest.mark.parametrize(
    ("choice", "category", "payee", "status"),
    [
        (Choice(), FUEL, "Shell", ("approved", "approved")),
        (Choice(rename=False), FUEL, "", ("approved", "rejected")),
        (Choice(category_id=FOOD), FOOD, "Shell", ("approved", "approved")),
        (Choice(payee=" Kiosk "), FUEL, "Kiosk", ("approved", "approved")),
        (None, "", "", ("rejected", "rejected")),
    ],
)
def test_each_choice(budget, berta, choice, category, payee, status):
    (row,) = make_suggestions(budget, payee_proposal="Shell", payee_confidence=0.9)
    settle(budget, berta, choice)
    row = reread(row)
    assert (row.category_id, row.payee) == (category, payee)
    assert (row.category_status, row.payee_status) == status


def test_each_keeps_its_own_proposal_unless_one_is_chosen(budget, berta):
    make_suggestions(budget, 2)
    make_suggestions(budget, category_proposal_id=FOOD)
    settle(budget, berta, Choice())
    found = sorted(budget.suggestions.values_list("category_id", flat=True))
    assert found == [FOOD, FUEL, FUEL]
    settle(budget, berta, Choice(category_id=COFFEE), show="approved")
    assert set(budget.suggestions.values_list("category_id", flat=True)) == {COFFEE}
    # Approved once more without a choice: what was chosen stays.
    with pytest.raises(reviewing.NothingChosen):
        settle(budget, berta, Choice(), show="approved")
    assert set(budget.suggestions.values_list("category_id", flat=True)) == {COFFEE}


def test_without_a_proposal_a_person_has_to_choose(budget, berta):
    make_suggestions(budget, category_proposal_id="")
    with pytest.raises(reviewing.NothingChosen):
        settle(budget, berta, Choice())
    settle(budget, berta, Choice(payee="Kiosk"))
    assert statuses(budget) == {("pending", "approved")}
    settle(budget, berta, Choice(category_id=COFFEE))
    assert statuses(budget) == {("approved", "approved")}


def test_only_the_ticked_ones_are_meant(budget, berta):
    rows = make_suggestions(budget, 4)
    pks = [row.pk for row in rows]
    shown = frozenset(pks[:3])
    ticked = Ticked(shown=shown, ticked=frozenset(pks[1:2]), rest=False)
    assert [r.pk for r in settle(budget, berta, Choice(), ticked=ticked)] == [pks[1]]
    stranger = make_suggestions(budget, key="aldi")[0]
    more = Ticked(shown=shown, ticked=frozenset([pks[0], stranger.pk]), rest=True)
    done = settle(budget, berta, Choice(), ticked=more)
    assert {row.pk for row in done} == {pks[0], pks[3]}
    assert reread(rows[2]).category_status == "pending"
    assert reread(stranger).category_status == "pending"


def test_undo_takes_back_one_decision_and_its_lessons(budget, berta):
    make_suggestions(budget, 2, payee_proposal="Shell", payee_confidence=0.9)
    make_suggestions(budget, key="aldi")
    earlier, at = timezone.now() - timedelta(minutes=1), timezone.now()
    settle(budget, berta, Choice(), key="aldi", at=earlier)
    settle(budget, berta, Choice(category_id=FOOD), at=at)
    rows = budget.suggestions.all()
    done = reviewing.undo(rows, by=berta, at=at, now=timezone.now())
    assert len(done) == 2
    assert statuses(budget) == {("pending", "pending")}
    assert statuses(budget, "aldi") == {("approved", "skipped")}
    assert lessons() == [("approval", "ALDI 0643", FUEL, "")]
    assert reviewing.undo(rows, by=berta, at=at, now=timezone.now()) == []


def test_undo_leaves_what_somebody_has_gone_on_from(budget, berta, mona):
    make_suggestions(budget, 2)
    at = timezone.now()
    settle(budget, berta, Choice(), at=at)
    first, second = budget.suggestions.order_by("id")
    deciding.correct(budget.suggestions.filter(pk=first.pk), by=mona, category_id=FOOD)
    with Suggestion.moving(second.pk, by=None) as held:
        held.apply_category()
    rows = budget.suggestions.all()
    assert reviewing.undo(rows, by=berta, at=at, now=timezone.now()) == []
    assert reviewing.undo(rows, by=mona, at=at, now=timezone.now()) == []
    assert reread(first).category_id == FOOD


def test_undo_opens_only_the_part_that_was_decided(budget, berta):
    make_suggestions(budget, payee_proposal="Shell", payee_confidence=0.6)
    earlier, at = timezone.now() - timedelta(minutes=1), timezone.now()
    deciding.approve(budget.suggestions.all(), by=berta, least=0.9, at=earlier)
    assert statuses(budget) == {("approved", "pending")}
    settle(budget, berta, Choice(rename=False), at=at)
    assert statuses(budget) == {("approved", "rejected")}
    reviewing.undo(budget.suggestions.all(), by=berta, at=at, now=timezone.now())
    assert statuses(budget) == {("approved", "pending")}


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_decides(account, berta, mona):
    budget = make_budget(account)
    make_suggestions(budget, 20)
    seen = reviewing.state_of(reading.shown(budget, "open").filter(payee_key="shell"))
    gate, outcomes = threading.Barrier(2), []

    def decide(by, category):
        try:
            gate.wait()
            settle(budget, by, Choice(category_id=category), seen=seen)
            outcomes.append(category)
        except Outpaced:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=decide, args=pair)
        for pair in ((berta, FOOD), (mona, COFFEE))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = next(found for found in outcomes if found)
    assert sorted(outcomes, key=str) == sorted([None, won], key=str)
    assert set(budget.suggestions.values_list("category_id", flat=True)) == {won}
    assert Lesson.objects.count() == 20
