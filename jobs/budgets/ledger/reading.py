"""What a budget's database says, read as Actual itself reads it.

By SQL and not through actualpy's models: these select every column that their version
knows, and do not follow merged payees and categories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

from jobs.budgets.ledger import files
from jobs.budgets.ledger.records import (
    LedgerAccount,
    LedgerCategory,
    LedgerPayee,
    LedgerTransaction,
)

ACCOUNTS = """
SELECT id, IFNULL(name, ''), IFNULL(offbudget, 0), IFNULL(closed, 0)
FROM accounts WHERE IFNULL(tombstone, 0) = 0 ORDER BY name, id
"""

CATEGORIES = """
SELECT c.id, IFNULL(c.name, ''), IFNULL(g.name, ''),
    c.hidden OR IFNULL(g.hidden, 0), IFNULL(c.is_income, 0)
FROM categories c LEFT JOIN category_groups g ON g.id = c.cat_group
WHERE IFNULL(c.tombstone, 0) = 0 ORDER BY g.sort_order, g.id, c.sort_order, c.id
"""

# A payee that stands for an account is called as the account is, and goes with it.
PAYEES = """
SELECT p.id, IFNULL(COALESCE(a.name, p.name), ''), p.transfer_acct
FROM payees p LEFT JOIN accounts a ON a.id = p.transfer_acct AND a.tombstone = 0
WHERE IFNULL(p.tombstone, 0) = 0 AND (p.transfer_acct IS NULL OR a.id IS NOT NULL)
ORDER BY 2, 1
"""

TRANSACTIONS = """
SELECT t.id, t.date, a.id, IFNULL(a.name, ''), p.id,
    IFNULL(COALESCE(pa.name, p.name), ''), IFNULL(t.imported_description, ''),
    IFNULL(t.notes, ''), IFNULL(t.amount, 0), c.id, IFNULL(c.name, ''),
    t.transferred_id IS NOT NULL OR p.transfer_acct IS NOT NULL,
    IFNULL(COALESCE(pa.offbudget, ta.offbudget), 0),
    IFNULL(t.isParent, 0), IFNULL(t.isChild, 0), t.parent_id,
    IFNULL(a.offbudget, 0), IFNULL(a.closed, 0), IFNULL(t.starting_balance_flag, 0),
    IFNULL(t.cleared, 0), IFNULL(t.reconciled, 0)
FROM transactions t
JOIN accounts a ON a.id = t.acct AND IFNULL(a.tombstone, 0) = 0
LEFT JOIN transactions parent ON t.isChild = 1 AND parent.id = t.parent_id
LEFT JOIN category_mapping cm ON cm.id = t.category AND IFNULL(t.isParent, 0) = 0
LEFT JOIN categories c ON c.id = cm.transferId AND IFNULL(c.tombstone, 0) = 0
LEFT JOIN payee_mapping pm ON pm.id = t.description
LEFT JOIN payees p ON p.id = pm.targetId AND IFNULL(p.tombstone, 0) = 0
LEFT JOIN accounts pa ON pa.id = p.transfer_acct
LEFT JOIN transactions tt ON tt.id = t.transferred_id
LEFT JOIN accounts ta ON ta.id = tt.acct
WHERE IFNULL(t.tombstone, 0) = 0 AND t.date IS NOT NULL
    AND (IFNULL(t.isChild, 0) = 0
        OR (parent.id IS NOT NULL AND IFNULL(parent.tombstone, 0) = 0))
"""
ORDER = " ORDER BY t.date, t.sort_order, t.id"


class Reader:
    """Reads one database; each call sees what is committed when it begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, sql: str, values: Iterable[object] = ()) -> list[tuple[object, ...]]:
        with closing(files.connect(self.path)) as database:
            return database.execute(sql, list(values)).fetchall()

    def accounts(self) -> list[LedgerAccount]:
        return [
            LedgerAccount(str(id_), str(name), bool(off), bool(closed))
            for id_, name, off, closed in self.rows(ACCOUNTS)
        ]

    def categories(self) -> list[LedgerCategory]:
        return [
            LedgerCategory(str(id_), str(name), str(group), bool(hidden), bool(income))
            for id_, name, group, hidden, income in self.rows(CATEGORIES)
        ]

    def payees(self) -> list[LedgerPayee]:
        return [
            LedgerPayee(str(id_), str(name), str(account) if account else None)
            for id_, name, account in self.rows(PAYEES)
        ]

    def transactions(self, *, since: date | None = None) -> Iterator[LedgerTransaction]:
        """Return all in order of date; rows that somebody deleted are left out.

        Read at once, so that no half-read list keeps a writer waiting.
        """
        sql, values = TRANSACTIONS, []
        if since is not None:
            sql += " AND t.date >= ?"
            values.append(int(f"{since:%Y%m%d}"))
        rows = self.rows(sql + ORDER, values)
        return (found for row in rows if (found := transaction(row)) is not None)

    def some(self, ids: Iterable[str]) -> dict[str, LedgerTransaction]:
        """Return those of the named transactions that are there, by id."""
        found: dict[str, LedgerTransaction] = {}
        with closing(files.connect(self.path)) as database:
            for id_ in ids:
                row = database.execute(TRANSACTIONS + " AND t.id = ?", [id_]).fetchone()
                if row is not None and (one := transaction(row)) is not None:
                    found[one.id] = one
        return found

    def has_payee(self, id_: str) -> bool:
        """Was there ever a payee of this id, even a deleted or merged one?"""
        rows = self.rows(
            "SELECT 1 FROM payees WHERE id = ? UNION "
            "SELECT 1 FROM payee_mapping WHERE id = ?",
            [id_, id_],
        )
        return bool(rows)

    def counts(self) -> dict[str, int]:
        """Count each kind; transactions are those that ``transactions`` yields."""
        found = Counter(
            accounts=len(self.accounts()),
            categories=len(self.categories()),
            payees=len(self.payees()),
            transactions=0,
            uncategorised=0,
            transfers=0,
            splits=0,
        )
        for row in self.transactions():
            found["transactions"] += 1
            found["uncategorised"] += row.wants_category
            found["transfers"] += row.transfer
            found["splits"] += row.parent
        return dict(found)


def transaction(row: tuple[object, ...]) -> LedgerTransaction | None:
    """Return the row as a value; ``None`` for a date that is none."""
    (id_, day, *rest) = row
    try:
        number = int(str(day))
        when = date(number // 10_000, number // 100 % 100, number % 100)
    except ValueError:
        return None
    (account, account_name, payee, payee_name, imported, notes, amount) = rest[:7]
    (category, category_name, transfer, off, parent, child, parent_id) = rest[7:14]
    flags = (bool(value) for value in rest[14:])
    return LedgerTransaction(
        str(id_),
        when,
        str(account),
        str(account_name),
        None if payee is None else str(payee),
        str(payee_name),
        str(imported),
        str(notes),
        int(str(amount)) if not isinstance(amount, float) else round(amount),
        None if category is None else str(category),
        str(category_name),
        bool(transfer),
        bool(off),
        bool(parent),
        bool(child),
        None if parent_id is None else str(parent_id),
        *flags,
    )
