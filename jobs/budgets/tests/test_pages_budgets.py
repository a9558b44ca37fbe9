"""The account's budgets, the page of each, and its settings."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.actions.running import drain
from jobs.budgets.actions import asking, deciding
from jobs.budgets.models import Budget, Snapshot
from jobs.budgets.tests.make import (
    at_most,
    make_budget,
    make_demo,
    make_suggestions,
    url,
)
from jobs.models import Job, Schedule
from tests.conftest import signed_in
from workflows.core.secrets import Secret, unseal

pytestmark = pytest.mark.django_db
LIST = reverse("budgets:budgets")


@pytest.fixture
def client(berta):
    return signed_in(berta)


@pytest.fixture
def budget(account):
    return make_budget(account)


@pytest.fixture
def on_server(account):
    return make_budget(
        account,
        name="Remote",
        kind="server",
        file="",
        server_url="https://actual.example.com",
        file_id="file-1",
        password=Secret("planted-old"),
    )


def page(response):
    return response.content.decode()


def test_an_empty_list_offers_three_ways_to_begin(client):
    shown = page(client.get(LIST))
    for name in ("demo", "import_file", "connect"):
        assert reverse(f"budgets:{name}") in shown


def test_the_list_says_what_waits_and_what_runs(client, account, berta, budget):
    make_suggestions(budget, 3)
    make_suggestions(budget, 2, key="aldi")
    deciding.approve(deciding.of_payee(budget, "aldi"), by=berta)
    asking.request_sync(budget, by=berta)
    (line, label), *rest = client.get(LIST).context["lines"]
    assert not rest
    assert (line.counts.to_review, line.counts.approved) == (3, 2)
    assert label == "Sync"
    shown = page(client.get(LIST))
    assert url("review", budget) in shown
    assert url("plan", budget) in shown
    assert "Queued" in shown


def test_the_list_costs_the_same_for_many(client, account):
    for place in range(5):
        make_suggestions(make_budget(account, name=f"B{place}"))
    client.get(LIST)
    with at_most(6):  # session, user, budgets, jobs, two counts
        client.get(LIST)


def test_the_page_of_a_budget_in_few_queries(client, berta, account):
    budget = make_demo(account, berta)
    shown = page(client.get(budget.get_absolute_url()))
    for words in (
        "2,2",
        "suggestions wait for you",
        "Sync and suggest",
        "None: syncs when asked",
    ):
        assert words in shown
    assert "What ran for this" in shown
    with at_most(12):
        client.get(budget.get_absolute_url())


def test_nav_and_pages_are_for_holders_alone(account, budget, alice, egon, nora, mona):
    for user in (alice, egon, nora):
        other = signed_in(user)
        assert LIST not in page(other.get("/"))
        assert other.get(LIST).status_code == 403
        assert other.post(url("sync", budget)).status_code == 403
    assert LIST in page(signed_in(mona).get("/"))


@pytest.mark.parametrize(
    ("name", "data", "type", "full"),
    [
        ("sync", {}, "budget_sync", False),
        ("sync", {"full": "1"}, "budget_sync", True),
        ("suggest", {}, "sync_and_suggest", False),
    ],
)
def test_a_button_starts_one_job_however_often(
    client, budget, berta, name, data, type, full
):
    for _again in range(2):
        response = client.post(url(name, budget), data)
        assert response.status_code == 303
        assert response.url == budget.get_absolute_url()
    job = Job.objects.get()
    assert (job.type, job.metadata["fullResync"]) == (type, full)
    assert job.created_by == berta
    shown = page(client.get(budget.get_absolute_url()))
    assert reverse("jobs:progress", args=[job.pk]) in shown
    assert "under way already" in shown
    assert client.get(url(name, budget)).status_code == 405


def test_what_runs_next_is_named(client, budget, berta):
    asking.request_sync(budget, by=berta)
    asking.request_snapshot(budget, by=berta)
    assert "After it: Take a snapshot" in page(client.get(budget.get_absolute_url()))


def test_a_failed_job_is_told_with_a_way_on(client, budget, berta):
    asking.request_sync(budget, by=berta)
    drain("budgets")  # its file is not there
    job = Job.objects.get()
    assert job.status == "failed"
    shown = page(client.get(budget.get_absolute_url()))
    assert "did not work" in shown
    assert "missing from the storage" in shown
    assert reverse("jobs:retry", args=[job.pk]) in shown
    client.post(reverse("jobs:retry", args=[job.pk]))
    assert Job.objects.get(retry_of=job).status == "queued"


# --- settings -------------------------------------------------------------------------
def test_a_name_is_changed_and_is_one_of_a_kind(client, account, budget):
    make_budget(account, name="Taken")
    response = client.post(url("rename", budget), {"name": "Taken"})
    assert response.status_code == 422
    assert "of this name already" in page(response)
    assert client.post(url("rename", budget), {"name": ""}).status_code == 422
    assert client.post(url("rename", budget), {"name": budget.name}).status_code == 303
    assert client.post(url("rename", budget), {"name": "Home"}).status_code == 303
    assert Budget.objects.get(pk=budget.pk).name == "Home"


@pytest.mark.parametrize(
    ("data", "cron"),
    [
        ({"when": "nightly"}, "0 2 * * *"),
        ({"when": "nightly", "at": "23:45"}, "45 23 * * *"),
        ({"when": "mornings", "at": "06:05"}, "5 6 * * 1-5"),
        ({"when": "cron", "cron": "15 3 * * 1"}, "15 3 * * 1"),
    ],
)
def test_a_schedule_is_set_shown_and_ended(client, account, budget, data, cron):
    account.time_zone = "Europe/Berlin"
    account.save()
    for _again in range(2):
        assert client.post(url("schedule", budget), data).status_code == 303
    schedule = Schedule.objects.get(subject_id=budget.pk)
    assert (schedule.cron, schedule.time_zone) == (cron, "Europe/Berlin")
    shown = page(client.get(url("settings", budget)))
    assert f'value="{data["when"]}"' in shown
    assert "next on" in shown
    assert "None: syncs when asked" not in page(client.get(budget.get_absolute_url()))
    assert client.post(url("schedule", budget), {"when": "none"}).status_code == 303
    assert not Schedule.objects.filter(subject_id=budget.pk).exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"when": "cron"}, "Write a cron expression"),
        ({"when": "cron", "cron": "every day"}, "is not a cron expression"),
        ({"when": "nightly", "at": "noon"}, "Enter a valid time"),
        ({"when": "never"}, "Select a valid choice"),
        ({}, "required"),
    ],
)
def test_a_wrong_schedule_is_told_beside_its_field(client, budget, data, words):
    response = client.post(url("schedule", budget), data)
    assert response.status_code == 422
    assert words in page(response)
    assert not Schedule.objects.filter(subject_id=budget.pk).exists()


def test_a_connection_takes_new_passwords_and_shows_none(client, on_server, caplog):
    data = {
        "server_url": "https://actual.example.com",
        "password": "planted-new",
        "encryption_password": "planted-key",
    }
    response = client.post(url("connection", on_server), data)
    assert response.status_code == 303
    row = Budget.objects.get(pk=on_server.pk)
    assert unseal(row.password).reveal() == "planted-new"
    assert unseal(row.encryption_password).reveal() == "planted-key"
    assert Job.objects.get().metadata["fullResync"] is True
    for name in ("settings", "budget"):
        assert "planted" not in page(client.get(url(name, on_server)))
    assert "planted" not in caplog.text


def test_an_empty_password_stays_as_it_was(client, on_server):
    data = {"server_url": "https://actual.example.com/"}
    assert client.post(url("connection", on_server), data).status_code == 303
    row = Budget.objects.get(pk=on_server.pk)
    assert unseal(row.password).reveal() == "planted-old"
    assert row.encryption_password == ""


def test_the_password_is_not_sent_to_a_new_address(client, on_server):
    data = {
        "server_url": "https://evil.example.com",
        "encryption_password": "planted-k",
    }
    response = client.post(url("connection", on_server), data)
    assert response.status_code == 422
    assert "needs the password again" in page(response)
    assert "https://evil.example.com" in page(response)  # what was typed is kept
    assert "planted" not in page(response)
    row = Budget.objects.get(pk=on_server.pk)
    assert row.server_url == "https://actual.example.com"
    assert not Job.objects.exists()


def test_what_is_no_address_is_refused(client, on_server):
    for text in ("ftp://x", "no address", "https://u:p@x.example.com", ""):
        data = {"server_url": text, "password": "planted-new"}
        response = client.post(url("connection", on_server), data)
        assert response.status_code == 422
        assert "planted" not in page(response)
    assert not Job.objects.exists()


def test_an_embedded_budget_has_no_connection(client, budget):
    assert 'name="server_url"' not in page(client.get(url("settings", budget)))
    data = {"server_url": "https://a.example.com", "password": "x"}
    assert client.post(url("connection", budget), data).status_code == 409


def test_a_budget_is_removed_once_its_name_was_typed(client, budget, berta):
    make_suggestions(budget)
    name = default_storage.save("budgets/kept.zip", ContentFile(b"archive"))
    Budget.objects.filter(pk=budget.pk).update(file=name)
    copy = default_storage.save("budgets/copy.zip", ContentFile(b"copy"))
    Snapshot.objects.create(budget=budget, file=copy, sha256="0" * 64, size=4)
    asking.set_schedule(budget, cron="0 2 * * *")
    response = client.post(url("remove", budget), {"name": "household"})
    assert response.status_code == 422
    assert "This is not its name" in page(response)
    job = asking.request_sync(budget, by=berta)
    response = client.post(url("remove", budget), {"name": "Household"})
    assert response.status_code == 409
    assert "A job works on this budget" in page(response)
    client.post(reverse("jobs:cancel", args=[job.pk]))
    response = client.post(url("remove", budget), {"name": "Household"})
    assert response.status_code == 303
    assert not Budget.objects.exists()
    assert not Schedule.objects.filter(subject_id=budget.pk).exists()
    assert client.post(url("remove", budget), {"name": "Household"}).status_code == 404


# --- home -----------------------------------------------------------------------------
HOME = reverse("home")


def test_home_shows_a_bookkeeper_what_waits(client, account):
    assert "Budgets with something to do" not in page(client.get(HOME))
    make_budget(account, name="Idle")
    make_suggestions(make_budget(account, name="Busy"), 3)
    asking.request_suggestions(make_budget(account, name="Running"), by=None)
    shown = page(client.get(HOME)).partition("Budgets with something to do")[2]
    assert "Busy" in shown
    assert "Running" in shown
    assert "Idle" not in shown
    assert shown.index("Busy") < shown.index("Newest open tickets")


def test_home_shows_budgets_to_those_who_keep_them_alone(account, alice):
    make_suggestions(make_budget(account), 3)
    assert "Budgets" not in page(signed_in(alice).get(HOME))


def test_home_costs_the_same_for_few_budgets_and_for_many(client, account):
    costs = []
    for many in (1, 12):
        for place in range(many):
            budget = make_budget(account, name=f"Budget {many}.{place}")
            make_suggestions(budget, 2)
            asking.request_suggestions(budget, by=None)
        client.get(HOME)
        with CaptureQueriesContext(connection) as asked:
            shown = page(client.get(HOME))
        costs.append(len(asked))
    assert costs[0] == costs[1]
    assert shown.count("to review</span>") == 8
