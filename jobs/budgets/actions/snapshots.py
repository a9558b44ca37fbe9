"""Snapshots: a copy of the whole budget, to go back to."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from jobs.actions.run import Run
from jobs.budgets import ledger as ledgers
from jobs.budgets.actions.asking import request_sync_and_suggest
from jobs.budgets.actions.opening import (
    discard,
    fetched,
    open_budget,
    server_of,
    stored,
)
from jobs.budgets.actions.syncing import budget_of
from jobs.budgets.models import Budget, Snapshot
from workflows.core.accounts import User


def create(run: Run) -> None:
    """Keep a copy of the budget as it is now."""
    budget = budget_of(run)
    run.progress(0, None, _("Fetching the budget"))
    with open_budget(budget) as ledger:
        keep(run, budget, ledger, Snapshot.Origin.CREATED)


def redownload(run: Run) -> None:
    """Keep a copy that was fetched anew, and say how it differs from the last one."""
    budget = budget_of(run)
    run.progress(0, None, _("Fetching the budget anew"))
    if budget.embedded:
        with open_budget(budget) as ledger:
            keep(run, budget, ledger, Snapshot.Origin.REDOWNLOADED)
    else:
        keep(run, budget, server_of(budget), Snapshot.Origin.REDOWNLOADED)


def keep(
    run: Run, budget: Budget, source: ledgers.Server | ledgers.Ledger, origin: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="handrail-snapshot-") as folder:
        path = Path(folder) / "snapshot.zip"
        facts = ledgers.snapshot(source, path)
        run.progress(0, None, _("Storing the copy"))
        name = stored(path, budget)
    try:
        with run.completing():
            last = budget.snapshots.order_by("-id").first()
            difference = compared(last.counts, facts.counts) if last else None
            Snapshot.objects.create(
                budget=budget,
                job_id=run.job.pk,
                origin=origin,
                file=name,
                sha256=facts.sha256,
                size=facts.size,
                counts=facts.counts,
                difference=difference,
                created_by=run.job.created_by,
            )
            run.result = {
                "counts": facts.counts,
                "sha256": facts.sha256,
                "size": facts.size,
                "difference": difference,
            }
    except BaseException:
        default_storage.delete(name)
        raise


def compared(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return by how much each count changed; what did not is left out."""
    names = sorted(before.keys() | after.keys())
    changes = {name: after.get(name, 0) - before.get(name, 0) for name in names}
    return {name: change for name, change in changes.items() if change}


def restore(snapshot: Snapshot, *, by: User, name: str) -> Budget:
    """Make a new embedded budget of a snapshot, and ask for its first sync.

    The old budget stays as it is. Raises Problem for an archive that is none.
    """
    with tempfile.TemporaryDirectory(prefix="handrail-snapshot-") as folder:
        target = Path(folder) / "restored.zip"
        facts = ledgers.restore_file(fetched(snapshot.file, Path(folder)), target, name)
        budget = Budget(
            account_id=snapshot.budget.account_id,
            name=name,
            kind=Budget.Kind.EMBEDDED,
            created_by=by,
            counts=facts.counts,
        )
        budget.file = stored(target, budget)
    try:
        with transaction.atomic():
            budget.save(force_insert=True)
            request_sync_and_suggest(budget, by=by)
    except BaseException:
        default_storage.delete(budget.file)
        raise
    return budget


def delete_snapshot(snapshot: Snapshot) -> None:
    with transaction.atomic():
        snapshot.delete()
        discard(snapshot.file)


def is_whole(snapshot: Snapshot) -> bool:
    """Does the stored file still have the checksum that it was stored with?"""
    with default_storage.open(snapshot.file, "rb") as archive:
        return hashlib.file_digest(archive, "sha256").hexdigest() == snapshot.sha256
