"""A step of a job: done once, in order, and kept when the rest is tried again."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from jobs.models.job import Job
from jobs.models.tracked import Status, Tracked, TrackedQuerySet
from workflows.core.ids import uuid7


class JobStepQuerySet(TrackedQuerySet):
    """Steps have no account of their own: their job's counts."""


class JobStep(Tracked):
    """One step of a job (the seed's JobStep); steps run in ascending position."""

    Status = Status

    class StepType(models.TextChoices):
        """The seed's two; other workflows name theirs as they like."""

        SYNC = "sync", _("Sync")
        SUGGESTIONS = "suggestions", _("Suggestions")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The unique constraint's index serves the key.
    job = models.ForeignKey(Job, models.CASCADE, related_name="steps", db_index=False)
    step_type = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField()

    objects = JobStepQuerySet.as_manager()

    class Meta:
        constraints = [
            *Tracked.conditions("jobstep"),
            models.CheckConstraint(
                condition=~models.Q(step_type=""), name="ck_jobstep_type"
            ),
            models.UniqueConstraint(
                fields=["job", "position"], name="uq_jobstep_position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.step_type}"
