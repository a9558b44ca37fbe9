"""Budgets come and go: connected to a server, imported from a file, made for a demo."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from django.core.files.storage import default_storage
from django.db import transaction

from jobs.budgets import ledger as ledgers
from jobs.budgets.actions.asking import request_sync, request_sync_and_suggest
from jobs.budgets.actions.opening import discard, stored
from jobs.budgets.models import Budget, Snapshot
from jobs.models import Job, Schedule
from jobs.models.tracked import Status
from workflows.core.accounts import Account, User
from workflows.core.secrets import Secret

COPY_BYTES = 1 << 20


class Busy(Exception):
    """A job works on the budget: cancel it, or wait for its end."""


def connect_budget(
    account: Account,
    *,
    by: User,
    name: str,
    server_url: str,
    password: Secret,
    file_id: str,
    encryption_password: Secret | None = None,
) -> Budget:
    """Remember a budget on a server and ask for its first sync: both, or neither."""
    with transaction.atomic():
        budget = Budget(
            account=account,
            name=name,
            kind=Budget.Kind.SERVER,
            server_url=server_url,
            file_id=file_id,
            created_by=by,
        )
        budget.password = password
        if encryption_password:
            budget.encryption_password = encryption_password
        budget.save(force_insert=True)
        request_sync_and_suggest(budget, by=by)
    return budget


def reconnect_budget(
    budget: Budget,
    *,
    by: User,
    server_url: str,
    password: Secret | None,
    encryption_password: Secret | None,
) -> Job:
    """Take a new address or new passwords, and try them. None leaves one as it is."""
    with transaction.atomic():
        fresh = Budget.objects.select_for_update().get(pk=budget.pk)
        fresh.server_url = server_url
        if password is not None:
            fresh.password = password
        if encryption_password is not None:
            fresh.encryption_password = encryption_password
        fresh.save()
        return request_sync(fresh, by=by, full=True)


def import_budget(
    account: Account,
    *,
    by: User,
    name: str,
    upload: BinaryIO,
    filename: str,
    **choices: Any,
) -> Budget:
    """Make an embedded budget of an uploaded file. Raises Problem for what is none."""

    def make(folder: Path, target: Path) -> ledgers.ImportFacts:
        source = folder / f"upload{Path(filename).suffix.lower()[:10]}"
        with source.open("wb") as copy:
            while chunk := upload.read(COPY_BYTES):
                copy.write(chunk)
        return ledgers.import_file(source, name, target, **choices)

    return embedded(account, by=by, name=name, make=make)


def demo_budget(account: Account, *, by: User | None, name: str) -> Budget:
    """Make a budget with two years of invented transactions, to look around."""
    return embedded(
        account,
        by=by,
        name=name,
        make=lambda _folder, target: ledgers.demo_file(target),
    )


def embedded(
    account: Account,
    *,
    by: User | None,
    name: str,
    make: Callable[[Path, Path], ledgers.ImportFacts],
) -> Budget:
    with tempfile.TemporaryDirectory(prefix="handrail-import-") as folder:
        target = Path(folder) / "budget.zip"
        facts = make(Path(folder), target)
        budget = Budget(
            account=account,
            name=name,
            kind=Budget.Kind.EMBEDDED,
            counts=facts.counts,
            created_by=by,
        )
        budget.file = stored(target, budget)
    try:
        with transaction.atomic():
            budget.save(force_insert=True)
            if by:
                request_sync_and_suggest(budget, by=by)
    except BaseException:
        default_storage.delete(budget.file)
        raise
    return budget


def rename_budget(budget: Budget, *, name: str) -> None:
    """Give it another name here. Raises IntegrityError when the name is taken."""
    with transaction.atomic():
        Budget.objects.filter(pk=budget.pk).update(name=name)


def remove_budget(budget: Budget) -> None:
    """Forget a budget, its suggestions and its snapshots. Raises Busy.

    What is on an Actual server stays there.
    """
    with transaction.atomic():
        fresh = Budget.objects.select_for_update().get(pk=budget.pk)
        unended = Job.objects.filter(
            budget_id=fresh.pk, status__in=[Status.QUEUED, Status.RUNNING]
        )
        if unended.exists():
            raise Busy
        files = Snapshot.objects.filter(budget=fresh).values_list("file", flat=True)
        discard(fresh.file, *files)
        Schedule.objects.filter(subject_id=fresh.pk).delete()
        fresh.delete()
