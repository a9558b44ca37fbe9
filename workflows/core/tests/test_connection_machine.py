"""A connection ends once, and its token with it, whoever is faster."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_fsm import can_proceed

from workflows.core.connecting import (
    expire_connection,
    expire_connections,
    refuse_connection,
    revoke_connection,
)
from workflows.core.connections import JiraConnection
from workflows.core.machine import NotLent, states
from workflows.core.secrets import SEALED, Secret
from workflows.core.tests.make import make_connection
from workflows.core.tests.test_machine_races import at_once

S = JiraConnection.Status
MOVES = {"expire": {S.CONNECTED}, "revoke": {S.CONNECTED}, "refuse": {S.CONNECTED}}
TARGETS = {"expire": "expired", "revoke": "revoked", "refuse": "failed"}


def finish(row, end, by=None):
    """End it by the verb of this name; tell whether this did it."""
    if end == "revoke":
        return revoke_connection(row, by=by)
    verb = {"expire": expire_connection, "refuse": refuse_connection}[end]
    return verb(row.pk, by=by)


def reread(row):
    return JiraConnection.objects.get(pk=row.pk)


def told(row):
    return [(m.name, m.target, m.actor_name, m.note) for m in row.moves()][1:]


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("move", MOVES)
def test_each_move_from_each_state(move, state):
    row = JiraConnection(status=state)
    assert can_proceed(getattr(row, move)) is (state in MOVES[move])


def test_the_table_names_every_move():
    [field] = states(JiraConnection)
    found = {t.name: t.target for t in field.get_all_transitions(JiraConnection)}
    assert found == TARGETS


@pytest.mark.django_db
@pytest.mark.parametrize("end", MOVES)
def test_with_the_status_the_token_goes_in_one_statement(alice, mona, end):
    row = make_connection(alice)
    assert SEALED.fullmatch(row.token)
    with CaptureQueriesContext(connection) as asked:
        assert finish(row, end, by=mona) is True
    [update] = [q["sql"] for q in asked if q["sql"].startswith("UPDATE")]
    assert '"status"' in update
    assert "\"token\" = ''" in update
    assert (reread(row).status, reread(row).token) == (TARGETS[end], "")
    assert told(row) == [(end, TARGETS[end], "Mona", "")]


@pytest.mark.django_db
@pytest.mark.parametrize("end", MOVES)
@pytest.mark.parametrize("again", MOVES)
def test_it_ends_once_and_the_second_end_is_no_error(alice, end, again):
    row = make_connection(alice)
    finish(row, end, by=alice)
    assert finish(row, again, by=alice) is False
    assert reread(row).status == TARGETS[end]
    assert len(told(row)) == 1


@pytest.mark.django_db
def test_what_is_gone_has_ended_too(alice):
    row = make_connection(alice)
    JiraConnection.objects.all().delete()
    assert revoke_connection(row, by=alice) is False
    assert expire_connection(uuid4()) is False


@pytest.mark.django_db
def test_the_reason_is_kept(alice):
    row = make_connection(alice)
    expire_connection(row.pk, note="Jira does not take it.")
    assert told(row) == [("expire", "expired", "Handrail", "Jira does not take it.")]


@pytest.mark.django_db
def test_a_status_moves_by_verbs_alone(alice):
    row = make_connection(alice)
    with pytest.raises(NotLent):
        row.revoke()
    with pytest.raises(NotLent):
        JiraConnection.objects.filter(pk=row.pk).update(status=S.EXPIRED)
    with pytest.raises(AttributeError):
        row.status = S.EXPIRED
    assert reread(row).status == S.CONNECTED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends", [["revoke", "expire"], ["revoke"] * 4, [*MOVES] * 2])
def test_of_many_ends_at_once_one_counts(alice, ends):
    row = make_connection(alice)
    outcomes = at_once(ends, lambda end: finish(row, end, by=alice))
    assert sorted(outcomes) == [False] * (len(ends) - 1) + [True]
    [(end, target, *_who)] = told(row)
    assert end == ends[outcomes.index(True)]
    assert (reread(row).status, reread(row).token) == (target, "")


# --- time -----------------------------------------------------------------------------
@pytest.mark.django_db
def test_those_whose_time_is_over_are_ended(alice, egon):
    late = [make_connection(who, left=-timedelta(minutes=1)) for who in (alice, egon)]
    running = make_connection(alice, left=timedelta(minutes=1))
    gone = make_connection(alice, left=-timedelta(hours=1))
    finish(gone, "revoke", by=alice)
    assert expire_connections() == 2
    assert {reread(row).status for row in late} == {"expired"}
    assert {reread(row).token for row in late} == {""}
    assert told(late[0]) == [("expire", "expired", "Handrail", "Its time was over.")]
    assert (reread(running).status, reread(gone).status) == ("connected", "revoked")
    assert expire_connections() == 0
    assert expire_connections(now=timezone.now() + timedelta(minutes=1)) == 1


@pytest.mark.django_db
def test_the_last_moment_is_the_first_of_being_expired(alice):
    row = make_connection(alice)
    assert row.status_at(row.expires_at - timedelta(microseconds=1)) == "connected"
    assert row.status_at(row.expires_at) == "expired"
    assert expire_connections(now=row.expires_at) == 1


@pytest.mark.django_db
def test_active_ones_are_told_from_the_others(alice, egon):
    mine, theirs = make_connection(alice), make_connection(egon)
    late, ended = make_connection(alice, left=-timedelta(1)), make_connection(alice)
    finish(ended, "revoke", by=alice)
    rows = JiraConnection.objects
    assert set(rows.active()) == {mine, theirs}
    assert set(rows.owned_by(alice)) == {mine, late, ended}
    assert set(rows.owned_by(alice).active()) == {mine}


# --- what the database itself refuses -------------------------------------------------
BROKEN = {
    "a token after the end": ({"status": "revoked"}, "token"),
    "connected without a token": ({"token": ""}, "token"),
    "a status that there is none of": ({"status": "lost"}, "status"),
    "unknown is what is not there": ({"status": "unknown"}, "token"),
    "cloud without an address": ({"kind": "cloud"}, "email"),
    "data center with one": ({"email": "a@example.com"}, "email"),
    "a kind that there is none of": ({"kind": "server", "email": ""}, "email"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_is_refused_by_the_database(alice, case):
    values, name = BROKEN[case]
    row = make_connection(alice)
    rows = JiraConnection.objects.filter(pk=row.pk)
    with (
        pytest.raises(IntegrityError, match=f"ck_jiraconnection_{name}"),
        transaction.atomic(),
    ):
        models.QuerySet.update(rows, **values)
    assert reread(row).status == S.CONNECTED


@pytest.mark.django_db
def test_an_unsealed_token_is_not_stored(alice):
    with pytest.raises(Exception, match="takes a Secret") as caught:
        make_connection(alice, token="planted")
    assert "planted" not in str(caught.value)
    cloud = make_connection(alice, kind="cloud", email="a@x.example", token=Secret("t"))
    assert SEALED.fullmatch(reread(cloud).token)
