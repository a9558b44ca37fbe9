"""The list of cases: filtered, cut into pages, as a file, and what home shows of it."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.budgets.tests.make import at_most
from tests.conftest import signed_in
from workflows.core.paging import PAGE_SIZE
from workflows.support.actions.cases import begin_case
from workflows.support.actions.generating import generate_sosreport
from workflows.support.collecting.options import ReportOptions
from workflows.support.tests.make import make_case, make_host
from workflows.support.tests.pages import text

pytestmark = pytest.mark.django_db
LIST, CSV = reverse("support:cases"), reverse("support:cases_csv")
STEPS = ("select_product", "sos_report", "jira_attach", "completed", "failed")


@pytest.fixture
def client(alice):
    return signed_in(alice)


def listed(client, **asked):
    return [case.pk for case in client.get(LIST, asked).context["list"].rows]


def test_an_empty_list_says_what_would_be_here(client, egon):
    page = text(client.get(LIST))
    assert "No case yet" in page
    assert reverse("support:start") in page
    assert reverse("support:hosts") not in page
    assert reverse("support:hosts") in text(signed_in(egon).get(LIST))


def test_newest_first_with_where_each_stands(client, alice):
    cases = [make_case(alice, at=at) for at in STEPS]
    running = make_case(alice)
    generate_sosreport(running, by=alice, options=ReportOptions(), consent=True)
    assert listed(client) == [case.pk for case in reversed([*cases, running])]
    page = text(client.get(LIST))
    for words in ("Product", "Report", "Jira", "Completed", "Failed", "Running"):
        assert words in page
    assert "https://jira.example.com/browse/ABC-1" in page


@pytest.mark.parametrize("step", STEPS)
def test_filter_by_step(client, alice, step):
    cases = {at: make_case(alice, at=at) for at in STEPS}
    assert listed(client, step=step) == [cases[step].pk]


def test_filter_by_person_and_host(client, alice, egon, account):
    host = make_host(account)
    mine, theirs = make_case(alice, host=host), make_case(egon)
    assert listed(client) == [theirs.pk, mine.pk]
    assert listed(client, who="me") == [mine.pk]
    assert listed(client, host=str(host.pk)) == [mine.pk]
    assert listed(client, host=str(host.pk), who="me", step="failed") == []
    shown = client.get(LIST, {"host": host.pk})
    assert f'<option value="{host.pk}" selected>' in text(shown)


@pytest.mark.parametrize(
    "asked", [{"step": "nowhere"}, {"host": "web-1"}, {"who": "x"}, {"step": "\0"}]
)
def test_what_makes_no_sense_is_not_asked(client, alice, asked):
    case = make_case(alice)
    assert listed(client, **asked) == [case.pk]


def test_nothing_fits(client, alice):
    make_case(alice)
    page = text(client.get(LIST, {"step": "completed"}))
    assert "Nothing fits this filter" in page
    assert "Show all" in page


def test_another_accounts_cases_are_not_listed(client, charlie):
    make_case(charlie)
    assert listed(client) == []
    assert b"".join(client.get(CSV).streaming_content).count(b"\n") == 1


def test_pages_of_a_long_list(client, alice):
    cases = [begin_case(by=alice) for _number in range(PAGE_SIZE + 2)]
    first = client.get(LIST).context["list"]
    assert [row.pk for row in first.rows] == [c.pk for c in cases[:1:-1]]
    older = client.get(LIST + first.older_url).context["list"]
    assert [row.pk for row in older.rows] == [cases[1].pk, cases[0].pk]
    newer = client.get(LIST + older.newer_url).context["list"]
    assert newer.rows == first.rows


def test_the_same_as_a_file(client, alice, charlie, account):
    make_case(charlie)
    cases = [make_case(alice, at=at, host=make_host(account)) for at in STEPS[1:]]
    response = client.get(CSV)
    content = b"".join(response.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["id"] for row in rows] == [str(case.pk) for case in reversed(cases)]
    assert rows[0]["last_error_code"] == "host_unreachable"
    assert rows[0]["failed_step"] == "sos_report"
    assert rows[1]["issue"] == "ABC-1"
    assert rows[1]["archive"].startswith("sosreport-")
    only = client.get(CSV, {"step": "failed"})
    assert b"".join(only.streaming_content).count(b"\n") == 2


def test_a_host_called_like_a_formula_is_none_in_the_file(client, alice, account):
    make_case(alice, host=make_host(account, name="=cmd()"))
    assert b"'=cmd()" in b"".join(client.get(CSV).streaming_content)


def test_the_list_costs_the_same_for_many(client, alice, account):
    for at in STEPS:
        make_case(alice, at=at)
    client.get(LIST)
    with at_most(4):  # session, user, hosts, cases
        client.get(LIST)


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "ix_session_account"),
        ({"step": "failed"}, "ix_session_step"),
        ({"host": "one"}, "ix_session_host"),
        ({"who": "me"}, "ix_session_created_by"),
        ({"code": "timeout"}, "ix_session_error"),
    ],
)
@pytest.mark.sqlite
def test_each_filter_is_served_by_an_index(client, alice, account, asked, index):
    host = make_host(account)
    if "host" in asked:
        asked = {"host": host.pk}
    assert served_by(index, client, LIST, asked)


def served_by(index, client, *asked):
    """Is the page's query for cases read along this index, with nothing to sort?"""
    with CaptureQueriesContext(connection) as caught:
        client.get(*asked)
    [query] = [
        q["sql"] for q in caught if 'FROM "workflows_workflowsession"' in q["sql"]
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        plan = [row[3] for row in cursor.fetchall()]
    assert any(index in step for step in plan), plan
    return not any("TEMP B-TREE" in step for step in plan)


@pytest.mark.sqlite
def test_home_is_served_by_an_index_of_what_is_open(client, alice):
    make_case(alice)
    assert served_by("ix_session_open", client, "/")


def test_home_shows_what_one_has_not_finished(client, alice, egon):
    open_case, failed = make_case(alice), make_case(alice, at="failed")
    finished, theirs = make_case(alice, at="completed"), make_case(egon)
    page = text(client.get("/"))
    assert "Your support cases" in page
    for case, shown in (
        (open_case, True),
        (failed, True),
        (finished, False),
        (theirs, False),
    ):
        assert (case.get_absolute_url() in page) is shown


def test_home_without_cases_has_no_such_section(client, nora, alice):
    assert "Your support cases" not in text(client.get("/"))
    make_case(alice)
    assert "Your support cases" not in text(signed_in(nora).get("/"))
