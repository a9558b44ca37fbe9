"""Running jobs: a bell drains its queue; each job ends as its work ended."""

from __future__ import annotations

import logging
import time

from django.db import InterfaceError, OperationalError, connection

from jobs.actions.bells import lower, stand_by, wake
from jobs.actions.claiming import LEASE, claim
from jobs.actions.guard import STOPPING, guard
from jobs.actions.kinds import kind_of
from jobs.actions.run import Run
from jobs.actions.settling import judge, settle
from jobs.models import Job, LeaseLost

log = logging.getLogger(__name__)
# After this long a bell gives its place to another one, so that queues take turns.
TURN_SECONDS = 2.0
# While more waits than this worker takes, another one is sent for this often.
WAKE_SECONDS = 0.1


def drain(queue: str) -> int:
    """Run the queue's due jobs until none is left or the turn is over; return how many.

    Raises what the database raises when it cannot be asked for work.
    """
    me, ends, count = guard(), time.monotonic() + TURN_SECONDS, 0
    lowered, woken = False, 0.0
    while not STOPPING.value:
        try:
            jobs, more = claim(queue, me.worker)
        except (OperationalError, InterfaceError):
            connection.close()  # else the next bell would find it broken still
            raise
        if more and time.monotonic() - woken > WAKE_SECONDS:
            wake(queue)
            woken = time.monotonic()
        if not jobs:
            if lowered:
                break
            lower(queue, me.worker)
            lowered = True
            continue
        runs = [Run(job, kind_of(job.type)) for job in jobs]
        # Brief work is soon over and this worker looks again; anything else keeps it
        # away, and bells have to reach the others.
        lowered = not all(run.kind.brief for run in runs)
        if lowered:
            lower(queue, me.worker)
        with me.holding(runs):
            for run in runs:
                with me.watching(run):
                    execute(run)
        count += len(runs)
        if time.monotonic() > ends:
            lower(queue, me.worker)
            wake(queue)
            break
        # What had to wait for one of these jobs sends nobody a bell.
        look = lowered or more or any(run.job.exclusive_key for run in runs)
        if not look and not stand_by(queue, me.worker):
            lower(queue, me.worker)
            lowered = True
    else:  # told to stop: whoever comes from now on must not count on us
        lower(queue, me.worker)
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
        except (LeaseLost, Job.DoesNotExist):
            log.warning("job %s went to another worker or is gone", run.job.pk)
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() < gives_up:
                time.sleep(0.5)
                continue
            log.exception("job %s is left to the reaper", run.job.pk)
        # The jobs behind it must not suffer for a verdict that cannot be written.
        except Exception:
            log.exception("job %s is left to the reaper", run.job.pk)
        return
