"""What has all gone to Jira and was not confirmed: it may be stored there yet.

A job keeps in its metadata to which issue, and since when. It is written before the
last byte goes, so that whoever comes after a worker that is lost knows it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jobs.actions.run import Run
from jobs.models import Job
from workflows.core.errors import Problem
from workflows.core.jira import ReplyLost

NAME = "unconfirmed"
# What Jira gets to go on storing before the file is sent once more.
LATE = timedelta(minutes=2)


def unconfirmed_since(job: Job, issue_url: str) -> str:
    """Return since when the issue may have what the job is to send, or ""."""
    said = job.metadata.get(NAME, {})
    return str(said["since"]) if said.get("issue") == issue_url else ""


def carried_over(before: Job) -> dict[str, Any]:
    """Return what the next job for the same archive has to know of the one before."""
    return {name: fact for name, fact in before.metadata.items() if name == NAME}


def give_time(run: Run, since: str) -> None:
    """Let a Jira that may still be storing finish. Raises ReplyLost, LeaseLost."""
    if not since:
        return
    left = datetime.fromisoformat(since) + LATE - timezone.now()
    if left > timedelta():
        raise ReplyLost(retry_after=min(left, LATE))
    run.remember(**{NAME: None})


def all_gone(run: Run, issue_url: str) -> None:
    """From here on Jira may have all of it. Raises LeaseLost, which breaks it off."""
    now = timezone.now().isoformat(timespec="seconds")
    run.remember(**{NAME: {"issue": issue_url, "since": now}})


@contextmanager
def confirming(run: Run) -> Iterator[None]:
    """Have it forgotten once Jira has answered for what the block sends.

    Where it has not, ReplyLost goes on: the next try looks soon, and gives it time
    before it sends. Raises LeaseLost.
    """
    try:
        yield
    except ReplyLost:
        raise
    except Problem:
        run.remember(**{NAME: None})
        raise
    run.remember(**{NAME: None})
