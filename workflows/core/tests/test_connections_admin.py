"""Managers see who is connected to which Jira, and may take it away."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission

from tests.conftest import make_user, signed_in
from workflows.core.connecting import revoke_connection
from workflows.core.connections import JiraConnection
from workflows.core.tests.make import make_connection

pytestmark = pytest.mark.django_db


def reread(row):
    return JiraConnection.objects.get(pk=row.pk)


LIST = "/admin/workflows/jiraconnection/"


def act(client, *rows):
    data = {"action": "revoke", "_selected_action": [str(row.pk) for row in rows]}
    return client.post(LIST, data, follow=True)


def test_managers_see_who_is_connected_and_change_nothing(alice, mona):
    row = make_connection(alice)
    client = signed_in(mona)
    listed = client.get(LIST).text
    assert 'value="revoke"' in listed
    assert "https://jira.example.com" in listed
    assert "Alice" in listed
    shown = client.get(f"{LIST}{row.pk}/change/").text
    assert "Alice Arends" in shown
    assert "begin" in shown  # its history
    assert 'name="_save"' not in shown
    for path in (f"{LIST}{row.pk}/delete/", f"{LIST}add/"):
        assert client.get(path).status_code == 403
    assert client.post(f"{LIST}{row.pk}/change/", {}).status_code == 403
    for page in (listed, shown):
        assert row.token not in page


def test_a_manager_revokes_and_is_told_what_had_ended(alice, egon, mona):
    rows = [make_connection(alice), make_connection(egon), make_connection(egon)]
    revoke_connection(rows[2], by=egon)
    response = act(signed_in(mona), *rows)
    assert "Done for 2 rows." in response.text
    assert "it has ended already" in response.text
    assert {reread(row).status for row in rows} == {"revoked"}
    assert rows[0].moves().last().actor == mona


def test_a_manager_of_another_account_finds_none(alice, charlie):
    row = make_connection(alice)
    client = signed_in(charlie)
    assert "jira.example.com" not in client.get(LIST).text
    assert client.get(f"{LIST}{row.pk}/change/").status_code == 404
    act(client, row)
    assert reread(row).status == "connected"


def test_who_may_not_end_connections_has_no_such_action(account, alice):
    auditors = Group.objects.create(name="auditor")
    auditors.permissions.add(Permission.objects.get(codename="view_jiraconnection"))
    vera = make_user(account, "vera", "auditor", is_staff=True)
    row = make_connection(alice)
    page = signed_in(vera).get(LIST).text
    assert "jira.example.com" in page
    assert 'value="revoke"' not in page
    act(signed_in(vera), row)
    assert reread(row).status == "connected"


def test_an_admin_list_loads_no_token(alice, mona, django_assert_max_num_queries):
    for _ in range(10):
        make_connection(alice)
    client = signed_in(mona)
    client.get(LIST)
    with django_assert_max_num_queries(4) as asked:
        client.get(LIST)
    assert not [query for query in asked if '"token"' in query["sql"]]
