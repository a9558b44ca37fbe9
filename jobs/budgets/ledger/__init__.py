"""The only code of the product that speaks to Actual Budget, or reads its files.

It knows no job and no model: a server or a file comes in, values go out. What speaks to
a server is loaded when it is first asked for: the libraries behind it are a third of a
process, and most processes never need them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from jobs.budgets.ledger.client import Server, list_files
    from jobs.budgets.ledger.demo import demo_file
    from jobs.budgets.ledger.explaining import WrongPassword
    from jobs.budgets.ledger.importing import import_file
    from jobs.budgets.ledger.importing.choosing import Choices, Choose
    from jobs.budgets.ledger.ledger import Ledger, check, open_file, open_server
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
    "WrongPassword",
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

LATER = {
    "client": ("Server", "list_files"),
    "demo": ("demo_file",),
    "explaining": ("WrongPassword",),
    "importing": ("import_file",),
    "importing.choosing": ("Choices", "Choose"),
    "ledger": ("Ledger", "check", "open_file", "open_server"),
    "snapshots": ("restore_file", "restore_to_server", "snapshot"),
}


def __getattr__(name: str) -> Any:
    for module, names in LATER.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
