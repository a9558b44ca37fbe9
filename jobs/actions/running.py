"""Running jobs: a bell drains its queue; each job ends as its work ended."""

from __future__ import annotations

import logging
import time

from django.db import InterfaceError, OperationalError, connection

from jobs.actions.bells import answered, ring
from jobs.actions.claiming import LEASE, claim
from jobs.actions.guard import STOPPING, guard
from jobs.actions.kinds import kind_of
from jobs.actions.run import Run
from jobs.actions.settling import judge, settle
from jobs.models import LeaseLost

log = logging.getLogger(__name__)
# After this long a bell gives its place to another one, so that queues take turns.
TURN_SECONDS = 10.0


def drain(queue: str) -> int:
    """Run the queue's due jobs until none is left or the turn is over; return how many.

    Raises what the database raises when it cannot be asked for work.
    """
    answered(queue)
    me, ends, count = guard(), time.monotonic() + TURN_SECONDS, 0
    while not STOPPING.value:
        jobs, more = claim(queue, me.worker)
        if more:
            ring(queue)
        if not jobs:
            break
        runs = [Run(job, kind_of(job.type)) for job in jobs]
        me.hold(runs)
        for run in runs:
            with me.watching(run):
                execute(run)
        count += len(runs)
        if time.monotonic() > ends:
            ring(queue)
            break
    return count


def execute(run: Run) -> None:
    """Do the work, step by step, and write how it ended."""
    try:
        work(run)
    # Whatever the work raises is how the job ended; judge() tells them apart.
    except Exception as error:
        end(run, error)


def work(run: Run) -> None:
    while not run.job.ended:
        run.checkpoint()
        completed = run.completed
        found = run.kind.work(run)
        if run.completed == completed:
            run.result |= found or {}
            run.complete()


def end(run: Run, error: Exception) -> None:
    """Write how the run ended, as soon as the database can be reached."""
    verdict = judge(run, error)
    if verdict is None:
        log.warning("job %s went to another worker", run.job.pk)
        return
    gives_up = time.monotonic() + LEASE.total_seconds()
    while True:
        try:
            settle(run.job, verdict)
        except LeaseLost:
            log.warning("job %s went to another worker", run.job.pk)
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() < gives_up:
                time.sleep(0.5)
                continue
            log.exception("job %s is left to the reaper", run.job.pk)
        return
