"""Archives in the storage."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflows.core.accounts import Account, TenantQuerySet
from workflows.core.ids import uuid7
from workflows.support.models.session import WorkflowSession


class Artifact(models.Model):
    """A diagnostic archive. Its id is the seed's artifact_ref: no path leaves us.

    An earlier one of the same session is kept until its time is over or it is deleted.
    """

    class Origin(models.TextChoices):
        COLLECTED = "collected", _("Fetched from a host")
        UPLOADED = "uploaded", _("Brought along")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(
        Account, models.CASCADE, related_name="+", db_index=False
    )
    session = models.ForeignKey(
        WorkflowSession, models.CASCADE, related_name="artifacts"
    )
    origin = models.CharField(max_length=9, choices=Origin)
    filename = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    # Its name in the storage; "" once it was deleted there.
    file = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True) & ~Q(file="")
                | Q(deleted_at__isnull=False, file=""),
                name="ck_artifact_deleted",
            ),
            models.CheckConstraint(
                condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="ck_artifact_sha256"
            ),
            models.CheckConstraint(
                condition=Q(origin__in=["collected", "uploaded"]),
                name="ck_artifact_origin",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="ix_artifact_account"),
            models.Index(
                fields=["created_at"],
                condition=Q(deleted_at__isnull=True),
                name="ix_artifact_kept",
            ),
        ]

    def __str__(self) -> str:
        return self.filename
