"""What has to happen every two seconds, whoever does it and however many do."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from jobs.actions.bells import ring
from jobs.actions.kinds import KINDS, queues
from jobs.actions.reaping import reap
from jobs.actions.scheduling import start_due
from jobs.models import Job, Worker

TICK_SECONDS = 2.0
# A bell that was rung this long ago and brought nobody is rung again.
OVERDUE = timedelta(seconds=1)
FORGOTTEN = timedelta(days=1)


def tick() -> None:
    """Take lost jobs back, start what is due, and ring again where nobody came."""
    reap()
    start_due()
    for queue in queues():
        if overdue(queue, OVERDUE):
            ring(queue)
    Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN).delete()


def overdue(queue: str, since: timedelta) -> bool:
    """Has a job of the queue been waiting for longer, with nothing before it?"""
    waiting = Job.objects.filter(queue=queue, type__in=KINDS).due().free()
    return waiting.filter(run_after__lt=Now() - since).exists()
