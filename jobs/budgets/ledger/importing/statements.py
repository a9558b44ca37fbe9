"""What every kind of bank file comes to: accounts with rows, written as a budget."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from django.utils.translation import gettext as _

from jobs.budgets.ledger.building import Builder, NewRow, building
from jobs.budgets.ledger.ledger import facts_of
from jobs.budgets.ledger.records import ImportFacts
from workflows.core.errors import Problem, UserFixable

MOST_ROWS = 200_000
LONGEST = 500  # characters of a text
CENTS = 10**13  # more than any budget holds, and less than what SQLite sums exactly


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a statement; ``amount`` is in cents, what was spent is negative."""

    date: date
    amount: int
    payee: str
    notes: str = ""
    category: str = ""
    bank_id: str = ""  # the bank's own: the same one twice is one transaction


@dataclass
class Statement:
    """``balance`` is what the account held after the last line, where it is known."""

    account: str
    lines: list[Line] = field(default_factory=list)
    balance: int | None = None


def write(
    statements: Iterable[Statement], kind: str, name: str, destination: Path
) -> ImportFacts:
    """Write the statements as a new budget. Raises UserFixable where none has a row."""
    accounts = merged(statements)
    if not any(statement.lines for statement in accounts):
        raise UserFixable(_("There is no transaction in this file. Choose another."))
    if sum(len(statement.lines) for statement in accounts) > MOST_ROWS:
        raise UserFixable(
            _("There are more than 200,000 transactions. Export fewer years at once.")
        )
    skipped = 0
    with building(destination, name) as builder:
        if not any(line.category for s in accounts for line in s.lines):
            builder.starter_categories()
        for statement in accounts:
            skipped += write_statement(builder, statement)
    return facts_of(destination, kind, skipped)


def merged(statements: Iterable[Statement]) -> list[Statement]:
    """Return one statement for each account; a file may hold several months of it."""
    found: dict[str, Statement] = {}
    for statement in statements:
        into = found.setdefault(statement.account, Statement(statement.account))
        into.lines += statement.lines
        if statement.balance is not None:
            into.balance = statement.balance
    return list(found.values())


def write_statement(builder: Builder, statement: Statement) -> int:
    """Write one account; return how many lines were there already."""
    account = builder.account(clean(statement.account) or _("Account"))
    lines, skipped = unique(statement.lines)
    lines.sort(key=lambda line: line.date)
    if statement.balance is not None and lines:
        start = statement.balance - sum(line.amount for line in lines)
        if start:
            builder.transaction(
                NewRow(
                    account,
                    lines[0].date - timedelta(days=1),
                    start,
                    builder.payee("Starting Balance"),
                    category=builder.id_of("Starting Balances"),
                    starting_balance=True,
                )
            )
    for line in lines:
        raw = clean(line.payee)
        builder.transaction(
            NewRow(
                account,
                line.date,
                line.amount,
                builder.payee(readable(raw)) if raw else None,
                imported_payee=raw or None,
                category=category_of(builder, line),
                notes=clean(line.notes) or None,
                financial_id=line.bank_id or None,
            )
        )
    return skipped


def unique(lines: Iterable[Line]) -> tuple[list[Line], int]:
    """Leave out what the bank itself names twice; equal rows without ids are kept.

    Some banks give one id to different transactions: only a full match counts.
    """
    seen: Counter[tuple[object, ...]] = Counter()
    kept, skipped = [], 0
    for line in lines:
        if line.bank_id:
            same = (line.bank_id, line.date, line.amount)
            seen[same] += 1
            if seen[same] > 1:
                skipped += 1
                continue
        kept.append(line)
    return kept, skipped


def category_of(builder: Builder, line: Line) -> str | None:
    """Return the named category, made where missing; "Food: Coffee" names its group."""
    name = clean(line.category)
    if not name or name.casefold() in {"uncategorized", "uncategorised"}:
        return None
    if name in builder.categories:
        return builder.categories[name]
    group, colon, rest = name.partition(":")
    if colon and group.strip() and rest.strip():
        return builder.category(rest.strip(), group.strip())
    return builder.category(name)


def readable(raw: str) -> str:
    """Write a payee as Actual does on import: shouting becomes a title."""
    return raw.title() if raw.isupper() else raw


def clean(text: str) -> str:
    """Return one line of printable text."""
    kept = (c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return " ".join("".join(kept).split())[:LONGEST]


def empty() -> Problem:
    return UserFixable(_("The file is empty. Export it again, or choose another."))


def unreadable() -> Problem:
    return UserFixable(
        _(
            "This is no file that Handrail can read. Choose an Actual export (.zip), "
            "an OFX or QFX file, or a CSV file."
        )
    )
