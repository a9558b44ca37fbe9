"""The only code of the product that speaks to Actual Budget, or reads its files.

It knows no job and no model: a server or a file comes in, values go out.
"""

from jobs.budgets.ledger.client import Server, list_files
from jobs.budgets.ledger.demo import demo_file
from jobs.budgets.ledger.ledger import (
    Ledger,
    check,
    open_file,
    open_server,
    snapshot,
)
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

__all__ = [
    "Change",
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
    "list_files",
    "open_file",
    "open_server",
    "snapshot",
]
