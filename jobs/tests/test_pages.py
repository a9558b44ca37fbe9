"""The list of jobs: filtered, paged by keyset, live, and the same as a file."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.actions.stopping import cancel_job
from jobs.models import Job
from jobs.tests.engine import change
from jobs.tests.make import (
    BROKEN,
    REPORT,
    begin,
    done,
    make_job,
    past_job,
    register_kinds,
)
from jobs.views.lists import HEADER
from l1walk.actions.tickets import open_ticket
from l1walk.tests.make import make_flow
from tests.conftest import make_user, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds(kind):
    register_kinds()


@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


def url(name: str = "jobs") -> str:
    return reverse(f"jobs:{name}")


def shown(response: Any) -> list[Job]:
    return [line.job for line in response.context["lines"]]


def table(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def some(account, alice, egon) -> dict[str, Job]:
    """A job of each status, by its name."""
    ticket = open_ticket(account, by=alice, title="Toner is low")
    return {
        "succeeded": done(alice, subject=ticket),
        "failed": done(egon, BROKEN),
        "canceled": cancel_job(make_job(egon, BROKEN), by=egon),
        "running": begin(make_job(alice)),
        "queued": make_job(alice, BROKEN),
    }


ALL = ["queued", "running", "canceled", "failed", "succeeded"]
FILTERS = [
    ({}, ALL),
    ({"kind": REPORT}, ["running", "succeeded"]),
    ({"kind": "no.such.kind"}, ALL),
    ({"status": "failed"}, ["failed"]),
    ({"status": "nonsense"}, ALL),
    ({"who": "me"}, ["queued", "running", "succeeded"]),
    ({"who": "egon"}, ALL),
    ({"who": "{egon}"}, ["canceled", "failed"]),
    ({"who": "{charlie}"}, []),
    ({"subject": "{ticket}"}, ["succeeded"]),
    ({"subject": "{nothing}"}, []),
    ({"subject": "rubbish"}, []),
    ({"time": "today"}, ALL),
    ({"time": "30", "who": "me", "kind": BROKEN}, ["queued"]),
    ({"from": "2020-01-01", "to": "2020-01-31"}, []),
    ({"from": "2020-01-01"}, ALL),
    ({"to": "2020-01-01"}, []),
    ({"from": "rubbish"}, ALL),
    ({"kind": f"{REPORT}\0", "status": "\0", "who": "\0me", "to": "\0"}, ALL),
    ({"after": "rubbish"}, ALL),
]


@pytest.mark.parametrize(("asked", "found"), FILTERS)
def test_filters_of_page_and_file_are_the_same(
    client, some, egon, charlie, asked, found
):
    places = {
        "egon": egon.pk,
        "charlie": charlie.pk,
        "ticket": some["succeeded"].subject_id,
        "nothing": uuid4(),
    }
    asked = {name: value.format(**places) for name, value in asked.items()}
    expected = [some[name].pk for name in found]
    response = client.get(url(), asked)
    assert response.status_code == 200
    assert [job.pk for job in shown(response)] == expected
    rows = table(client.get(url("jobs_csv"), asked))
    assert [row["id"] for row in rows] == [str(pk) for pk in expected]


def test_the_page_shows_what_was_asked_and_each_job(client, some, egon):
    page = client.get(url(), {"status": "failed", "who": str(egon.pk)}).text
    assert '<option value="failed" selected>' in page
    assert f'<option value="{egon.pk}" selected>Egon</option>' in page
    assert "The password is wrong." in page
    assert reverse("jobs:job", args=[some["failed"].pk]) in page
    assert f"{url('jobs_csv')}?status=failed&amp;who={egon.pk}" in page
    page = client.get(url(), {"subject": some["succeeded"].subject_id}).text
    assert "What ran for Ticket" in page
    assert "Toner is low" in page


def test_days_are_those_of_the_accounts_calendar(client, account, alice):
    now = timezone.now()
    jobs = {
        days: past_job(alice, now - timedelta(days=days)) for days in (0, 3, 20, 40)
    }
    for time, found in (("today", [0]), ("7", [0, 3]), ("30", [0, 3, 20])):
        response = client.get(url(), {"time": time})
        assert shown(response) == [jobs[days] for days in found], time
    day = timezone.localdate() - timedelta(days=3)
    response = client.get(url(), {"time": "between", "from": day, "to": day})
    assert shown(response) == [jobs[3]]
    response = client.get(url(), {"from": day, "to": day - timedelta(days=1)})
    assert "This day is before the first one." in response.text


def test_nothing_here_is_said(client, some):
    assert "Nothing fits this filter." in client.get(url(), {"subject": uuid4()}).text
    Job.objects.all().delete()
    assert "No job yet" in client.get(url()).text


def test_fifty_a_page_and_both_ways(client, alice):
    newest_first = [make_job(alice) for _ in range(101)][::-1]
    first = client.get(url(), {"who": "me"})
    assert shown(first) == newest_first[:50]
    second = client.get(url() + first.context["list"].older_url)
    assert shown(second) == newest_first[50:100]
    third = client.get(url() + second.context["list"].older_url)
    assert shown(third) == newest_first[100:]
    assert third.context["list"].older_url == ""
    back = client.get(url() + third.context["list"].newer_url)
    assert shown(back) == shown(second)
    assert "who=me" in back.context["list"].newer_url


def test_it_costs_the_same_for_few_and_for_many(client, account, alice, egon):
    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            response = client.get(path)
            assert response.status_code == 200
            b"".join(response)
        return len(captured)

    costs = []
    for more in (5, 45):
        for number in range(more):
            ticket = open_ticket(account, by=alice, title=f"Ticket {number}")
            make_job(egon if number % 2 else alice, subject=ticket)
        cost(url())
        costs.append((cost(url()), cost(url("jobs_csv"))))
    assert len(shown(client.get(url()))) == 50
    assert costs[0] == costs[1]
    # Session, person, colleagues, jobs, tickets.
    assert costs[0][0] <= 6


def test_another_accounts_jobs_are_absent(some, charlie):
    client = signed_in(charlie)
    assert shown(client.get(url())) == []
    assert table(client.get(url("jobs_csv"))) == []
    ticket = some["succeeded"].subject_id
    assert shown(client.get(url(), {"subject": ticket})) == []
    assert "Egon" not in client.get(url()).text


def test_the_products_own_jobs_are_for_operators(alice, some):
    own = make_job(None)
    operator = make_user(None, "root", is_superuser=True)
    assert own in shown(signed_in(operator).get(url()))
    assert len(shown(signed_in(operator).get(url()))) == 6
    assert own not in shown(signed_in(alice).get(url()))
    page = signed_in(operator).get(url()).text
    assert "Schedule" in page


def test_a_subject_of_another_account_is_not_named(client, alice, charlie):
    theirs = open_ticket(charlie.account, by=charlie, title="Not for Acme")
    make_job(alice, subject=theirs, account=alice.account)
    page = client.get(url())
    assert len(shown(page)) == 1
    assert "Not for Acme" not in page.text


# --- live -----------------------------------------------------------------------------
def test_only_what_can_still_change_is_asked_for(client, some):
    response = client.get(url())
    live = response.context["live_url"]
    assert live.count("row=") == 2
    for name in ("queued", "running"):
        assert f"row={some[name].pk}." in live
    assert f'hx-get="{live.replace("&", "&amp;")}"' in response.text
    ended = client.get(url(), {"status": "failed"})
    assert "hx-get" not in ended.text.split('id="jobs-live"')[1]


def test_nothing_moved_is_an_empty_answer(client, some):
    assert client.get(client.get(url()).context["live_url"]).status_code == 204


def test_a_row_that_moved_comes_alone(client, some):
    live = client.get(url()).context["live_url"]
    change(some["running"], done=12, total=40, phase="Reading pages")
    response = client.get(live)
    assert shown(response) == [some["running"]]
    assert 'hx-swap-oob="true"' in response.text
    assert "12 of 40" in response.text
    assert str(some["queued"].pk) in response.context["live_url"]
    assert client.get(response.context["live_url"]).status_code == 204


def test_when_all_have_ended_nobody_asks_again(client, some, alice):
    live = client.get(url(), {"kind": BROKEN, "status": "queued"}).context["live_url"]
    cancel_job(some["queued"], by=alice)
    response = client.get(live)
    assert shown(response) == [some["queued"]]
    assert "Canceled" in response.text
    assert response.context["live_url"] == ""
    assert "hx-trigger" not in response.text


@pytest.mark.parametrize("row", ["", "rubbish", f"{UUID(int=7)}.1", "\0", "a.b.c"])
def test_rows_that_are_not_there_end_the_asking(client, row):
    response = client.get(url("rows"), {"row": row})
    assert response.status_code == 200
    assert response.context["live_url"] == ""


def test_rows_of_another_account_are_not_told(client, some, charlie):
    live = client.get(url()).context["live_url"]
    response = signed_in(charlie).get(live)
    assert shown(response) == []
    assert response.context["live_url"] == ""


# --- the file -------------------------------------------------------------------------
def test_the_file_has_every_column(client, some):
    row = table(client.get(url("jobs_csv"), {"status": "failed"}))[0]
    job = some["failed"]
    assert tuple(row) == HEADER
    assert row["kind"] == BROKEN
    assert row["started_by"] == "Egon"
    assert row["created_at"] == job.created_at.isoformat()
    assert row["failure_reason"] == "The password is wrong."
    assert float(row["seconds"]) >= 0
    queued = table(client.get(url("jobs_csv"), {"status": "queued"}))[0]
    assert queued["started_at"] == queued["completed_at"] == queued["seconds"] == ""


def test_a_spreadsheet_calculates_nothing(client, some):
    change(some["failed"], failure_reason="=1+2")
    row = table(client.get(url("jobs_csv"), {"status": "failed"}))[0]
    assert row["failure_reason"] == "'=1+2"


def test_a_subject_that_cannot_be_named_leaves_the_list_whole(client, alice):
    unowned = make_flow(alice.account).current_version
    job = make_job(alice, subject=unowned, account=alice.account)
    gone = make_job(alice, subject=unowned, account=alice.account)
    kind = ContentType.objects.create(app_label="gone", model="thing")
    change(gone, subject_type_id=kind.pk)
    assert shown(client.get(url())) == [gone, job]
    assert client.get(reverse("jobs:job", args=[gone.pk])).status_code == 200
    page = client.get(reverse("jobs:job", args=[job.pk])).text
    assert "Flow version" in page
