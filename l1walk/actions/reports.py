"""How flows do: figures of the walks that began in a range of days, made in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import reduce
from typing import Any
from uuid import UUID

from django.db.models import (
    Count,
    DateField,
    DurationField,
    Expression,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Value,
    Window,
)
from django.db.models.functions import (
    Coalesce,
    Left,
    Lower,
    Replace,
    RowNumber,
    Trim,
    Trunc,
)

from l1walk.actions.medians import counted
from l1walk.graphs.definition import Definition, EscalationCategory, Node, NodeType
from l1walk.graphs.outline import outline
from l1walk.models import Flow, FlowVersion, L1WalkSession, WalkStep
from l1walk.models.walk import STALE_AFTER
from workflows.core.accounts import User

Status = L1WalkSession.Status
Walks = QuerySet[L1WalkSession]

PROBLEMS_SHOWN = 20
# Longer texts are told apart by their beginning: it names the problem.
PROBLEM_LENGTH = 200
PUNCTUATION = ".,;:!?\"'()\n\r\t"

# Up to so many days a chart has a bar for each day, then for each week, then month.
DAILY, WEEKLY = 31, 371


def between(start: str, end: Any) -> Expression:
    return ExpressionWrapper(end - F(start), output_field=DurationField())


# An abandoned walk has no end that anybody saw: it has no length.
WALK_LENGTH = between("started_at", Coalesce("resolved_at", "escalated_at"))
TIME_ON_NODE = between("shown_at", F("answered_at"))


@dataclass(frozen=True, slots=True)
class Period:
    """Days of an account's calendar, the first and the last one included."""

    first: date
    last: date
    zone: tzinfo

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time.min, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment that does not belong to the period any more."""
        return datetime.combine(self.last + timedelta(days=1), time.min, self.zone)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        length = timedelta(days=self.days)
        return Period(self.first - length, self.last - length, self.zone)


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a set of walks; a rate is None where there is nothing to divide."""

    walks: int = 0
    resolved: int = 0
    escalated: int = 0
    abandoned: int = 0
    active: int = 0
    helped: int = 0
    rated: int = 0
    median: timedelta | None = None

    @property
    def resolved_rate(self) -> float | None:
        return share(self.resolved, self.walks)

    @property
    def escalated_rate(self) -> float | None:
        return share(self.escalated, self.walks)

    @property
    def abandoned_rate(self) -> float | None:
        return share(self.abandoned, self.walks)

    @property
    def helpful_rate(self) -> float | None:
        """Of those walks alone whose technician said whether the questions helped."""
        return share(self.helped, self.rated)


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def walks_in(user: User, period: Period) -> Walks:
    """Return the walks that began in the period, of the user's account."""
    rows: Walks = L1WalkSession.objects.visible_to(user)
    return rows.filter(started_at__gte=period.start, started_at__lt=period.end)


COUNTS = {
    "walks": Count("pk"),
    **{str(status): Count("pk", filter=Q(status=status)) for status in Status},
    "helped": Count("pk", filter=Q(helpful=True)),
    "rated": Count("helpful"),
}


def figures(rows: Walks) -> Figures:
    """Return the figures of all the walks together."""
    whole = figures_by(rows.annotate(whole=Value(0)), "whole")
    return whole.get(0, Figures())


def figures_by(rows: Walks, by: str) -> dict[Any, Figures]:
    """Return the figures of the walks for each value of a field."""
    found = counted(rows, by, WALK_LENGTH, COUNTS)
    return {value: Figures(**row) for value, row in found.items()}


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """A flow version with its figures; ``version`` is None for walks without a flow."""

    version: FlowVersion | None
    now: Figures
    before: Figures


def figures_by_version(user: User, period: Period) -> list[VersionFigures]:
    """Return every version that was walked and every one in use, by flow and number."""
    now = figures_by(walks_in(user, period), "flow_version_id")
    before = figures_by(walks_in(user, period.before), "flow_version_id")
    in_use = Q(flow__state=Flow.State.PUBLISHED, pk=F("flow__current_version_id"))
    versions = versions_of(user).filter(Q(pk__in=[pk for pk in now if pk]) | in_use)
    shown: list[FlowVersion | None] = list(versions.order_by("flow__title", "-number"))
    if None in now:
        shown.append(None)
    none = Figures()
    return [
        VersionFigures(row, now.get(pk, none), before.get(pk, none))
        for row in shown
        for pk in [row.pk if row else None]
    ]


def versions_of(user: User) -> QuerySet[FlowVersion]:
    """Return the account's versions without their graphs, which are large."""
    rows = FlowVersion.objects.filter(flow__in=Flow.objects.visible_to(user))
    heavy = ("definition", "flow__draft", "flow__draft_notes", "flow__search_text")
    return rows.select_related("flow").defer(*heavy)


@dataclass(slots=True)
class Bucket:
    """The walks that began on a day, or in the week or month that begins with it."""

    day: date
    resolved: int = 0
    escalated: int = 0
    abandoned: int = 0
    active: int = 0

    @property
    def walks(self) -> int:
        return self.resolved + self.escalated + self.abandoned + self.active


def unit_of(period: Period) -> str:
    if period.days <= DAILY:
        return "day"
    return "week" if period.days <= WEEKLY else "month"


def outcomes_over_time(rows: Walks, period: Period) -> list[Bucket]:
    """Return the outcomes for each day, week or month, those without walks too."""
    unit = unit_of(period)
    buckets = {day: Bucket(day) for day in days_of(period, unit)}
    day = Trunc("started_at", unit, output_field=DateField(), tzinfo=period.zone)
    found = rows.order_by().annotate(day=day).values_list("day", "status")
    for start, status, count in found.annotate(count=Count("pk")):
        setattr(buckets[start], status, count)
    return list(buckets.values())


def days_of(period: Period, unit: str) -> Iterator[date]:
    """Yield the day that each day, week or month of the period begins with."""
    day = period.first
    if unit == "week":
        day -= timedelta(days=day.weekday())
    elif unit == "month":
        day = day.replace(day=1)
    while day <= period.last:
        yield day
        if unit == "month":
            day = (day + timedelta(days=31)).replace(day=1)
        else:
            day += timedelta(days=7 if unit == "week" else 1)


def escalation_categories(rows: Walks) -> list[tuple[EscalationCategory, int]]:
    """Return why walks were handed over and how often, the commonest first."""
    reasons = rows.filter(status=Status.ESCALATED).order_by()
    pairs = reasons.values_list("escalation_reason_category").annotate(Count("pk"))
    found = [(EscalationCategory(value), count) for value, count in pairs]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A problem that no flow was walked for, in the words of the latest caller."""

    text: str
    walks: int
    last_seen: datetime
    walk_id: UUID


def unmatched_problems(rows: Walks) -> list[Unmatched]:
    """Return what was walked without a flow, the commonest first.

    Texts that differ in case, spaces and punctuation alone are one problem.
    """
    kinds = (L1WalkSession.Kind.ADHOC, L1WalkSession.Kind.AI_BUILD)
    said: QuerySet[Any] = rows.filter(session_kind__in=kinds)
    said = said.annotate(said=normalised("problem_text")).exclude(said="")
    latest = [F("started_at").desc(), F("pk").desc()]
    grouped: QuerySet[Any] = said.annotate(
        walks=Window(Count("pk"), partition_by=[F("said")]),
        place=Window(RowNumber(), partition_by=[F("said")], order_by=latest),
    )
    shown: QuerySet[Any] = grouped.filter(place=1).order_by("-walks", "-started_at")
    columns = ("problem_text", "walks", "started_at", "pk")
    return [Unmatched(*row) for row in shown.values_list(*columns)[:PROBLEMS_SHOWN]]


def normalised(field: str) -> Expression:
    """Return the SQL that makes texts equal which people would call the same."""
    text: Any = Lower(Left(Coalesce(field, Value("")), PROBLEM_LENGTH))
    # Runs of spaces become one: mark each space, then drop marks that meet.
    steps = [(mark, " ") for mark in PUNCTUATION]
    steps += [(" ", "\x01\x02"), ("\x02\x01", ""), ("\x01\x02", " ")]
    return Trim(reduce(lambda t, s: Replace(t, Value(s[0]), Value(s[1])), steps, text))


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What happened on one node; answers that were taken back count too."""

    node: Node
    number: str
    visits: int = 0
    abandoned: int = 0
    escalated: int = 0
    undone: int = 0
    median: timedelta | None = None

    @property
    def foreseen(self) -> bool:
        """Whether the flow itself asks to hand over here."""
        return self.node.type == NodeType.ESCALATE

    @property
    def dropped(self) -> int:
        """Walks that ended here with no solution, and not as the flow foresees."""
        return self.abandoned + (0 if self.foreseen else self.escalated)

    @property
    def drop_rate(self) -> float | None:
        return share(self.dropped, self.visits)


NOT_ANSWERED: dict[str, Any] = {"answers": 0, "undone": 0, "median": None}


def node_figures(rows: Walks, graph: Definition) -> list[NodeFigures]:
    """Return each node of the version that the walks are pinned to, in outline order.

    A visit is an answer, or a walk that stands or ended on the node.
    """
    # A resumed walk begins with copies of earlier steps, which count where they were
    # made: they are older than the walk.
    steps = WalkStep.objects.filter(
        session__in=rows.order_by().values("pk"), shown_at__gte=F("session__started_at")
    ).order_by()
    counts = {"answers": Count("pk"), "undone": Count("undone_at")}
    answers = counted(steps, "node_id", TIME_ON_NODE, counts)
    stands = figures_by_node(rows)
    found = []
    for item in outline(graph):
        if item.repeated:
            continue
        answered = answers.get(item.node.id, NOT_ANSWERED)
        here, abandoned, escalated = stands.get(item.node.id, [0, 0, 0])
        found.append(
            NodeFigures(
                node=item.node,
                number=item.number,
                visits=answered["answers"] + here,
                abandoned=abandoned,
                escalated=escalated,
                undone=answered["undone"],
                median=answered["median"],
            )
        )
    return found


def figures_by_node(rows: Walks) -> dict[str, list[int]]:
    """Return how many walks stand on each node, were abandoned and escalated there."""
    here: Any = rows.order_by().values("current_node_id").annotate(**COUNTS)
    columns = ("current_node_id", "walks", "abandoned", "escalated")
    return {node_id: counts for node_id, *counts in here.values_list(*columns)}


def stale_walks(user: User, now: datetime) -> Walks:
    """Return the running walks in which nobody answered for STALE_AFTER."""
    rows: Walks = L1WalkSession.objects.visible_to(user)
    return rows.filter(status=Status.ACTIVE, last_step_at__lt=now - STALE_AFTER)
