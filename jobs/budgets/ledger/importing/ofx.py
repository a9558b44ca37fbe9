"""OFX and QFX files, the old SGML and the newer XML alike.

A reader of our own: of the two on PyPI, ofxparse has stood still since 2021 and brings
BeautifulSoup and lxml; ofxtools is GPL-3.0 and installs a package named ``tests``.
Only statements are read, and no entity is ever expanded but the five of XML.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from jobs.budgets.ledger.importing.statements import Line, Statement, unreadable
from jobs.budgets.ledger.importing.values import MOST_CENTS, day_in
from workflows.core.errors import UserFixable

TAG = re.compile(r"<(/?)([A-Za-z0-9_.]{1,40})(?:\s[^<>]{0,500})?>([^<]*)")
CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.S)
ENTITY = re.compile(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|[A-Za-z]{1,8});")
KNOWN = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&nbsp;"}
ACCOUNTS = {"BANKACCTFROM", "CCACCTFROM", "INVACCTFROM"}
# What has children: a tag that is not here holds a text, closed or not.
GROUPS = ACCOUNTS | {"STMTTRN", "LEDGERBAL", "PAYEE", "BANKACCTTO", "CCACCTTO"}


def looks_like_ofx(text: str) -> bool:
    head = text[:5000].upper()
    return "<OFX" in head or head.lstrip().startswith("OFXHEADER")


def read_ofx(text: str) -> list[Statement]:
    """Return the statements. Raises UserFixable for what is damaged or hostile."""
    text = CDATA.sub(lambda found: html.escape(found[1]), text)
    if "<!" in text:  # document types and entities: no bank has any
        raise unreadable()
    reader = Reader()
    for closing, name, value in TAG.findall(text):
        reader.take(name.upper(), plain(value), closes=bool(closing))
    reader.end_of_row()
    if not reader.statements and "STMTRS" not in text.upper():
        raise unreadable()
    return reader.statements


@dataclass
class Reader:
    """Where in the file we are, and what was read so far."""

    statements: list[Statement] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)
    row: dict[str, str] | None = None

    def take(self, name: str, value: str, *, closes: bool) -> None:
        if name in GROUPS:
            if closes:
                while self.inside and self.inside.pop() != name:
                    pass
            else:
                self.inside.append(name)
            if name == "STMTTRN":
                self.end_of_row()
                self.row = None if closes else {}
                self.inside = [] if closes else ["STMTTRN"]
        elif not closes and value:
            self.text(name, value)

    def text(self, name: str, value: str) -> None:
        where = self.inside[-1] if self.inside else ""
        if where in ACCOUNTS and name == "ACCTID" and self.row is None:
            self.statements.append(Statement(account_name(value)))
        elif where == "LEDGERBAL" and name == "BALAMT" and self.statements:
            self.statements[-1].balance = cents(value)
        elif self.row is not None and where == "PAYEE":
            self.row.setdefault(f"PAYEE.{name}", value)
        elif self.row is not None and where == "STMTTRN":
            self.row.setdefault(name, value)

    def end_of_row(self) -> None:
        row, self.row = self.row, None
        if not row:
            return
        if not self.statements:  # some banks leave the account out
            self.statements.append(Statement(""))
        lines = self.statements[-1].lines
        day, amount = day_of(row.get("DTPOSTED", "")), cents(row.get("TRNAMT", ""))
        if day is None or amount is None:
            text = _("Transaction %(number)s of the file has no date or no amount.")
            raise UserFixable(text % {"number": len(lines) + 1})
        payee = row.get("NAME") or row.get("PAYEE.NAME") or row.get("MEMO", "")
        memo = row.get("MEMO", "")
        lines.append(
            Line(
                date=day,
                amount=amount,
                payee=payee,
                notes=memo if memo != payee else "",
                bank_id=row.get("FITID", "")[:255],
            )
        )


def plain(value: str) -> str:
    """Return the text of a value; only XML's own entities mean a character."""

    def character(found: re.Match[str]) -> str:
        entity = found[0]
        return html.unescape(entity) if entity in KNOWN or "#" in entity else entity

    return ENTITY.sub(character, value).strip()


def account_name(number: str) -> str:
    """Name the account by its last digits: the whole number is nobody's business."""
    kept = "".join(c for c in number if c.isalnum())[-4:]
    return _("Account %(digits)s") % {"digits": kept}


def day_of(value: str) -> date | None:
    """Return the day as it is written, in the bank's own time zone."""
    return day_in(value[:8], "ymd") if value[:8].isdecimal() else None


def cents(value: str) -> int | None:
    """Return the amount in cents: OFX allows a point or a comma, and no grouping."""
    try:
        amount = Decimal(value.replace(",", ".").replace(" ", "")) * 100
        if not amount.is_finite() or amount != amount.to_integral_value():
            return None
    except InvalidOperation:
        return None
    return int(amount) if abs(amount) < MOST_CENTS else None
