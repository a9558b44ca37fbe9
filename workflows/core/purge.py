"""The nightly purge: the registry of retention rules, and the verb that runs them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.functional import Promise

log = logging.getLogger(__name__)

# Rows of one transaction, at most; how many it is in fact, Pace finds out.
CHUNK = 10_000
FIRST = LEAST = 1_000
CHUNK_SECONDS = 0.1
# It is in no hurry: after each chunk it rests for this share of the chunk's time, so
# that what others write in between does not queue behind it.
REST = 0.5

Sweep = Callable[[datetime, bool], Iterator[int]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept for how long. ``run`` yields the number of rows of each chunk.

    A chunk is a short transaction of its own, over when it is yielded, so that a purge
    may be stopped at any time and run twice at once. With ``dry_run`` it counts and
    changes nothing.
    """

    name: str
    keep: timedelta
    run: Sweep
    label: str | Promise


@dataclass(frozen=True, slots=True)
class Swept:
    """How far a rule is: after each of its chunks, and once more at its end."""

    rule: Rule
    count: int
    ended: bool = False
    error: Exception | None = None  # tell its name alone: its words may quote a row


RULES: dict[str, Rule] = {}


def purge_rule(
    name: str, *, keep: timedelta, label: str | Promise = ""
) -> Callable[[Sweep], Rule]:
    """Register a rule: a function of (cutoff, dry_run). Raises ValueError if taken.

    ``label``: what is deleted, in words for people.
    """

    def register(run: Sweep) -> Rule:
        if name in RULES:
            raise ValueError(f"the purge rule {name} is registered twice")
        RULES[name] = Rule(name, keep, run, label or name)
        return RULES[name]

    return register


def purge(
    rules: Iterable[Rule] | None = None,
    *,
    keep: timedelta | None = None,
    dry_run: bool = False,
) -> Iterator[Swept]:
    """Run the rules, or all; whoever stops asking stops the purge, between chunks.

    ``keep`` stands in for the ages of the rules. A rule that fails leaves a trace in
    the log and does not keep the next one from running.
    """
    for rule in list(RULES.values() if rules is None else rules):
        cutoff = timezone.now() - (rule.keep if keep is None else keep)
        count, failure = 0, None
        try:
            for rows in rule.run(cutoff, dry_run):
                count += rows
                yield Swept(rule, count)
        except Exception as error:
            log.exception("the purge rule %s failed", rule.name)
            failure = error
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
        yield Swept(rule, count, ended=True, error=failure)


class Pace:
    """How many rows go at once, so that a chunk takes a tenth of a second or so."""

    def __init__(self, rows: int = FIRST, most: int = CHUNK) -> None:
        self.rows = min(rows, most)
        self.most = most

    def took(self, seconds: float) -> None:
        if seconds > 1.5 * CHUNK_SECONDS:
            self.rows = max(min(LEAST, self.most), self.rows // 2)
        elif seconds < CHUNK_SECONDS / 2:
            self.rows = min(self.most, self.rows * 2)


def delete_ranges(
    rows: models.QuerySet[Any],
    *children: tuple[type[models.Model], str],
    dry_run: bool = False,
    pace: Pace | None = None,
) -> Iterator[int]:
    """Delete rows in ranges of their key; yield the count of each range.

    ``children``: the models that point at them, each with its column. PostgreSQL takes
    them along (``migrating.taking_along``); elsewhere they go first.
    The walk steps over what is kept, so that no statement sees more than a range,
    however the ages lie. A range's rows are locked in the order of the key: of two
    callers the second one waits for the first, and then finds them gone.
    """
    if dry_run:
        yield rows.count()
        return
    pace = pace or Pace()
    after = None
    while True:
        started = time.monotonic()
        keys = rows.model._base_manager.filter(**between("pk", after, None))
        keys = keys.order_by("pk").values_list("pk", flat=True)
        end = next(iter(keys[pace.rows - 1 : pace.rows]), None)
        is_last = end is None
        if is_last and (end := keys.last()) is None:
            return
        count = delete_range(rows, children, after, end)
        seconds = time.monotonic() - started
        yield count
        if is_last:
            return
        after = end
        pace.took(seconds)
        time.sleep(seconds * REST)


def delete_range(
    rows: models.QuerySet[Any],
    children: Iterable[tuple[type[models.Model], str]],
    after: Any,
    end: Any,
) -> int:
    """Delete what lies after the one key, None for the first, and up to the other."""
    doomed = rows.filter(**between("pk", after, end)).order_by()
    with transaction.atomic():
        commit_lazily()
        locked = doomed.select_for_update().order_by("pk").values_list("pk", flat=True)
        if count := len(locked):
            for model, column in children if not takes_along() else ():
                near = model._base_manager.filter(**between(column, after, end))
                # Django's collector would read every row first.
                theirs = {f"{column}__in": doomed.values("pk")}
                near.filter(**theirs)._raw_delete(near.db)
            doomed._raw_delete(doomed.db)
    return count


def takes_along() -> bool:
    """Do rows go with the row that they point at? SQLite's tables were not rebuilt."""
    return connection.vendor == "postgresql"


def commit_lazily() -> None:
    """Wait for no disk: what a crash undeletes, the next purge deletes again."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")


def between(column: str, after: Any, end: Any) -> dict[str, Any]:
    bounds = {f"{column}__gt": after, f"{column}__lte": end}
    return {name: key for name, key in bounds.items() if key is not None}
