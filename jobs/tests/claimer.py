"""One of several worker processes: python -m jobs.tests.claimer FILE

Runs what waits in the tests' queue and appends a line to the file when the work of a
job begins and when it ends: "job key begin|end nanoseconds". Its guard is at work.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import django

BRIEF, LONG = "kit.brief", "kit.long"


def main(path: str) -> None:
    django.setup()
    from jobs.actions.run import Run
    from jobs.actions.running import drain
    from jobs.models import Job
    from jobs.tests.kinds import QUEUE, register

    # Lines are appended whole, whoever else writes.
    file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def say(run: Run, what: str) -> None:
        line = f"{run.job.pk} {run.job.exclusive_key} {what} {time.monotonic_ns()}\n"
        os.write(file, line.encode())

    def work(run: Run) -> None:
        say(run, "begin")
        with run.completing():
            run.note("Done once.")
            say(run, "end")

    register(work, type=LONG)
    register(work, type=BRIEF, brief=True, timeout=timedelta(seconds=30))
    Path(f"{path}.{os.getpid()}").touch()
    while not Path(f"{path}.go").exists():
        time.sleep(0.01)
    while Job.objects.filter(status__in=["queued", "running"]).exists():
        if not drain(QUEUE):
            time.sleep(0.01)
    os.close(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
