"""The median, which Django lacks, on both databases."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import (
    Aggregate,
    Count,
    DurationField,
    Expression,
    F,
    QuerySet,
    Window,
)
from django.db.models.functions import RowNumber


class Median(Aggregate):
    """The middle value; the mean of the two middle ones where their number is even."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


def medians(
    rows: QuerySet[Any], length: Expression, by: str
) -> dict[Any, timedelta | None]:
    """Return the median length for each value of a field, read from the database."""
    known = rows.order_by().annotate(length=length).filter(length__isnull=False)
    if connection.vendor == "postgresql":
        return dict(known.values_list(by).annotate(median=Median("length")))
    # SQLite has no such aggregate, but can number the rows: 0, 1, 2 are the middle.
    place = Window(RowNumber(), partition_by=[F(by)], order_by=F("length").asc())
    size = Window(Count("pk"), partition_by=[F(by)])
    middle = known.annotate(off=place * 2 - size).filter(off__in=(0, 1, 2))
    found: dict[Any, list[timedelta]] = defaultdict(list)
    for value, found_length in middle.values_list(by, "length"):
        found[value].append(found_length)
    return {value: sum(pair, timedelta()) / len(pair) for value, pair in found.items()}
