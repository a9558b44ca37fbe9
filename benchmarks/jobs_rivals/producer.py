"""Enqueues one job after the other, each in its own transaction, as an application.

python -m benchmarks.jobs_rivals.producer NAME reads orders, one JSON object a line, and
answers each with the moments just before its enqueue calls.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable

import django


def main() -> None:
    django.setup()
    from django.db import connection

    from benchmarks.jobs_rivals.field import CONTENDERS

    contender = CONTENDERS[sys.argv[1]]
    connection.ensure_connection()
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(produce(contender.enqueue, **order)), flush=True)


def produce(
    enqueue: Callable[[int], None], first: int, jobs: int, rate: float | None
) -> list[int]:
    """Return when each call began; without a rate (jobs a second) as fast as it can."""
    from django.db import transaction

    # Uneven gaps, the same for everybody: an even beat could keep step with a poll.
    gaps = random.Random(1)
    due = time.monotonic()
    begun = []
    for index in range(first, first + jobs):
        if rate is not None:
            due += gaps.uniform(0.5, 1.5) / rate
            time.sleep(max(0.0, due - time.monotonic()))
        begun.append(time.monotonic_ns())
        with transaction.atomic():
            enqueue(index)
    return begun


if __name__ == "__main__":
    main()
