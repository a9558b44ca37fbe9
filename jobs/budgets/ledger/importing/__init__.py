"""Makes a new budget of a file that a bank, or another program, has written."""

from __future__ import annotations

from pathlib import Path
from zipfile import is_zipfile

from jobs.budgets.ledger.explaining import explained, too_large
from jobs.budgets.ledger.importing.choosing import Choices
from jobs.budgets.ledger.importing.decoding import decode
from jobs.budgets.ledger.importing.ofx import looks_like_ofx, read_ofx
from jobs.budgets.ledger.importing.statements import empty, write
from jobs.budgets.ledger.importing.tables import read_table
from jobs.budgets.ledger.records import ImportFacts
from jobs.budgets.ledger.snapshots import restore_file

MOST = 50 * 1024**2  # bytes of a text file: about 500,000 rows
MOST_ARCHIVE = 500 * 1024**2


def import_file(
    source: Path, name: str, destination: Path, **choices: str
) -> ImportFacts:
    """Make an embedded budget of an Actual export, an OFX or QFX, or a CSV file.

    ``choices`` are fields of ``Choices`` and settle what a CSV leaves open. Raises
    Choose where one is needed, UserFixable for a file that cannot be read.
    """
    return imported(source, name, destination, Choices(**choices))


@explained
def imported(
    source: Path, name: str, destination: Path, choices: Choices
) -> ImportFacts:
    size = source.stat().st_size
    if size == 0:
        raise empty()
    if is_zipfile(source):
        if size > MOST_ARCHIVE:
            raise too_large()
        return restore_file(source, destination, name)
    if size > MOST:
        raise too_large()
    text = decode(source.read_bytes())
    if looks_like_ofx(text):
        return write(read_ofx(text), "ofx", name, destination)
    return write(read_table(text, choices), "csv", name, destination)
