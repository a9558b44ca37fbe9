"""An open budget: read it, change it, copy it. On a server or in a file of our own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

from django.utils.translation import gettext as _

from jobs.budgets.ledger import files
from jobs.budgets.ledger.applying import NotArrived, Plan
from jobs.budgets.ledger.client import Cell, Client, Server, connect
from jobs.budgets.ledger.explaining import FileReset, answered, explained
from jobs.budgets.ledger.reading import Reader
from jobs.budgets.ledger.records import (
    Change,
    ImportFacts,
    LedgerAccount,
    LedgerCategory,
    LedgerPayee,
    LedgerTransaction,
    Outcome,
    ServerFacts,
)
from workflows.core.errors import Temporary


class Ledger:
    """A budget in a folder. What it says is what was there when it was opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reader = Reader(folder / files.DATABASE)

    @property
    def name(self) -> str:
        return str(files.read_metadata(self.folder).get("budgetName") or "")

    @explained
    def accounts(self) -> list[LedgerAccount]:
        return self.reader.accounts()

    @explained
    def categories(self) -> list[LedgerCategory]:
        return self.reader.categories()

    @explained
    def payees(self) -> list[LedgerPayee]:
        return self.reader.payees()

    @explained
    def transactions(self, *, since: date | None = None) -> Iterator[LedgerTransaction]:
        """Iterate in order of date, without deleted rows; ``since`` is the first."""
        return self.reader.transactions(since=since)

    @explained
    def counts(self) -> dict[str, int]:
        return self.reader.counts()

    @explained
    def export(self, path: Path) -> None:
        """Write the archive that Actual imports, whole or not at all."""
        files.pack(self.folder, path)

    @explained
    def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write the changes that still fit, and say what became of each, in order.

        What is reported as applied was read back by somebody else. Raises Problem; then
        some may be written, and the same call in a newly opened ledger settles them.
        """
        self.refresh()
        plan = Plan(self.reader, self.identity())
        plan.decide(changes)
        if not plan.cells:
            return plan.outcomes
        self.write(plan.cells)
        try:
            with self.witness() as reader:
                return plan.verified(reader)
        except NotArrived:
            pass
        raise Temporary(_("The changes did not arrive. They are sent again."))

    def refresh(self) -> None:
        """Fetch what others have changed since."""

    def identity(self) -> str:
        """Return what is the same for every copy of this budget."""
        return str(files.read_metadata(self.folder).get("id") or "")

    def write(self, cells: Sequence[Cell]) -> None:
        """Write all or none. Table and column names are this package's own."""
        with closing(files.connect(self.reader.path)) as database, database:
            database.execute("BEGIN IMMEDIATE")
            for table, row, column, value in cells:
                database.execute(
                    f'INSERT INTO "{table}" (id, "{column}") VALUES (?, ?) '  # noqa: S608
                    f'ON CONFLICT (id) DO UPDATE SET "{column}" = excluded."{column}"',
                    [row, value],
                )

    @contextmanager
    def witness(self) -> Iterator[Reader]:
        """Lend a reader that knows nothing of what this one wrote."""
        yield Reader(self.reader.path)


class ServerLedger(Ledger):
    """A budget on a server, with a private copy in the folder."""

    def __init__(self, server: Server, client: Client, folder: Path) -> None:
        super().__init__(folder)
        self.server, self.client = server, client

    @property
    def name(self) -> str:
        return self.client.file.name

    @answered
    def refresh(self) -> None:
        try:
            self.client.sync()
        except FileReset:
            files.clear(self.folder)
            raise

    def identity(self) -> str:
        return self.client.file.file_id

    @answered
    def write(self, cells: Sequence[Cell]) -> None:
        self.client.push(cells)
        self.client.sync()

    @contextmanager
    def witness(self) -> Iterator[Reader]:
        with copy_of(self.server) as ledger:
            yield ledger.reader


@contextmanager
def open_server(server: Server, folder: Path, *, fresh: bool) -> Iterator[ServerLedger]:
    """Lend the budget, up to date. The folder keeps a private copy for the next time.

    ``fresh`` downloads all of it anew. One at a time may use a folder. Raises Problem.
    """
    client = connect(server, folder, fresh=fresh)
    with closing(client):
        yield ServerLedger(server, client, folder)


@contextmanager
def copy_of(server: Server) -> Iterator[ServerLedger]:
    """Lend a download of one's own, which goes with the block."""
    with (
        tempfile.TemporaryDirectory(prefix="handrail-budget-") as name,
        open_server(server, Path(name), fresh=True) as ledger,
    ):
        yield ledger


@contextmanager
def open_file(zip_path: Path, folder: Path) -> Iterator[Ledger]:
    """Lend a budget that no server keeps, unpacked into the folder.

    What is applied is in the folder; ``export`` makes a file of it. Raises Problem.
    """
    unpacked(zip_path, folder)
    yield Ledger(folder)


@explained
def unpacked(zip_path: Path, folder: Path) -> None:
    files.clear(folder)
    files.unpack(zip_path, folder)
    files.check_database(folder / files.DATABASE)
    files.check_migrations(folder / files.DATABASE)


def check(server: Server) -> ServerFacts:
    """Open the budget once, and say what is in it. Raises Problem."""
    with copy_of(server) as ledger:
        return ServerFacts(ledger.name, version(ledger.client), ledger.counts())


@answered
def version(client: Client) -> str:
    return client.info().build.version or ""


@explained
def facts_of(archive: Path, kind: str, skipped: int = 0) -> ImportFacts:
    """Read a new budget back: what cannot be opened was not made."""
    with (
        tempfile.TemporaryDirectory(prefix="handrail-budget-") as folder,
        open_file(archive, Path(folder)) as ledger,
    ):
        return ImportFacts(kind, ledger.counts(), skipped)
