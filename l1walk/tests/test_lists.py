"""The list of walks: filtered, paged by keyset, and the same as a file."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from l1walk.actions.escalations import escalate_walk
from l1walk.actions.walks import abandon_walk, resolve_walk
from l1walk.models import L1WalkSession
from l1walk.tests.make import give, make_flow, make_walk
from l1walk.views.lists import HEADER
from tests.conftest import make_user, signed_in
from workflows.core.accounts import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


def url(name: str = "walks") -> str:
    return reverse(f"l1walk:{name}")


def page(response: Any) -> str:
    return str(response.content.decode())


def problems(response: Any) -> list[str]:
    return [row.problem_text for row in response.context["list"].rows]


def table(response: Any) -> list[dict[str, str]]:
    """Return a CSV response as rows by column."""
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def some(account, alice, egon) -> dict[str, L1WalkSession]:
    """A walk of each status, by the text of its problem."""
    printer, wifi = make_flow(account), make_flow(account, title="Wi-Fi")
    made = {
        "active": make_walk(account, alice, printer, problem_text="active"),
        "resolved": make_walk(account, alice, wifi, problem_text="resolved"),
        "escalated": make_walk(account, egon, printer, problem_text="escalated"),
        "abandoned": make_walk(account, egon, problem_text="abandoned"),
    }
    resolve_walk(made["resolved"], by=alice, version=0, notes="Cable", helpful=True)
    escalate_walk(
        made["escalated"], by=egon, version=0, category="other", reason="Smoke"
    )
    abandon_walk(made["abandoned"], by=egon, version=0)
    return made


FILTERS = [
    ({}, ["abandoned", "escalated", "resolved", "active"]),
    ({"status": "active"}, ["active"]),
    ({"status": "abandoned"}, ["abandoned"]),
    ({"status": "nonsense"}, ["abandoned", "escalated", "resolved", "active"]),
    ({"who": "me"}, ["resolved", "active"]),
    ({"who": "egon"}, ["abandoned", "escalated", "resolved", "active"]),
    ({"flow": "printer"}, ["escalated", "active"]),
    ({"flow": "printer", "who": "me"}, ["active"]),
    ({"flow": "printer", "status": "resolved"}, []),
    ({"flow": "no-such-flow"}, []),
    ({"flow": "printer\0", "status": "\0", "who": "\0me"}, ["active"]),
    ({"after": "rubbish"}, ["abandoned", "escalated", "resolved", "active"]),
]


@pytest.mark.parametrize(("asked", "found"), FILTERS)
def test_filters_of_the_page_and_of_the_file_are_the_same(client, some, asked, found):
    assert problems(client.get(url(), asked)) == found
    assert [row["problem"] for row in table(client.get(url("walks_csv"), asked))] == (
        found
    )


def test_the_page_shows_what_it_was_asked_and_each_walk(client, some):
    shown = page(client.get(url(), {"status": "escalated", "flow": "printer"}))
    assert '<option value="escalated" selected>' in shown
    assert '<option value="printer" selected>' in shown
    assert reverse("l1walk:walk", args=[some["escalated"].pk]) in shown
    assert "Egon" in shown
    assert f"{url('walks_csv')}?status=escalated&amp;flow=printer" in shown
    assert "Without a flow" in page(client.get(url(), {"status": "abandoned"}))


def test_a_forgotten_walk_is_marked(client, account, alice):
    make_walk(account, alice, now=timezone.now() - timedelta(minutes=29))
    assert "Idle" not in page(client.get(url()))
    make_walk(account, alice, now=timezone.now() - timedelta(minutes=31))
    assert "Idle" in page(client.get(url()))


def test_nothing_fits_is_said(client, some):
    assert "Nothing fits this filter." in page(client.get(url(), {"flow": "none"}))


def many_walks(user: User, number: int) -> list[str]:
    """Make walks; return their problems, newest first."""
    assert user.account is not None
    flow = make_flow(user.account)
    for place in range(number):
        make_walk(user.account, user, flow, problem_text=f"walk {place}")
    return [f"walk {place}" for place in reversed(range(number))]


def test_fifty_a_page_and_both_ways(client, alice):
    newest_first = many_walks(alice, 101)
    first = client.get(url(), {"who": "me"})
    assert problems(first) == newest_first[:50]
    assert first.context["list"].newer_url == ""
    second = client.get(url() + first.context["list"].older_url)
    assert problems(second) == newest_first[50:100]
    third = client.get(url() + second.context["list"].older_url)
    assert problems(third) == newest_first[100:]
    assert third.context["list"].older_url == ""
    back = client.get(url() + third.context["list"].newer_url)
    assert problems(back) == problems(second)
    top = client.get(url() + back.context["list"].newer_url)
    assert problems(top) == problems(first)
    assert top.context["asked"]["who"] == "me"
    assert top.context["list"].newer_url == ""


def test_walks_that_begin_meanwhile_move_no_page(client, account, alice):
    newest_first = many_walks(alice, 60)
    first = client.get(url())
    make_walk(account, alice, problem_text="just now")
    second = client.get(url() + first.context["list"].older_url)
    assert problems(second) == newest_first[50:]
    top = client.get(url() + second.context["list"].newer_url)
    assert problems(top) == newest_first[:50]
    assert top.context["list"].newer_url


def test_it_costs_the_same_for_few_and_for_many(client, account, alice, egon):
    costs = []
    for more in (3, 57):
        for place in range(more):
            walk = make_walk(account, egon, make_flow(account, title=f"F{place}"))
            give(walk, egon, "a1")
        client.get(url())
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url()).status_code == 200
        costs.append(len(captured))
        with CaptureQueriesContext(connection) as captured:
            assert table(client.get(url("walks_csv")))
        costs.append(len(captured))
    assert costs[:2] == costs[2:]


def test_another_accounts_walks_are_absent(some, charlie):
    client = signed_in(charlie)
    assert problems(client.get(url())) == []
    assert table(client.get(url("walks_csv"))) == []
    assert problems(client.get(url(), {"flow": "printer"})) == []
    assert "Wi-Fi" not in page(client.get(url()))


def test_everybody_of_the_account_may_look_but_not_take_calls(nora, some):
    response = signed_in(nora).get(url())
    assert len(problems(response)) == 4
    assert "Take a call" not in page(response).split("<main", 1)[1]


# --- the file -------------------------------------------------------------------------
def test_the_file_has_every_column_of_a_walk(client, some, alice):
    response = client.get(url("walks_csv"), {"status": "resolved"})
    assert isinstance(response, StreamingHttpResponse)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="walks.csv"' in response["Content-Disposition"]
    (row,) = table(response)
    walk = L1WalkSession.objects.get(status="resolved")
    assert tuple(row) == HEADER
    assert row == {
        "id": str(walk.pk),
        "ticket_kind": "psa",
        "ticket_id": "EXT-7",
        "session_kind": "flow",
        "flow": "Wi-Fi",
        "status": "resolved",
        "problem": "resolved",
        "started_by": "Alice",
        "started_at": walk.started_at.isoformat(),
        "last_step_at": walk.last_step_at.isoformat(),
        "steps": "0",
        "helpful": "True",
        "escalation_category": "",
        "escalation_reason": "",
        "resolution_notes": "Cable",
    }


def test_what_is_not_known_is_an_empty_cell(client, some):
    rows = {row["problem"]: row for row in table(client.get(url("walks_csv")))}
    assert rows["abandoned"]["flow"] == ""
    assert rows["abandoned"]["helpful"] == ""
    assert rows["escalated"]["escalation_category"] == "other"
    assert rows["escalated"]["escalation_reason"] == "Smoke"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_calculates_nothing(client, account, start):
    evil = make_user(account, "evil", "technician", first_name=f"{start}Eve")
    walk = make_walk(
        account,
        evil,
        make_flow(account, title=f"{start}1+2"),
        problem_text=f'{start}HYPERLINK("http://example.com")',
        ticket_id=f"{start}A1",
    )
    resolve_walk(walk, by=evil, version=0, notes=f"{start}cmd|' /C calc'!A0")
    (row,) = table(client.get(url("walks_csv")))
    for name in ("problem", "ticket_id", "resolution_notes", "flow"):
        assert row[name].startswith("'"), name
    assert row["started_by"] in {f"'{start}Eve", "Eve"}
    assert row["status"] == "resolved"


def test_commas_quotes_and_lines_stay_in_their_cell(client, account, alice):
    text = 'He said "no", then\nleft; naïve 日本語'
    make_walk(account, alice, problem_text=text)
    (row,) = table(client.get(url("walks_csv")))
    assert row["problem"] == text


def test_the_file_streams_and_is_not_cut_at_a_page(client, alice):
    newest_first = many_walks(alice, 60)
    response = client.get(url("walks_csv"), {"who": "me"})
    assert response.streaming
    assert [row["problem"] for row in table(response)] == newest_first


def test_no_walk_is_a_file_with_its_header_alone(client):
    response = client.get(url("walks_csv"))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    assert text.strip() == ",".join(HEADER)
