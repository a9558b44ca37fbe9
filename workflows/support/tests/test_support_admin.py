"""Cases in the admin: looked at by the account's own managers, without secrets."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.budgets.tests.make import at_most
from tests.conftest import make_account, make_user, signed_in
from workflows.core.connections import JiraConnection
from workflows.core.tests.make import CONNECTION_TOKEN
from workflows.support.models import (
    Artifact,
    Host,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)
from workflows.support.tests.make import make_archive, make_case, make_host, reread
from workflows.support.tests.pages import text as page

pytestmark = pytest.mark.django_db
MODELS = (WorkflowSession, SosReportState, JiraAttachmentState, Artifact, Host)


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    """A storage and a data folder of the test's own."""
    settings.DATA_DIR = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    return tmp_path / "files"


@pytest.fixture
def case(account, alice):
    """A case that went all the way, on a host with a key, by somebody with a token."""
    return make_case(alice, at="completed", host=make_host(account, name="Only-Acme"))


@pytest.fixture
def root(db):
    return make_user(None, "root", is_superuser=True, is_staff=True)


def stem(model):
    return f"admin:workflows_{model._meta.model_name}"


def listed(model):
    return reverse(f"{stem(model)}_changelist")


def change(row, action="change"):
    return reverse(f"{stem(type(row))}_{action}", args=[row.pk])


# --- looked at ------------------------------------------------------------------------
def test_managers_look_and_change_nothing(case, mona):
    client = signed_in(mona)
    for model in MODELS:
        row = model.objects.first()
        assert "Only-Acme" in page(client.get(listed(model))), model
        shown = client.get(change(row))
        assert shown.status_code == 200
        assert "Only-Acme" in page(shown), model
        assert 'name="_save"' not in page(shown)
        assert client.post(change(row), {"name": "x"}).status_code == 403
        assert client.get(change(row, "delete")).status_code == 403
        assert client.get(listed(model) + "add/").status_code == 403


def test_a_case_shows_its_parts_and_leads_to_their_histories(case, mona):
    client = signed_in(mona)
    shown = page(client.get(change(case)))
    for words in (case.sosreport.archive_name, "ABC-1", "collected", "Alice"):
        assert words in shown
    for part, move in ((case.sosreport, "generated"), (case.jira, "attached")):
        assert change(part) in shown
        history = page(client.get(change(part)))
        assert move in history
        assert case.get_absolute_url() in history
    index = page(client.get(reverse("admin:index")))
    assert listed(WorkflowSession) in index
    assert listed(SosReportState) not in index


def test_what_is_shown_leads_to_its_page(case, mona):
    client = signed_in(mona)
    archive = Artifact.objects.get()
    places = {
        case: case.get_absolute_url(),
        archive: reverse("support:archive", args=[case.pk, archive.pk]),
        case.host: reverse("support:host", args=[case.host.pk]),
    }
    for row, place in places.items():
        assert f'href="{place}"' in page(client.get(change(row)))
    upload = make_host(mona.account, transport="upload")
    shown = page(client.get(change(upload)))
    assert "View on site" not in shown


def test_cases_are_found_by_their_step(case, alice, mona):
    make_case(alice, at="failed")
    client = signed_in(mona)
    shown = page(client.get(listed(WorkflowSession), {"current_step__exact": "failed"}))
    assert "host_unreachable" in shown
    assert "Only-Acme" not in shown


def test_not_even_sealed_secrets_are_loaded(case, root):
    secrets = (case.host.private_key, JiraConnection.objects.get().token)
    client = signed_in(root)
    paths = [path for m in MODELS for path in (listed(m), change(m.objects.first()))]
    with CaptureQueriesContext(connection) as asked:
        pages = [page(client.get(path)) for path in paths]
    for secret in (*secrets, CONNECTION_TOKEN):
        assert secret
        assert not any(secret in shown for shown in pages)
    for query in asked:
        assert '"private_key"' not in query["sql"]
        assert '"token"' not in query["sql"]


def test_another_account_finds_nothing(case, charlie):
    client = signed_in(charlie)
    for model in MODELS:
        assert "Only-Acme" not in page(client.get(listed(model)))
        assert client.get(change(model.objects.first())).status_code == 404


def test_lists_cost_the_same_for_many(case, account, alice, mona):
    client = signed_in(mona)
    for number in range(10):
        make_case(alice, at="jira_attach", host=make_host(account, name=f"h{number}"))
    for model in MODELS:
        client.get(listed(model))
        with at_most(5):
            client.get(listed(model))
    with at_most(16):
        client.get(change(case))


# --- archives -------------------------------------------------------------------------
def delete(client, *archives):
    chosen = {"action": "delete_archives", "_selected_action": [a.pk for a in archives]}
    return client.post(listed(Artifact), chosen, follow=True)


def test_managers_delete_archives(
    case, alice, mona, storage, django_capture_on_commit_callbacks
):
    second = make_archive(make_case(alice))
    archive = Artifact.objects.exclude(pk=second.pk).get()
    assert len([path for path in storage.rglob("*") if path.is_file()]) == 2
    with django_capture_on_commit_callbacks(execute=True):
        shown = page(delete(signed_in(mona), archive))
    assert "Done for one row" in shown
    left = [path for path in storage.rglob("*") if path.is_file()]
    assert [str(path.relative_to(storage)) for path in left] == [second.file]
    archive = Artifact.objects.get(pk=archive.pk)
    assert archive.deleted_at is not None
    assert archive.file == ""


def test_an_archive_on_its_way_stays(account, alice, mona):
    done = make_case(alice, at="completed")
    case = make_case(alice, at="jira_attach")
    with JiraAttachmentState.moving(case.jira.pk, by=alice) as jira:
        jira.connection, jira.issue_key = done.jira.connection, "ABC-1"
        jira.issue_access_verified = True
        jira.attach()
    archive = reread(case).sosreport.artifact
    shown = page(delete(signed_in(mona), archive))
    assert "on its way to Jira" in shown
    assert Artifact.objects.get(pk=archive.pk).file


def test_deleting_takes_the_right_to_run(case, account):
    viewers = Group.objects.create(name="viewers")
    viewers.permissions.add(Permission.objects.get(codename="view_artifact"))
    person = make_user(account, "vera", is_staff=True)
    person.groups.add(viewers)
    archive = Artifact.objects.get()
    shown = page(delete(signed_in(person), archive))
    assert archive.filename in shown
    assert "Delete the archives" not in shown
    assert Artifact.objects.get().file == archive.file


# --- this machine ---------------------------------------------------------------------
def test_an_operator_adds_this_machine(account, root, egon):
    client = signed_in(root)
    path = reverse("admin:workflows_host_add")
    form = page(client.get(path))
    assert "private_key" not in form
    assert "This machine" in form
    assert "Over SSH" not in form
    data = {"account": account.pk, "name": "This machine", "transport": "local"}
    response = client.post(path, data, follow=True)
    assert response.status_code == 200
    host = Host.objects.get()
    assert host.account == account
    assert (host.name, host.transport) == ("This machine", "local")
    assert host.created_by == root
    assert change(host) in page(response)
    assert Host.objects.ready().get() == host


def test_this_machine_is_added_once(account, root):
    make_host(account, name="This machine")
    client = signed_in(root)
    path = reverse("admin:workflows_host_add")
    data = {"account": account.pk, "name": "This machine", "transport": "local"}
    assert "a host of this name already" in page(client.post(path, data))
    client.post(path, data | {"name": "Here"})
    assert "such a host already" in page(client.post(path, data | {"name": "Here too"}))
    new = data | {"name": "New", "account": make_account("other").pk}
    for transport in ("ssh", "upload"):
        wrong = page(client.post(path, new | {"transport": transport}))
        assert "Select a valid choice" in wrong
    assert Host.objects.filter(transport="local").count() == 1


def test_operators_change_and_delete_no_host_either(case, root):
    client = signed_in(root)
    assert client.post(change(case.host), {"name": "x"}).status_code == 403
    assert client.post(change(case.host, "delete"), {"post": "yes"}).status_code == 403
    assert Host.objects.get(pk=case.host.pk).name == "Only-Acme"
