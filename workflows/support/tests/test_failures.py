"""Managers see what cases fail of, by code; so does the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.budgets.tests.make import at_most
from tests.conftest import make_account, make_user, signed_in
from workflows.core.ids import first_id_at
from workflows.support.actions.cases import fail_case
from workflows.support.explaining import meaning_of, meanings
from workflows.support.models import WorkflowSession
from workflows.support.tests.make import make_case
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
    if not days:
        return case.pk
    # Only a test makes a case older: its parts are of no interest here.
    case.sosreport.delete()
    case.jira.delete()
    begun = first_id_at(timezone.now() - timedelta(days=days))
    WorkflowSession._base_manager.filter(pk=case.pk).update(id=begun)
    return begun


def rows(response):
    return [(row.code, row.count, row.share) for row in response.context["failures"]]


def test_failures_are_counted_by_code_and_lead_to_their_cases(client, alice, egon):
    for _case in range(3):
        failed(alice, "timeout")
    lost = failed(egon, "host_unreachable")
    make_case(alice)
    response = client.get(URL)
    assert rows(response) == [("timeout", 3, 75), ("host_unreachable", 1, 25)]
    page = text(response)
    assert "It took too long and was ended." in page
    assert "The host does not answer." in page
    assert f'href="{LIST}?code=host_unreachable"' in page
    found = client.get(f"{LIST}?code=host_unreachable")
    assert [row.pk for row in found.context["list"].rows] == [lost]


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


def test_every_code_means_something():
    for code in meanings():
        meaning = meaning_of(code)
        assert "%(" not in meaning, code
        assert meaning.endswith(".") or meaning == code
    assert meaning_of("artifact_too_large").startswith("The file is larger")
    assert "log in, or make reports" in meaning_of("privilege_required")
    assert meaning_of("gone_for_long") == "gone_for_long"
