"""Cases from the first click to the last page, and who may open them at all."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from jobs.actions.running import drain
from jobs.budgets.tests.make import at_most
from tests.conftest import signed_in
from tests.jira import TOKEN
from workflows.core.tests.make import CONNECTION_TOKEN, make_connection
from workflows.support.models import WorkflowSession
from workflows.support.tasks import QUEUE
from workflows.support.tests.make import make_case, make_host, reread
from workflows.support.tests.pages import moved_to, opened, send, text, url

pytestmark = pytest.mark.django_db
LIST, START = reverse("support:cases"), reverse("support:start")
SLUGS = ("product", "report", "jira")
STEPS = ("select_product", "sos_report", "jira_attach")


@pytest.fixture
def client(alice):
    return signed_in(alice)


# --- from end to end ------------------------------------------------------------------
def test_a_report_goes_from_the_host_onto_the_issue(
    client, account, server, install, django_capture_on_commit_callbacks
):
    install()
    host = make_host(account, transport="local")
    started = client.post(START)
    case = WorkflowSession.objects.get()
    assert (started.status_code, started.url) == (303, url("case", case))

    chosen = send(client, case, "product", "choose", product="linux", host=host.pk)
    assert moved_to(chosen, case, "report", client)
    assert "is ready" in text(client.get(url("host_check", case)))

    asked = send(client, case, "report", "generate", consent="on")
    assert moved_to(asked, case, "report", client)
    assert "Generate a report" in text(opened(client, case))
    drain(QUEUE)  # makes it, then fetches it
    shown = text(opened(client, case))
    assert "sosreport-x.tar.xz" in shown
    assert "Go on to Jira" in shown

    assert moved_to(send(client, case, "report", "jira"), case, "jira", client)
    login = server.credentials()
    connected = send(
        client,
        case,
        "jira",
        "connect",
        base_url=server.url,
        kind=login.kind.value,
        email=login.email,
        token=TOKEN,
    )
    assert moved_to(connected, case, "jira", client)
    shown = text(opened(client, case))
    assert f"Connected to {server.url}" in shown
    assert TOKEN not in shown

    found = send(client, case, "jira", "issue", key=f"{server.url}/browse/ABC-1")
    assert moved_to(found, case, "jira", client)
    shown = text(opened(client, case))
    assert "The disk is full" in shown
    assert "Attach the archive" in shown

    assert moved_to(send(client, case, "jira", "attach"), case, "jira", client)
    assert "Attach to Jira" in text(opened(client, case))
    drain(QUEUE)
    server.wait_until_idle()
    [attached] = server.issues["ABC-1"].attachments
    assert attached.filename == "sosreport-x.tar.xz"
    end = client.get(url("case", case))
    assert end.url == url("done", case)
    shown = text(client.get(end.url))
    assert "The archive is on ABC-1" in shown
    assert f'href="{server.url}/browse/ABC-1"' in shown
    assert "Agreed to what a report contains" in shown


# --- where a case is ------------------------------------------------------------------
@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("slug", SLUGS)
def test_pages_ahead_lead_back_and_pages_passed_can_be_seen(client, alice, at, slug):
    case = make_case(alice, at=at)
    response = client.get(url("page", case, slug))
    if SLUGS.index(slug) <= STEPS.index(at):
        assert response.status_code == 200
    else:
        assert response.status_code == 303
        assert response.url == url("page", case, SLUGS[STEPS.index(at)])


def test_a_page_passed_shows_no_form_of_its_own(client, alice):
    case = make_case(alice, at="jira_attach")
    product = text(client.get(url("page", case, "product")))
    assert "Linux" in product
    assert 'name="product"' not in product
    report = text(client.get(url("page", case, "report")))
    assert "Look through it" in report
    assert 'name="consent"' not in report


def test_what_was_chosen_can_be_changed_from_any_page_after_it(client, alice):
    case = make_case(alice, at="jira_attach")
    assert moved_to(send(client, case, "jira", "report"), case, "report", client)
    assert moved_to(send(client, case, "report", "product"), case, "product", client)
    case = make_case(alice, at="jira_attach")
    assert moved_to(send(client, case, "product", "product"), case, "product", client)
    case = make_case(alice, at="jira_attach")
    assert moved_to(send(client, case, "report", "report"), case, "report", client)


def test_a_completed_case_is_one_page(client, alice):
    case = make_case(alice, at="completed")
    for slug in SLUGS:
        assert client.get(url("page", case, slug)).url == url("done", case)
        sent = send(client, case, slug, "product" if slug == "product" else "report")
        assert sent.status_code == 409
    unfinished = make_case(alice)
    assert client.get(url("done", unfinished)).url == url("case", unfinished)


def test_the_end_of_a_case_whose_archive_was_deleted(client, alice):
    case = make_case(alice, at="completed")
    archive = case.sosreport.artifact
    client.post(url("archive_delete", case, archive.pk))
    shown = text(client.get(url("done", case)))
    assert "The copy that was kept here is deleted" in shown
    assert url("archive_download", case, archive.pk) not in shown


def test_a_form_of_one_failed_step_is_none_of_another(client, alice):
    """Both are "failed": what differs is the step that failed."""
    case = make_case(alice, at="failed")
    old = send(client, case, "report", "product", state="failed/select_product")
    assert old.status_code == 409
    assert reread(case).current_step == "failed"


# --- begun ----------------------------------------------------------------------------
def test_a_second_click_finds_the_first_case(client, alice):
    first, second = client.post(START), client.post(START)
    assert first.url == second.url
    assert WorkflowSession.objects.count() == 1
    case = WorkflowSession.objects.get()
    host = make_host(alice.account, transport="local")
    send(client, case, "product", "choose", product="linux", host=host.pk)
    assert client.post(START).url != first.url


def test_a_case_is_begun_by_a_form_alone(client):
    assert client.get(START).status_code == 405


def test_operators_are_told_whose_cases_are(django_user_model):
    root = django_user_model.objects.create_superuser("root", password="correct horse")
    response = signed_in(root).post(START)
    assert response.status_code == 403
    assert "sign in as somebody of that account" in text(response)


# --- who may --------------------------------------------------------------------------
def addresses(case, archive):
    yield from (url("page", case, slug) for slug in SLUGS)
    yield from (url(name, case) for name in ("case", "done", "host_check"))
    yield from (url(f"archive{x}", case, archive.pk) for x in ("", "_download"))


def test_another_accounts_case_is_not_there(alice, charlie):
    case = make_case(alice, at="completed")
    stranger = signed_in(charlie)
    for address in addresses(case, case.sosreport.artifact):
        assert stranger.get(address).status_code == 404, address
    for slug in SLUGS:
        assert send(stranger, case, slug, "product").status_code == 404
    gone = url("archive_delete", case, case.sosreport.artifact_id)
    assert stranger.post(gone).status_code == 404
    assert reread(case).sosreport.artifact.file


def test_an_archive_of_another_case_is_not_there(client, alice):
    one, other = make_case(alice, at="jira_attach"), make_case(alice)
    address = url("archive", other, one.sosreport.artifact_id)
    assert client.get(address).status_code == 404


def test_cases_are_for_those_who_may_run_them(alice, nora, berta):
    case = make_case(alice, at="completed")
    for user in (nora, berta):
        colleague = signed_in(user)
        for address in (
            LIST,
            f"{LIST}cases.csv",
            *addresses(case, case.sosreport.artifact),
        ):
            assert colleague.get(address).status_code == 403, address
        assert colleague.post(START).status_code == 403
        assert send(colleague, case, "jira", "attach").status_code == 403
        assert LIST not in text(colleague.get("/"))


def test_colleagues_share_a_case(alice, egon, mona):
    case = make_case(alice)
    for user in (egon, mona):
        colleague = signed_in(user)
        assert LIST in text(colleague.get("/"))
        assert opened(colleague, case).status_code == 200


# --- what it costs --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("at", "queries"),
    [("select_product", 6), ("sos_report", 5), ("jira_attach", 5), ("completed", 5)],
)
def test_each_page_in_few_queries(client, alice, at, queries):
    """Session, user, case, job; two for hosts, one for connections, one for moves."""
    make_connection(alice)
    case = make_case(alice, at=at)
    opened(client, case)
    address = client.get(url("case", case)).url
    with at_most(queries):
        client.get(address)


def test_no_page_has_the_token(client, alice):
    case = make_case(alice, at="jira_attach")
    make_connection(alice)
    for response in (opened(client, case), client.get(LIST)):
        assert CONNECTION_TOKEN not in text(response)


def test_pages_have_no_script_or_style_of_their_own(client, alice):
    shown = [opened(client, make_case(alice, at=at)) for at in (*STEPS, "completed")]
    for response in shown:
        html = text(response)
        assert not re.search(r"<script(?![^>]*\ssrc=)", html)
        assert not re.search(r"\sstyle=|<style|\son\w+=", html)
        assert html.count("<h1") == 1
