"""A copy of a budget at one moment, kept in the artifact storage."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from jobs.budgets.models.budget import Budget
from workflows.core.ids import uuid7


class Snapshot(models.Model):
    """An archive that Actual imports, what is in it, and how to tell it is whole."""

    class Origin(models.TextChoices):
        CREATED = "created", _("Created")
        REDOWNLOADED = "redownloaded", _("Downloaded anew")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    budget = models.ForeignKey(
        Budget, models.CASCADE, related_name="snapshots", db_index=False
    )
    # Jobs are purged after a month; what they made stays.
    job_id = models.UUIDField(null=True, editable=False, unique=True)
    origin = models.CharField(max_length=12, choices=Origin)
    file = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()  # bytes
    counts = models.JSONField(default=dict)
    # How the counts differ from the snapshot before; None for the first.
    difference = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["budget", "-id"], name="ix_snapshot_budget")]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M}"
