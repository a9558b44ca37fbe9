"""The same empty job, told to each rival in its own way."""

from __future__ import annotations

from celery import shared_task
from procrastinate.contrib.django import app

from benchmarks.jobs_rivals.starts import say_started


@shared_task(name="benchmarks.celery_noop")
def celery_noop(index: int) -> None:
    say_started(index)


# Not async: that is no faster here.
@app.task(name="benchmarks.procrastinate_noop")
def procrastinate_noop(index: int) -> None:
    say_started(index)


def django_q_noop(index: int) -> None:
    say_started(index)
