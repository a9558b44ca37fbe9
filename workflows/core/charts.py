"""Charts as numbers: what our SVG templates draw, worked out beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Units of the drawing; it is stretched to the width of the page.
HEIGHT, SLOT, BAR = 1000, 10, 8
FEWEST_SLOTS = 7  # a single day is a bar, not a wall


@dataclass(frozen=True, slots=True)
class Part:
    """One outcome's piece of a bar."""

    css: str
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Column:
    """The bar of a stretch of time; ``bucket`` holds what was counted in it."""

    x: int
    label: str
    bucket: Any
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class StackedBars:
    """A chart; ``top`` is the number that its full height stands for."""

    columns: list[Column]
    width: int
    top: int
    heading: str


def stacked_bars(
    buckets: Sequence[Any],
    stack: Mapping[str, str],
    *,
    label: Callable[[Any], str],
    heading: str,
) -> StackedBars:
    """Return a chart of the buckets.

    ``stack`` names the counts of a bucket from the bottom up, with the class of our
    style sheet that colours each.
    """
    heights = (sum(getattr(bucket, name) for name in stack) for bucket in buckets)
    top = round_up(max(heights, default=0))
    columns = [
        Column(place * SLOT + 1, label(bucket), bucket, parts(bucket, stack, top))
        for place, bucket in enumerate(buckets)
    ]
    return StackedBars(columns, max(len(columns), FEWEST_SLOTS) * SLOT, top, heading)


def parts(bucket: Any, stack: Mapping[str, str], top: int) -> list[Part]:
    found, below = [], 0
    for name, css in stack.items():
        count = getattr(bucket, name)
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
