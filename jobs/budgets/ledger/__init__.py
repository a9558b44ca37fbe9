"""The only code of the product that speaks to Actual Budget, or reads its files.

It knows no job and no model: a server or a file comes in, values go out.
"""

from jobs.budgets.ledger.client import Server, list_files
from jobs.budgets.ledger.demo import demo_file
from jobs.budgets.ledger.importing import import_file
from jobs.budgets.ledger.importing.choosing import Choices, Choose
from jobs.budgets.ledger.ledger import Ledger, check, open_file, open_server
from jobs.budgets.ledger.records import (
    Change,
    Fate,
    ImportFacts,
    LedgerAccount,
    LedgerCategory,
    LedgerPayee,
    LedgerTransaction,
    Outcome,
    Part,
    RemoteFile,
    ServerFacts,
    SnapshotFacts,
)
from jobs.budgets.ledger.snapshots import restore_file, restore_to_server, snapshot

__all__ = [
    "Change",
    "Choices",
    "Choose",
    "Fate",
    "ImportFacts",
    "Ledger",
    "LedgerAccount",
    "LedgerCategory",
    "LedgerPayee",
    "LedgerTransaction",
    "Outcome",
    "Part",
    "RemoteFile",
    "Server",
    "ServerFacts",
    "SnapshotFacts",
    "check",
    "demo_file",
    "import_file",
    "list_files",
    "open_file",
    "open_server",
    "restore_file",
    "restore_to_server",
    "snapshot",
]
