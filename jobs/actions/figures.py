"""What those who look after queues see: how much waits, who works, what fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, DateTimeField, F, Min, Q
from django.db.models.functions import Trunc
from django.utils import timezone

from jobs.actions.kinds import label_of, queues
from jobs.actions.reading import Jobs
from jobs.models import Job, JobAttempt, Schedule, Worker
from jobs.models.tracked import TERMINAL, Status
from workflows.core.accounts import User

# A worker says every ten seconds that it lives.
SILENT = timedelta(seconds=30)
SHOWN = 50
# Two weeks of a million jobs take half a second to count.
KEPT_SECONDS = {"hour": 60, "day": 300}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time up to now, cut into hours or days."""

    unit: str
    first: datetime  # where the first hour or day begins
    slots: int


def last_hours(count: int = 24) -> Span:
    # In UTC: on the day when clocks go back an hour of the calendar comes twice.
    hour = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return Span("hour", hour - timedelta(hours=count - 1), count)


def last_days(count: int = 14) -> Span:
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return Span("day", today - timedelta(days=count - 1), count)


@dataclass(slots=True)
class Bucket:
    """The jobs that ended within an hour or a day."""

    start: datetime
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.canceled


def throughput(user: User, span: Span) -> list[Bucket]:
    """Return what ended in each hour or day, counted within the last minutes."""
    key = f"jobs:ended:{user.account_id}:{span.unit}:{span.first.isoformat()}"
    found: list[Bucket] | None = cache.get(key)
    if found is None:
        found = counted(user, span)
        cache.set(key, found, KEPT_SECONDS[span.unit])
    return found


def counted(user: User, span: Span) -> list[Bucket]:
    zone = span.first.tzinfo
    slot = Trunc("completed_at", span.unit, output_field=DateTimeField(), tzinfo=zone)
    rows = ended_since(user, span.first).annotate(slot=slot)
    buckets = {start: Bucket(start) for start in starts(span)}
    for start, status, count in rows.values_list("slot", "status").annotate(
        count=Count("pk")
    ):
        # The clock of the database may be ahead of ours by an hour's edge.
        if bucket := buckets.get(start):
            setattr(bucket, status, count)
    return list(buckets.values())


def starts(span: Span) -> Iterator[datetime]:
    """Yield where each hour or day begins."""
    length = timedelta(days=1) if span.unit == "day" else timedelta(hours=1)
    for place in range(span.slots):
        yield span.first + place * length


def ended_since(user: User, moment: datetime) -> Jobs:
    """Return jobs that ended since a moment: a range of the index of ends."""
    rows = Job.objects.visible_to(user).filter(status__in=TERMINAL)
    return rows.filter(completed_at__gte=moment).order_by()


# --- now ------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue as it is now; ``due`` jobs could run, ``later`` ones wait."""

    name: str
    due: int
    later: int
    running: int
    oldest: datetime | None


def queue_lines(user: User) -> list[QueueLine]:
    """Return every queue, empty ones too."""
    now = timezone.now()
    due = Q(run_after__lte=now)
    waiting = Job.objects.visible_to(user).filter(status=Status.QUEUED).order_by()
    queued = {
        row["queue"]: row
        for row in waiting.values("queue").annotate(
            due=Count("pk", filter=due),
            later=Count("pk", filter=~due),
            oldest=Min("run_after", filter=due),
        )
    }
    running = Counter(running_jobs(user).values_list("queue", flat=True))
    names = sorted({*queues(), *queued, *running})
    nothing: dict[str, Any] = {"due": 0, "later": 0, "oldest": None}
    return [
        QueueLine(
            name,
            queued.get(name, nothing)["due"],
            queued.get(name, nothing)["later"],
            running[name],
            queued.get(name, nothing)["oldest"],
        )
        for name in names
    ]


def running_jobs(user: User) -> Jobs:
    return Job.objects.visible_to(user).filter(status=Status.RUNNING).order_by()


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """A process that runs jobs; ``stalled``: it holds some and is not heard of."""

    worker: Worker
    holds: int
    stalled: bool


def worker_lines(user: User) -> list[WorkerLine]:
    """Return workers: those of one's jobs, and all of them for operators."""
    holds = Counter(running_jobs(user).values_list("worker", flat=True))
    rows = Worker.objects.order_by("-seen_at")
    if user.account_id:
        rows = rows.filter(name__in=holds)
    silent = timezone.now() - SILENT
    return [
        WorkerLine(row, holds[row.name], bool(holds[row.name] and row.seen_at < silent))
        for row in rows[:SHOWN]
    ]


def lost_jobs(user: User) -> list[Job]:
    """Return running jobs whose lease nobody renews, and that nobody took back."""
    over = running_jobs(user).filter(lease_until__lt=timezone.now())
    return list(over.order_by("lease_until")[:SHOWN])


# --- failures -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Failure:
    """How often a kind failed, by who can mend it."""

    label: str
    type: str
    category: str
    count: int
    share: int  # per cent of all failures


def failures(user: User, span: Span) -> list[Failure]:
    """Return which kinds failed for which reasons, the commonest first."""
    key = f"jobs:failed:{user.account_id}:{span.unit}:{span.first.isoformat()}"
    found: list[tuple[str, str, int]] | None = cache.get(key)
    if found is None:
        last = JobAttempt.objects.filter(
            number=F("job__attempt"),
            job__in=ended_since(user, span.first).filter(status=Status.FAILED),
        ).order_by()
        pairs = last.values_list("job__type", "category").annotate(count=Count("pk"))
        found = sorted(pairs, key=lambda row: (-row[2], row[0], row[1]))[:SHOWN]
        cache.set(key, found, KEPT_SECONDS[span.unit])
    total = sum(count for _type, _category, count in found)
    return [
        Failure(label_of(type_), type_, category, count, round(count * 100 / total))
        for type_, category, count in found
    ]


def schedule_lines(user: User) -> list[tuple[Schedule, str]]:
    """Return schedules with the words for what they start."""
    rows = Schedule.objects.visible_to(user).order_by("-enabled", "next_at")[:SHOWN]
    return [(row, label_of(row.type)) for row in rows]
