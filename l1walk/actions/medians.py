"""Counts with the median, which Django lacks, for each value of a field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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


def counted(
    rows: QuerySet[Any], by: str, length: Expression, counts: Mapping[str, Aggregate]
) -> dict[Any, dict[str, Any]]:
    """Return the counts and the "median" length of the rows for each value of ``by``.

    Rows whose length is NULL are counted, but have no part in the median.
    """
    rows = rows.order_by()
    grouped: QuerySet[Any, dict[str, Any]] = rows.values(by).annotate(**counts)
    if connection.vendor == "postgresql":
        grouped = grouped.annotate(median=Median(length))
        return {row.pop(by): row for row in grouped}
    middle = middle_lengths(rows, by, length)
    return {
        value: {**row, "median": middle.get(value)}
        for row in grouped
        for value in [row.pop(by)]
    }


def middle_lengths(
    rows: QuerySet[Any], by: str, length: Expression
) -> dict[Any, timedelta]:
    """Return the medians where the database has no such aggregate: on SQLite."""
    # It can number the rows, so that the middle ones alone are read: for n rows those
    # at n/2 and n/2+1, or the one at (n+1)/2.
    known = rows.annotate(length=length).filter(length__isnull=False)
    place = Window(RowNumber(), partition_by=[F(by)], order_by=F("length").asc())
    size = Window(Count("pk"), partition_by=[F(by)])
    middle = known.annotate(off=place * 2 - size).filter(off__in=(0, 1, 2))
    found: dict[Any, list[timedelta]] = defaultdict(list)
    for value, one in middle.values_list(by, "length"):
        found[value].append(one)
    return {value: sum(pair, timedelta()) / len(pair) for value, pair in found.items()}
