"""The empty job as the product's engine knows it; imported only by our contender."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.jobs_rivals.handrail import KIND
from benchmarks.jobs_rivals.starts import say_started
from jobs.actions.kinds import job_kind
from jobs.actions.run import Run
from jobs.actions.starting import start_job


# Brief, as the engine calls what takes well under a second: a worker takes several.
@job_kind(KIND, label="No-op", timeout=timedelta(seconds=30), brief=True)
def noop(run: Run) -> None:
    say_started(run.job.metadata["index"])


def enqueue(index: int) -> None:
    start_job(KIND, None, by=None, steps=("work",), metadata={"index": index})
