"""The seed's eight types of jobs, each with the verb that does it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from jobs.actions.kinds import job_kind
from jobs.actions.run import Run
from jobs.budgets.actions import applying, snapshots, suggesting, syncing

HALF_AN_HOUR = timedelta(minutes=30)
COMMON: dict[str, Any] = {
    "queue": "budgets",
    "timeout": HALF_AN_HOUR,
    "exclusive": True,
    # A request to another server may take 30 seconds to give up.
    "grace": timedelta(seconds=35),
}
BOTH = ("sync", "suggestions")


@job_kind("budget_sync", label=_("Sync"), steps=("sync",), **COMMON)
def budget_sync(run: Run) -> None:
    syncing.sync(run)


@job_kind(
    "suggestions_generate",
    label=_("Find suggestions"),
    steps=("suggestions",),
    **COMMON,
)
def suggestions_generate(run: Run) -> None:
    suggesting.generate(run)


@job_kind("sync_and_suggest", label=_("Sync and suggest"), steps=BOTH, **COMMON)
def sync_and_suggest(run: Run) -> None:
    both(run)


@job_kind(
    "scheduled_sync_and_suggest",
    label=_("Scheduled sync and suggest"),
    steps=BOTH,
    backoff=[timedelta(minutes=minutes) for minutes in (1, 5, 15)],
    **COMMON,
)
def scheduled_sync_and_suggest(run: Run) -> None:
    both(run)


def both(run: Run) -> None:
    if run.step and run.step.step_type == "sync":
        syncing.sync(run)
    else:
        suggesting.generate(run)


@job_kind(
    "suggestions_retry_payee",
    label=_("Find suggestions for a payee"),
    steps=("suggestions",),
    **COMMON,
)
def suggestions_retry_payee(run: Run) -> None:
    suggesting.retry_payee(run)


@job_kind("suggestions_apply", label=_("Apply approved suggestions"), **COMMON)
def suggestions_apply(run: Run) -> None:
    applying.apply(run)


@job_kind("snapshot_create", label=_("Take a snapshot"), **COMMON)
def snapshot_create(run: Run) -> None:
    snapshots.create(run)


@job_kind("snapshot_redownload", label=_("Download a snapshot anew"), **COMMON)
def snapshot_redownload(run: Run) -> None:
    snapshots.redownload(run)
