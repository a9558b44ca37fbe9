"""What a ledger is made of, as plain values. Money is in integer cents, always."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One budget that a server keeps."""

    file_id: str
    name: str
    encrypted: bool
    group_id: str | None  # the "Sync ID" of Actual's settings; a reset changes it


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    id: str
    name: str
    off_budget: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class LedgerCategory:
    id: str
    name: str
    group: str
    hidden: bool
    is_income: bool


@dataclass(frozen=True, slots=True)
class LedgerPayee:
    """``transfer_account_id`` is set where the payee stands for an own account."""

    id: str
    name: str
    transfer_account_id: str | None


@dataclass(frozen=True, slots=True)
class LedgerTransaction:
    """One row as Actual shows it: merged payees and categories are followed.

    A split is a ``parent`` without a category and its ``child`` rows with one each; the
    amounts of the children add up to the parent's.
    """

    id: str
    date: date
    account_id: str
    account_name: str
    payee_id: str | None
    payee_name: str
    imported_payee: str
    notes: str
    amount: int  # cents; money that leaves is negative
    category_id: str | None
    category_name: str
    transfer: bool
    transfer_off_budget: (
        bool  # to or from an account outside the budget: has a category
    )
    parent: bool
    child: bool
    parent_id: str | None
    off_budget: bool
    account_closed: bool
    starting_balance: bool
    cleared: bool
    reconciled: bool

    @property
    def wants_category(self) -> bool:
        """Does it count in the budget, and has nobody said yet where?"""
        return (
            self.category_id is None
            and not self.transfer
            and not self.parent
            and not self.off_budget
            and not self.account_closed
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What to write into one transaction; ``None`` leaves that part alone.

    Each part is written only where the ledger still holds what is expected (an expected
    ``None`` means: nothing). A ``payee_name`` is looked up, and made where missing.
    """

    transaction_id: str
    category_id: str | None = None
    expected_category_id: str | None = None
    payee_id: str | None = None
    payee_name: str | None = None
    expected_payee_id: str | None = None

    def __post_init__(self) -> None:
        if self.payee_id is not None and self.payee_name is not None:
            raise ValueError("a payee is named by id or by name, not by both")
        if self.payee_name is not None and not self.payee_name.strip():
            raise ValueError("a payee needs a name")


class Fate(StrEnum):
    """What became of one part of a change."""

    APPLIED = "applied"  # written, and seen by a fresh client
    ALREADY = "already"  # it was so before: a repeat changes nothing
    DRIFTED = "drifted"  # somebody else changed it meanwhile; theirs was left
    MISSING = "missing"  # the transaction is gone
    IMPOSSIBLE = "impossible"  # the wanted one is gone, or the row cannot carry it


@dataclass(frozen=True, slots=True)
class Part:
    """The fate of a change's category or payee; ``found`` is what the ledger holds."""

    fate: Fate
    found_id: str | None = None
    found_name: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change; a part that was left alone is ``None``."""

    transaction_id: str
    category: Part | None
    payee: Part | None

    @property
    def done(self) -> bool:
        """Is every part as it was wanted?"""
        wanted = {Fate.APPLIED, Fate.ALREADY}
        return all(part is None or part.fate in wanted for part in self.parts)

    @property
    def parts(self) -> tuple[Part | None, Part | None]:
        return self.category, self.payee


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What a snapshot holds: enough to tell two of them apart and a broken one."""

    sha256: str
    size: int  # bytes
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server was found to hold under the given id and passwords."""

    name: str
    version: str  # of the server; empty where it does not say
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """What an import made; ``skipped`` rows were in the file twice."""

    format: str  # actual, ofx, csv
    counts: dict[str, int]
    skipped: int = 0
