"""Charts as numbers: what our SVG templates draw, worked out beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import dateformat
from django.utils.translation import gettext as _

from l1walk.actions.reports import Bucket

# Units of the drawing; it is stretched to the width of the page.
HEIGHT, SLOT, BAR = 1000, 10, 8
FEWEST_SLOTS = 7  # a single day is a bar, not a wall
# From the bottom up: the class of our style sheet that colours each outcome.
STACK = {
    "resolved": "bar-success",
    "escalated": "bar-warning",
    "abandoned": "bar-2",
    "active": "bar-info",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One outcome's piece of a bar."""

    css: str
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Column:
    """The bar of a day, week or month."""

    x: int
    label: str
    bucket: Bucket
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class StackedBars:
    """A chart; ``top`` is the number of walks that its full height stands for."""

    columns: list[Column]
    width: int
    top: int
    heading: str


def stacked_bars(buckets: list[Bucket], unit: str) -> StackedBars:
    """Return the chart of outcomes over time; ``unit`` is day, week or month."""
    top = round_up(max((bucket.walks for bucket in buckets), default=0))
    columns = [
        Column(place * SLOT + 1, label(bucket, unit), bucket, parts(bucket, top))
        for place, bucket in enumerate(buckets)
    ]
    width = max(len(columns), FEWEST_SLOTS) * SLOT
    headings = {"day": _("Day"), "week": _("Week from"), "month": _("Month")}
    return StackedBars(columns, width, top, headings[unit])


def label(bucket: Bucket, unit: str) -> str:
    return dateformat.format(bucket.day, "M Y" if unit == "month" else "D j M Y")


def parts(bucket: Bucket, top: int) -> list[Part]:
    found, below = [], 0
    for status, css in STACK.items():
        count = getattr(bucket, status)
        if count:
            # Edges are rounded, not heights: rounded heights leave gaps.
            low, high = below * HEIGHT // top, (below + count) * HEIGHT // top
            found.append(Part(css, HEIGHT - high, high - low))
        below += count
    return found


def round_up(number: int) -> int:
    """Return the next of 1, 2, 4, 10, 20, 40, 100: half of it says something too."""
    top = 1
    while True:
        for factor in (1, 2, 4):
            if number <= top * factor:
                return top * factor
        top *= 10
