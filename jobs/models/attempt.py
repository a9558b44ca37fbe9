"""What became of each run of a job; tracebacks are kept here, for staff alone."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from jobs.models.job import Job
from workflows.core.errors import Category
from workflows.core.ids import uuid7


class JobAttempt(models.Model):
    """One ended run of a job by one worker. Written once, when it ends."""

    class Outcome(models.TextChoices):
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELED = "canceled", _("Canceled")
        TIMED_OUT = "timed_out", _("Took too long")
        LOST = "lost", _("Worker lost")
        HANDED_BACK = "handed_back", _("Handed back by a worker that stopped")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(
        Job, models.CASCADE, related_name="attempts", db_index=False
    )
    number = models.PositiveSmallIntegerField()
    worker = models.CharField(max_length=120)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(db_default=Now(), editable=False)
    outcome = models.CharField(max_length=12, choices=Outcome)
    category = models.CharField(max_length=20, choices=Category, blank=True)
    reason = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["job", "number"], name="uq_jobattempt_number"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    outcome__in=[
                        "succeeded",
                        "failed",
                        "canceled",
                        "timed_out",
                        "lost",
                        "handed_back",
                    ]
                ),
                name="ck_jobattempt_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.outcome}"
