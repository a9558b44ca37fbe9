"""A step of a walk."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from l1walk.models.walk import L1WalkSession
from workflows.core.ids import uuid7


class WalkStep(models.Model):
    """One answer. Steps are added; undoing marks them and takes nothing away."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The unique constraint on (session, seq) serves the key: no index of its own.
    session = models.ForeignKey(
        L1WalkSession, models.CASCADE, related_name="steps", db_index=False
    )
    seq = models.PositiveIntegerField()
    node_id = models.CharField(max_length=100)
    node_type = models.CharField(max_length=20)
    question_text = models.TextField()
    answer_key = models.CharField(max_length=40, blank=True)
    answer_label = models.TextField()
    note = models.TextField(blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.RESTRICT, related_name="+", db_index=False
    )
    shown_at = models.DateTimeField()
    answered_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    idempotency_key = models.UUIDField()

    class Meta:
        db_table = "l1_walk_steps"
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="uq_walk_step_seq"),
            models.UniqueConstraint(
                fields=["session", "idempotency_key"], name="uq_walk_step_key"
            ),
            models.CheckConstraint(condition=Q(seq__gte=1), name="ck_walk_step_seq"),
            models.CheckConstraint(
                condition=Q(answered_at__gte=F("shown_at")), name="ck_walk_step_times"
            ),
            models.CheckConstraint(
                condition=Q(undone_at__isnull=True, undone_by__isnull=True)
                # The test for NULL is needed: a CHECK passes what it cannot tell.
                | Q(
                    undone_at__isnull=False,
                    undone_at__gte=F("answered_at"),
                    undone_by__isnull=False,
                ),
                name="ck_walk_step_undone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq}. {self.question_text[:60]} → {self.answer_label[:40]}"

    @property
    def seconds(self) -> float:
        """How long the question stood on the screen, in seconds."""
        return (self.answered_at - self.shown_at).total_seconds()
