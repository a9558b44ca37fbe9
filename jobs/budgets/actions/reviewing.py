"""Decisions on the review page: on what the person saw, or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from jobs.budgets.actions.deciding import (
    CHOSEN,
    MOST_AT_ONCE,
    Taught,
    check_category,
    choose_category,
    choose_payee,
    forget,
    reject_parts,
    reopen_category,
    reopen_payee,
)
from jobs.budgets.models import Lesson, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S
from workflows.core.accounts import User
from workflows.core.ids import first_id_at
from workflows.core.machines import moved, moving_many
from workflows.core.moves import Move

# What makes two looks at a payee's suggestions the same look.
STATE = (
    "category_status",
    "category_proposal_id",
    "category_id",
    "payee_status",
    "payee_proposal",
    "payee",
)
# Web servers' clocks, by which ids are made, differ by less.
CLOCKS_DIFFER = timedelta(minutes=5)


class Outpaced(Exception):
    """The suggestions are no longer as the person saw them: nothing was decided."""


class NothingChosen(ValueError):
    """Neither is anything proposed nor has the person chosen anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person says of suggestions.

    "" takes what each was approved with, else what it proposes. ``rename`` False leaves
    the payees' names as they are.
    """

    category_id: str = ""
    rename: bool = True
    payee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Which of a payee's suggestions are meant: of those shown, the ticked ones."""

    shown: frozenset[UUID]
    ticked: frozenset[UUID]
    rest: bool  # and those that were not shown


def state_of(rows: QuerySet[Suggestion]) -> str:
    """Return a short text that changes when what there is to decide does."""
    counted = rows.order_by().values_list(*STATE).annotate(n=Count("id"))
    return state_text(counted)


def state_text(counted: Iterable[tuple[Any, ...]]) -> str:
    """Return the text for the values of STATE, each with how many have them."""
    return sha256(repr(sorted(counted)).encode()).hexdigest()[:16]


def settle(
    rows: QuerySet[Suggestion],
    *,
    by: User,
    seen: str,
    choice: Choice | None,
    ticked: Ticked | None = None,
    at: datetime,
) -> list[Suggestion]:
    """Approve one payee's suggestions with what was chosen; None leaves them alone.

    ``rows`` are those that the person looked at and ``seen`` is their state then.
    Raises Outpaced, NothingChosen, UnknownCategory; then nothing has changed.
    """
    with transaction.atomic():
        hold_still(rows, seen)
        if ticked is not None:
            rows = meant(rows, ticked)
        lessons: list[Lesson] = []
        known: set[tuple[UUID, str]] = set()
        with moving_many(rows, fields=CHOSEN, by=by, most=MOST_AT_ONCE, at=at) as held:
            for row in held:
                if choice is None:
                    reject_parts(row)
                    continue
                if choice.category_id:
                    check_category(row, choice.category_id, known)
                lessons += take(row, by, at, choice)
            changed = moved(held)
        if choice is not None and not changed:
            raise NothingChosen
        Lesson.objects.bulk_create(lessons)
    return changed


def hold_still(rows: QuerySet[Suggestion], seen: str) -> None:
    """Lock the rows and compare: what is decided is what was on the screen."""
    held = rows.select_for_update(of=("self",)).order_by("pk")
    list(held.values_list("pk")[:MOST_AT_ONCE])
    if state_of(rows) != seen:
        raise Outpaced


def meant(rows: QuerySet[Suggestion], ticked: Ticked) -> QuerySet[Suggestion]:
    wanted = Q(pk__in=ticked.ticked & ticked.shown)
    if ticked.rest:
        wanted |= ~Q(pk__in=ticked.shown)
    return rows.filter(wanted)


def take(row: Suggestion, by: User, at: datetime, choice: Choice) -> list[Lesson]:
    lessons: list[Lesson] = []
    category_id = choice.category_id or row.category_id or row.category_proposal_id
    if category_id:
        lessons += choose_category(row, by, at, category_id)
    name = choice.payee.strip() or row.payee or row.payee_proposal
    if choice.rename:
        lessons += choose_payee(row, by, at, name)
    elif row.payee_status in (S.PENDING, S.APPROVED):
        row.reject_payee()
    return lessons


def undo(
    rows: QuerySet[Suggestion], *, by: User, at: datetime, now: datetime
) -> list[Suggestion]:
    """Take back what the person decided at a moment, among the rows.

    What somebody has gone on from since stays as it is.
    """
    with transaction.atomic():
        parts = decided(rows, by, at)
        taught = Counter[Taught]()
        mine = Suggestion.objects.filter(pk__in=parts.keys())
        with moving_many(mine, fields=CHOSEN, by=by, at=now) as held:
            for row in held:
                if "category" in parts[row.pk]:
                    taught.update(reopen_category(row))
                if "payee" in parts[row.pk]:
                    taught.update(reopen_payee(row))
            changed = moved(held)
        if changed:
            forget(changed[0].budget_id, taught)
    return changed


def decided(
    rows: QuerySet[Suggestion], by: User, at: datetime
) -> dict[UUID, Collection[str]]:
    """Return the parts that the person's decision of a moment was the last move of."""
    since = Move.objects.filter(
        object_id__in=rows.order_by().values("pk"),
        id__gte=first_id_at(at - CLOCKS_DIFFER),
        at__gte=at,
    )
    mine: dict[UUID, set[str]] = defaultdict(set)
    others: set[UUID] = set()
    for pk, who, when, name in since.values_list("object_id", "actor_id", "at", "name"):
        if who == by.pk and when == at:
            mine[pk].add(name.rpartition("_")[2])
        else:
            others.add(pk)
    return {pk: parts for pk, parts in mine.items() if pk not in others}


def who_decided(rows: QuerySet[Suggestion]) -> Move | None:
    """Return the last move of any of the rows."""
    return (
        Move.objects.filter(object_id__in=rows.order_by().values("pk"))
        .order_by("-id")
        .first()
    )
