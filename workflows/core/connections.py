"""Who may speak to which Jira in whose name: proven once, sealed, and not for long."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from workflows.core.accounts import User
from workflows.core.machine import Machine, MachineQuerySet
from workflows.core.secrets import SealedField


class ConnectionStatus(models.TextChoices):
    """How a connection stands (the seed's five); "unknown" is one that is not there."""

    UNKNOWN = "unknown", _("Not connected")
    CONNECTED = "connected", _("Connected")
    EXPIRED = "expired", _("Expired")
    REVOKED = "revoked", _("Revoked")
    FAILED = "failed", _("Refused by Jira")


C = ConnectionStatus


class JiraConnectionQuerySet(MachineQuerySet):
    """Managers see who is connected; to use a connection, it has to be one's own."""

    def owned_by(self, user: User) -> Self:
        return self.visible_to(user).filter(user=user)

    def active(self) -> Self:
        return self.filter(status=C.CONNECTED, expires_at__gt=timezone.now())


class JiraConnection(Machine):
    """One person's access to one Jira. Its id is all that anybody else ever holds.

    It is made once Jira has said whose token it is. When it ends, for whatever reason,
    the token goes out of the row in the same moment.
    """

    class Kind(models.TextChoices):
        DATA_CENTER = "data_center", _("Jira Data Center")
        CLOUD = "cloud", _("Jira Cloud")

    Status = ConnectionStatus

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=12, choices=Kind)
    base_url = models.URLField(max_length=300)
    email = models.EmailField(blank=True)
    token = SealedField(blank=True, default="")
    jira_user_id = models.CharField(max_length=200)
    display_name = models.CharField(max_length=200)
    status = FSMField(
        choices=C, default=C.CONNECTED, max_length=10, protected=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    objects = JiraConnectionQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=C.values), name="ck_jiraconnection_status"
            ),
            models.CheckConstraint(
                condition=Q(status=C.CONNECTED) & ~Q(token="")
                | ~Q(status=C.CONNECTED) & Q(token=""),
                name="ck_jiraconnection_token",
            ),
            models.CheckConstraint(
                condition=Q(kind="cloud") & ~Q(email="")
                | Q(kind="data_center", email=""),
                name="ck_jiraconnection_email",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="ix_jiraconnection_user"),
            models.Index(
                fields=["expires_at"],
                condition=Q(status="connected"),
                name="ix_jiraconnection_expires",
            ),
            models.Index(fields=["account", "-id"], name="ix_jiraconnection_account"),
        ]
        permissions = [
            ("end_jiraconnection", _("Revoke other people's connections to Jira"))
        ]

    def __str__(self) -> str:
        return f"{self.display_name} at {self.base_url}"

    def status_at(self, moment: datetime | None = None) -> str:
        """Return the status as people see it: time ends a connection by itself."""
        if self.status == C.CONNECTED and self.expires_at <= (moment or timezone.now()):
            return C.EXPIRED.value
        return str(self.status)

    @transition(status, source=C.CONNECTED, target=C.EXPIRED)
    def expire(self) -> None:
        """Its time is over, or Jira does not take the token any more."""
        self.token = ""

    @transition(status, source=C.CONNECTED, target=C.REVOKED)
    def revoke(self) -> None:
        """Its owner, or an operator, takes it away."""
        self.token = ""

    @transition(status, source=C.CONNECTED, target=C.FAILED)
    def refuse(self) -> None:
        """Jira takes the token, but does not let this account in any more."""
        self.token = ""
