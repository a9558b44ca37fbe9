"""The clock of the product: lost jobs, schedules, bells that nobody heard."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from jobs.actions.ticking import TICK_SECONDS, tick

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Keep the clock of jobs until SIGTERM. Any number of them do no harm."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: stop.set())
        while not stop.is_set():
            try:
                tick()
            except DatabaseError as error:
                # Nothing is lost while it is away; the next tick finds it all.
                log.warning("no tick: %s", type(error).__name__)
                connection.close()
            stop.wait(TICK_SECONDS)
