"""What people taught the engine by approving and correcting."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobs.budgets.models.budget import Budget
from workflows.core.ids import uuid7


class Lesson(models.Model):
    """A person said where a payee belongs, or how it is called. The newest counts."""

    class Kind(models.TextChoices):
        APPROVAL = "approval", _("Approved")
        CORRECTION = "correction", _("Corrected")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    budget = models.ForeignKey(
        Budget, models.CASCADE, related_name="lessons", db_index=False
    )
    kind = models.CharField(max_length=10, choices=Kind)
    imported_payee = models.CharField(max_length=500)
    payee_key = models.CharField(max_length=200)
    # What was proposed, for whoever asks later; one of the two answers is given.
    proposal = models.CharField(max_length=200, blank=True)
    category_id = models.CharField(max_length=64, blank=True)
    payee = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(category_id="") | ~models.Q(payee=""),
                name="ck_lesson_says_something",
            ),
        ]
        indexes = [
            models.Index(fields=["budget", "-at"], name="ix_lesson_budget"),
        ]

    def __str__(self) -> str:
        return f"{self.imported_payee}: {self.category_id or self.payee}"
