"""A job: one background run that somebody, or a schedule, asked for."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest, Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from jobs.models.tracked import (
    Fence,
    Status,
    Tracked,
    TrackedQuerySet,
)
from workflows.core.accounts import Account, User
from workflows.core.ids import uuid7

if TYPE_CHECKING:
    from jobs.models.step import JobStep

# The seed's types: these, and no others, work on a budget.
BUDGET_TYPES = (
    "budget_sync",
    "suggestions_generate",
    "sync_and_suggest",
    "suggestions_retry_payee",
    "suggestions_apply",
    "snapshot_create",
    "snapshot_redownload",
    "scheduled_sync_and_suggest",
)


class JobQuerySet(TrackedQuerySet):
    """Jobs of an account; those of the product itself are for operators."""

    def held_by(self, fence: Fence) -> Self:
        """Return what the run of this fence may still write."""
        return self.filter(
            status=Status.RUNNING, worker=fence.worker, attempt=fence.attempt
        )

    def due(self) -> Self:
        """Return what could be taken now, but for exclusive keys that are in use."""
        return self.filter(status=Status.QUEUED, run_after__lte=Now())

    def free(self) -> Self:
        """Leave out jobs whose exclusive key another job is running under."""
        running = Job.objects.filter(
            status=Status.RUNNING, exclusive_key=models.OuterRef("exclusive_key")
        )
        return self.filter(Q(exclusive_key="") | ~models.Exists(running))


class Job(Tracked):
    """A unit of work (the seed's Job), and the lease of the worker that runs it."""

    Status = Status

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # NULL: the product's own work, such as the nightly purge.
    account = models.ForeignKey(
        Account, models.CASCADE, null=True, related_name="+", db_index=False
    )
    budget_id = models.UUIDField(null=True, editable=False)
    type = models.CharField(max_length=60)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Jobs are purged by age, each on its own: a link may outlive what it points at.
    parent_job = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="children",
    )
    retry_of = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="retries",
    )
    metadata = models.JSONField(default=dict, blank=True)
    # What came out, for people: counts and reports, never secrets.
    result = models.JSONField(default=dict, blank=True)

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    subject_type = models.ForeignKey(
        ContentType, models.PROTECT, null=True, related_name="+", db_index=False
    )
    subject_id = models.UUIDField(null=True, editable=False)
    subject = GenericForeignKey("subject_type", "subject_id")

    queue = models.CharField(max_length=40)
    run_after = models.DateTimeField(db_default=Now(), editable=False)
    # One running job a key; "" stands in nobody's way.
    exclusive_key = models.CharField(max_length=120, blank=True, editable=False)
    # One queued or running job a key.
    unique_key = models.CharField(max_length=200, blank=True, editable=False)

    attempt = models.PositiveSmallIntegerField(default=0, editable=False)
    max_attempts = models.PositiveSmallIntegerField(default=1, editable=False)
    worker = models.CharField(max_length=120, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    cancel_requested_at = models.DateTimeField(null=True, editable=False)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    timed_out = models.BooleanField(default=False, editable=False)

    done = models.PositiveIntegerField(default=0, editable=False)
    total = models.PositiveIntegerField(null=True, editable=False)
    phase = models.CharField(max_length=200, blank=True, editable=False)

    objects = JobQuerySet.as_manager()
    is_new = True  # start_job() answers False when it found the one that runs
    ordered: list[JobStep]  # a claimed job's steps
    clock: datetime  # the database's, when it was claimed

    class Meta:
        constraints = [
            *Tracked.conditions("job"),
            models.CheckConstraint(condition=~Q(type=""), name="ck_job_type"),
            models.CheckConstraint(
                condition=Q(started_at__isnull=True)
                | Q(started_at__gte=F("created_at")),
                name="ck_job_started_after_created",
            ),
            models.CheckConstraint(
                condition=Q(completed_at__isnull=True)
                | Q(completed_at__gte=F("created_at")),
                name="ck_job_completed_after_created",
            ),
            models.CheckConstraint(
                condition=Q(type__in=BUDGET_TYPES, budget_id__isnull=False)
                | (~Q(type__in=BUDGET_TYPES) & Q(budget_id__isnull=True)),
                name="ck_job_budget_types",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.RUNNING, lease_until__isnull=False)
                & ~Q(worker="")
                | (~Q(status=Status.RUNNING) & Q(lease_until__isnull=True)),
                name="ck_job_running_has_lease",
            ),
            models.CheckConstraint(
                condition=Q(subject_type__isnull=True, subject_id__isnull=True)
                | Q(subject_type__isnull=False, subject_id__isnull=False),
                name="ck_job_subject",
            ),
            models.UniqueConstraint(
                fields=["exclusive_key"],
                condition=Q(status=Status.RUNNING) & ~Q(exclusive_key=""),
                name="uq_job_one_running",
            ),
            models.UniqueConstraint(
                fields=["unique_key"],
                condition=Q(status__in=(Status.QUEUED, Status.RUNNING))
                & ~Q(unique_key=""),
                name="uq_job_one_unended",
            ),
            models.UniqueConstraint(
                fields=["retry_of"],
                condition=Q(retry_of__isnull=False),
                name="uq_job_one_retry",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "run_after", "id"],
                condition=Q(status=Status.QUEUED),
                name="ix_job_queue",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status=Status.RUNNING),
                name="ix_job_lease",
            ),
            models.Index(
                fields=["completed_at"],
                condition=Q(completed_at__isnull=False),
                name="ix_job_completed",
            ),
            models.Index(fields=["account", "-id"], name="ix_job_account"),
            models.Index(fields=["account", "type", "-id"], name="ix_job_type"),
            models.Index(fields=["account", "status", "-id"], name="ix_job_status"),
            models.Index(fields=["created_by", "-id"], name="ix_job_created_by"),
            models.Index(
                fields=["subject_id", "-id"],
                condition=Q(subject_id__isnull=False),
                name="ix_job_subject",
            ),
            models.Index(
                fields=["budget_id", "-id"],
                condition=Q(budget_id__isnull=False),
                name="ix_job_budget",
            ),
        ]
        permissions = [
            ("manage_job", _("Cancel and retry other people's jobs")),
            ("view_queues", _("See queues, workers and failures")),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:job", args=[self.pk])

    @property
    def fence(self) -> Fence:
        return Fence(self.worker, self.attempt)

    @property
    def stopping(self) -> bool:
        """Is it asked to stop, and has not yet?"""
        return self.status == Status.RUNNING and self.cancel_requested_at is not None

    @property
    def percent(self) -> int | None:
        """Return how far the present step is, None where nobody can tell."""
        return min(100, self.done * 100 // self.total) if self.total else None

    def concerns(self, user: User) -> bool:
        """May this person cancel and retry it?"""
        return self.created_by_id == user.pk or user.has_perm("jobs.manage_job")

    @classmethod
    @cache
    def when_started(cls) -> Any:
        return Greatest(F("created_at"), Now())

    @classmethod
    @cache
    def when_completed(cls) -> Any:
        return Greatest(Coalesce(F("started_at"), F("created_at")), Now())

    def columns(self) -> dict[str, Any]:
        values = super().columns()
        if self.status != Status.RUNNING:
            values |= {"lease_until": None}
        return values
