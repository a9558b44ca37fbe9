"""The chart of how walks ended."""

from __future__ import annotations

from django.utils import dateformat
from django.utils.translation import gettext as _

from l1walk.actions.reports import Bucket
from workflows.core import charts

# From the bottom up: the class of our style sheet that colours each outcome.
STACK = {
    "resolved": "bar-success",
    "escalated": "bar-warning",
    "abandoned": "bar-2",
    "active": "bar-info",
}


def stacked_bars(buckets: list[Bucket], unit: str) -> charts.StackedBars:
    """Return the chart of outcomes over time; ``unit`` is day, week or month."""
    headings = {"day": _("Day"), "week": _("Week from"), "month": _("Month")}
    return charts.stacked_bars(
        buckets, STACK, label=lambda row: label(row, unit), heading=headings[unit]
    )


def label(bucket: Bucket, unit: str) -> str:
    return dateformat.format(bucket.day, "M Y" if unit == "month" else "D j M Y")
