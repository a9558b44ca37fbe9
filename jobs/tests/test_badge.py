"""The badge in the header, its drawer, and what a subject's page shows of jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.actions import reading
from jobs.actions.reading import Badge, badge_of, jobs_about
from jobs.actions.stopping import retry_job
from jobs.tests.make import (
    BROKEN,
    begin,
    done,
    make_job,
    past_job,
    register_kinds,
)
from l1walk.actions.tickets import open_ticket
from tests.conftest import make_user, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds(kind):
    register_kinds()


@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


def badge(client: Client, **asked: Any) -> Any:
    return client.get(reverse("jobs:badge"), asked)


def test_it_counts_ones_own_jobs(client, alice, egon, charlie):
    assert badge_of(alice) == Badge(0, 0, 0)
    failed = done(alice, BROKEN)
    done(alice)
    done(charlie, BROKEN)
    begin(make_job(alice))
    make_job(alice)
    for _ in range(2):
        make_job(egon)
    assert badge_of(alice) == Badge(1, 1, 1)
    page = badge(client)
    assert "running" in page.text
    assert "failed" in page.text
    retry_job(failed, by=egon)
    assert badge_of(alice).failed == 0


def test_failures_are_remembered_for_a_day(alice):
    now = timezone.now()
    past_job(alice, now - timedelta(hours=23), "failed")
    past_job(alice, now - timedelta(hours=25), "failed")
    assert badge_of(alice) == Badge(0, 0, 1)


def test_it_asks_often_only_while_something_moves(client, alice):
    assert 'hx-trigger="every 60s"' in badge(client).text
    make_job(alice)
    assert 'hx-trigger="every 4s"' in badge(client).text
    assert "waiting" in badge(client).text


def test_the_drawer_hears_of_changes_alone(client, alice):
    assert "HX-Trigger" not in badge(client)
    seen = badge(client).context["version"]
    assert "HX-Trigger" not in badge(client, seen=seen)
    make_job(alice)
    assert badge(client, seen=seen)["HX-Trigger"] == '{"jobs-changed": {}}'


def test_many_are_counted_no_further(client, alice, monkeypatch):
    monkeypatch.setattr(reading, "MOST_COUNTED", 3)
    monkeypatch.setattr("jobs.views.header.MOST_COUNTED", 3)
    for _ in range(8):
        past_job(alice, timezone.now(), "failed")
    assert badge_of(alice).failed == 4
    assert "3+" in badge(client).text


def test_it_costs_two_queries_beside_the_person(client, alice, egon):
    def cost(name: str) -> int:
        client.get(reverse(name))
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse(name))
        return len(captured)

    costs = []
    for _ in range(2):
        for _number in range(6):
            make_job(alice)
            past_job(alice, timezone.now(), "failed")
        costs.append((cost("jobs:badge"), cost("jobs:drawer")))
    assert costs[0] == costs[1]
    assert costs[0][0] <= 4


def test_an_ordinary_page_pays_nothing_for_it(client, alice):
    make_job(alice)
    client.get(reverse("profile"))
    with CaptureQueriesContext(connection) as captured:
        page = client.get(reverse("profile"))
    assert reverse("jobs:badge") in page.text
    assert not [query for query in captured if "jobs_job" in query["sql"]]


def test_the_drawer_shows_the_last_ten(client, account, alice, egon):
    assert "You have not started a job yet." in client.get(reverse("jobs:drawer")).text
    ticket = open_ticket(account, by=alice, title="Toner is low")
    jobs = [make_job(alice, subject=ticket) for _ in range(12)]
    make_job(egon)
    response = client.get(reverse("jobs:drawer"))
    shown = [line.job for line in response.context["lines"]]
    assert shown == jobs[:1:-1]
    assert "Toner is low" in response.text


# --- what ran for a subject -----------------------------------------------------------
def test_a_subjects_page_shows_its_newest_jobs(account, alice, egon, charlie):
    ticket = open_ticket(account, by=alice, title="Toner is low")
    assert jobs_about(ticket, alice).lines == []
    jobs = [make_job(egon, subject=ticket) for _ in range(7)]
    make_job(alice)
    history = jobs_about(ticket, alice)
    assert [line.job for line in history.lines] == jobs[:1:-1]
    assert history.url == f"{reverse('jobs:jobs')}?subject={ticket.pk}"
    assert jobs_about(ticket, charlie).lines == []
    page = render_to_string("jobs/_history.html", {"history": history})
    assert history.url in page
    assert jobs[-1].get_absolute_url() in page
    empty = render_to_string(
        "jobs/_history.html", {"history": jobs_about(ticket, charlie)}
    )
    assert "Nothing ran for this yet." in empty


def test_an_operators_own_jobs_count_too(client, alice):
    operator = make_user(None, "root", is_superuser=True)
    job = make_job(operator)
    make_job(alice)
    assert badge_of(operator) == Badge(0, 1, 0)
    response = signed_in(operator).get(reverse("jobs:drawer"))
    assert [line.job for line in response.context["lines"]] == [job]
