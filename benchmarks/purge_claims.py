"""Claims a live queue at a steady rate, until its input ends; then says what each took.

A process of its own, beside a purge: python -m benchmarks.purge_claims RATE
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import timedelta
from itertools import count

import django

QUEUE = "bench"
WARM = 100  # claims


def main() -> None:
    django.setup()
    from jobs.actions.claiming import claim
    from jobs.actions.kinds import job_kind, kind_of
    from jobs.actions.run import Run
    from jobs.actions.starting import start_job

    job_kind("bench.live", label="", timeout=timedelta(minutes=1), queue=QUEUE)(
        lambda run: None
    )
    every = 1 / float(sys.argv[1])
    told = threading.Thread(target=sys.stdin.read, daemon=True)
    told.start()
    claims: list[tuple[float, float]] = []
    due = time.monotonic()
    for number in count():
        if not told.is_alive():
            break
        start_job("bench.live", None, by=None)
        time.sleep(max(0.0, due - time.monotonic()))
        began = time.monotonic()
        [job] = claim(QUEUE, "bench:1:abcdef").jobs
        claims.append((began, (time.monotonic() - began) * 1e3))  # ms
        Run(job, kind_of(job.type)).complete()
        due = max(due + every, began)
        if number == WARM:
            claims.clear()
            print("warm", flush=True)
    print(json.dumps(claims))


if __name__ == "__main__":
    main()
