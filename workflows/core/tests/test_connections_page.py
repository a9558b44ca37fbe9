"""Everybody sees their own connections, how long they last, and can end them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.conftest import make_user, signed_in
from workflows.core.connecting import refuse_connection, revoke_connection
from workflows.core.connections import JiraConnection
from workflows.core.tests.make import make_connection

pytestmark = pytest.mark.django_db
PAGE = "/connections/"


def revoke(client, row):
    return client.post(reverse("connection_revoke", args=[row.pk]))


def reread(row):
    return JiraConnection.objects.get(pk=row.pk)


def lines(client):
    return client.get(PAGE).context["lines"]


# --- the list -------------------------------------------------------------------------
def test_ones_own_connections_newest_first(alice, egon):
    old = make_connection(alice, display_name="Alice in Cloud", left=timedelta(hours=5))
    new = make_connection(alice, base_url="https://jira.example.com:8443/jira")
    make_connection(egon, display_name="Egon")
    client = signed_in(alice)
    page = client.get(PAGE)
    assert [line.connection for line in page.context["lines"]] == [new, old]
    for words in ("Alice in Cloud", "jira.example.com:8443/jira", "Connected"):
        assert words in page.text
    assert "in 4 h 59 min" in page.text
    assert "Egon" not in page.text
    assert page.text.count("/revoke/") == 2


def test_the_ended_ones_say_how_and_since_when(alice, mona):
    revoked, refused = make_connection(alice), make_connection(alice)
    make_connection(alice, left=-timedelta(hours=2))  # nothing has noticed yet
    own = make_connection(alice)
    revoke_connection(revoked, by=mona)
    refuse_connection(refused.pk)
    revoke_connection(own, by=alice)
    page = signed_in(alice).get(PAGE).text
    for words in ("Revoked", "Refused by Jira", "Expired", "2 h ago", "by Mona"):
        assert words in page
    assert "by Alice" not in page
    assert "by Handrail" not in page
    assert "/revoke/" not in page


def test_a_very_long_history_is_cut(alice):
    rows = [make_connection(alice) for _ in range(51)]
    shown = lines(signed_in(alice))
    assert [line.connection for line in shown] == rows[:0:-1]


def test_an_empty_list_says_where_one_connects(alice, nora):
    page = signed_in(alice).get(PAGE).text
    assert "You are not connected to any Jira" in page
    assert "support case" in page
    assert "You are not connected" in signed_in(nora).get(PAGE).text
    operator = make_user(None, "olga", is_superuser=True)
    assert signed_in(operator).get(PAGE).status_code == 200


def test_it_is_linked_from_menu_and_profile(alice):
    page = signed_in(alice).get("/profile/").text
    assert page.count(f'href="{PAGE}"') == 2


def test_it_is_read(alice):
    assert signed_in(alice).post(PAGE).status_code == 405


def test_it_costs_the_same_for_many(alice, django_assert_max_num_queries):
    client = signed_in(alice)
    make_connection(alice)
    client.get(PAGE)
    for _ in range(20):
        revoke_connection(make_connection(alice), by=alice)
    # The session (a cache has it elsewhere), the user with roles, rows, their ends.
    with django_assert_max_num_queries(4) as asked:
        client.get(PAGE)
    assert not [query for query in asked if '"token"' in query["sql"]]


# --- revoke ---------------------------------------------------------------------------
def test_one_click_and_the_token_is_gone(alice):
    row, other = make_connection(alice), make_connection(alice)
    client = signed_in(alice)
    response = revoke(client, row)
    assert (response.status_code, response.headers["Location"]) == (303, PAGE)
    assert (reread(row).status, reread(row).token) == ("revoked", "")
    assert reread(other).status == "connected"
    page = client.get(PAGE).text
    assert "Handrail has forgotten its token" in page
    assert "an upload that is running uses it to its end" in page
    # So does the question of the other one.
    assert "An upload that is running ends first" in page
    assert "at once" not in page
    assert [move.actor for move in row.moves()] == [alice, alice]


def test_two_clicks_are_one(alice):
    row = make_connection(alice)
    client = signed_in(alice)
    revoke(client, row)
    client.get(PAGE)
    assert revoke(client, row).status_code == 303
    assert "had ended already" in client.get(PAGE).text
    assert row.moves().count() == 2


@pytest.mark.parametrize("who", ["egon", "mona", "charlie", "olga"])
def test_nobody_elses_is_there(alice, request, who, db):
    row = make_connection(alice)
    other = (
        make_user(None, "olga", is_superuser=True, is_staff=True)
        if who == "olga"
        else request.getfixturevalue(who)
    )
    assert revoke(signed_in(other), row).status_code == 404
    assert lines(signed_in(other)) == []
    assert reread(row).status == "connected"


def test_it_takes_a_form(alice, client):
    row = make_connection(alice)
    path = reverse("connection_revoke", args=[row.pk])
    assert signed_in(alice).get(path).status_code == 405
    assert client.post(path).headers["Location"].startswith("/login/")
    assert reread(row).status == "connected"


def test_a_connection_that_ends_while_one_looks_ends_quietly(alice):
    row = make_connection(alice, left=timedelta(minutes=1))
    client = signed_in(alice)
    assert [line.left is not None for line in lines(client)] == [True]
    JiraConnection.objects.filter(pk=row.pk).update(expires_at=timezone.now())
    [line] = lines(client)
    assert (line.left, line.ending, line.status) == (None, None, "expired")
    assert revoke(client, row).status_code == 303
