"""Both parts of a suggestion, state by state."""

from __future__ import annotations

import pytest
from django_fsm import TransitionNotAllowed, can_proceed

from jobs.budgets.models import Category, Payee, Suggestion
from jobs.budgets.models.suggestion import NothingChosen
from jobs.budgets.tests.make import FUEL, make_budget, make_suggestions, reread
from workflows.core.machine import NotLent, states

S = Suggestion.Part
MOVES = {
    "approve": {S.PENDING, S.REJECTED},
    "reject": {S.PENDING, S.APPROVED},
    "reopen": {S.APPROVED, S.REJECTED},
    "apply": {S.APPROVED},
    "skip": {S.PENDING, S.APPROVED},
    "renew": {S.APPLIED, S.SKIPPED},
}


@pytest.mark.parametrize("part", ["payee", "category"])
@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("move", MOVES)
def test_each_move_from_each_state(part, state, move):
    row = Suggestion(**{f"{part}_status": state})
    assert can_proceed(getattr(row, f"{move}_{part}")) is (state in MOVES[move])


def test_the_tables_name_every_move():
    fields = states(Suggestion)
    assert {field.name for field in fields} == {"payee_status", "category_status"}
    for field in fields:
        part = field.name.removesuffix("_status")
        found = {t.name for t in field.get_all_transitions(Suggestion)}
        assert found == {f"{move}_{part}" for move in MOVES}


@pytest.mark.parametrize(
    ("payee", "category", "combined"),
    [
        (S.SKIPPED, S.PENDING, S.PENDING),
        (S.PENDING, S.APPROVED, S.PENDING),
        (S.APPLIED, S.APPROVED, S.APPROVED),
        (S.REJECTED, S.APPLIED, S.APPLIED),
        (S.SKIPPED, S.REJECTED, S.REJECTED),
        (S.SKIPPED, S.SKIPPED, S.SKIPPED),
    ],
)
def test_what_is_still_to_be_done_is_the_combined_status(payee, category, combined):
    assert Suggestion(payee_status=payee, category_status=category).status == combined


@pytest.mark.django_db
def test_what_proposes_nothing_is_not_approved_bare(account, alice):
    (row,) = make_suggestions(
        make_budget(account), category_proposal_id="", payee_status="pending"
    )
    for approve in ("approve_category", "approve_payee"):
        lend = Suggestion.moving(row.pk, by=alice)
        with pytest.raises(NothingChosen), lend as held:
            getattr(held, approve)()
    assert reread(row).category_status == S.PENDING
    with Suggestion.moving(row.pk, by=alice) as held:
        held.approve_category(FUEL)
        held.approve_payee("Shell")
    with Suggestion.moving(row.pk, by=alice) as held:
        held.apply_category()
        held.apply_payee()
    lend = Suggestion.moving(row.pk, by=alice)
    with pytest.raises(TransitionNotAllowed), lend as held:
        held.reject_category()
    with pytest.raises(NotLent):
        reread(row).renew_category()


@pytest.mark.django_db
def test_names(account):
    budget = make_budget(account)
    assert str(Category.objects.get(budget=budget, ledger_id=FUEL)) == "Fuel"
    assert str(Payee(budget=budget, ledger_id="p", name="Shell")) == "Shell"
