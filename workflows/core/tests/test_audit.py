"""A Move, once written, is neither changed nor deleted: the database refuses both."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from workflows.core.migrating import append_only, on_postgresql
from workflows.core.moves import Move
from workflows.core.tests.make import make_parcel

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


@pytest.mark.parametrize("event", ["UPDATE", "DELETE"])
def test_each_move_keeps_an_account_and_an_author_that_are_gone(move, account, event):
    """Its foreign keys are no constraints, or their deletion would have to touch it."""
    account.delete()
    assert Move.objects.filter(account_id=move.account_id, actor_name="Alice").exists()


def test_the_migration_can_go_back_and_forth(move):
    operation = append_only("workflows_move")
    with connection.schema_editor() as editor:
        operation.reverse_code(apps, editor)
    with transaction.atomic():
        assert Move.objects.update(note="changed") == 1
        transaction.set_rollback(True)
    with connection.schema_editor() as editor:
        operation.code(apps, editor)
        operation.code(apps, editor)  # run twice, it is the same
    with pytest.raises(IntegrityError), transaction.atomic():
        Move.objects.update(note="changed")


def test_a_table_may_refuse_updates_alone(move):
    with connection.schema_editor() as editor:
        append_only("workflows_move").reverse_code(apps, editor)
        append_only("workflows_move", ("UPDATE",)).code(apps, editor)
    with pytest.raises(IntegrityError), transaction.atomic():
        Move.objects.update(note="changed")
    assert move.delete() == (1, {"workflows.Move": 1})


def test_sql_for_postgresql_is_run_there_alone():
    table = "only_there"
    operation = on_postgresql(f"CREATE TABLE {table} ()", f"DROP TABLE {table}")
    for change, there in ((operation.code, True), (operation.reverse_code, False)):
        with connection.schema_editor() as editor:
            change(apps, editor)
        expected = there and connection.vendor == "postgresql"
        assert (table in connection.introspection.table_names()) is expected
