"""The thread beside the work: keeps leases, hears of stops, ends what does not end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex

import psutil
from django.db import InterfaceError, OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now

from jobs.actions.claiming import HEARTBEAT, LEASE
from jobs.actions.run import CANCELED, HANDED_BACK, LOST, TIMED_OUT, Run
from jobs.models import Job, Worker

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
# What a run gets to end by itself once the processes it waits for were killed.
AFTERMATH_SECONDS = 2.0

# Set in the worker's main process by SIGTERM, seen by the pool that it has forked.
STOPPING = multiprocessing.Value("b", 0, lock=False)


class Guard:
    """Watches over the runs of this process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.worker = f"{socket.gethostname()[:60]}:{self.pid}:{token_hex(4)}"
        self._runs: dict[object, Run] = {}
        self._current: Run | None = None
        self._kept = time.monotonic()
        self._done = 0
        self._thread: threading.Thread | None = None

    # --- called by the work's thread --------------------------------------------------
    @contextmanager
    def holding(self, runs: list[Run]) -> Iterator[None]:
        """Keep the leases of these runs, at most while the block lasts."""
        self._runs.update({run.job.pk: run for run in runs})
        self.start()
        try:
            yield
        finally:
            for run in runs:
                self._runs.pop(run.job.pk, None)

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """Look after the run while the block lasts, then let go of its lease."""
        run.started = time.monotonic()
        self._current = run
        try:
            yield
        finally:
            self._current = None
            self._runs.pop(run.job.pk, None)
            self._done += 1

    def start(self) -> None:
        """Begin to watch; a thread does not survive a fork, so each process has one."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="guard", daemon=True
            )
            self._thread.start()

    # --- the thread -------------------------------------------------------------------
    def _watch(self) -> None:
        self._kept = -HEARTBEAT.total_seconds()  # say at once that it lives
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                self.look()
            except (OperationalError, InterfaceError) as error:
                # The lease may run out meanwhile: then the fence keeps us off.
                log.warning("the guard has no database: %s", type(error).__name__)
                connection.close()
            # Without this thread every lease of the process would run out.
            except Exception:
                log.exception("the guard looks again")
                connection.close()

    def look(self) -> None:
        """Do once what has to be done every second."""
        now = time.monotonic()
        if now - self._kept >= HEARTBEAT.total_seconds():
            self.keep_leases()
            self._kept = now
        run = self._current
        if run is None or now - run.started < LOOK_SECONDS:
            return
        if run.unwritten:
            run.show()
        if run.told is None or run.told[0] == HANDED_BACK:
            self.listen(run, now)
        if run.told and run.told[0] != HANDED_BACK:
            self.press(run, *run.told, now)

    def keep_leases(self) -> None:
        """Renew every lease of this process and say that it lives."""
        for run in list(self._runs.values()):
            held = Job.objects.held_by(run.job.fence).filter(pk=run.job.pk)
            if not held.update(lease_until=Now() + LEASE) and self._holds(run):
                run.tell(LOST)
        self.announce()

    def _holds(self, run: Run) -> bool:
        return run.job.pk in self._runs

    def announce(self) -> None:
        seen = Worker.objects.filter(name=self.worker).update(
            seen_at=Now(), jobs_done=F("jobs_done") + self._done
        )
        if not seen:
            Worker.objects.create(
                name=self.worker,
                host=socket.gethostname()[:80],
                pid=self.pid,
                jobs_done=self._done,
            )
        self._done = 0

    def listen(self, run: Run, now: float) -> None:
        """Find out whether the run has to stop."""
        held = Job.objects.held_by(run.job.fence).filter(pk=run.job.pk)
        asked = held.values_list("cancel_requested_at", flat=True).first()
        if now - run.started > run.kind.timeout.total_seconds():
            run.tell(TIMED_OUT)
        elif asked:
            run.tell(CANCELED)
        elif STOPPING.value and run.kind.repeatable:
            run.tell(HANDED_BACK)
        elif asked is None and not held.exists() and self._holds(run):
            run.tell(LOST)

    def press(self, run: Run, why: str, since: float, now: float) -> None:
        """End what does not end by itself: first its processes, then this one."""
        if now - since < run.kind.grace.total_seconds():
            return
        if run.killed is None:
            end_children(self.pid)
            run.killed = now
        elif now - run.killed >= AFTERMATH_SECONDS and self._current is run:
            self.give_up(run, why)

    def give_up(self, run: Run, why: str) -> None:
        """Kill this process; the reaper then ends the job as the row says.

        In this order a job is never told to have ended while its work goes on.
        """
        held = Job.objects.held_by(run.job.fence).filter(pk=run.job.pk)
        held.update(lease_until=Now(), timed_out=why == TIMED_OUT)
        log.error("job %s did not stop (%s): its process is killed", run.job.pk, why)
        end_children(self.pid)
        os.kill(self.pid, signal.SIGKILL)


def end_children(pid: int) -> None:
    """Kill every process that descends from this one."""
    for child in psutil.Process(pid).children(recursive=True):
        # Root's are not ours to kill: they end with the one of ours that called them.
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            child.kill()


_guard: Guard | None = None


def guard() -> Guard:
    """Return this process's guard."""
    global _guard
    if _guard is None or _guard.pid != os.getpid():
        _guard = Guard()
    return _guard
