"""The list of walks, and the same as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from l1walk.models import Flow, L1WalkSession
from workflows.core.export import csv_response
from workflows.core.http import UserRequest
from workflows.core.paging import slice_of

HEADER = (
    "id",
    "ticket_kind",
    "ticket_id",
    "session_kind",
    "flow",
    "status",
    "problem",
    "started_by",
    "started_at",
    "last_step_at",
    "steps",
    "helpful",
    "escalation_category",
    "escalation_reason",
    "resolution_notes",
)


def filtered(request: UserRequest) -> tuple[QuerySet[Any], dict[str, Any]]:
    """Return the walks that the query string asks for, and what it asks."""
    rows = L1WalkSession.objects.visible_to(request.user)
    # No database keeps a NUL: PostgreSQL refuses even to look for one.
    asked = {
        name: request.GET.get(name, "").replace("\0", "")
        for name in ("status", "who", "flow")
    }
    if asked["status"] in L1WalkSession.Status.values:
        rows = rows.filter(status=asked["status"])
    if asked["who"] == "me":
        rows = rows.filter(created_by_user=request.user)
    if asked["flow"]:
        rows = rows.filter(flow__slug=asked["flow"])
    rows = rows.select_related("flow", "created_by_user").defer("flow__draft")
    return rows, asked


@require_safe
def walks(request: UserRequest) -> HttpResponse:
    """Every walk of the account, newest first."""
    rows, asked = filtered(request)
    flows = Flow.objects.visible_to(request.user).order_by("title")
    context = {
        "list": slice_of(request, rows),
        "asked": asked,
        "statuses": L1WalkSession.Status.choices,
        "flows": flows.values_list("slug", "title")[:200],
    }
    return render(request, "l1walk/walks.html", context)


@require_safe
def walks_csv(request: UserRequest) -> HttpResponseBase:
    """The same walks as a file."""
    rows, _asked = filtered(request)
    return csv_response("walks.csv", HEADER, cells(rows.order_by("-id")))


def cells(rows: QuerySet[Any]) -> Iterator[tuple[Any, ...]]:
    for row in rows.iterator(chunk_size=2000):
        yield (
            row.pk,
            row.ticket_kind,
            row.ticket_id,
            row.session_kind,
            row.flow.title if row.flow else "",
            row.status,
            row.problem_text or "",
            str(row.created_by_user),
            row.started_at.isoformat(),
            row.last_step_at.isoformat(),
            row.last_seq,
            "" if row.helpful is None else row.helpful,
            row.escalation_reason_category or "",
            row.escalation_reason or "",
            row.resolution_notes or "",
        )
