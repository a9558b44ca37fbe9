"""What jobs and steps share: a status that moves under a fence, each with an event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest, Now
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition
from django_fsm.signals import post_transition, pre_transition

from workflows.core.accounts import TenantQuerySet
from workflows.core.machine import NotLent


class Status(models.TextChoices):
    """How a job or a step stands (the seed's five)."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELED = "canceled", _("Canceled")


TERMINAL = (Status.SUCCEEDED, Status.FAILED, Status.CANCELED)


class Fence(NamedTuple):
    """Which run of a job writes: a worker thought dead no longer has the right."""

    worker: str
    attempt: int


class Said(NamedTuple):
    """One change of status on its way to become an event."""

    row: Tracked
    status: str
    message: str


class LeaseLost(Exception):
    """Another worker has the job by now, or it has ended: nothing was written."""


class TrackedQuerySet(TenantQuerySet):
    """Refuses what would change a status without its event."""

    def update(self, **values: Any) -> int:
        if "status" in values:
            raise NotLent("a status moves only while its job is lent")
        return super().update(**values)


class Tracked(models.Model):
    """A row with a status. Only ``lent`` rows move; the events gather beside them."""

    status = FSMField(
        choices=Status, default=Status.QUEUED, max_length=10, protected=True
    )
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # For people; the traceback is the attempt's. NULL unless failed, as in the seed.
    failure_reason = models.TextField(null=True, blank=True, editable=False)  # noqa: DJ001

    said: list[Said] | None = None
    message = ""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert a new row; one that is there is changed by jobs.actions alone."""
        if not self._state.adding:
            raise NotLent(f"{self._meta.label}: a row is written under its fence")
        super().save(*args, **kwargs)

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @transition(status, source=Status.QUEUED, target=Status.RUNNING)
    def begin(self) -> None:
        """A worker takes it."""

    @transition(status, source=Status.RUNNING, target=Status.SUCCEEDED)
    def succeed(self) -> None:
        """All of it is done."""

    @transition(status, source=Status.RUNNING, target=Status.FAILED)
    def fail(self, reason: str) -> None:
        """It could not be done; the reason is for people."""
        self.failure_reason = self.message = reason

    @transition(status, source=[Status.QUEUED, Status.RUNNING], target=Status.CANCELED)
    def cancel(self, note: str = "") -> None:
        """Somebody does not want it any more, or it can no longer be reached."""
        self.message = note

    @transition(status, source=Status.RUNNING, target=Status.QUEUED)
    def requeue(self, note: str = "") -> None:
        """The run ended early and another one takes over."""
        self.message = note

    def columns(self) -> dict[str, Any]:
        """Return what an UPDATE writes of the status, by the database's clock.

        Whatever a clock does, the order of the three times holds.
        """
        values: dict[str, Any] = {
            "status": self.status,
            "failure_reason": self.failure_reason,
        }
        if self.status == Status.QUEUED:
            values |= {"started_at": None}
        elif self.status == Status.RUNNING:
            values |= {"started_at": self.when_started()}
        else:
            values |= {"completed_at": self.when_completed()}
        return values

    # Made once: their SQL is remembered by expression, and to compare new ones costs
    # more than the rest of the UPDATE.
    @classmethod
    @cache
    def when_started(cls) -> Any:
        """Return what ``started_at`` becomes: now."""
        return Now()

    @classmethod
    @cache
    def when_completed(cls) -> Any:
        """Return what ``completed_at`` becomes: now, and never before the start."""
        return Greatest(Coalesce(F("started_at"), Now()), Now())

    @classmethod
    def conditions(cls, name: str) -> list[models.CheckConstraint]:
        """Return the seed's rules for a table, as CHECK constraints."""
        return [
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name=f"ck_{name}_status"
            ),
            models.CheckConstraint(
                condition=Q(completed_at__isnull=True)
                | Q(started_at__isnull=True)
                | Q(completed_at__gte=F("started_at")),
                name=f"ck_{name}_completed_after_started",
            ),
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, completed_at__isnull=False)
                | (~Q(status__in=TERMINAL) & Q(completed_at__isnull=True)),
                name=f"ck_{name}_completed_when_ended",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.QUEUED, started_at__isnull=True)
                | Q(status=Status.CANCELED)
                | (~Q(status=Status.QUEUED) & Q(started_at__isnull=False)),
                name=f"ck_{name}_started_when_running",
            ),
            # NULL is named: a CHECK lets pass what it cannot tell.
            models.CheckConstraint(
                condition=~Q(status=Status.FAILED)
                | Q(failure_reason__isnull=False) & ~Q(failure_reason=""),
                name=f"ck_{name}_failed_has_reason",
            ),
        ]


@contextmanager
def lent(*rows: Tracked) -> Iterator[list[Said]]:
    """Let the rows move within the block; yield the list that their moves fill."""
    said: list[Said] = []
    for row in rows:
        row.said = said
    try:
        yield said
    finally:
        for row in rows:
            row.said = None


@receiver(pre_transition)
def _only_when_lent(instance: models.Model, name: str, **_kwargs: Any) -> None:
    if isinstance(instance, Tracked) and instance.said is None:
        raise NotLent(f"{instance._meta.label}: {name} outside of lent()")


@receiver(post_transition)
def _note(instance: models.Model, target: str, **_kwargs: Any) -> None:
    if isinstance(instance, Tracked) and instance.said is not None:
        instance.said.append(Said(instance, target, instance.message))
        instance.message = ""
