"""What Celery runs, and the product's own kinds of jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_process_init, worker_shutting_down
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.actions import running
from jobs.actions.bells import TASK
from jobs.actions.guard import STOPPING, guard
from jobs.actions.kinds import job_kind
from jobs.actions.run import LOST, Run, Stopped
from jobs.actions.scheduling import regularly
from workflows.core.connecting import expire_connections
from workflows.core.errors import AdminRequired, Temporary
from workflows.core.purge import Swept, purge

# The database is away, or has ended one of two that waited for each other.
AWAY = (OperationalError, InterfaceError)


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


@job_kind("jobs.purge", label=gettext_lazy("Nightly purge"), timeout=timedelta(hours=3))
def purge_what_is_old(run: Run) -> dict[str, Any]:
    """Do as ``manage.py purge`` does; a run that was stopped has less left to do."""
    ends: dict[str, Swept] = {}
    try:
        for swept in purge():
            ends[swept.rule.name] = swept
            phase = _("Deleting %(what)s") % {"what": swept.rule.label}
            run.progress(swept.count, phase=phase)
    except Stopped as stopped:
        if stopped.why != LOST:
            run.note(_("Deleted so far: %(counts)s.") % {"counts": counts(ends)})
        raise
    if failed := {name: end.error for name, end in ends.items() if end.error}:
        reason = _("Failed: %(rules)s. Deleted: %(counts)s. The log says why.") % {
            "rules": ", ".join(failed),
            "counts": counts(ends),
        }
        if all(isinstance(error, AWAY) for error in failed.values()):
            raise Temporary(reason)
        raise AdminRequired(reason)
    return {"deleted": {name: end.count for name, end in ends.items()}}


def counts(ends: dict[str, Swept]) -> str:
    return ", ".join(f"{name} {end.count}" for name, end in ends.items())


regularly("nightly purge", "jobs.purge", cron="15 3 * * *")


@job_kind(
    "jobs.expire_connections",
    label=gettext_lazy("Remove expired Jira tokens"),
    timeout=timedelta(minutes=5),
)
def remove_expired_tokens(run: Run) -> dict[str, Any]:
    return {"expired": expire_connections()}


regularly("expired connections", "jobs.expire_connections", cron="*/5 * * * *")
