"""CSV files of banks and of other budget programs: columns told by their headings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from django.utils.translation import gettext as _

from jobs.budgets.ledger.importing.choosing import Choices, choose_column
from jobs.budgets.ledger.importing.statements import Line, Statement, unreadable
from jobs.budgets.ledger.importing.values import (
    cents_in,
    date_order,
    day_in,
    decimal_mark,
)
from workflows.core.errors import Problem, UserFixable

# The better name first. Bare words, as `heading` leaves them.
NAMES: Mapping[str, tuple[str, ...]] = {
    "date": (
        *("transaction date", "date", "trans date", "posted date", "posting date"),
        *("post date", "booking date", "value date", "completed date", "started date"),
        *("buchungstag", "buchungsdatum", "datum", "valuta", "wertstellung"),
        *("date operation", "date de comptabilisation", "fecha", "data", "dato"),
    ),
    "payee": (
        *("payee", "merchant", "merchant name", "payee name", "name", "counterparty"),
        *("description", "transaction description", "beneficiary", "details"),
        *("narrative", "transaction", "auftraggeber empfanger", "empfanger"),
        *("beguenstigter zahlungspflichtiger", "beneficiario", "libelle", "concepto"),
        *("naam omschrijving", "original description", "memo", "notes"),
    ),
    "amount": (
        *("amount", "transaction amount", "amount eur", "amount usd", "amount gbp"),
        *("betrag", "betrag eur", "umsatz", "montant", "importe", "bedrag", "value"),
    ),
    "debit": (
        *("debit", "debit amount", "withdrawal", "withdrawals", "paid out"),
        *("money out", "outflow", "soll", "cargo", "af"),
    ),
    "credit": (
        *("credit", "credit amount", "deposit", "deposits", "paid in", "money in"),
        *("inflow", "haben", "abono", "bij"),
    ),
    "category": ("category", "kategorie", "categorie", "categoria"),
    "group": ("category group", "master category", "category group category"),
    "account": ("account", "account name", "konto", "compte", "cuenta"),
    "notes": ("notes", "note", "memo", "verwendungszweck", "reference", "comment"),
}
DELIMITERS = ",;\t|"
PREAMBLE = 30  # rows in which a bank may speak before the headings
ACCENTS = str.maketrans("áàâäãéèêëíìîïóòôöõúùûüçñ", "aaaaaeeeeiiiiooooouuuucn")
Row = Sequence[str]


class Table:
    """A heading, the rows under it, and which column holds what."""

    def __init__(self, rows: Sequence[tuple[int, Row]], choices: Choices) -> None:
        (self.heading_line, self.headings), *self.rows = rows
        self.columns = self.find(choices)

    def find(self, choices: Choices) -> dict[str, int]:
        found = guessed(self.headings)
        words = [heading(text) for text in self.headings]
        for what in NAMES:
            name = heading(getattr(choices, f"{what}_column", ""))
            if name in words and name:
                found[what] = words.index(name)
                if what == "amount":
                    found.pop("debit", None)
                    found.pop("credit", None)
        shown = tuple(text for text in self.headings if text.strip())
        if "date" not in found:
            raise choose_column("date_column", shown)
        if "amount" not in found and not {"debit", "credit"} & found.keys():
            raise choose_column("amount_column", shown)
        return found

    def cells(self, what: str) -> list[str]:
        """Return the column's texts; those of a missing column are empty."""
        at = self.columns.get(what, -1)
        return [
            row[at].strip() if 0 <= at < len(row) else "" for _line, row in self.rows
        ]


def read_table(text: str, choices: Choices) -> list[Statement]:
    """Return one statement for each account. Raises Choose, UserFixable."""
    table = Table(list(rows_below_preamble(text)), choices)
    dates, amounts = table.cells("date"), table.cells("amount")
    debits, credits_ = table.cells("debit"), table.cells("credit")
    money = [*amounts, *debits, *credits_]
    # Totals and blank lines have no date, and are no transactions.
    used = [at for at, text in enumerate(dates) if text and has_digit(text)]
    order = date_order([dates[at] for at in used], choices.date_order)
    mark = decimal_mark(filter(None, money), choices.decimal_mark)
    texts = {
        what: table.cells(what) for what in ("payee", "category", "group", "notes")
    }
    accounts, statements = table.cells("account"), dict[str, Statement]()
    for at in used:
        number = table.rows[at][0]
        day = day_in(dates[at], order)
        if day is None:
            raise bad_cell(_("date"), number)
        cents = amount_of(amounts[at], debits[at], credits_[at], mark)
        if cents is None:
            raise bad_cell(_("amount"), number)
        name = accounts[at] or choices.account or _("Account")
        category, group = texts["category"][at], texts["group"][at]
        statements.setdefault(name, Statement(name)).lines.append(
            Line(
                date=day,
                amount=-cents if choices.flip == "yes" else cents,
                payee=texts["payee"][at],
                notes=texts["notes"][at],
                category=f"{group}: {category}" if group and category else category,
            )
        )
    return list(statements.values())


def amount_of(amount: str, debit: str, credit: str, mark: str) -> int | None:
    """Return cents; of two columns the debit leaves and the credit comes."""
    if amount:
        return cents_in(amount, mark)
    out = cents_in(debit, mark) if debit else 0
    come = cents_in(credit, mark) if credit else 0
    if out is None or come is None or not (debit or credit):
        return None
    return abs(come) - abs(out)


def rows_below_preamble(text: str) -> Iterator[tuple[int, Row]]:
    """Yield the headings and each row after them, with their line numbers."""
    delimiter, at = layout(text)
    for number, row in numbered(text, delimiter):
        if number >= at and any(cell.strip() for cell in row):
            yield number, row


def layout(text: str) -> tuple[str, int]:
    """Return the delimiter and the line of the headings. Raises UserFixable."""
    best, wide = (0, 0, "", 0), (0, "", 0)
    head = "\n".join(text.splitlines()[: 2 * PREAMBLE])
    for delimiter in DELIMITERS:
        for number, row in list(numbered(head, delimiter))[:PREAMBLE]:
            known = len(guessed(row))
            if len(row) > 1:
                best = max(best, (known, -number, delimiter, number))
                if len(row) > wide[0]:
                    wide = (len(row), delimiter, number)
    if best[0] >= 2:
        return best[2], best[3]
    if wide[0] >= 2:  # its headings are in no language we know: they are asked for
        return wide[1], wide[2]
    raise unreadable()


def numbered(text: str, delimiter: str) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error:
        raise unreadable() from None


def guessed(headings: Row) -> dict[str, int]:
    """Return which column holds what; no column holds two things."""
    words = [heading(text) for text in headings]
    found: dict[str, int] = {}
    for what, names in NAMES.items():
        at = next((words.index(name) for name in names if name in words), None)
        if at is not None and at not in found.values():
            found[what] = at
    if "amount" in found:
        found.pop("debit", None)
        found.pop("credit", None)
    return found


def heading(text: str) -> str:
    """Return the bare words of a heading."""
    text = text.strip().lower().translate(ACCENTS)
    return " ".join("".join(c if c.isalnum() else " " for c in text).split())


def has_digit(text: str) -> bool:
    return any(c.isdecimal() for c in text)


def bad_cell(what: str, number: int) -> Problem:
    text = _("The %(what)s in line %(number)s cannot be read. Correct it in the file.")
    return UserFixable(text % {"what": what, "number": number})
