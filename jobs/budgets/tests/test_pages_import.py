"""A file becomes a budget; what it leaves open is asked without losing it."""

from __future__ import annotations

import os
import time

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from jobs.actions.running import drain
from jobs.budgets import forms
from jobs.budgets.models import Budget
from jobs.budgets.tests.make import make_budget
from jobs.budgets.views.importing import KEPT
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db
IMPORT, CHOICE = reverse("budgets:import_file"), reverse("budgets:import_choice")
PLAIN = b"Date,Payee,Amount\n2026-01-31,Shell,-40.10\n2026-01-30,Aldi,-12.00\n"
OPEN = b"Date,Payee,Amount\n01/02/2026,Shell,-40.10\n03/02/2026,Aldi,-12.00\n"


@pytest.fixture
def client(berta):
    return signed_in(berta)


def page(response):
    return response.content.decode()


def upload(client, content, name="bank.csv", **over):
    file = SimpleUploadedFile(name, content)
    return client.post(IMPORT, {"name": "Bank", "file": file} | over)


def stored():
    try:
        return default_storage.listdir("uploads")[1]
    except FileNotFoundError:
        return []


@pytest.fixture(autouse=True)
def _no_uploads():
    for name in stored():
        default_storage.delete(f"uploads/{name}")


def test_a_csv_becomes_a_budget(client, account):
    response = upload(client, PLAIN)
    budget = Budget.objects.get()
    assert (response.status_code, response.url) == (303, budget.get_absolute_url())
    assert (budget.account, budget.name, budget.embedded) == (account, "Bank", True)
    assert budget.counts["transactions"] == 2
    assert stored() == []
    drain("budgets")
    assert budget.suggestions.count() == 2


def test_an_export_of_actual_becomes_a_budget(client, demo_zip):
    response = upload(client, demo_zip.read_bytes(), "My-Finances.zip")
    assert response.status_code == 303
    assert Budget.objects.get().counts["transactions"] > 2000


def test_a_question_is_asked_and_the_file_is_kept(client):
    response = upload(client, OPEN)
    assert (response.status_code, response.url) == (303, CHOICE)
    assert not Budget.objects.exists()
    shown = page(client.get(CHOICE))
    for words in ("Day first", "Month first", "bank.csv"):
        assert words in shown
    assert client.post(CHOICE, {}).status_code == 422
    assert client.post(CHOICE, {"choice": "sideways"}).status_code == 422
    response = client.post(CHOICE, {"choice": "dmy"})
    budget = Budget.objects.get()
    assert (response.status_code, response.url) == (303, budget.get_absolute_url())
    assert KEPT not in client.session
    assert stored() == []
    drain("budgets")
    assert {row.date.month for row in budget.suggestions.all()} == {2}
    response = client.post(CHOICE, {"choice": "dmy"}, follow=True)
    assert "Give the file first" in page(response)


def test_a_new_file_replaces_the_one_with_a_question(client):
    upload(client, OPEN)
    first = stored()
    upload(client, OPEN, "other.csv")
    assert len(stored()) == 1
    assert stored() != first


def test_what_nobody_came_back_for_is_forgotten(client):
    old = default_storage.save("uploads/old.csv", ContentFile(b"x"))
    long_ago = time.time() - 2 * 86400
    os.utime(default_storage.path(old), (long_ago, long_ago))
    upload(client, OPEN)
    assert len(stored()) == 1
    assert not default_storage.exists(old)


def test_a_kept_file_that_is_gone_is_asked_for_again(client):
    upload(client, OPEN)
    for name in stored():
        default_storage.delete(f"uploads/{name}")
    response = client.post(CHOICE, {"choice": "dmy"})
    assert response.status_code == 422
    assert "no longer kept" in page(response)
    assert 'value="Bank"' in page(response)
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty.csv"),
        (b"PK\x03\x04 no archive", "broken.zip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "cat.png"),
        (b"just words", "letter.txt"),
    ],
)
def test_what_is_no_budget_is_told_beside_the_field(client, content, name):
    response = upload(client, content, name)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"file"}
    assert 'value="Bank"' in page(response)
    assert not Budget.objects.exists()
    assert stored() == []


def test_a_file_has_a_size_that_is_taken(client, monkeypatch):
    monkeypatch.setattr(forms, "MOST_MEGABYTES", 0)
    response = upload(client, PLAIN)
    assert response.status_code == 422
    assert "at most 0 MB" in page(response)
    assert stored() == []


def test_a_name_and_a_file_are_needed(client, account):
    make_budget(account, name="Bank")
    response = client.post(IMPORT, {"name": "New"})
    assert response.context["form"].errors.keys() == {"file"}
    assert 'value="New"' in page(response)
    response = client.post(IMPORT, {"name": "New", "kept": "uploads/mine.csv"})
    assert response.context["form"].errors.keys() == {"file"}
    assert Budget.objects.count() == 1
    assert stored() == []


def test_a_name_that_is_taken_does_not_cost_the_file(client, account):
    make_budget(account, name="Bank")
    response = upload(client, PLAIN)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"name"}
    assert "“bank.csv” is kept" in page(response)
    (name,) = stored()
    kept = f"uploads/{name}"
    assert f'value="{kept}"' in page(response)
    # Who comes back later, or has another tab, starts anew.
    assert "is kept" not in page(client.get(IMPORT))
    response = client.post(IMPORT, {"name": "Mine", "kept": "uploads/other.csv"})
    assert response.context["form"].errors.keys() == {"file"}
    assert "Give the file first" in page(client.get(CHOICE, follow=True))
    response = client.post(IMPORT, {"name": "", "kept": kept})
    assert response.context["form"].errors.keys() == {"name"}
    assert "“bank.csv” is kept" in page(response)
    response = client.post(IMPORT, {"name": "Mine", "kept": kept})
    assert response.status_code == 303
    assert Budget.objects.get(name="Mine").counts["transactions"] == 2
    assert stored() == []
    assert KEPT not in client.session


def test_another_file_replaces_the_one_that_is_kept(client, account):
    make_budget(account, name="Bank")
    upload(client, PLAIN)
    (first,) = stored()
    file = SimpleUploadedFile("other.csv", OPEN)
    sent = {"name": "New", "kept": f"uploads/{first}", "file": file}
    response = client.post(IMPORT, sent)
    assert (response.status_code, response.url) == (303, CHOICE)
    assert first not in stored()
    assert len(stored()) == 1


def test_a_name_taken_in_this_very_moment_does_not_cost_the_file(
    client, account, monkeypatch
):
    """The form found it free; the database knows better."""
    monkeypatch.setattr(forms.NameForm, "clean_name", lambda form: form.data["name"])
    make_budget(account, name="Bank")
    upload(client, OPEN)
    response = client.post(CHOICE, {"choice": "dmy"})
    assert response.status_code == 422
    assert "“bank.csv” is kept" in page(response)
    (name,) = stored()
    response = client.post(IMPORT, {"name": "Mine", "kept": f"uploads/{name}"})
    assert (response.status_code, response.url) == (303, CHOICE)
    assert client.post(CHOICE, {"choice": "dmy"}).status_code == 303
    assert Budget.objects.filter(name="Mine").exists()
    assert stored() == []


def test_an_odd_file_name_does_no_harm(client):
    response = upload(client, PLAIN, "../../etc/pass wd\u202e.csv")
    assert response.status_code == 303
    assert stored() == []
