"""The product's settings with the rivals beside it; only benchmarks use this module."""

import os

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, REDIS_URL

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "procrastinate.contrib.django",
    "django_q",
    "benchmarks.jobs_rivals",
]
# Celery's own setting; the product's kind is registered where only its contender asks.
CELERY_IMPORTS = os.environ.get("BENCH_IMPORTS", "").split()

Q_CLUSTER = {
    "name": "bench",
    "workers": int(os.environ.get("BENCH_WORKERS", "2")),
    # As its documentation asks: retry longer than timeout.
    "timeout": 60,
    "retry": 120,
    # By default 250 results are kept, and each result first locks all of them. 0 keeps
    # every result and never looks; -1 keeps none.
    "save_limit": int(os.environ.get("BENCH_Q_SAVE", "0")),
    # By default a worker ends after 500 jobs, and its successor waits for the guard.
    "recycle": 1_000_000,
    # How many jobs may lie between broker and workers: by default 4, no faster here.
    "queue_limit": 500,
    "scheduler": False,
    "redis": REDIS_URL,
}
if os.environ.get("BENCH_Q_BROKER") == "orm":
    # By default it looks every 0.2 seconds, and for one job.
    Q_CLUSTER |= {"orm": "default", "poll": 0.002, "bulk": 10}
