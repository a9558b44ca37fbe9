"""Jobs that start by the clock: each due time starts one job, whoever sees it first."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflows.core.accounts import Account, TenantQuerySet, check_time_zone
from workflows.core.ids import uuid7


def check_cron(text: str) -> None:
    """Raise ValidationError for what is no cron expression."""
    try:
        next(CronSim(text, datetime.now(UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValidationError(
            _(
                "“%(text)s” is not a cron expression. Five fields: minute, hour, day, "
                "month, weekday; “15 3 * * *” is every night at 03:15."
            ),
            params={"text": text},
        ) from error


class Schedule(models.Model):
    """When a job of a type starts again: every so often, or as a cron expression says.

    Missed runs, after an outage for example, are made up once.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120, unique=True)
    account = models.ForeignKey(
        Account, models.CASCADE, null=True, blank=True, related_name="+"
    )
    type = models.CharField(max_length=60)
    subject_type = models.ForeignKey(
        ContentType, models.PROTECT, null=True, blank=True, related_name="+"
    )
    subject_id = models.UUIDField(null=True, blank=True)
    subject = GenericForeignKey("subject_type", "subject_id")
    interval = models.DurationField(null=True, blank=True)
    cron = models.CharField(max_length=100, blank=True, validators=[check_cron])
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[check_time_zone]
    )
    enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField(editable=False)
    last_at = models.DateTimeField(null=True, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(Q(interval__isnull=True) & ~Q(cron=""))
                | Q(interval__isnull=False, interval__gt=timedelta(0), cron=""),
                name="ck_schedule_interval_or_cron",
                violation_error_message=_(
                    "Give an interval or a cron expression, not both."
                ),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"], condition=Q(enabled=True), name="ix_schedule_next"
            ),
            models.Index(fields=["subject_id"], name="ix_schedule_subject"),
        ]

    def __str__(self) -> str:
        return self.name

    def after(self, moment: datetime) -> datetime:
        """Return the next due time after the moment, in UTC."""
        if self.interval and self.next_at:
            # By the schedule's own beat: a late tick does not shift all that follow.
            return self.next_at + self.interval * max(
                (moment - self.next_at) // self.interval + 1, 1
            )
        if self.interval:
            return moment + self.interval
        local = moment.astimezone(zoneinfo.ZoneInfo(self.time_zone))
        times = (found.astimezone(UTC) for found in CronSim(self.cron, local))
        # In the second of two hours of one name CronSim begins with the first.
        return next(found for found in times if found > moment)
