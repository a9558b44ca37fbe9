"""Jobs are shown with their cases, which are called by their hosts: in one look."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.conftest import signed_in
from workflows.support.tests.make import ask, make_case, make_host
from workflows.support.tests.pages import text

pytestmark = pytest.mark.django_db
LIST, DRAWER = reverse("jobs:jobs"), reverse("jobs:drawer")


@pytest.fixture
def client(alice):
    return signed_in(alice)


def report_on(name, by):
    """Return a job that makes a report of a host of its own."""
    return ask(make_case(by, host=make_host(by.account, name=name)))


def asked(client, address):
    """Return the queries of a page, once what it keeps in memory is there."""
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in queries]


@pytest.mark.parametrize(
    ("address", "queries"),
    # Session, user, jobs, cases; the list's choice of people.
    [(LIST, 5), (DRAWER, 4)],
)
def test_it_costs_the_same_for_few_and_for_many_hosts(client, alice, address, queries):
    report_on("db-1", alice)
    few = asked(client, address)
    for number in range(2, 9):
        report_on(f"db-{number}", alice)
    many = asked(client, address)
    assert len(few) == len(many) <= queries, "\n".join(many)
    shown = text(client.get(address))
    for number in range(1, 9):
        assert f"db-{number}" in shown


def test_the_progress_of_a_report_is_told_in_few_queries(client, alice):
    job = report_on("db-1", alice)
    address = reverse("jobs:progress", args=[job.pk])
    # Session, user, the job; then its steps, and its case with the host.
    assert len(asked(client, address)) <= 5


def test_no_key_is_loaded_for_a_name(client, alice):
    job = report_on("db-1", alice)
    page = reverse("jobs:job", args=[job.pk])
    progress = reverse("jobs:progress", args=[job.pk])
    for address in (LIST, DRAWER, page, progress):
        queries = asked(client, address)
        assert any("workflows_host" in query for query in queries)
        assert not any('"private_key"' in query for query in queries)


def test_a_jobs_page_calls_it_a_case(client, alice):
    job = report_on("db-1", alice)
    shown = text(client.get(reverse("jobs:job", args=[job.pk])))
    assert "<dt>Case</dt>" in shown
    assert "session" not in shown.lower()
    assert "What ran for Case" in text(client.get(LIST, {"subject": job.subject_id}))
