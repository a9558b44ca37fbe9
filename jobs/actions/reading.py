"""What pages show of jobs: found within the account, each in a bounded look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from jobs.actions.kinds import label_of
from jobs.models import Job, JobAttempt, JobEvent, JobStep
from jobs.models.tracked import Status
from workflows.core.accounts import User
from workflows.core.ids import first_id_at

Jobs = QuerySet[Any]

# An id is made by the clock of a web server or worker, created_at by the database's.
CLOCKS_DIFFER = timedelta(minutes=5)
# How long the header keeps reminding of a failure.
REMINDED = timedelta(days=1)
# Who has more of them under way reads "99+".
MOST_COUNTED = 99
LATEST = 10
EVENTS_SHOWN = 200


# --- lists ----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Subject:
    """What a job works on; name and ``url`` are "" where one may not see it."""

    kind: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """A job as a list shows it."""

    job: Job
    label: str
    subject: Subject | None

    @property
    def took(self) -> timedelta | None:
        """Return how long it ran; None before it has ended."""
        if self.job.started_at and self.job.completed_at:
            return self.job.completed_at - self.job.started_at
        return None

    @property
    def version(self) -> str:
        """Return what differs when a reader would see another line."""
        job = self.job
        state = (job.status, job.stopping, job.attempt, job.done, job.total, job.phase)
        return f"{hash_of(state):08x}"


def hash_of(state: Any) -> int:
    """Return a short number that every process makes of the same state."""
    return crc32(repr(state).encode())


def visible_jobs(user: User) -> Jobs:
    """Return the jobs a person may see, with who asked for them."""
    return Job.objects.visible_to(user).select_related("created_by")


def asked_since(rows: Jobs, moment: datetime) -> Jobs:
    """Return those asked for since a moment, as a range of keys.

    Of keys alone: with ``created_at`` beside them PostgreSQL expects far fewer rows,
    and reads all of the time instead of an index that fits.
    """
    return rows.filter(id__gte=first_id_at(moment))


def asked_before(rows: Jobs, moment: datetime) -> Jobs:
    """Return those asked for before a moment, as a range of keys."""
    return rows.filter(id__lt=first_id_at(moment))


def lines(jobs: Iterable[Job], user: User) -> list[Line]:
    """Return jobs as lists show them: one query for each type of subject."""
    jobs = list(jobs)
    subjects = subjects_of(jobs, user)
    return [Line(job, label_of(job.type), subjects.get(job.pk)) for job in jobs]


def subjects_of(jobs: Sequence[Job], user: User) -> dict[UUID, Subject]:
    """Return what jobs work on, by the id of the job, as far as one may see it."""
    by_type: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.subject_type_id is not None:
            by_type[job.subject_type_id].append(job)
    found = {}
    for type_id, of_type in by_type.items():
        model = ContentType.objects.get_for_id(type_id).model_class()
        if model is None:
            continue  # of a workflow that is no longer installed
        kind = capfirst(str(model._meta.verbose_name))
        rows = visible_rows(model, {job.subject_id for job in of_type}, user)
        for job in of_type:
            row = rows.get(job.subject_id)
            name, url = (str(row), address_of(row)) if row else ("", "")
            found[job.pk] = Subject(kind, name, url)
    return found


def visible_rows(
    model: type[models.Model], pks: set[UUID | None], user: User
) -> dict[Any, models.Model]:
    """Return rows by id; none of a model that does not say whose its rows are.

    ``named()`` is for a model whose rows are called by what stands elsewhere: it loads
    that along.
    """
    manager: Any = model._default_manager
    if not hasattr(manager, "visible_to"):
        return {}
    rows = manager.visible_to(user)
    if hasattr(rows, "named"):
        rows = rows.named()
    found: dict[Any, models.Model] = rows.in_bulk(pks)
    return found


def address_of(row: Any) -> str:
    return row.get_absolute_url() if hasattr(row, "get_absolute_url") else ""


@dataclass(frozen=True, slots=True)
class History:
    """What ran for a subject: the newest, and where the others are."""

    lines: list[Line]
    url: str


def jobs_about(subject: models.Model, user: User, *, limit: int = 5) -> History:
    """Return the newest jobs of a subject, for ``jobs/_history.html``."""
    rows = visible_jobs(user).filter(subject_id=subject.pk).order_by("-id")[:limit]
    return History(lines(rows, user), f"{reverse('jobs:jobs')}?subject={subject.pk}")


# --- one job --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Card:
    """The progress of a job, for ``jobs/_progress.html``."""

    line: Line
    steps: list[JobStep]
    may_cancel: bool

    @property
    def job(self) -> Job:
        return self.line.job

    @property
    def step(self) -> JobStep | None:
        """Return the step that runs or comes next."""
        return next((step for step in self.steps if not step.ended), None)

    @property
    def next_try(self) -> datetime | None:
        """Return when it is tried again, if it waits for that."""
        waits = self.job.status == Status.QUEUED and self.job.run_after > timezone.now()
        return self.job.run_after if waits else None

    @property
    def version(self) -> str:
        step = self.step
        return f"{self.line.version}{step.position if step else 0}"


def progress_of(job: Job, user: User) -> Card:
    """Return a job's progress card: two queries at most."""
    line = lines([job], user)[0]
    return Card(line, list(job.steps.order_by("position")), job.concerns(user))


def find_job(user: User, pk: UUID) -> Job | None:
    found: Job | None = visible_jobs(user).filter(pk=pk).first()
    return found


def retry_of(job: Job) -> Job | None:
    """Return the job that tried it again."""
    return job.retries.first() if job.ended else None


def tried_before(job: Job, user: User) -> Job | None:
    """Return the job that this one tries again, unless it was purged."""
    return find_job(user, job.retry_of_id) if job.retry_of_id else None


def parent_of(job: Job, user: User) -> Line | None:
    """Return the job that started it, unless it was purged."""
    found = find_job(user, job.parent_job_id) if job.parent_job_id else None
    return Line(found, label_of(found.type), None) if found else None


def children_of(job: Job, user: User) -> list[Job]:
    """Return the jobs that it started, oldest first.

    They began while it ran: a range of keys, where an index of parents would be paid
    for by every job.
    """
    if job.started_at is None:
        return []
    until = (job.completed_at or timezone.now()) + CLOCKS_DIFFER
    began = visible_jobs(user).filter(
        id__gt=first_id_at(job.started_at - CLOCKS_DIFFER), id__lt=first_id_at(until)
    )
    return list(began.filter(parent_job=job.pk).order_by("id")[:EVENTS_SHOWN])


def attempts_of(job: Job, *, tracebacks: bool) -> list[JobAttempt]:
    """Return how each run ended; tracebacks are loaded for staff alone."""
    rows = job.attempts.order_by("number")
    return list(rows if tracebacks else rows.defer("traceback"))


def latest_events(job: Job) -> list[JobEvent]:
    """Return the newest events, oldest first."""
    rows = job.events.select_related("step").order_by("-created_at", "-id")
    return list(rows[:EVENTS_SHOWN])[::-1]


def events_after(job: Job, last: UUID | None) -> list[JobEvent]:
    """Return what happened after the event that a reader has seen last."""
    rows = job.events.select_related("step").order_by("created_at", "id")
    seen = job.events.filter(pk=last).first() if last else None
    if seen:
        at = seen.created_at
        rows = rows.filter(Q(created_at__gt=at) | Q(created_at=at, id__gt=seen.pk))
    return list(rows[:EVENTS_SHOWN])


# --- the header -----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Badge:
    """How a person's own jobs stand; each number stops at MOST_COUNTED + 1."""

    running: int
    waiting: int
    failed: int

    @property
    def moves(self) -> bool:
        return bool(self.running or self.waiting)


def own_jobs(user: User) -> Jobs:
    """Return what a person asked for."""
    mine: Jobs = Job.objects.visible_to(user).filter(created_by=user)
    return mine


def badge_of(user: User) -> Badge:
    """Count one's jobs under way, and a day's failures that nobody tried again."""
    mine = own_jobs(user)
    unended = mine.filter(Q(status=Status.QUEUED) | Q(status=Status.RUNNING))
    found = list(unended.values_list("status", flat=True)[: 2 * MOST_COUNTED])
    again = Job.objects.filter(retry_of=OuterRef("pk"))
    failed = (
        mine.filter(
            status=Status.FAILED,
            # What failed within a day was asked for within a few.
            id__gte=first_id_at(timezone.now() - 7 * REMINDED),
            completed_at__gte=timezone.now() - REMINDED,
        )
        .filter(~Exists(again))
        .values_list("pk")[: MOST_COUNTED + 1]
    )
    return Badge(
        found.count(Status.RUNNING), found.count(Status.QUEUED), len(list(failed))
    )


def latest_of(user: User) -> list[Line]:
    """Return the person's own last jobs, for the drawer."""
    return lines(own_jobs(user).order_by("-id")[:LATEST], user)
