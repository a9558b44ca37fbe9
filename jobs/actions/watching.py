"""The watchdog: notices work that waits though somebody has their hands free."""

from __future__ import annotations

import logging
import time

from django.db import DatabaseError, connection
from django.db.models.functions import Now

from jobs.actions.claiming import HEARTBEAT, LEASE
from jobs.actions.kinds import KINDS
from jobs.models import Job
from jobs.models.tracked import Status

log = logging.getLogger(__name__)
EVERY_SECONDS = 2.0
PATIENCE_SECONDS = 15.0


class Watchdog:
    """Barks when the same job heads the queues for too long and nobody takes it.

    A worker may hang without a word: its pool was killed, its broker connection is
    gone. The database shows it, whatever the reason.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots  # how many jobs run at once when all is well
        self.looked = self.since = time.monotonic()
        self.head: object = None

    def barks(self) -> bool:
        """Look, at most every two seconds; True when the workers need a new start."""
        now = time.monotonic()
        if now - self.looked < EVERY_SECONDS:
            return False
        self.looked = now
        try:
            head = self.waiting_for_nobody()
        except DatabaseError as error:
            log.warning("the watchdog has no database: %s", type(error).__name__)
            connection.close()
            return False
        if head is None or head != self.head:
            self.head, self.since = head, now
        elif now - self.since >= PATIENCE_SECONDS:
            self.head, self.since = None, now
            return True
        return False

    def waiting_for_nobody(self) -> object:
        """Return the job that has waited longest if there is a free worker for it."""
        # Who has not renewed a lease when it was time may be what hangs.
        busy = Job.objects.filter(
            status=Status.RUNNING, lease_until__gt=Now() + LEASE - 1.5 * HEARTBEAT
        )
        if busy.count() >= self.slots:
            return None
        waiting = Job.objects.filter(type__in=KINDS).due().free()
        return waiting.order_by("run_after", "id").values_list("id", flat=True).first()
