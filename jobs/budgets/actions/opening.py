"""Opening a budget's ledger, wherever it is kept, and keeping what a run changed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from jobs.budgets import ledger as ledgers
from jobs.budgets.models import Budget
from workflows.core.errors import AdminRequired
from workflows.core.secrets import unseal

# A copy that a killed worker left behind is of no use to anybody after this time.
FORGOTTEN_SECONDS = 24 * 3600


def server_of(budget: Budget) -> ledgers.Server:
    """Return how to reach the budget's server. Raises SealError, UserFixable."""
    sealed = budget.encryption_password
    return ledgers.Server(
        budget.server_url,
        unseal(budget.password),
        budget.file_id,
        unseal(sealed) if sealed else None,
        ca_file=Path(settings.ACTUAL_CA_FILE) if settings.ACTUAL_CA_FILE else None,
    )


@contextmanager
def open_budget(budget: Budget, *, fresh: bool = False) -> Iterator[ledgers.Ledger]:
    """Lend the budget's ledger, up to date. Raises Problem.

    A server's budget leaves its copy for the next run on this machine, unless the block
    fails: what a broken push left in it would never be sent again.
    """
    if budget.embedded:
        with (
            tempfile.TemporaryDirectory(prefix="handrail-budget-") as name,
            ledgers.open_file(
                fetched(budget.file, Path(name)), Path(name) / "ledger"
            ) as ledger,
        ):
            yield ledger
    else:
        with (
            private_copy(budget) as folder,
            ledgers.open_server(server_of(budget), folder, fresh=fresh) as ledger,
        ):
            yield ledger


@contextmanager
def private_copy(budget: Budget) -> Iterator[Path]:
    """Lend a folder that no other run has; the next run finds what is in it.

    It is taken by renaming: a worker thought dead keeps its own.
    """
    home = Path(settings.DATA_DIR) / "budgets"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = home / str(budget.pk)
    mine = home / f"{budget.pk}.{uuid4().hex}"
    try:
        place.rename(mine)
    except FileNotFoundError:
        mine.mkdir(mode=0o700)
    try:
        yield mine
    except BaseException:
        shutil.rmtree(mine, ignore_errors=True)
        raise
    try:
        mine.rename(place)
    except OSError:  # another run has put its own there
        shutil.rmtree(mine, ignore_errors=True)
    remove_forgotten(home)


def remove_forgotten(home: Path) -> None:
    for folder in home.glob("*.*"):
        if time.time() - folder.stat().st_mtime > FORGOTTEN_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def fetched(name: str, folder: Path) -> Path:
    """Copy an archive out of the storage. Raises AdminRequired when it is gone."""
    path = folder / "budget.zip"
    try:
        with default_storage.open(name, "rb") as stored, path.open("wb") as copy:
            shutil.copyfileobj(stored, copy)
    except FileNotFoundError:
        raise AdminRequired(
            _(
                "The file of this budget is missing from the storage. Restore the "
                "storage from a backup, or restore a snapshot into a new budget."
            )
        ) from None
    return path


def stored(path: Path, budget: Budget) -> str:
    """Put an archive into the storage; return its name there."""
    with path.open("rb") as archive:
        return default_storage.save(
            f"budgets/{budget.pk}/{uuid4().hex}.zip", File(archive)
        )


def discard(*names: str) -> None:
    """Delete archives once the transaction that let go of them is committed."""

    def delete() -> None:
        for name in names:
            default_storage.delete(name)

    transaction.on_commit(delete)


@contextmanager
def kept(budget: Budget, ledger: ledgers.Ledger) -> Iterator[str]:
    """Store what a run made of an embedded budget; lend the new archive's name.

    The block makes it the budget's own in a transaction; if it fails, the archive goes
    and the budget is as it was. A server's budget has nothing to store: "".
    """
    if not budget.embedded:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="handrail-budget-") as folder:
        path = Path(folder) / "budget.zip"
        ledger.export(path)
        name = stored(path, budget)
    try:
        yield name
    except BaseException:
        default_storage.delete(name)
        raise
