"""For those who look after jobs: what waits, who works, what fails, what comes next."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import dateformat, timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from jobs.actions import figures
from jobs.actions.figures import Bucket, Span
from jobs.actions.kinds import label_of
from workflows.core.charts import StackedBars, stacked_bars
from workflows.core.errors import Category
from workflows.core.http import UserRequest

# From the bottom up: the class of our style sheet that colours each outcome.
STACK = {"succeeded": "bar-success", "failed": "bar-danger", "canceled": "bar-2"}


@require_safe
@permission_required("jobs.view_queues", raise_exception=True)
def queues(request: UserRequest) -> HttpResponse:
    """The state of the queues, and how they did over a day or two weeks."""
    by_day = request.GET.get("by") == "day"
    span = figures.last_days() if by_day else figures.last_hours()
    user = request.user
    buckets = figures.throughput(user, span)
    lines = figures.queue_lines(user)
    context: dict[str, Any] = {
        "by": span.unit,
        "queues": lines,
        "due": sum(line.due for line in lines),
        "later": sum(line.later for line in lines),
        "running": sum(line.running for line in lines),
        "oldest": min((line.oldest for line in lines if line.oldest), default=None),
        "ended": sum(bucket.ended for bucket in buckets),
        "failed": sum(bucket.failed for bucket in buckets),
        "chart": chart(buckets, span),
        "failures": [
            (row, Category(row.category).label if row.category else "")
            for row in figures.failures(user, span)
        ],
        "workers": figures.worker_lines(user),
        "lost": [(job, label_of(job.type)) for job in figures.lost_jobs(user)],
        "schedules": figures.schedule_lines(user),
    }
    return render(request, "jobs/queues.html", context)


def chart(buckets: list[Bucket], span: Span) -> StackedBars:
    hourly = span.unit == "hour"

    def label(bucket: Bucket) -> str:
        start = timezone.localtime(bucket.start)
        return dateformat.format(start, "D H:i" if hourly else "D j M")

    heading = _("Hour from") if hourly else _("Day")
    return stacked_bars(buckets, STACK, label=label, heading=heading)
