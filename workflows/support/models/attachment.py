"""The third step: the archive goes onto a Jira issue."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from workflows.core.connections import ConnectionStatus, JiraConnection
from workflows.core.machine import Machine
from workflows.support.models.report import RunStatus as R
from workflows.support.models.session import WorkflowSession


class JiraAttachmentState(Machine):
    """Through which connection a session's archive goes onto which issue."""

    Status = R

    session = models.OneToOneField(WorkflowSession, models.CASCADE, related_name="jira")
    connection = models.ForeignKey(
        JiraConnection, models.RESTRICT, null=True, blank=True, related_name="+"
    )
    issue_key = models.CharField(max_length=80, blank=True)
    issue_summary = models.CharField(max_length=255, blank=True, editable=False)
    issue_access_verified = models.BooleanField(default=False, editable=False)
    attachment_status = FSMField(
        choices=R, default=R.PENDING, max_length=10, protected=True
    )
    # Jira's limit as it said at the last look, in bytes; NULL where it says none.
    upload_limit = models.PositiveBigIntegerField(null=True, editable=False)
    # Attachments that were there before the first try: none of them is ours.
    known_ids = models.JSONField(null=True, editable=False)
    # As Jira knows it; the link is where people find it.
    attachment_id = models.CharField(max_length=40, blank=True, editable=False)
    issue_url = models.URLField(max_length=400, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(attachment_status__in=R.values),
                name="ck_jiraattachment_status",
            ),
            # The seed's fourth rule: nothing is verified through no connection.
            models.CheckConstraint(
                condition=Q(issue_access_verified=False)
                | Q(attachment_status="succeeded")
                | Q(connection__isnull=False) & ~Q(issue_key=""),
                name="ck_jiraattachment_verified",
            ),
            # The sixth: nothing is attached to what was not verified.
            models.CheckConstraint(
                condition=Q(attachment_status__in=["pending", "failed"])
                | Q(issue_access_verified=True),
                name="ck_jiraattachment_needs_access",
            ),
            models.CheckConstraint(
                condition=~Q(attachment_status="succeeded") | ~Q(attachment_id=""),
                name="ck_jiraattachment_has_id",
            ),
        ]

    def __str__(self) -> str:
        return self.issue_key or f"attachment of {self.session_id}"

    @property
    def connection_ref(self) -> str:
        """Return the seed's opaque connection_id, "" while there is none."""
        return str(self.connection_id or "")

    @property
    def connection_status(self) -> str:
        """Return how the connection stands now."""
        if self.connection is None:
            return ConnectionStatus.UNKNOWN.value
        return self.connection.status_at()

    def is_verified(self: Any) -> bool:
        return bool(self.issue_access_verified)

    @transition(
        attachment_status,
        source=[R.PENDING, R.FAILED],
        target=R.RUNNING,
        conditions=[is_verified],
    )
    def attach(self) -> None:
        """The archive is on its way."""

    @transition(attachment_status, source=R.RUNNING, target=R.SUCCEEDED)
    def attached(self, attachment_id: str, issue_url: str) -> None:
        """Jira has it, under the name and of the size that it was sent."""
        self.attachment_id, self.issue_url = attachment_id, issue_url

    @transition(attachment_status, source=R.RUNNING, target=R.FAILED)
    def not_attached(self) -> None:
        """It is not on the issue."""
