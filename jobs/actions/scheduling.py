"""Jobs by the clock: due schedules start theirs, each due time once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps as registry
from django.apps.registry import Apps
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from jobs.actions.kinds import UnknownKind
from jobs.actions.starting import start_job
from jobs.models import Schedule

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Regular:
    """A schedule that the product itself comes with."""

    name: str
    type: str
    interval: timedelta | None = None
    cron: str = ""


REGULAR: dict[str, Regular] = {}


def regularly(
    name: str, type: str, *, interval: timedelta | None = None, cron: str = ""
) -> None:
    """Declare a schedule of the product. Raises ValueError when its name is taken.

    ``migrate`` writes its row where there is none, so that what an operator changes
    or turns off stays as it is.
    """
    if name in REGULAR:
        raise ValueError(f"the schedule {name} is declared twice")
    REGULAR[name] = Regular(name, type, interval, cron)


def install_schedules(*, apps: Apps = registry, **_kwargs: Any) -> None:
    """Write the rows of declared schedules that are missing."""
    if "schedule" not in apps.all_models["jobs"]:
        return  # as far as was migrated, their table is not made yet
    for regular in REGULAR.values():
        fresh = Schedule(
            name=regular.name,
            type=regular.type,
            interval=regular.interval,
            cron=regular.cron,
        )
        fresh.next_at = fresh.after(timezone.now())
        Schedule.objects.bulk_create([fresh], ignore_conflicts=True)


def start_due(*, now: datetime | None = None) -> int:
    """Start the jobs of all due schedules; return how many this caller started.

    A due time is claimed by a conditional UPDATE in the transaction of its job: of two
    callers one starts it. Times that were missed are made up once.
    """
    at, count = now or timezone.now(), 0
    for schedule in list(Schedule.objects.filter(enabled=True, next_at__lte=at)):
        try:
            count += claim_due(schedule, at)
        except (OperationalError, InterfaceError):
            raise
        # One that cannot be started must not keep the others from it.
        except Exception:
            log.exception("the schedule %s could not start its job", schedule.name)
    return count


def claim_due(schedule: Schedule, at: datetime) -> bool:
    with transaction.atomic():
        mine = Schedule.objects.filter(
            pk=schedule.pk, next_at=schedule.next_at, enabled=True
        )
        claimed = mine.update(next_at=schedule.after(at), last_at=at)
        return bool(claimed) and begin(schedule)


def begin(schedule: Schedule) -> bool:
    """Start the schedule's job, unless the last one has not ended yet."""
    if schedule.subject_id and schedule.subject is None:
        schedule.delete()
        return False
    try:
        job = start_job(
            schedule.type,
            schedule.subject,
            by=None,
            account=schedule.account,
            unique=f"schedule:{schedule.pk}",
            metadata={"trigger": "schedule", "schedule": schedule.name},
        )
    except UnknownKind:
        log.exception("the schedule %s starts an unknown kind", schedule.name)
        return False
    return job.is_new
