"""Machines by the hundred: one lock, one UPDATE and one INSERT of Moves for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from django.db import models, transaction
from django.utils import timezone

from workflows.core.accounts import User
from workflows.core.machine import Machine, states
from workflows.core.moves import Move

M = TypeVar("M", bound=Machine)
BATCH = 500
MOST_ALIKE = 20


def begin_many(
    rows: Iterable[M], *, by: User | None, note: str = "", at: datetime | None = None
) -> list[M]:
    """Create rows and their first Moves: all, or none. ``begin`` for many."""
    made = list(rows)
    moment = at or timezone.now()
    moves: list[Move] = []
    for row in made:
        row._moves, row._lent_to = moves, (by, note, moment)
        row._record("begin", "", getattr(row, states(type(row))[0].name))
    try:
        with transaction.atomic():
            if made:
                models.QuerySet.bulk_create(
                    type(made[0])._base_manager.all(), made, batch_size=BATCH
                )
            Move.objects.bulk_create(moves, batch_size=BATCH)
    finally:
        for row in made:
            row._moves = None
    return made


@contextmanager
def moving_many(
    rows: models.QuerySet[M],
    *,
    fields: Iterable[str],
    by: User | None,
    most: int | None = None,
    note: str = "",
    at: datetime | None = None,
) -> Iterator[list[M]]:
    """Lend all the rows, locked in the order of their keys; save those that moved.

    ``fields``: what the moves change besides the states. ``most``: how many rows. Who
    holds them already is waited for; SQLite's writers wait for each other anyway.
    """
    with transaction.atomic():
        held = list(rows.select_for_update(of=("self",)).order_by("pk")[:most])
        moment = at or timezone.now()
        for row in held:
            row._moves, row._lent_to = [], (by, note, moment)
        try:
            yield held
            if changed := moved(held):
                names = [field.name for field in states(type(changed[0]))]
                save_all(changed, [*names, *fields])
            Move.objects.bulk_create(
                [move for row in changed for move in row._moves or ()], batch_size=BATCH
            )
        finally:
            for row in held:
                row._moves = None


def save_all(rows: list[M], names: list[str]) -> None:
    """Write the columns: one UPDATE for all rows of the same new values.

    People decide on hundreds alike; a CASE with a branch for each row takes five times
    as long. Where values cannot be compared, or all differ, it is what serves.
    """
    manager = type(rows[0])._base_manager
    alike: dict[str, list[M]] = {}
    for row in rows:
        alike.setdefault(repr([getattr(row, name) for name in names]), []).append(row)
    if len(alike) > MOST_ALIKE:
        manager.bulk_update(rows, names, batch_size=BATCH)
        return
    for group in alike.values():
        values = {name: getattr(group[0], name) for name in names}
        models.QuerySet.update(manager.filter(pk__in=[r.pk for r in group]), **values)


def moved(rows: Iterable[M]) -> list[M]:
    """Return those of the lent rows that have moved so far."""
    return [row for row in rows if row._moves]
