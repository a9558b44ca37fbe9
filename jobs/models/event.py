"""The history of a job: every change of status of it and of its steps."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from jobs.models.job import Job
from jobs.models.step import JobStep
from jobs.models.tracked import Status
from workflows.core.ids import uuid7


class JobEvent(models.Model):
    """One change of status (the seed's JobEvent); never changed (a trigger)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_index=False)
    # NULL: the job itself. Steps go with their job, so nothing need look for them.
    step = models.ForeignKey(
        JobStep,
        models.DO_NOTHING,
        null=True,
        related_name="events",
        db_constraint=False,
        db_index=False,
    )
    status = models.CharField(max_length=10, choices=Status)
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="ck_jobevent_status"
            )
        ]
        # By the database's clock: ids are made by machines whose clocks differ.
        ordering = ["created_at", "id"]
        indexes = [
            models.Index(fields=["job", "created_at", "id"], name="ix_jobevent_job")
        ]

    def __str__(self) -> str:
        return f"{self.status} at {self.created_at}"
