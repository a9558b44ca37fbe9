"""Lists by keyset: the millionth row costs what the first one does."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of a list; the URLs are "" where there is nothing that way."""

    rows: list[Any]
    newer_url: str
    older_url: str


def slice_of(request: HttpRequest, rows: QuerySet[Any], *, order: str = "-id") -> Slice:
    """Cut the page that ``?after=`` or ``?before=`` asks for, ordered by a field.

    ``order`` is a field of dates or ids, with "-" for falling; ids settle ties. A
    cursor that cannot be read shows the first page.
    """
    back = _cursor(request.GET.get("before"), order)
    mark = back or _cursor(request.GET.get("after"), order)
    name, falling = order.removeprefix("-"), order.startswith("-")
    falling = falling != bool(back)  # going back reads the list from its other end
    if mark:
        rows = rows.filter(_beyond(name, falling, mark))
    sign = "-" if falling else ""
    keys = [f"{sign}{name}"] + ([] if name == "id" else [f"{sign}id"])
    page = list(rows.order_by(*keys)[: PAGE_SIZE + 1])
    more, page = len(page) > PAGE_SIZE, page[:PAGE_SIZE]
    if back:
        page.reverse()
    has_newer, has_older = (more, True) if back else (bool(mark), more)
    return Slice(
        page,
        _url(request, "before", page[0], name) if page and has_newer else "",
        _url(request, "after", page[-1], name) if page and has_older else "",
    )


def _beyond(name: str, falling: bool, mark: tuple[Any, UUID]) -> Q:
    value, pk = mark
    side = "lt" if falling else "gt"
    if name == "id":
        return Q(**{f"id__{side}": pk})
    # The first term looks redundant: it is the one that an index can serve.
    return Q(**{f"{name}__{side}e": value}) & (
        Q(**{f"{name}__{side}": value}) | Q(**{name: value, f"id__{side}": pk})
    )


def _url(request: HttpRequest, direction: str, row: Model, name: str) -> str:
    value = getattr(row, name)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    mark = base64.urlsafe_b64encode(json.dumps([text, str(row.pk)]).encode()).decode()
    query = request.GET.copy()
    query.pop("after", None)
    query.pop("before", None)
    query[direction] = mark
    return f"?{query.urlencode()}"


def _cursor(text: str | None, order: str) -> tuple[Any, UUID] | None:
    if not text:
        return None
    try:
        value, pk = json.loads(base64.urlsafe_b64decode(text.encode()))
        if not order.endswith("id"):
            value = datetime.fromisoformat(value).astimezone(UTC)
        return value, UUID(pk)
    # What people make of an address is no error: too early a year, too deep a list.
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
