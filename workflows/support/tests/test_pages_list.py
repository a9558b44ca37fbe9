"""The list of cases: filtered, cut into pages, as a file, and what home shows of it."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.conftest import signed_in
from workflows.core.paging import PAGE_SIZE
from workflows.support.actions.cases import fail_case, new_case
from workflows.support.actions.generating import generate_sosreport
from workflows.support.collecting.options import ReportOptions
from workflows.support.forms import filters
from workflows.support.tests.make import aged, make_case, make_host
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


def test_filter_by_failure_in_plain_words(client, alice, mona):
    failed = make_case(alice, at="failed")
    make_case(alice)
    assert listed(client, code="host_unreachable") == [failed.pk]
    assert listed(client, code="timeout") == []
    page = text(signed_in(mona).get(LIST))
    assert '<option value="host_unreachable">The host does not answer</option>' in page
    assert '<option value="path_unsafe">The place of the report' in page


def test_a_failure_that_no_problem_has_any_more_is_found(client, alice):
    case = make_case(alice)
    fail_case(case.pk, "of_old", "It was so once.")
    make_case(alice, at="failed")
    assert listed(client, code="of_old") == [case.pk]
    page = text(client.get(LIST, {"code": "of_old"}))
    assert '<option value="of_old" selected>of_old</option>' in page


def test_filter_by_when_it_was_begun(client, alice):
    recent, old = make_case(alice), aged(make_case(alice, at="failed"), days=20)
    assert listed(client, days="7") == [recent.pk]
    assert listed(client, days="30") == [recent.pk, old.pk]
    assert listed(client, days="30", step="failed") == [old.pk]
    shown = client.get(LIST, {"days": "7"})
    assert '<option value="7" selected>Last 7 days</option>' in text(shown)


def test_of_many_hosts_a_name_is_typed(client, alice, account, monkeypatch):
    rows = {
        name: make_case(alice, host=make_host(account, name=name)).pk
        for name in ("web-1", "web-2", "db-1")
    }
    monkeypatch.setattr(filters, "MOST_CHOICES", 2)
    page = text(client.get(LIST))
    assert "Part of a host&#x27;s name" in page
    assert '<select name="host"' not in page
    assert listed(client, host="DB") == [rows["db-1"]]
    assert listed(client, host="web") == [rows["web-2"], rows["web-1"]]
    assert 'value="web"' in text(client.get(LIST, {"host": "web"}))
    assert "Nothing fits this filter" in text(client.get(LIST, {"host": "mail"}))
    only = b"".join(client.get(CSV, {"host": "web"}).streaming_content)
    assert only.count(b"\n") == 3
    # With few hosts they are chosen from, unless a name was asked for.
    monkeypatch.undo()
    assert '<select name="host"' in text(client.get(LIST))
    assert 'value="web"' in text(client.get(LIST, {"host": "web"}))


@pytest.mark.parametrize(
    "asked",
    [
        {"step": "nowhere"},
        {"host": "\0"},
        {"who": "x"},
        {"step": "\0"},
        {"code": "\0"},
        {"code": "DROP TABLE"},
        {"days": "8"},
        {"days": "x"},
    ],
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
    cases = [new_case(alice, alice.account) for _number in range(PAGE_SIZE + 2)]
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


def test_list_and_file_cost_the_same_for_few_and_for_many(client, alice, account):
    def cost(path):
        with CaptureQueriesContext(connection) as asked:
            b"".join(client.get(path))
        return len(asked)

    client.get(LIST)
    costs = []
    for more in (len(STEPS), 4 * len(STEPS)):
        for number in range(more):
            make_case(alice, at=STEPS[number % len(STEPS)], host=make_host(account))
        costs.append((cost(LIST), cost(CSV)))
    assert costs[0] == costs[1]
    # Session, user, cases; the list's choice of hosts.
    assert costs[0][0] <= 4
    assert costs[0][1] <= 3


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "ix_session_account"),
        ({"step": "failed"}, "ix_session_step"),
        ({"host": "one"}, "ix_session_host"),
        ({"who": "me"}, "ix_session_created_by"),
        ({"code": "timeout"}, "ix_session_error"),
        ({"days": "7"}, "ix_session_account"),
        ({"step": "failed", "code": "timeout", "days": "30"}, "ix_session_error"),
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
