"""Kinds of jobs that behave well, or badly on purpose."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace

import httpx

from jobs.actions.kinds import KINDS, job_kind
from jobs.actions.run import Run
from tests.faults.models import Effect
from tests.faults.names import (
    CAREFUL,
    EFFECT,
    GRACE,
    LATE,
    MINUTE,
    OVERLONG,
    STEPS,
    STUBBORN,
    STUCK_GRACE,
    TIMEOUT,
)
from workflows.core.jira import client
from workflows.core.jira.upload import REPLY_SECONDS
from workflows.support import tasks  # noqa: F401  (its kinds are there first)
from workflows.support.actions import confirming
from workflows.support.actions.reporting import FETCH


def effect(run: Run) -> None:
    """Work for so many tenths of a second, then leave an effect, once."""
    rounds = int(run.job.metadata.get("rounds", 2))
    for done in range(rounds):
        run.progress(done, rounds)
        time.sleep(0.1)
    assert run.step is not None
    with run.completing():
        Effect.objects.create(
            job_id=run.job.pk, step=run.step.step_type, attempt=run.job.attempt
        )


job_kind(EFFECT, label="Effect", timeout=MINUTE, steps=STEPS)(effect)
job_kind(CAREFUL, label="Careful", timeout=MINUTE, steps=STEPS, repeatable=False)(
    effect
)


def stubborn(run: Run) -> None:
    """Never look up from the work; have a child and a grandchild that never end."""
    subprocess.run(["/bin/sh", "-c", "sleep 1000 & sleep 1000; true"], check=False)
    while True:
        time.sleep(0.1)


job_kind(STUBBORN, label="Stubborn", timeout=MINUTE, grace=GRACE)(stubborn)
job_kind(OVERLONG, label="Overlong", timeout=TIMEOUT, grace=GRACE)(stubborn)

# What is stuck hears of nothing: how it is ended is the same after a shorter time.
KINDS[FETCH] = replace(KINDS[FETCH], grace=STUCK_GRACE)
client.UPLOAD_TIMEOUT = httpx.Timeout(
    STUCK_GRACE.total_seconds(), connect=10, read=REPLY_SECONDS
)
confirming.LATE = LATE
