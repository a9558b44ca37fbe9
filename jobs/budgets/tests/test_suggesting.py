"""Suggestions follow the ledger: new, renewed, dropped; what people say counts."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage

from jobs.actions.running import drain
from jobs.budgets.actions import asking, deciding
from jobs.budgets.actions.learning import renamings
from jobs.budgets.actions.opening import stored
from jobs.budgets.engine import Renaming
from jobs.budgets.models import Budget, Lesson
from jobs.budgets.tests.make import FUEL
from jobs.budgets.tests.test_provider import UNKNOWN, make_open, suggest, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget(account, berta):
    return make_open(account, berta)


def swap(budget, file):
    """Let the ledger be another one, as if somebody had changed it in Actual."""
    Budget.objects.filter(pk=budget.pk).update(file=file)


def test_what_lost_its_category_again_is_proposed_anew(budget, berta):
    suggest(budget, berta)
    fuel = budget.categories.get(name="Fuel").ledger_id
    row = budget.suggestions.filter(payee_key="quizzyx").latest("id")
    mine = budget.suggestions.filter(pk=row.pk)
    deciding.correct(mine, by=berta, category_id=fuel, payee="Quiz Club")
    asking.request_apply(budget, by=berta)
    drain("budgets")
    row = mine.get()
    assert (row.category_status, row.payee_status) == ("applied", "applied")
    assert (row.category_evidence, default_storage.exists(budget.file)) == ({}, True)

    swap(budget, budget.file)  # as it was before
    assert suggest(budget, berta).result["renewed"] == 1
    row = mine.get()
    assert (row.category_status, row.payee_status) == ("pending", "pending")
    assert (row.category_proposal_id, row.category_id) == (fuel, "")
    assert (row.payee_proposal, row.payee) == ("Quiz Club", "")
    # One correction by hand is enough, of a category and of a name.
    assert row.category_evidence["method"] == "corrections"
    assert row.payee_evidence["method"] == "corrections"
    assert row.payee_evidence["corrected_on"]


def test_a_name_that_is_there_already_is_not_proposed(budget, berta):
    suggest(budget, berta)
    row = budget.suggestions.filter(payee_key="vujvuj").latest("id")
    mine = budget.suggestions.filter(pk=row.pk)
    fuel = budget.categories.get(name="Fuel").ledger_id
    deciding.correct(mine, by=berta, category_id=fuel)
    Lesson.objects.update(payee=row.present_payee)
    asking.request_apply(budget, by=berta)
    drain("budgets")
    swap(budget, budget.file)
    suggest(budget, berta)
    row = mine.get()
    assert (row.category_status, row.payee_status) == ("pending", "skipped")
    assert row.payee_proposal == ""


def test_what_is_gone_from_the_ledger_is_dropped(budget, berta, tmp_path):
    assert suggest(budget, berta).result["created"] == 9
    write(tmp_path / "other.zip", UNKNOWN, 13)  # all its transactions are others
    swap(budget, stored(tmp_path / "other.zip", budget))
    result = suggest(budget, berta).result
    assert (result["created"], result["dropped"]) == (9, 9)


def test_a_name_that_somebody_gave_is_by_hand(budget, berta):
    said = Lesson(budget=budget, imported_payee="QZX", payee="Quiz", category_id=FUEL)
    [renaming] = renamings([], [said, Lesson(budget=budget, category_id=FUEL)])
    assert renaming == Renaming(
        imported="QZX", payee="Quiz", date=said.at.date(), by_hand=True
    )
