"""The audit: every change of state of every machine."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

from workflows.core.accounts import Account, TenantQuerySet, User
from workflows.core.ids import uuid7


class Move(models.Model):
    """One change of state, append-only (triggers); it outlives subject and author."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(
        Account, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    content_type = models.ForeignKey(ContentType, models.PROTECT, related_name="+")
    object_id = models.UUIDField()
    subject = GenericForeignKey("content_type", "object_id")
    name = models.CharField(max_length=60)
    source = models.CharField(max_length=50, blank=True)
    target = models.CharField(max_length=50)
    actor = models.ForeignKey(
        User, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    actor_name = models.CharField(max_length=310)
    at = models.DateTimeField(default=timezone.now)
    note = models.TextField(blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["object_id", "id"], name="ix_move_subject"),
            models.Index(fields=["account", "-id"], name="ix_move_account"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.source or '∅'} → {self.target}"
