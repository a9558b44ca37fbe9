"""What Celery runs, and the product's own kinds of jobs."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_process_init, worker_shutting_down

from jobs.actions import running
from jobs.actions.bells import TASK
from jobs.actions.guard import STOPPING, guard


@shared_task(name=TASK)
def drain(queue: str) -> None:
    running.drain(queue)


@worker_shutting_down.connect
def stop_taking(**_kwargs: Any) -> None:
    """Let the pool finish or hand back what it has, and take nothing more."""
    STOPPING.value = 1


@worker_process_init.connect
def watch_over(**_kwargs: Any) -> None:
    """Say from the start that this process lives."""
    guard().start()
