"""Budgets in the admin: looked at, by the account's own managers, without secrets."""

from __future__ import annotations

import pytest
from django.urls import reverse

from jobs.budgets.actions import deciding
from jobs.budgets.models import Budget, Lesson, Snapshot, Suggestion
from jobs.budgets.tests.make import at_most, make_budget, make_suggestions
from tests.conftest import make_user, signed_in
from workflows.core.secrets import Secret

pytestmark = pytest.mark.django_db
MODELS = (Budget, Suggestion, Snapshot, Lesson)


@pytest.fixture
def budget(account, berta):
    budget = make_budget(
        account,
        kind="server",
        file="",
        name="Only-Acme",
        server_url="https://actual.example.com",
        file_id="f",
        password=Secret("planted"),
    )
    make_suggestions(budget, 3, notes="Only-Acme")
    deciding.approve(budget.suggestions.all(), by=berta)
    Snapshot.objects.create(budget=budget, file="x.zip", sha256="0" * 64, size=1)
    return budget


def listed(model):
    return reverse(f"admin:budgets_{model._meta.model_name}_changelist")


def change(row, action="change"):
    return reverse(f"admin:budgets_{row._meta.model_name}_{action}", args=[row.pk])


def test_managers_look_and_change_nothing(budget, mona):
    client = signed_in(mona)
    for model in (Budget, Suggestion, Snapshot):
        row = model.objects.first()
        assert "Only-Acme" in client.get(listed(model)).content.decode()
        shown = client.get(change(row)).content.decode()
        assert "Only-Acme" in shown
        assert 'name="_save"' not in shown
        assert client.post(change(row), {"name": "x"}).status_code == 403
        assert client.get(change(row, "delete")).status_code == 403
        assert client.get(listed(model) + "add/").status_code == 403
    shown = client.get(change(Suggestion.objects.first())).content.decode()
    assert "approve_category" in shown  # its history
    assert "Berta" in shown


def test_not_even_the_sealed_password_is_shown(budget):
    client = signed_in(make_user(None, "root", is_superuser=True, is_staff=True))
    for path in (listed(Budget), change(budget), change(Suggestion.objects.first())):
        shown = client.get(path).content.decode()
        assert budget.password not in shown
        assert "planted" not in shown


def test_operators_see_what_was_taught(budget):
    client = signed_in(make_user(None, "root", is_superuser=True, is_staff=True))
    assert client.get(listed(Lesson)).status_code == 200
    assert "SHELL 0643" in client.get(listed(Lesson)).content.decode()
    assert client.get(change(Lesson.objects.first())).status_code == 200


def test_another_account_finds_nothing(budget, charlie):
    client = signed_in(charlie)
    for model in (Budget, Suggestion, Snapshot):
        assert "Only-Acme" not in client.get(listed(model)).content.decode()
        assert client.get(change(model.objects.first())).status_code == 404
    assert client.get(listed(Lesson)).status_code == 403


def test_bookkeepers_have_no_admin(budget, berta):
    client = signed_in(berta)
    for model in MODELS:
        assert client.get(listed(model)).status_code in (302, 403)


def test_a_list_costs_the_same_for_many(budget, mona):
    make_suggestions(budget, 30, key="aldi")
    client = signed_in(mona)
    client.get(listed(Suggestion))
    with at_most(7):
        client.get(listed(Suggestion))
