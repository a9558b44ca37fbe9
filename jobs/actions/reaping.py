"""Takes jobs back from workers that no longer renew their lease."""

from __future__ import annotations

import logging

from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now

from jobs.actions.settling import settle_lost
from jobs.actions.statements import deadlocked
from jobs.models import Job, LeaseLost
from jobs.models.tracked import Status

log = logging.getLogger(__name__)


def reap() -> int:
    """End every run whose lease is over; return how many. Two reapers do no harm."""
    count = 0
    expired = Job.objects.filter(status=Status.RUNNING, lease_until__lt=Now())
    for job in list(expired.order_by("lease_until")[:500]):
        try:
            settle_lost(job)
        except (LeaseLost, Job.DoesNotExist):
            continue  # another reaper was faster, or the worker came back
        except (OperationalError, InterfaceError) as error:
            if not deadlocked(error):
                raise
            log.warning("job %s is left to the next round: deadlock", job.pk)
        # One that cannot be ended must not keep the others from it.
        except Exception:
            log.exception("job %s cannot be ended", job.pk)
        else:
            log.warning("job %s was lost by worker %s", job.pk, job.worker)
            count += 1
    return count
