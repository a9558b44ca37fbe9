"""The internal ticket: small, for teams that keep no other ticket system."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from workflows.core.ids import uuid7
from workflows.core.machine import Machine


class Ticket(Machine):
    """What a caller reported, numbered within the account."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        RESOLVED = "resolved", _("Resolved")
        ESCALATED = "escalated", _("Escalated")

    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    requester = models.CharField(max_length=120, blank=True)
    contact = models.CharField(max_length=200, blank=True)
    problem = models.TextField(blank=True)
    status = FSMField(choices=Status, default=Status.OPEN, protected=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        permissions = [("work_ticket", "Can open tickets and add notes")]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "number"], name="uq_ticket_number"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "resolved", "escalated"]),
                name="ck_ticket_status",
            ),
            models.CheckConstraint(condition=~Q(title=""), name="ck_ticket_title"),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="ix_ticket_newest"),
            models.Index(fields=["account", "status", "-id"], name="ix_ticket_status"),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.title}"

    @transition(status, source=[Status.OPEN, Status.ESCALATED], target=Status.RESOLVED)
    def resolve(self) -> None:
        """The caller can work again."""

    @transition(status, source=Status.OPEN, target=Status.ESCALATED)
    def escalate(self) -> None:
        """An engineer takes over."""

    @transition(status, source=[Status.RESOLVED, Status.ESCALATED], target=Status.OPEN)
    def reopen(self) -> None:
        """It came back, or the first line has it again."""


class TicketNote(models.Model):
    """One note on a ticket; notes are added, never changed."""

    class Visibility(models.TextChoices):
        INTERNAL = "internal", _("Internal")
        PUBLIC = "public", _("Visible to the requester")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="notes")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.RESTRICT, null=True, related_name="+"
    )
    text = models.TextField()
    visibility = models.CharField(
        max_length=10, choices=Visibility, default=Visibility.INTERNAL
    )
    is_resolution = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text[:60]
