"""The manager's view: how flows do, version by version and step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from l1walk.actions import reports as figures
from l1walk.actions.reports import Figures, NodeFigures, Period, VersionFigures
from l1walk.forms.reports import PeriodForm
from l1walk.graphs.definition import Definition
from l1walk.graphs.drawing import NodeStats
from l1walk.models import FlowVersion
from l1walk.models.flow import definition_of
from l1walk.models.walk import STALE_AFTER
from l1walk.views.charts import stacked_bars
from l1walk.views.flow_panels import drawing
from workflows.core.export import csv_response
from workflows.core.http import UserRequest
from workflows.core.paging import slice_of
from workflows.templatetags.handrail import duration

can_view = permission_required("l1walk.view_reports", raise_exception=True)

SHORTCUTS = (7, 30, 90, 365)
VERSIONS_SHOWN = 12
NOTHING = "\N{EN DASH}"  # where there is nothing to divide
VERSION_HEADER = (
    "flow",
    "version",
    "first_day",
    "last_day",
    "walks",
    "resolved",
    "escalated",
    "abandoned",
    "active",
    "helpful_yes",
    "helpful_answers",
    "median_seconds",
    "walks_before",
    "resolved_before",
    "median_seconds_before",
)
NODE_HEADER = (
    "step",
    "node_id",
    "type",
    "text",
    "visits",
    "abandoned",
    "escalated",
    "drop_off",
    "median_seconds",
    "taken_back",
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its change against the period before."""

    label: str
    value: str
    change: str = ""
    direction: str = ""


def tiles(now: Figures, before: Figures) -> list[Tile]:
    """Return the row of figures that a report begins with."""
    rates = (
        (_("Resolved"), now.resolved_rate, before.resolved_rate),
        (_("Escalated"), now.escalated_rate, before.escalated_rate),
        (_("Abandoned"), now.abandoned_rate, before.abandoned_rate),
        (_("Questions helped"), now.helpful_rate, before.helpful_rate),
    )
    return [
        Tile(_("Walks"), f"{now.walks}", *walks_change(now.walks, before.walks)),
        *(Tile(name, percent(a), *rate_change(a, b)) for name, a, b in rates),
        Tile(
            _("Median time"),
            duration(now.median) or NOTHING,
            *time_change(now.median, before.median),
        ),
    ]


def percent(rate: float | None) -> str:
    return NOTHING if rate is None else f"{100 * rate:.0f}%"


def walks_change(now: int, before: int) -> tuple[str, str]:
    if not before:
        return "", ""
    if now > 4 * before:  # "4867% more" says nothing
        return _("%(n)s before") % {"n": before}, "up"
    part = round(100 * (now - before) / before)
    return change(part, _("%(n)s%% more"), _("%(n)s%% fewer"))


def rate_change(now: float | None, before: float | None) -> tuple[str, str]:
    if now is None or before is None:
        return "", ""
    points = round(100 * now) - round(100 * before)
    return change(
        points,
        ngettext("%(n)s point more", "%(n)s points more", abs(points)),
        ngettext("%(n)s point less", "%(n)s points less", abs(points)),
    )


def time_change(now: timedelta | None, before: timedelta | None) -> tuple[str, str]:
    if now is None or before is None:
        return "", ""
    seconds = round((now - before).total_seconds())
    return change(
        seconds, _("%(n)s longer"), _("%(n)s shorter"), duration(abs(seconds))
    )


def change(by: int, more: str, less: str, said: str = "") -> tuple[str, str]:
    if not by:
        return _("unchanged"), "same"
    return (more if by > 0 else less) % {"n": said or abs(by)}, (
        "up" if by > 0 else "down"
    )


def asked_for(request: UserRequest) -> tuple[Period, dict[str, Any]]:
    """Return the days that the query string asks for, and what every report shows."""
    form = PeriodForm(request.GET)
    period = form.period
    today = form.today
    return period, {
        "form": form,
        "period": period,
        # Links keep the days; "" keeps the default, which moves on with today.
        "query": request.GET.urlencode() if form.is_valid() else "",
        "shortcuts": [
            (days, today - timedelta(days=days - 1), today) for days in SHORTCUTS
        ],
    }


@require_safe
@can_view
def reports(request: UserRequest) -> HttpResponse:
    """Every flow version beside the others, and what no flow caught."""
    period, context = asked_for(request)
    rows = figures.walks_in(request.user, period)
    now = figures.figures(rows)
    before = figures.figures(figures.walks_in(request.user, period.before))
    context |= {
        "now": now,
        "tiles": tiles(now, before),
        "chart": chart(rows, period),
        "versions": figures.figures_by_version(request.user, period),
        "categories": figures.escalation_categories(rows),
        "problems": figures.unmatched_problems(rows),
        "stale": figures.stale_walks(request.user, timezone.now()).count(),
    }
    return render(request, "l1walk/reports/overview.html", context)


def chart(rows: figures.Walks, period: Period) -> Any:
    buckets = figures.outcomes_over_time(rows, period)
    return stacked_bars(buckets, figures.unit_of(period))


@require_safe
@can_view
def reports_csv(request: UserRequest) -> HttpResponseBase:
    """The flow versions as a file."""
    period, _context = asked_for(request)
    rows = figures.figures_by_version(request.user, period)
    name = f"flows-{period.first}-{period.last}.csv"
    return csv_response(name, VERSION_HEADER, version_cells(rows, period))


def version_cells(rows: list[VersionFigures], period: Period) -> Iterator[list[Any]]:
    for row in rows:
        now, before, version = row.now, row.before, row.version
        yield [
            version.flow.title if version else _("Without a flow"),
            version.number if version else "",
            period.first,
            period.last,
            now.walks,
            now.resolved,
            now.escalated,
            now.abandoned,
            now.active,
            now.helped,
            now.rated,
            seconds(now.median),
            before.walks,
            before.resolved,
            seconds(before.median),
        ]


def seconds(length: timedelta | None) -> float | str:
    return "" if length is None else round(length.total_seconds(), 1)


def find_version(request: UserRequest, slug: str, number: int) -> FlowVersion:
    # Operators see all accounts, which may share a slug: the newest is as good as any.
    rows = figures.versions_of(request.user).filter(flow__slug=slug, number=number)
    version = rows.order_by("-pk").first()
    if version is None:
        raise Http404
    return version


def walks_of(
    request: UserRequest, version: FlowVersion, period: Period
) -> figures.Walks:
    return figures.walks_in(request.user, period).filter(flow_version=version)


@require_safe
@can_view
def report_version(request: UserRequest, slug: str, number: int) -> HttpResponse:
    """One version: where its walks ended, where people lose time or turn back."""
    version = find_version(request, slug, number)
    period, context = asked_for(request)
    rows = walks_of(request, version, period)
    graph = definition_of(version.pk)
    nodes = figures.node_figures(rows, graph)
    now = figures.figures(rows)
    before = figures.figures(walks_of(request, version, period.before))
    others = figures.versions_of(request.user).filter(flow=version.flow_id)
    context |= {
        "version": version,
        "versions": others.order_by("-number")[:VERSIONS_SHOWN],
        "now": now,
        "tiles": tiles(now, before),
        "nodes": nodes,
        "map": draw_map(graph, nodes),
        "chart": chart(rows, period),
        "categories": figures.escalation_categories(rows),
    }
    return render(request, "l1walk/reports/version.html", context)


def draw_map(graph: Definition, nodes: list[NodeFigures]) -> SafeString | None:
    """Return the map with drop-off as heat; each node links to its row of the table."""
    weights = {row.node.id: NodeStats(row.visits, row.dropped) for row in nodes}
    svg = drawing(graph, lambda node_id: f"#node-{node_id}", weights)
    return SafeString(svg) if svg else None


@require_safe
@can_view
def report_version_csv(
    request: UserRequest, slug: str, number: int
) -> HttpResponseBase:
    """The steps of a version as a file."""
    version = find_version(request, slug, number)
    period, _context = asked_for(request)
    rows = walks_of(request, version, period)
    nodes = figures.node_figures(rows, definition_of(version.pk))
    name = f"{slug}-v{number}-{period.first}-{period.last}.csv"
    return csv_response(name, NODE_HEADER, map(node_cells, nodes))


def node_cells(row: NodeFigures) -> list[Any]:
    return [
        row.number,
        row.node.id,
        row.node.type,
        row.node.text,
        row.visits,
        row.abandoned,
        row.escalated,
        row.dropped,
        seconds(row.median),
        row.undone,
    ]


@require_safe
@can_view
def report_stale(request: UserRequest) -> HttpResponse:
    """Running walks in which nobody answered for a while."""
    rows = figures.stale_walks(request.user, timezone.now())
    rows = rows.select_related("flow", "created_by_user").defer("flow__draft")
    context = {
        "list": slice_of(request, rows, order="-last_step_at"),
        "minutes": int(STALE_AFTER.total_seconds() // 60),
    }
    return render(request, "l1walk/reports/stale.html", context)
