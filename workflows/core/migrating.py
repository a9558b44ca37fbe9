"""Operations for migrations: append-only tables, roles, indexes of one database."""

from collections.abc import Mapping, Sequence

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython

Editor = BaseDatabaseSchemaEditor


def install(
    editor: Editor, table: str, events: Sequence[str], columns: Sequence[str] = ()
) -> None:
    """Refuse the events ("UPDATE", "DELETE") on every row of the table.

    With ``columns`` an UPDATE is refused of these alone.
    """
    remove(editor, table, events)
    for event in events:
        narrowed = event == "UPDATE" and columns
        when = f"UPDATE OF {', '.join(columns)}" if narrowed else event
        name = f"{table}_refuses_{event.lower()}"
        text = f"{table} is append-only: {event} refused"
        if editor.connection.vendor == "postgresql":
            editor.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{text}' "
                "USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )
            editor.execute(
                f"CREATE TRIGGER {name} BEFORE {when} ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION {name}()"
            )
        else:
            editor.execute(
                f"CREATE TRIGGER {name} BEFORE {when} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
            )


def remove(editor: Editor, table: str, events: Sequence[str]) -> None:
    """Take the triggers away: for the way back of a migration."""
    for event in events:
        name = f"{table}_refuses_{event.lower()}"
        if editor.connection.vendor == "postgresql":
            editor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
            editor.execute(f"DROP FUNCTION IF EXISTS {name}()")
        else:
            editor.execute(f"DROP TRIGGER IF EXISTS {name}")


def append_only(
    table: str,
    events: Sequence[str] = ("UPDATE", "DELETE"),
    columns: Sequence[str] = (),
) -> RunPython:
    """Return the migration operation that makes the table append-only."""

    def forwards(_apps: Apps, editor: Editor) -> None:
        install(editor, table, events, columns)

    def backwards(_apps: Apps, editor: Editor) -> None:
        remove(editor, table, events)

    return RunPython(forwards, backwards)


def on_postgresql(sql: str, undo: str) -> RunPython:
    """Return the operation that runs SQL where the database is PostgreSQL."""

    def forwards(_apps: Apps, editor: Editor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(sql)

    def backwards(_apps: Apps, editor: Editor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(undo)

    return RunPython(forwards, backwards)


def taking_along(table: str, column: str) -> RunPython:
    """Return the operation that deletes a table's rows with the row they point at.

    Where the database is PostgreSQL, which then needs half the time: Django's own keys
    only forbid to delete what is pointed at. See ``purge.delete_ranges``.
    """

    def forwards(_apps: Apps, editor: Editor) -> None:
        if editor.connection.vendor == "postgresql":
            point(editor, table, column, "ON DELETE CASCADE")

    def backwards(_apps: Apps, editor: Editor) -> None:
        if editor.connection.vendor == "postgresql":
            point(editor, table, column, "")

    return RunPython(forwards, backwards)


def point(editor: Editor, table: str, column: str, action: str) -> None:
    """Make the column's foreign key anew, under its name."""
    with editor.connection.cursor() as cursor:
        keys = editor.connection.introspection.get_constraints(cursor, table)
    for name, key in keys.items():
        if key["foreign_key"] and key["columns"] == [column]:
            target, its_column = key["foreign_key"]
            editor.execute(
                f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} "
                f"FOREIGN KEY ({column}) REFERENCES {target} ({its_column}) {action} "
                "DEFERRABLE INITIALLY DEFERRED"
            )


def grant(rights: Mapping[str, Sequence[str]]) -> RunPython:
    """Return the operation that gives roles their rights ("app.model.codename").

    Django makes permissions after the last migration; this makes those it needs.
    """

    def forwards(apps: Apps, editor: Editor) -> None:
        Group = apps.get_model("auth", "Group")
        Permission = apps.get_model("auth", "Permission")
        ContentType = apps.get_model("contenttypes", "ContentType")
        for role, wanted in rights.items():
            group, _made = Group.objects.get_or_create(name=role)
            for right in wanted:
                app, model, codename = right.split(".")
                kind, _made = ContentType.objects.get_or_create(
                    app_label=app, model=model
                )
                permission, _made = Permission.objects.get_or_create(
                    content_type=kind,
                    codename=codename,
                    defaults={"name": codename.replace("_", " ")},
                )
                group.permissions.add(permission)

    def backwards(apps: Apps, editor: Editor) -> None:
        Group = apps.get_model("auth", "Group")
        Permission = apps.get_model("auth", "Permission")
        for role, wanted in rights.items():
            for right in wanted:
                app, _model, codename = right.split(".")
                gone = Permission.objects.filter(
                    content_type__app_label=app, codename=codename
                )
                for group in Group.objects.filter(name=role):
                    group.permissions.remove(*gone)

    return RunPython(forwards, backwards)
