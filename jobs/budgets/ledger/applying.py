"""What a list of changes comes to, decided against what the ledger holds now."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jobs.budgets.ledger.client import Cell
from jobs.budgets.ledger.reading import Reader
from jobs.budgets.ledger.records import (
    Change,
    Fate,
    LedgerPayee,
    LedgerTransaction,
    Outcome,
    Part,
)

# The id of a new payee follows from the budget and its name, so that two who make the
# same one at once make one.
PAYEES = uuid.UUID("6b8b2a7e-2f0c-4f5e-9d0a-5c3c1d1f7a11")


class NotArrived(Exception):
    """What was sent is not to be seen."""


@dataclass
class Plan:
    """The outcomes if all goes well, and the cells that are to be written for them."""

    reader: Reader
    budget: str
    outcomes: list[Outcome] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.present: dict[str, LedgerTransaction] = {}
        self.before: dict[str, LedgerTransaction] = {}
        self.categories = {c.id: c.name for c in self.reader.categories()}
        self.payees: dict[str, LedgerPayee] = {}
        self.names: dict[str, LedgerPayee] = {}
        for payee in sorted(self.reader.payees(), key=lambda payee: payee.id):
            self.payees[payee.id] = payee
            if payee.transfer_account_id is None:
                self.names.setdefault(key(payee.name), payee)

    def decide(self, changes: Sequence[Change]) -> None:
        self.present = self.reader.some({change.transaction_id for change in changes})
        self.before = dict(self.present)
        for change in changes:
            # The payee first: one who stands for an account would take the category.
            payee = self.payee_part(change)
            category = self.category_part(change)
            self.outcomes.append(Outcome(change.transaction_id, category, payee))

    def category_part(self, change: Change) -> Part | None:
        wanted = change.category_id
        if wanted is None:
            return None
        row = self.present.get(change.transaction_id)
        if row is None:
            return Part(Fate.MISSING)
        if row.category_id == wanted:
            return Part(Fate.ALREADY, row.category_id, row.category_name)
        if row.category_id != change.expected_category_id:
            return Part(Fate.DRIFTED, row.category_id, row.category_name)
        inside = row.transfer and not row.transfer_off_budget
        if wanted not in self.categories or row.parent or row.off_budget or inside:
            return Part(Fate.IMPOSSIBLE, row.category_id, row.category_name)
        name = self.categories[wanted]
        self.present[row.id] = replace(row, category_id=wanted, category_name=name)
        self.cells.append(("transactions", row.id, "category", wanted))
        return Part(Fate.APPLIED, wanted, name)

    def payee_part(self, change: Change) -> Part | None:
        if change.payee_id is None and change.payee_name is None:
            return None
        row = self.present.get(change.transaction_id)
        if row is None:
            return Part(Fate.MISSING)
        name = change.payee_name
        if change.payee_id is not None:
            same = row.payee_id == change.payee_id
        else:
            same = row.payee_id is not None and key(row.payee_name) == key(name or "")
        if same:
            return Part(Fate.ALREADY, row.payee_id, row.payee_name)
        if row.payee_id != change.expected_payee_id:
            return Part(Fate.DRIFTED, row.payee_id, row.payee_name)
        # To become a transfer, or to stop being one, takes a second transaction.
        if row.transfer:
            return Part(Fate.IMPOSSIBLE, row.payee_id, row.payee_name)
        payee = self.payees.get(change.payee_id or "") if not name else self.named(name)
        if payee is None or payee.transfer_account_id is not None:
            return Part(Fate.IMPOSSIBLE, row.payee_id, row.payee_name)
        self.present[row.id] = replace(row, payee_id=payee.id, payee_name=payee.name)
        self.cells.append(("transactions", row.id, "description", payee.id))
        return Part(Fate.APPLIED, payee.id, payee.name)

    def named(self, name: str) -> LedgerPayee:
        """Return the payee of this name; a new one is among the cells."""
        payee = self.names.get(key(name))
        if payee is None:
            id_ = str(uuid.uuid5(PAYEES, f"{self.budget}\n{key(name)}"))
            if self.reader.has_payee(id_):  # deleted or merged since: leave that be
                id_ = str(uuid.uuid4())
            payee = LedgerPayee(id_, " ".join(name.split()), None)
            self.cells += [
                ("payees", id_, "name", payee.name),
                ("payee_mapping", id_, "targetId", id_),
            ]
            self.payees[id_] = self.names[key(name)] = payee
        return payee

    def verified(self, reader: Reader) -> list[Outcome]:
        """Return the outcomes as another reader sees them.

        Who changed a row after us has the last word: that is drift. Raises NotArrived
        where a row still is as it was before.
        """
        now = reader.some({row.transaction_id for row in self.outcomes})
        found = []
        for outcome in self.outcomes:
            id_ = outcome.transaction_id
            before, after = self.before.get(id_), now.get(id_)
            category = seen(outcome.category, category_of(before), category_of(after))
            payee = seen(outcome.payee, payee_of(before), payee_of(after))
            found.append(Outcome(id_, category, payee))
        return found


Value = tuple[str | None, str]  # an id and its name


def category_of(row: LedgerTransaction | None) -> Value | None:
    return None if row is None else (row.category_id, row.category_name)


def payee_of(row: LedgerTransaction | None) -> Value | None:
    return None if row is None else (row.payee_id, row.payee_name)


def seen(part: Part | None, before: Value | None, now: Value | None) -> Part | None:
    if part is None or part.fate is not Fate.APPLIED:
        return part
    if now is None:
        return Part(Fate.MISSING)
    if now[0] == part.found_id:
        return Part(Fate.APPLIED, *now)
    if before is not None and now[0] == before[0]:
        raise NotArrived
    return Part(Fate.DRIFTED, *now)


def key(name: str) -> str:
    """Return what names of the same payee have in common."""
    return " ".join(name.split()).casefold()
