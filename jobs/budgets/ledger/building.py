"""Writes a new budget, row by row, as Actual's own importers would have."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from sqlite3 import Connection

from jobs.budgets.ledger import files

# What a budget begins with where the imported file names no categories of its own.
STARTER: Mapping[str, tuple[str, ...]] = {
    "Everyday": ("Groceries", "Eating out", "Coffee", "Household", "Clothing", "Pets"),
    "Home": ("Rent", "Electricity and gas", "Water", "Internet and phone", "Repairs"),
    "Getting around": ("Fuel", "Public transport", "Parking and tolls", "Car"),
    "Well-being": ("Doctor and pharmacy", "Sport", "Insurance"),
    "Fun": ("Subscriptions", "Books and games", "Travel", "Gifts and giving"),
    "Work": ("Software", "Office", "Taxes and fees"),
    "Saving": ("Investments",),
}


@dataclass(frozen=True, slots=True)
class NewRow:
    """One transaction to be; ``amount`` is in cents."""

    account: str
    date: date
    amount: int
    payee: str | None = None
    imported_payee: str | None = None
    category: str | None = None
    notes: str | None = None
    financial_id: str | None = None  # the bank's own id
    starting_balance: bool = False


class Builder:
    """Fills one empty database. Names are unique for each kind."""

    def __init__(self, database: Connection, new_id: Callable[[], str]) -> None:
        self.database, self.new_id = database, new_id
        self.groups: dict[str, str] = {}
        self.categories: dict[str, str] = {"Income": self.id_of("Income")}
        self.grouped: dict[tuple[str, str], str] = {}
        self.payees: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.transfer_payees: dict[str, str] = {}
        self.order = 0

    def id_of(self, category: str) -> str:
        sql = "SELECT id FROM categories WHERE name = ? AND is_income = 1"
        return str(self.database.execute(sql, [category]).fetchone()[0])

    def insert(self, table: str, **values: object) -> None:
        columns = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        self.database.execute(
            f'INSERT INTO "{table}" ({columns}) VALUES ({marks})',  # noqa: S608
            list(values.values()),
        )

    def starter_categories(self) -> None:
        for group, names in STARTER.items():
            for name in names:
                self.category(name, group)

    def group(self, name: str) -> str:
        if name not in self.groups:
            self.groups[name] = self.new_id()
            order = 16384.0 * len(self.groups)
            self.insert(
                "category_groups", id=self.groups[name], name=name, sort_order=order
            )
        return self.groups[name]

    def category(self, name: str, group: str = "Imported") -> str:
        if (group, name) not in self.grouped:
            id_ = self.grouped[group, name] = self.new_id()
            self.categories.setdefault(name, id_)
            order = 16384.0 * len(self.grouped)
            self.insert(
                "categories",
                id=id_,
                name=name,
                cat_group=self.group(group),
                sort_order=order,
            )
            self.insert("category_mapping", id=id_, transferId=id_)
        return self.grouped[group, name]

    def account(
        self, name: str, *, off_budget: bool = False, closed: bool = False
    ) -> str:
        if name not in self.accounts:
            id_ = self.accounts[name] = self.new_id()
            self.insert(
                "accounts",
                id=id_,
                name=name,
                offbudget=int(off_budget),
                closed=int(closed),
                sort_order=16384.0 * len(self.accounts),
            )
            # Each account is a payee too: whom a transfer goes to.
            self.transfer_payees[id_] = self.new_payee("", transfer_acct=id_)
        return self.accounts[name]

    def payee(self, name: str) -> str:
        folded = name.casefold()
        if folded not in self.payees:
            self.payees[folded] = self.new_payee(name)
        return self.payees[folded]

    def new_payee(self, name: str, **values: object) -> str:
        id_ = self.new_id()
        self.insert("payees", id=id_, name=name, **values)
        self.insert("payee_mapping", id=id_, targetId=id_)
        return id_

    def transaction(self, row: NewRow, **values: object) -> str:
        id_ = self.new_id()
        self.order += 1
        self.insert(
            "transactions",
            id=id_,
            acct=row.account,
            date=int(f"{row.date:%Y%m%d}"),
            amount=row.amount,
            description=row.payee,
            imported_description=row.imported_payee,
            category=row.category,
            notes=row.notes,
            financial_id=row.financial_id,
            starting_balance_flag=int(row.starting_balance),
            sort_order=float(self.order),
            **{"cleared": 1, **values},
        )
        return id_

    def split(self, row: NewRow, parts: Iterable[tuple[int, str | None]]) -> None:
        """Write a row in parts of (cents, category), which add up to its amount."""
        parent = self.transaction(row, isParent=1)
        for amount, category in parts:
            self.transaction(
                NewRow(row.account, row.date, amount, row.payee, category=category),
                isChild=1,
                parent_id=parent,
            )

    def transfer(
        self, source: str, target: str, day: date, amount: int, category: str | None
    ) -> None:
        """Move cents; only a transfer out of the budget has a category."""
        out = NewRow(
            source, day, -amount, self.transfer_payees[target], category=category
        )
        there = NewRow(target, day, amount, self.transfer_payees[source])
        first, second = self.transaction(out), self.transaction(there)
        sql = "UPDATE transactions SET transferred_id = ? WHERE id = ?"
        self.database.executemany(sql, [(second, first), (first, second)])


@contextmanager
def building(
    target: Path, name: str, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
) -> Iterator[Builder]:
    """Lend the builder of a budget, which is written to the archive at the end."""
    with tempfile.TemporaryDirectory(prefix="handrail-budget-") as temporary:
        folder = Path(temporary)
        files.make_blank(folder, name)
        with closing(files.connect(folder / files.DATABASE)) as database:
            with database:
                remove_samples(database)
                yield Builder(database, new_id)
            database.execute("PRAGMA optimize")
        files.pack(folder, target)


def remove_samples(database: Connection) -> None:
    """Actual's four sample categories would only stand in the way."""
    sample = "SELECT id FROM categories WHERE IFNULL(is_income, 0) = 0"
    database.execute(f"DELETE FROM category_mapping WHERE id IN ({sample})")  # noqa: S608
    database.execute("DELETE FROM categories WHERE IFNULL(is_income, 0) = 0")
    database.execute("DELETE FROM category_groups WHERE IFNULL(is_income, 0) = 0")
