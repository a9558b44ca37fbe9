"""Managers see what cases fail of, by code; so does the admin."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.budgets.tests.make import at_most
from tests.conftest import make_account, make_user, signed_in
from workflows.core.jira import JiraProblem
from workflows.support.actions.cases import fail_case
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.collecting.problems import ReportProblem
from workflows.support.explaining import (
    OWN,
    descendants,
    label_of,
    labels,
    meaning_of,
    meanings,
)
from workflows.support.models import WorkflowSession
from workflows.support.problems import CaseProblem, MissingFetchReference
from workflows.support.tests.make import aged, make_case
from workflows.support.tests.pages import text

pytestmark = pytest.mark.django_db
URL, LIST, ADMIN = (
    "/support/failures/",
    "/support/",
    "/admin/workflows/workflowsession/",
)


@pytest.fixture
def client(mona):
    return signed_in(mona)


def failed(by, code, *, days=0):
    """Return the key of a case that has failed, begun so many days ago."""
    case = make_case(by)
    fail_case(case.pk, code, "Something.")
    return aged(case, days=days).pk if days else case.pk


def rows(response):
    return [(row.code, row.count, row.share) for row in response.context["failures"]]


def refused(by, problem):
    """Have a case told that something comes first: it has not failed."""
    with pytest.raises(problem):
        fetch_sosreport(case := make_case(by), by=by)
    case = WorkflowSession.objects.get(pk=case.pk)
    assert (case.current_step, case.last_error_code) == ("sos_report", problem.code)


def test_failures_are_counted_by_code_in_words(client, alice, egon):
    for _case in range(3):
        failed(alice, "timeout")
    failed(egon, "host_unreachable")
    make_case(alice)
    response = client.get(URL)
    assert rows(response) == [("timeout", 3, 75), ("host_unreachable", 1, 25)]
    page = text(response)
    assert "It took too long and was ended." in page
    assert "The host does not answer." in page


@pytest.mark.parametrize("days", [7, 30, 90])
def test_each_number_leads_to_just_these_cases(client, alice, days):
    code = MissingFetchReference.code
    refused(alice, MissingFetchReference)
    for begun in (0, 20, 60, 100):
        failed(alice, code, days=begun)
        failed(alice, "of_old", days=begun)
    response = client.get(f"{URL}?days={days}")
    assert f"Cases begun in the last {days} days that stand failed" in text(response)
    addresses = re.findall(rf'href="({LIST}\?[^"]*code=[^"]*)"', text(response))
    assert len(addresses) == len(response.context["failures"]) == 2
    for row, address in zip(response.context["failures"], addresses, strict=True):
        shown = client.get(html.unescape(address)).context["list"].rows
        assert len(shown) == row.count == {7: 1, 30: 2, 90: 3}[days]
        assert {case.last_error_code for case in shown} == {row.code}
        assert {case.current_step for case in shown} == {"failed"}


def test_what_was_only_told_to_wait_has_not_failed(client, alice):
    refused(alice, MissingFetchReference)
    assert rows(client.get(URL)) == []


def test_what_went_well_in_the_end_counts_no_more(client, alice):
    case = failed(alice, "timeout")
    with WorkflowSession.moving(case, by=alice) as row:
        row.collect_again()
    response = client.get(URL)
    assert rows(response) == []
    assert "Nothing failed" in text(response)


@pytest.mark.parametrize(
    ("asked", "found"), [("", 2), ("?days=7", 1), ("?days=90", 3), ("?days=x", 2)]
)
def test_a_period_is_chosen(client, alice, asked, found):
    for days in (0, 20, 60):
        failed(alice, "timeout", days=days)
    [row] = client.get(URL + asked).context["failures"]
    assert row.count == found


def test_another_accounts_failures_are_not_counted(client):
    failed(make_user(make_account("rival"), "rita", "technician"), "timeout")
    assert rows(client.get(URL)) == []


def test_only_for_those_who_look_at_everything(client, alice):
    assert signed_in(alice).get(URL).status_code == 403
    assert URL not in text(signed_in(alice).get(LIST))
    failed(alice, "timeout")
    assert URL in text(client.get(LIST))


def test_few_queries(client, alice):
    for code in ("timeout", "disk_full", "timeout"):
        failed(alice, code)
    client.get(URL)
    with at_most(3):
        client.get(URL)


def plan_of(client, address):
    """Return how the database reads what the page shows of failed cases."""
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    # The admin counts as well; both are read alike.
    *_, query = [q["sql"] for q in asked if "last_error_code" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query}")
        return " ".join(row[3] for row in cursor.fetchall())


@pytest.mark.sqlite
def test_they_are_read_along_an_index(client, alice):
    failed(alice, "timeout")
    steps = "ix_session_step (account_id=? AND current_step=? AND id>?)"
    assert steps in plan_of(client, URL)
    codes = "ix_session_error (account_id=? AND last_error_code=?)"
    assert codes in plan_of(client, f"{ADMIN}?code=timeout")


def test_the_admin_is_filtered_by_step_code_and_age(client, alice):
    old = failed(alice, "timeout", days=60)
    new = failed(alice, "disk_full")
    for asked, found in {
        "code=disk_full": [new],
        "code=timeout": [old],
        "days=7": [new],
        "days=-30": [old],
        "current_step__exact=completed": [],
        "days=never": [new, old],
    }.items():
        response = client.get(f"{ADMIN}?{asked}", follow=True)
        assert response.status_code == 200
        listed = [row.pk for row in response.context["cl"].result_list]
        assert listed == found, asked


# --- in words -------------------------------------------------------------------------
def words_by_code():
    found = {}
    for family in (ReportProblem, CaseProblem, JiraProblem):
        for problem in descendants(family):
            words = str(getattr(problem, "words", problem))
            found.setdefault(problem.code, set()).add(words)
    return found


def test_a_code_of_several_problems_has_words_of_its_own():
    found = words_by_code()
    assert {code for code, words in found.items() if len(words) > 1} <= OWN.keys()
    assert found.keys() >= OWN.keys()


def test_every_code_means_something():
    assert words_by_code().keys() == meanings().keys()
    for code in meanings():
        meaning = meaning_of(code)
        assert meaning != code
        assert "%(" not in meaning, code
        assert meaning.endswith("."), code
    assert meaning_of("gone_for_long") == "gone_for_long"


def test_words_of_several_causes_blame_none_of_them():
    for code, cause in {
        "validation_error": "options do not go",
        "artifact_too_large": "than Jira takes",
        "disk_full": "The host has",
        "attach_failed": "ended unexpectedly",
    }.items():
        assert cause not in meaning_of(code)


def test_every_code_has_a_label_that_fits_into_a_choice():
    words = [label for _code, label in labels()]
    assert len(set(words)) == len(words) == len(meanings())
    assert max(map(len, words)) <= 60
    assert words == sorted(words, key=str.casefold)
    assert label_of("disk_full") == "There is too little free space"


def test_lists_and_their_filters_have_words_and_no_codes(client, alice):
    failed(alice, "path_unsafe")
    for place, times in ((LIST, 1), (ADMIN, 2)):  # the admin's rows have them, too
        page = text(client.get(place))
        assert "The host does not answer" in page
        assert page.count("The place of the report on the host holds") == times
        assert ">path_unsafe<" not in page
