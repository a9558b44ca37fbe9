"""Two years of a household that also runs a small studio: raw as banks write it."""

from __future__ import annotations

import csv
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources
from pathlib import Path

from django.utils import timezone

from jobs.budgets.ledger.building import Builder, NewRow, building
from jobs.budgets.ledger.ledger import facts_of
from jobs.budgets.ledger.records import ImportFacts

DAYS = 730
UNTOUCHED = 38  # days back that nobody has categorised yet


@dataclass(frozen=True, slots=True)
class Shop:
    """Whom money goes to: the bank's text has # for each digit and @ for a town."""

    name: str
    raw: str
    category: str
    every: float  # days between two visits, on average
    low: int  # cents
    high: int
    other: str  # a category that one visit in six belongs to, if any
    account: str


TOWNS = ("OAKLAND", "BERKELEY", "ALAMEDA", "SAN FRANCISCO", "EMERYVILLE", "ALBANY")


def shops() -> list[Shop]:
    """Return all of them; who has no name was never met before the last weeks."""
    table = resources.files("jobs.budgets.ledger") / "demo.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return [
        Shop(
            name=row["name"],
            raw=row["raw"],
            category=row["category"],
            every=float(row["every"] or 0),
            low=int(row["low"]),
            high=int(row["high"]),
            other=row["other"],
            account=row["account"],
        )
        for row in rows
    ]


class Demo:
    """Writes the budget; the same day gives the same file, up to its own clock."""

    def __init__(self, builder: Builder, dice: random.Random, today: date) -> None:
        self.builder, self.dice, self.today = builder, dice, today
        self.first = today - timedelta(days=DAYS)
        builder.starter_categories()
        self.checking = builder.account("Checking")
        self.card = builder.account("Visa Card")
        self.savings = builder.account("Savings")
        self.brokerage = builder.account("Brokerage", off_budget=True)
        self.old = builder.account("Old Credit Union", closed=True)

    def write(self) -> None:
        self.open_accounts()
        rows = sorted(self.rows(), key=lambda row: row.date)
        for row in rows:
            if row.payee == self.builder.payees.get("target") and self.halved(row):
                continue
            self.builder.transaction(row)
        self.move_money(rows)

    def open_accounts(self) -> None:
        start = self.builder.payee("Starting Balance")
        category = self.builder.id_of("Starting Balances")
        for account, amount, inside in (
            (self.checking, 684_211, True),
            (self.savings, 1_250_000, True),
            (self.brokerage, 3_418_077, False),
            (self.old, 41_250, True),
        ):
            self.builder.transaction(
                NewRow(
                    account,
                    self.first,
                    amount,
                    start,
                    category=category if inside else None,
                    starting_balance=True,
                )
            )

    def rows(self) -> Iterator[NewRow]:
        for shop in shops():
            if not shop.name:
                for _ in range(self.dice.randint(1, 3)):
                    day = self.today - timedelta(days=self.dice.randint(1, 30))
                    yield self.visit(shop, day, None)
                continue
            payee = self.builder.payee(shop.name)
            for day in self.days(shop.every):
                yield self.visit(shop, day, payee)
        yield from self.income()

    def days(self, every: float) -> Iterator[date]:
        monthly = every > 27.9 and every < 31
        at = self.dice.uniform(0, every)
        while at < DAYS:
            yield self.first + timedelta(days=int(at))
            at += every if monthly else self.dice.uniform(0.4, 1.6) * every

    def visit(self, shop: Shop, day: date, payee: str | None) -> NewRow:
        raw = self.raw_text(shop.raw)
        amount = self.dice.randint(shop.low, shop.high)
        category = shop.category
        if shop.other and self.dice.random() < 1 / 6:
            category = shop.other
        notes = None
        recent = day > self.today - timedelta(days=UNTOUCHED)
        if recent and (payee is None or self.dice.random() < 0.3):
            # As Actual names who is met for the first time.
            payee = self.builder.payee(" ".join(raw.title().split()))
        elif self.dice.random() < 0.03:
            notes = self.dice.choice(("for the studio", "birthday", "shared with Sam"))
        return NewRow(
            account=self.card if shop.account == "card" else self.checking,
            date=day,
            amount=-amount,
            payee=payee,
            imported_payee=raw,
            category=None if recent else self.builder.categories[category],
            notes=notes,
        )

    def income(self) -> Iterator[NewRow]:
        salary = self.builder.payee("Lakeside Schools")
        client = self.builder.payee("Studio clients")
        income = self.builder.categories["Income"]
        for day in (self.first + timedelta(days=n) for n in range(DAYS)):
            if day.day in {15, 28}:
                raw = "LAKESIDE USD PAYROLL PPD ID: 94600"
                yield NewRow(self.checking, day, 284_611, salary, raw, income)
            if day.day == 6:
                amount, raw = (
                    self.dice.randint(60_000, 210_000),
                    "STRIPE TRANSFER ST-A1B2",
                )
                yield NewRow(self.checking, day, amount, client, raw, income)

    def halved(self, row: NewRow) -> bool:
        """Split one large purchase in two into household and groceries."""
        if row.category is None or row.amount > -5000 or self.dice.random() < 0.4:
            return False
        food = row.amount * self.dice.randint(20, 60) // 100
        names = self.builder.categories
        parts = [
            (row.amount - food, names["Household"]),
            (food, names["Groceries"]),
        ]
        self.builder.split(row, parts)
        return True

    def move_money(self, rows: list[NewRow]) -> None:
        """Pay the card, save, invest; the old account was emptied long ago."""
        spent = 0
        invest = self.builder.categories["Investments"]
        by_day: dict[date, int] = {}
        for row in rows:
            if row.account == self.card:
                by_day[row.date] = by_day.get(row.date, 0) - row.amount
        for day in (self.first + timedelta(days=n) for n in range(DAYS)):
            spent += by_day.get(day, 0)
            if day.day == 20 and spent:
                self.builder.transfer(self.checking, self.card, day, spent, None)
                spent = 0
            if day.day == 3:
                self.builder.transfer(self.checking, self.savings, day, 30_000, None)
            if day.day == 17:
                self.builder.transfer(
                    self.checking, self.brokerage, day, 25_000, invest
                )
        closing_day = self.first + timedelta(days=90)
        self.builder.transfer(self.old, self.checking, closing_day, 41_250, None)

    def raw_text(self, pattern: str) -> str:
        town = self.dice.choice(TOWNS)
        text = pattern.replace("@", town)
        return "".join(str(self.dice.randint(0, 9)) if c == "#" else c for c in text)


def demo_file(destination: Path, *, today: date | None = None) -> ImportFacts:
    """Write the demo budget: about 2,000 rows, the latest 120 without a category."""
    dice = random.Random(20)  # noqa: S311
    with building(
        destination,
        "Casa Lindgren",
        lambda: str(uuid.UUID(int=dice.getrandbits(128), version=4)),
    ) as builder:
        Demo(builder, dice, today or timezone.localdate()).write()
    return facts_of(destination, "demo")
