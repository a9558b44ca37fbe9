"""A process of the product that starts jobs: an order a line, an answer a line, JSON.

python -m tests.faults.driver
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django


def start(kind: str, count: int = 1, **metadata: Any) -> dict[str, Any]:
    """Start jobs, each in a transaction of its own; say how long the slowest took."""
    from jobs.actions.starting import start_job

    ids, slowest = [], 0.0
    for _ in range(count):
        began = time.monotonic()
        ids.append(str(start_job(kind, None, by=None, metadata=metadata).pk))
        slowest = max(slowest, time.monotonic() - began)
    return {"ids": ids, "slowest": slowest}


def start_and_die(kind: str, **metadata: Any) -> None:
    """Be killed when the job is committed and before its bell is rung."""
    from django.db import transaction

    from jobs.actions.starting import start_job

    with transaction.atomic():
        transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        start_job(kind, None, by=None, metadata=metadata)


def cancel(id: str) -> dict[str, Any]:
    from jobs.actions.stopping import cancel_job
    from jobs.models import Job
    from workflows.core.accounts import User

    somebody, _made = User.objects.get_or_create(username="somebody", is_superuser=True)
    cancel_job(Job.objects.get(pk=id), by=somebody)
    return {}


def schedule(kind: str, seconds: float) -> dict[str, Any]:
    """Have a job of the kind start every so often."""
    from django.utils import timezone

    from jobs.models import Schedule

    Schedule.objects.create(
        name="every moment",
        type=kind,
        interval=timedelta(seconds=seconds),
        next_at=timezone.now(),
    )
    return {}


ORDERS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "start": start,
    "start_and_die": start_and_die,
    "cancel": cancel,
    "schedule": schedule,
}


def main() -> None:
    django.setup()
    from django.db import DatabaseError, connection

    from tests.faults import cases

    orders = ORDERS | cases.ORDERS
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = orders[order.pop("do")](**order)
        # Whoever asked is told that it may not have happened, as a page would tell.
        except DatabaseError as error:
            answer = {"error": repr(error)}
            connection.close()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
