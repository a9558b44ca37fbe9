"""The second step: a report is made on the host, then fetched."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from workflows.core.machine import Machine
from workflows.support.models.artifact import Artifact
from workflows.support.models.session import WorkflowSession


class RunStatus(models.TextChoices):
    """How a piece of background work of a session stands."""

    PENDING = "pending", _("Not begun")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")


R = RunStatus


class SosReportState(Machine):
    """The report of a session: what was agreed to, made and fetched."""

    Status = RunStatus

    session = models.OneToOneField(
        WorkflowSession, models.CASCADE, related_name="sosreport"
    )
    generation_status = FSMField(
        choices=R, default=R.PENDING, max_length=10, protected=True
    )
    fetch_status = FSMField(choices=R, default=R.PENDING, max_length=10, protected=True)
    # What the collector is asked for, as it was agreed to.
    options = models.JSONField(default=dict, blank=True)
    consented_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.RESTRICT, null=True, related_name="+"
    )
    consented_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The collector's present or last run, "" when nothing of one is on the host.
    run_id = models.CharField(max_length=32, blank=True, editable=False)
    # What a fetch asks for: the run whose archive waits on the host, or an upload's.
    fetch_reference = models.CharField(max_length=64, blank=True, editable=False)
    archive_name = models.CharField(max_length=255, blank=True, editable=False)
    archive_size = models.PositiveBigIntegerField(null=True, editable=False)
    archive_sha256 = models.CharField(max_length=64, blank=True, editable=False)
    artifact = models.OneToOneField(
        Artifact, models.RESTRICT, null=True, blank=True, related_name="report"
    )

    class Meta:
        constraints = [
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{name}__in": R.values}),
                    name=f"ck_sosreport_{name}",
                )
                for name in ("generation_status", "fetch_status")
            ),
            models.CheckConstraint(
                condition=~Q(generation_status="running")
                | Q(consented_at__isnull=False, consented_by__isnull=False),
                name="ck_sosreport_consent",
            ),
            # The seed's second rule.
            models.CheckConstraint(
                condition=Q(fetch_status="pending") | ~Q(fetch_reference=""),
                name="ck_sosreport_fetch_needs_reference",
            ),
            models.CheckConstraint(
                condition=~Q(fetch_status="succeeded") | Q(artifact__isnull=False),
                name="ck_sosreport_fetched_has_artifact",
            ),
        ]

    def __str__(self) -> str:
        return self.archive_name or f"report of {self.session_id}"

    @property
    def artifact_ref(self) -> str:
        """Return the seed's reference of the archive, "" while there is none."""
        return str(self.artifact_id or "")

    # --- made on the host -------------------------------------------------------------
    @transition(
        generation_status, source=[R.PENDING, R.SUCCEEDED, R.FAILED], target=R.RUNNING
    )
    def generate(self) -> None:
        """A report is asked for; what an earlier one left is forgotten."""
        self.forget_archive()

    @transition(generation_status, source=R.RUNNING, target=R.SUCCEEDED)
    def generated(self, reference: str, name: str, size: int, sha256: str) -> None:
        """The archive lies on the host."""
        self.promise(reference, name, size, sha256)

    @transition(generation_status, source=R.RUNNING, target=R.FAILED)
    def not_generated(self) -> None:
        """There is no report."""

    @transition(
        generation_status, source=[R.PENDING, R.SUCCEEDED, R.FAILED], target=R.SUCCEEDED
    )
    def bring(self, reference: str, name: str, size: int, sha256: str) -> None:
        """Somebody brought an archive along: nothing was made, nobody had to agree."""
        self.promise(reference, name, size, sha256)

    @transition(
        generation_status, source=[R.PENDING, R.SUCCEEDED, R.FAILED], target=R.SUCCEEDED
    )
    def take_earlier(self, reference: str, name: str, size: int, sha256: str) -> None:
        """Somebody goes on with an archive that the case had before."""
        self.promise(reference, name, size, sha256)

    def promise(self, reference: str, name: str, size: int, sha256: str) -> None:
        self.fetch_reference, self.archive_name = reference, name
        self.archive_size, self.archive_sha256 = size, sha256

    @transition(generation_status, source=[R.SUCCEEDED, R.FAILED], target=R.PENDING)
    def forget_report(self) -> None:
        """Another host is chosen: this report is not wanted any more."""
        self.forget_archive()
        self.consented_by = self.consented_at = None

    def forget_archive(self) -> None:
        self.fetch_reference = self.archive_name = self.archive_sha256 = ""
        self.archive_size = None

    # --- fetched ----------------------------------------------------------------------
    def has_reference(self: Any) -> bool:
        return bool(self.fetch_reference)

    @transition(
        fetch_status,
        source=[R.PENDING, R.FAILED],
        target=R.RUNNING,
        conditions=[has_reference],
    )
    def fetch(self) -> None:
        """The archive is on its way."""

    @transition(fetch_status, source=R.RUNNING, target=R.SUCCEEDED)
    def fetched(self, artifact: Artifact) -> None:
        """The archive is in the storage, whole; what the host has is not needed."""
        self.artifact, self.run_id = artifact, ""

    @transition(fetch_status, source=R.RUNNING, target=R.FAILED)
    def not_fetched(self) -> None:
        """It did not arrive; it may still lie on the host."""

    @transition(fetch_status, source=R.RUNNING, target=R.PENDING)
    def not_there(self) -> None:
        """The host has no archive any more: only another report helps."""
        self.forget_archive()

    @transition(fetch_status, source=[R.SUCCEEDED, R.FAILED], target=R.PENDING)
    def forget_fetch(self) -> None:
        """Another report is wanted; the archive that was fetched is kept by itself."""
        self.artifact = None
