"""A token is in its sealed column, and nowhere else that anybody could look."""

from __future__ import annotations

import json
import logging
import traceback
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import call_command
from django.urls import reverse

from tests.conftest import make_user, signed_in
from tests.jira import TOKEN
from workflows.core.connecting import (
    NotActive,
    expire_connection,
    open_jira,
    revoke_connection,
)
from workflows.core.connections import JiraConnection
from workflows.core.intake import JiraIntakeForm
from workflows.core.jira import JiraProblem, Kind
from workflows.core.secrets import SealError, Secret, sealed_columns, unseal
from workflows.core.tests.make import (
    CONNECTION_TOKEN,
    allow_hosts,
    connect_jira,
    make_connection,
    make_connection_to,
)

pytestmark = pytest.mark.django_db
OURS = "/workflows/core/"


@pytest.fixture
def trusted(server, settings, account):
    settings.JIRA_CA_FILE = str(server.ca_file)
    allow_hosts(account, "localhost")
    return server


def typed(server, **over):
    told = {"kind": server.kind.value, "base_url": server.url, "email": server.email}
    return told | over


def whole_database():
    """Return all that any table holds, the sealed columns apart."""
    sealed = {(model, name) for model, name in sealed_columns()}
    for model in apps.get_models():
        names = [f.attname for f in model._meta.concrete_fields]
        names = [name for name in names if (model, name) not in sealed]
        for row in model._base_manager.values(*names):
            yield json.dumps(row, default=str)


def told_by(error):
    """Yield what an error report could say of it: text, trace, and what frames held."""
    yield from (str(error), repr(error), repr(vars(error)))
    yield from traceback.format_exception(error)
    for frame, _line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code.co_filename
        # What Jira answers is the client's for a moment; its own tests look there.
        if OURS in code and not {"tests", "jira"} & {*Path(code).parts}:
            yield from (repr(value) for value in frame.f_locals.values())
    for cause in (error.__cause__, error.__context__):
        if cause is not None:
            yield from told_by(cause)


WAYS = [
    {"status": 401, "body": TOKEN.encode(), "headers": {"X-Echo": TOKEN}},
    {"status": 500, "body": TOKEN.encode()},
    {"status": 302, "headers": {"Location": f"https://sso.example/?t={TOKEN}"}},
    {"status": 200, "body": json.dumps({"key": 1, "displayName": TOKEN}).encode()},
    {"drop": "at once"},
    {"drop": "in reply"},
]


def failures(server, alice, settings):
    """Fail in every way that could quote the token; yield the errors."""
    for way in WAYS:
        server.fails("/myself", **way)
        with pytest.raises(JiraProblem) as caught:
            connect_jira(by=alice, token=Secret(f" {TOKEN}\n"), **typed(server))
        yield caught.value
    for wrong in (f"{TOKEN} {TOKEN}", f"{TOKEN}ä"):
        with pytest.raises(JiraProblem) as caught:
            connect_jira(by=alice, token=Secret(wrong), **typed(server))
        yield caught.value
    made = make_connection_to(server, alice)
    keys, settings.SEAL_KEYS = settings.SEAL_KEYS, [Fernet.generate_key().decode()]
    with pytest.raises(SealError) as lost:
        open_jira(made).__enter__()
    yield lost.value
    settings.SEAL_KEYS = keys
    revoke_connection(made, by=alice)
    with pytest.raises(NotActive) as ended:
        open_jira(made).__enter__()
    yield ended.value


def test_it_is_in_no_log_no_error_and_no_other_column(trusted, alice, caplog, settings):
    caplog.set_level(logging.DEBUG)
    for name in ("django", "django.db.backends", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, name)
    made = connect_jira(by=alice, token=Secret(TOKEN), **typed(trusted))
    with open_jira(made) as jira, suppress(JiraProblem):
        jira.issue("ABC-1")
        jira.issue("ABC-2")
    errors = list(failures(trusted, alice, settings))
    sent = trusted.requests[0].headers["authorization"].split()[1]
    told = [caplog.text, *(str(vars(record)) for record in caplog.records)]
    told += [repr(made), str(made), *whole_database()]
    for error in errors:
        told += told_by(error)
    assert len(errors) == len(WAYS) + 4
    assert any("handrail.jira" in text for text in told)
    for secret in (TOKEN, sent):
        assert not [text for text in told if secret in text]
    row = JiraConnection.objects.get(pk=made.pk)
    assert TOKEN not in row.token
    assert unseal(row.token).reveal() == TOKEN


def test_it_is_on_no_page(trusted, alice, mona):
    made = connect_jira(by=alice, token=Secret(TOKEN), **typed(trusted))
    ended = make_connection(alice)
    expire_connection(ended.pk)
    root = make_user(None, "root", is_superuser=True, is_staff=True)
    listed = reverse("admin:workflows_jiraconnection_changelist")
    shown = reverse("admin:workflows_jiraconnection_change", args=[made.pk])
    told = [signed_in(alice).get(reverse("connections")).text]
    for who in (mona, root):
        told += [signed_in(who).get(path).text for path in (listed, shown)]
    sealed = JiraConnection.objects.get(pk=made.pk).token
    for text in told:
        assert "Alice" in text
        for secret in (TOKEN, sealed, sealed[:40], CONNECTION_TOKEN):
            assert secret not in text


@pytest.mark.parametrize("over", [{"token": TOKEN}, {"token": TOKEN, "kind": ""}])
def test_the_form_does_not_give_it_back(trusted, alice, over):
    data = typed(trusted, **over)
    form = JiraIntakeForm(data, account=alice.account)
    form.is_valid()
    for shown in (str(form), repr(form), repr(form.cleaned_data), str(form.errors)):
        assert TOKEN not in shown


# --- keys -----------------------------------------------------------------------------
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def test_a_new_key_takes_over(trusted, alice, settings, capsys):
    settings.SEAL_KEYS = [OLD]
    made = make_connection_to(trusted, alice)
    revoke_connection(make_connection(alice), by=alice)
    assert (JiraConnection, "token") in list(sealed_columns())
    settings.SEAL_KEYS = [NEW, OLD]
    call_command("seal_keys", "rotate")
    printed = capsys.readouterr().out
    assert "workflows.JiraConnection.token: 1 sealed anew" in printed
    settings.SEAL_KEYS = [NEW]
    with open_jira(made) as jira:  # as it was read before the rotation
        assert jira.myself().display_name == "Alice"
    row = JiraConnection.objects.get(pk=made.pk)
    assert (row.status, row.moves().count()) == ("connected", 1)


@pytest.mark.parametrize("keys", [[], [NEW]])
def test_without_its_key_it_is_still_listed_and_can_be_ended(
    alice, mona, settings, keys
):
    allow_hosts(alice.account, "jira.example.com")
    settings.SEAL_KEYS = [OLD]
    made = make_connection(alice)
    settings.SEAL_KEYS = keys
    for who, page in ((alice, "connections"), (mona, "admin:index")):
        assert signed_in(who).get(reverse(page)).status_code == 200
    listed = reverse("admin:workflows_jiraconnection_changelist")
    assert "jira.example.com" in signed_in(mona).get(listed).text
    with pytest.raises(SealError), open_jira(made):
        pass
    path = reverse("connection_revoke", args=[made.pk])
    assert signed_in(alice).post(path).status_code == 303
    assert JiraConnection.objects.get().status == "revoked"


def test_a_key_that_is_lost_is_told_by_the_command(alice, settings):
    settings.SEAL_KEYS = [OLD]
    made = make_connection(alice)
    settings.SEAL_KEYS = [NEW]
    with pytest.raises(Exception, match="enter the secret again") as caught:
        call_command("seal_keys", "rotate", stdout=StringIO())
    assert f"the token of workflows.JiraConnection {made.pk}" in str(caught.value)
    assert made.token not in str(caught.value)


def test_kinds_of_the_client_and_of_the_table_are_the_same():
    assert [*Kind] == JiraConnection.Kind.values
