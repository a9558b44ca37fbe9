"""A Move, once written, is neither changed nor deleted: the database refuses both."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from tests.kit.make import make_parcel
from workflows.core.migrating import append_only, on_postgresql
from workflows.core.moves import Move

pytestmark = pytest.mark.django_db


@pytest.fixture
def move(account, alice):
    return make_parcel(account, by=alice).moves().get()


def run(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


ATTEMPTS = {
    "UPDATE by SQL": lambda m: run("UPDATE workflows_move SET note = 'x'"),
    "DELETE by SQL": lambda m: run("DELETE FROM workflows_move"),
    "UPDATE by query": lambda m: Move.objects.filter(pk=m.pk).update(note="x"),
    "UPDATE by save": lambda m: m.save(),
    "DELETE by query": lambda m: Move.objects.filter(pk=m.pk).delete(),
    "DELETE by instance": lambda m: m.delete(),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_database_refuses(move, attempt):
    event = attempt.split()[0]
    refusal = f"workflows_move is append-only: {event} refused"
    with pytest.raises(IntegrityError, match=refusal), transaction.atomic():
        ATTEMPTS[attempt](move)
    kept = Move.objects.get()
    assert (kept.pk, kept.note) == (move.pk, "")


def test_a_move_outlives_the_account_with_all_its_people(move, account):
    """Its foreign keys are no constraints, or the deletion would have to touch it."""
    account.delete()
    kept = Move.objects.get()
    assert (kept.account_id, kept.actor_name) == (move.account_id, "Alice")


# A schema editor that is not entered writes into the test's own transaction.
def test_the_migration_can_go_back_and_forth(move):
    operation, editor = append_only("workflows_move"), connection.schema_editor()
    operation.reverse_code(apps, editor)
    assert Move.objects.update(note="changed") == 1
    operation.code(apps, editor)
    operation.code(apps, editor)  # run twice, it is the same
    for attempt in (Move.objects.all().delete, move.save):
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()


def test_a_table_may_refuse_updates_alone(move):
    editor = connection.schema_editor()
    append_only("workflows_move").reverse_code(apps, editor)
    append_only("workflows_move", ("UPDATE",)).code(apps, editor)
    with pytest.raises(IntegrityError), transaction.atomic():
        Move.objects.update(note="changed")
    assert move.delete() == (1, {"workflows.Move": 1})


def test_sql_for_postgresql_is_run_there_alone():
    editor, table = connection.schema_editor(), "only_there"
    operation = on_postgresql(f"CREATE TABLE {table} ()", f"DROP TABLE {table}")
    operation.code(apps, editor)
    there = table in connection.introspection.table_names()
    assert there is (connection.vendor == "postgresql")
    operation.reverse_code(apps, editor)
    assert table not in connection.introspection.table_names()
