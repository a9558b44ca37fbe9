"""Several writes in one statement: on PostgreSQL a job costs two round trips, not ten.

What is written is settled elsewhere; here it is only put into words. Where a database
cannot write in a WITH clause (SQLite), the callers make one statement of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models.expressions import DatabaseDefault
from django.db.models.sql.subqueries import UpdateQuery

DEADLOCK = "40P01"  # PostgreSQL's code


def deadlocked(error: Exception) -> bool:
    """Did two transactions wait for each other, and this one was broken off?"""
    return getattr(error.__cause__, "sqlstate", None) == DEADLOCK


def one_statement() -> bool:
    """Can this database write in a WITH clause?"""
    return connection.vendor == "postgresql"


class Statement:
    """Writes that happen together: the first may find nothing, then none happens."""

    def __init__(self) -> None:
        self.database = connections[DEFAULT_DB_ALIAS]  # the proxy looks it up each time
        self.parts: list[str] = []
        self.values: list[Any] = []

    def insert(self, rows: Sequence[models.Model], *, unless: str = "") -> Self:
        """Add an INSERT; ``unless`` is its ON CONFLICT clause."""
        model = type(rows[0])
        # What is NULL, or the database's to choose, in all rows is left out.
        columns = [
            (field, cast)
            for field, cast in columns_of(model)
            if any(is_given(field.pre_save(row, True)) for row in rows)
        ]
        names = [f'"{field.column}"' for field, _cast in columns]
        line = ", ".join(f"%s::{cast}" for _field, cast in columns)
        for row in rows:
            self.values += [
                self.prepared(field, field.pre_save(row, True)) for field, _ in columns
            ]
        into = f'INSERT INTO "{model._meta.db_table}" ({", ".join(names)})'
        rows_sql = "VALUES " + ", ".join([f"({line})"] * len(rows))
        source = f"SELECT v.* FROM ({rows_sql}) v, w0" if self.parts else rows_sql  # noqa: S608
        return self.add(f"{into} {source} {unless}")

    def update(
        self,
        model: type[models.Model],
        values: Mapping[str, Any],
        where: Mapping[str, Any],
    ) -> Self:
        """Add an UPDATE of the rows that are as ``where`` says."""
        table = model._meta.db_table
        sets, tests = [], []
        for name, value in values.items():
            column, sql, params = self.assigned(model, name, value)
            sets.append(f'"{column}" = {sql}')
            self.values += params
        for name, value in where.items():
            column, sql, params = self.assigned(model, name, value)
            tests.append(f'"{table}"."{column}" = {sql}')
            self.values += params
        tail = f"{' FROM w0' if self.parts else ''} WHERE {' AND '.join(tests)}"
        return self.add(f'UPDATE "{table}" SET {", ".join(sets)}{tail}')  # noqa: S608

    def assigned(
        self, model: type[models.Model], name: str, value: Any
    ) -> tuple[str, str, Any]:
        field: Any = model._meta.get_field(name)
        column: str = field.column
        if hasattr(value, "resolve_expression"):
            sql, params = compiled(model, value)
            return column, sql, params
        if isinstance(value, models.Model):
            value = value.pk
        return column, f"%s::{cast_of(field)}", [self.prepared(field, value)]

    def prepared(self, field: Any, value: Any) -> Any:
        if value is None:
            return None
        ready = field.get_db_prep_save(value, self.database)
        return ready.value if isinstance(ready, Enum) else ready

    def add(self, sql: str) -> Self:
        self.parts.append(sql)
        return self

    def run(self, returning: str = "1") -> tuple[Any, ...] | None:
        """Send it; return what the first write gives back, None if it found nothing."""
        first, *others = self.parts
        withs = [f"w0 AS ({first} RETURNING {returning})"]
        withs += [f"w{n} AS ({part})" for n, part in enumerate(others, start=1)]
        rows = rows_of(f"WITH {', '.join(withs)} SELECT * FROM w0", self.values)  # noqa: S608
        return rows[0] if rows else None


def rows_of(
    sql: str, values: Sequence[Any] | Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Run a statement that PostgreSQL plans once for each connection.

    Django writes values into the text, so that every execution is planned anew.
    """
    import psycopg  # where SQLite is used, it need not be installed

    connection.ensure_connection()
    driver: Any = connection.connection
    with connection.wrap_database_errors, psycopg.Cursor(driver) as cursor:
        cursor.execute(sql, values, prepare=True)
        return cursor.fetchall()


def is_given(value: Any) -> bool:
    return value is not None and not isinstance(value, DatabaseDefault)


@cache
def columns_of(model: type[models.Model]) -> list[tuple[Any, str]]:
    """Return each field with the type that a bare value has to be read as."""
    return [(field, cast_of(field)) for field in model._meta.local_concrete_fields]


@cache
def cast_of(field: Any) -> str:
    """Return the type without its length: a cast cuts what is too long in silence."""
    return str(field.db_type(connection)).partition("(")[0]


@lru_cache(maxsize=256)
def compiled(model: type[models.Model], expression: Any) -> tuple[str, list[Any]]:
    query = UpdateQuery(model)
    compiler = query.get_compiler(connection=connection)
    resolved = expression.resolve_expression(query, allow_joins=False, for_save=True)
    sql, params = compiler.compile(resolved)
    return sql, list(params)
