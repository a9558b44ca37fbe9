"""A budget's files: database and metadata, in a folder or packed in an archive."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import tempfile
import uuid
import zipfile
import zlib
from contextlib import closing
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import IO, Any

from jobs.budgets.ledger.explaining import TooNew, not_a_budget, too_large

DATABASE, METADATA = "db.sqlite", "metadata.json"
MOST = {DATABASE: 2 * 1024**3, METADATA: 1024**2}  # bytes, unpacked
SPREAD = 200  # unpacked size over packed size: SQLite files stay far below
SMALL = 64 * 1024**2  # bytes that are unpacked whatever the spread
MOST_ENTRIES = 1000
# What this package reads and writes, in the tables of every Actual since 2023.
NEEDED = {
    "accounts": {"id", "name", "offbudget", "closed", "tombstone"},
    "categories": {"id", "name", "is_income", "cat_group", "tombstone", "hidden"},
    "category_groups": {"id", "name", "tombstone"},
    "category_mapping": {"id", "transferId"},
    "payees": {"id", "name", "tombstone", "transfer_acct"},
    "payee_mapping": {"id", "targetId"},
    "transactions": {
        *("id", "isParent", "isChild", "acct", "category", "amount", "description"),
        *("notes", "date", "imported_description", "starting_balance_flag"),
        *("transferred_id", "tombstone", "parent_id", "cleared", "reconciled"),
    },
    "messages_clock": {"id", "clock"},
    "messages_crdt": {"timestamp"},
}


def connect(path: Path) -> sqlite3.Connection:
    """Open a database that a stranger may have made. The caller closes it."""
    database = sqlite3.connect(path, timeout=30)
    # Views and triggers of the file may call no functions with side effects.
    database.execute("PRAGMA trusted_schema = OFF")
    return database


def check_database(path: Path) -> None:
    """Raise UserFixable for what is no budget, TooNew for what we cannot read."""
    if not path.is_file():
        raise not_a_budget()
    with closing(connect(path)) as database:
        try:
            rows = database.execute("SELECT type, name FROM sqlite_master").fetchall()
            healthy = database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        except sqlite3.DatabaseError:
            rows, healthy = [], False
        tables = {name for kind, name in rows if kind == "table"}
        # Actual makes no triggers; somebody else's would run when we write.
        if not healthy or "transactions" not in tables or ("trigger" in dict(rows)):
            raise not_a_budget()
        for table, columns in NEEDED.items():
            found = database.execute(f"PRAGMA table_info({table})").fetchall()
            if table not in tables or not columns <= {row[1] for row in found}:
                raise TooNew


def migrations(path: Path) -> set[int]:
    """Return the numbers of Actual's migrations that the database has been through."""
    with closing(connect(path)) as database:
        return {
            int(row[0]) for row in database.execute("SELECT id FROM __migrations__")
        }


@cache
def blank() -> bytes:
    """Return the database of an empty budget, as Actual's own engine makes it."""
    package = resources.files("jobs.budgets.ledger") / "blank" / "db.sqlite.gz"
    return gzip.decompress(package.read_bytes())


@cache
def blank_migrations() -> frozenset[int]:
    """Return the migrations that this package knows."""
    with tempfile.TemporaryDirectory(prefix="handrail-budget-") as folder:
        path = Path(folder) / DATABASE
        path.write_bytes(blank())
        return frozenset(migrations(path))


def make_blank(folder: Path, name: str) -> None:
    """Lay an empty budget into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATABASE).write_bytes(blank())
    write_metadata(folder, {"id": local_id(name), "budgetName": name})


def local_id(name: str) -> str:
    """Return an id as Actual gives its local files: readable, then random."""
    readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:32]
    return f"{readable.strip('-') or 'Budget'}-{uuid.uuid4().hex[:7]}"


def clear(folder: Path) -> None:
    """Remove a private copy, and what SQLite may have left beside it."""
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink(missing_ok=True)
    (folder / METADATA).unlink(missing_ok=True)


def read_metadata(folder: Path) -> dict[str, Any]:
    """Raises UserFixable for what is no object."""
    try:
        found = json.loads((folder / METADATA).read_bytes())
    except (ValueError, RecursionError, FileNotFoundError):
        raise not_a_budget() from None
    if not isinstance(found, dict):
        raise not_a_budget()
    return found


def write_metadata(folder: Path, metadata: dict[str, Any]) -> None:
    text = json.dumps(metadata, separators=(",", ":"))
    (folder / METADATA).write_text(text, encoding="utf-8")


def unpack(source: str | PathLike[str] | IO[bytes], folder: Path) -> None:
    """Take the two files that matter out of an archive; everything else stays in it.

    No path of the archive is used, so that none leads out of the folder. Raises
    UserFixable for what is no budget or larger than it may be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES:
                raise not_a_budget()
            for name in (DATABASE, METADATA):
                # Actual itself takes them from any depth of the archive.
                found = [e for e in entries if e.filename.split("/")[-1] == name]
                if len(found) != 1 or found[0].flag_bits & 1:  # or it is encrypted
                    raise not_a_budget()
                extract(archive, found[0], folder / name, MOST[name])
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError):
        clear(folder)
        raise not_a_budget() from None
    read_metadata(folder)


def extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int
) -> None:
    """Unpack one entry, counting what really comes out of it."""
    limit = min(most, max(SMALL, entry.compress_size * SPREAD))
    written = 0
    with archive.open(entry) as packed, target.open("wb") as unpacked:
        while block := packed.read(1024**2):
            written += len(block)
            if written > limit:
                break
            unpacked.write(block)
    if written > limit:
        target.unlink()
        raise too_large()


def pack(folder: Path, target: Path) -> None:
    """Write the archive that Actual imports, whole or not at all.

    Sync messages stay in it: without them a copy could not be synchronised again.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=target.parent) as name:
        copy, archive = Path(name) / DATABASE, Path(name) / "archive.zip"
        with (
            closing(connect(folder / DATABASE)) as source,
            closing(sqlite3.connect(copy)) as database,
        ):
            source.backup(database)
            # Actual reads the one file: nothing may wait in a log beside it.
            database.execute("PRAGMA journal_mode = DELETE")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
            z.write(copy, DATABASE)
            z.write(folder / METADATA, METADATA)
        with archive.open("rb") as written:
            os.fsync(written.fileno())
        archive.replace(target)


def renew(folder: Path, name: str) -> None:
    """Turn a copy into a new budget: no history of messages, no ties to a server."""
    with closing(connect(folder / DATABASE)) as database, database:
        database.execute("DELETE FROM messages_crdt")
        database.execute("DELETE FROM messages_clock")
    metadata = read_metadata(folder)
    for key in ("cloudFileId", "groupId", "encryptKeyId", "lastUploaded", "userId"):
        metadata.pop(key, None)
    metadata.pop("lastSyncedTimestamp", None)
    metadata |= {"id": local_id(name), "budgetName": name, "resetClock": True}
    write_metadata(folder, metadata)


def check_migrations(path: Path) -> None:
    """Raise TooNew for a budget that a newer Actual has changed."""
    if migrations(path) - blank_migrations():
        raise TooNew
