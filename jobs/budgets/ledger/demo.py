"""Two years of a household that also runs a small studio: raw as banks write it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from django.utils import timezone

from jobs.budgets.ledger.building import Builder, NewRow, building
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
    other: str = ""  # a category that one visit in six belongs to
    on_card: bool = True


TOWNS = ("OAKLAND", "BERKELEY", "ALAMEDA", "SAN FRANCISCO", "EMERYVILLE", "ALBANY")
SHOPS = (
    Shop("Blue Bottle", "SQ *BLUE BOTTLE 0### @", "Coffee", 5, 425, 1450),
    Shop("Peet's Coffee", "PEETS #0#### @ CA", "Coffee", 9, 380, 1100),
    Shop("Highwire Coffee", "TST* HIGHWIRE COFFEE - @", "Coffee", 21, 400, 1900),
    Shop("Trader Joe's", "TRADER JOE S #### @ CA", "Groceries", 6, 1800, 9800),
    Shop("Safeway", "SAFEWAY #0#### @ CA", "Groceries", 8, 900, 12500),
    Shop("Berkeley Bowl", "BERKELEY BOWL #######", "Groceries", 10, 2200, 11000),
    Shop("Farmers Market", "SQ *HAPPY QUAIL FARMS @", "Groceries", 16, 800, 3200),
    Shop("Whole Foods", "WHOLEFDS OAK ##### @", "Groceries", 18, 1500, 8900),
    Shop("Chipotle", "CHIPOTLE #### @ CA", "Eating out", 15, 1100, 3200),
    Shop("Zachary's Pizza", "TST* ZACHARYS CHICAGO @", "Eating out", 25, 2600, 6400),
    Shop("Vik's Chaat", "VIKS CHAAT CORNER @", "Eating out", 30, 1400, 4800),
    Shop("Cholita Linda", "TST* CHOLITA LINDA - @", "Eating out", 20, 1300, 4400),
    Shop("DoorDash", "DD DOORDASH ########", "Eating out", 17, 2200, 6100),
    Shop("Sushi House", "SUSHI HOUSE ALAMEDA ####", "Eating out", 35, 2900, 7900),
    Shop("Target", "TARGET 000##### @ CA", "Household", 14, 900, 13500, "Clothing"),
    Shop(
        "Amazon",
        "AMZN MKTP US*#A##B#C##",
        "Household",
        5,
        799,
        14900,
        "Books and games",
    ),
    Shop("Ace Hardware", "PIEDMONT ACE HARDWARE ###", "Repairs", 32, 600, 9200),
    Shop("Home Depot", "THE HOME DEPOT #0### @", "Repairs", 60, 1200, 22000),
    Shop("IKEA", "IKEA EAST BAY EMERYVILLE", "Household", 110, 4000, 32000),
    Shop("Uniqlo", "UNIQLO USA LLC ### @", "Clothing", 70, 1990, 11900),
    Shop("REI", "REI #### @ CA", "Sport", 90, 2500, 18900, "Clothing"),
    Shop("Pet Food Express", "PET FOOD EXPRESS ### @", "Pets", 24, 2400, 8600),
    Shop("Dr. Lin, vet", "CLAREMONT VET HOSP @", "Pets", 160, 8500, 31000),
    Shop("Shell", "SHELL OIL 5744######## @", "Fuel", 11, 3200, 6900),
    Shop("Chevron", "CHEVRON 0###### @ CA", "Fuel", 23, 3000, 7200),
    Shop("Clipper", "CLIPPER #### TRANSIT FARE", "Public transport", 13, 2000, 4000),
    Shop("BART parking", "BART-PARKING LAFAYETTE", "Parking and tolls", 19, 300, 600),
    Shop("FasTrak", "FASTRAK CSC 415-486-8655", "Parking and tolls", 26, 2500, 2500),
    Shop("ParkMobile", "PARKMOBILE-#### @", "Parking and tolls", 28, 180, 900),
    Shop("Jiffy Lube", "JIFFY LUBE #### @", "Car", 150, 6900, 13900),
    Shop("Lyft", "LYFT *RIDE SUN #PM", "Public transport", 29, 900, 3800),
    Shop("Walgreens", "WALGREENS #0#### @", "Doctor and pharmacy", 27, 500, 5200),
    Shop("CVS", "CVS/PHARMACY #0####", "Doctor and pharmacy", 44, 600, 4800),
    Shop("Kaiser", "KAISER PERM ####### COPAY", "Doctor and pharmacy", 75, 3000, 9000),
    Shop("Touchstone Climbing", "TOUCHSTONE CLIMBING @", "Sport", 30.4, 9400, 9400),
    Shop("Netflix", "NETFLIX.COM 866-579-7172", "Subscriptions", 30.4, 1549, 1549),
    Shop("Spotify", "SPOTIFY P0A##B####", "Subscriptions", 30.4, 1699, 1699),
    Shop("New York Times", "NYTIMES*NYTIMES DISC", "Subscriptions", 28, 1700, 1700),
    Shop("iCloud", "APPLE.COM/BILL 866-712-7753", "Subscriptions", 30.4, 299, 999),
    Shop("Moe's Books", "MOES BOOKS INC @", "Books and games", 48, 900, 6400),
    Shop(
        "Games of Berkeley", "GAMES OF BERKELEY ##", "Books and games", 95, 1500, 8000
    ),
    Shop(
        "Grand Lake Theatre", "GRAND LAKE THEATRE @", "Books and games", 42, 1300, 4100
    ),
    Shop("Southwest Airlines", "SOUTHWES 526########", "Travel", 120, 9800, 46000),
    Shop("Airbnb", "AIRBNB * HM##A#B#C#", "Travel", 140, 18000, 72000),
    Shop("Flowerland", "SQ *FLOWERLAND NURSERY", "Gifts and giving", 65, 1800, 7600),
    Shop("KQED", "KQED PUBLIC MEDIA DONATE", "Gifts and giving", 30.4, 1500, 1500),
    Shop("Adobe", "ADOBE *CREATIVE CLOUD", "Software", 30.4, 5999, 5999),
    Shop("GitHub", "GITHUB, INC. ########", "Software", 30.4, 400, 2100),
    Shop("Hetzner", "HETZNER ONLINE GMBH R00########", "Software", 30.4, 1180, 2940),
    Shop("Staples", "STAPLES 0010#### @", "Office", 55, 900, 11200),
    Shop("USPS", "USPS PO 05######## @", "Office", 33, 490, 4200),
    Shop(
        "Parkside Property",
        "ACH PARKSIDE PROP MGMT RENT",
        "Rent",
        30.4,
        248000,
        248000,
        on_card=False,
    ),
    Shop(
        "PG&E",
        "PGANDE WEB ONLINE ########",
        "Electricity and gas",
        30.4,
        7200,
        21400,
        on_card=False,
    ),
    Shop("EBMUD", "EBMUD WATER PAYMT ######", "Water", 61, 9800, 14600, on_card=False),
    Shop(
        "Sonic",
        "SONIC.NET LLC 855-394-0100",
        "Internet and phone",
        30.4,
        6499,
        6499,
        on_card=False,
    ),
    Shop(
        "Mint Mobile",
        "MINT MOBILE 800-683-7392",
        "Internet and phone",
        30.4,
        3000,
        3000,
    ),
    Shop(
        "State Farm",
        "STATE FARM RO 27 SFPP ##",
        "Insurance",
        30.4,
        14210,
        14210,
        on_card=False,
    ),
    Shop(
        "Franchise Tax Board",
        "FRANCHISE TAX BO PAYMENTS",
        "Taxes and fees",
        91,
        42000,
        68000,
        on_card=False,
    ),
    Shop("Bank fee", "FOREIGN TRANSACTION FEE", "Taxes and fees", 64, 120, 900),
)
# Nobody in this budget has been there before.
NEW_SHOPS = (
    Shop("", "TST* DAYTRIP COUNTER OAKLAND", "", 0, 2900, 9200),
    Shop("", "SQ *TEMESCAL BREWING 0117", "", 0, 900, 3400),
    Shop("", "PAYPAL *SOUNDSLICE", "", 0, 500, 5000),
    Shop("", "SP BELLROY INC HTTPSWWW.BELLR", "", 0, 4900, 14900),
    Shop("", "EVENTBRITE *SF MAKERS 8014137200", "", 0, 1800, 7500),
    Shop("", "OAKLAND ZOO ADMISSIONS", "", 0, 2400, 9600),
    Shop("", "SQ *RIDGE CYCLES SERVICE DEPT", "", 0, 3500, 24000),
    Shop("", "GOFNDME* HELP REBUILD LIBRA", "", 0, 2500, 10000),
    Shop("", "CHEWY.COM 800-672-4399 FL", "", 0, 3900, 8800),
    Shop("", "FIGMA MONTHLY RENEWAL", "", 0, 1500, 1500),
    Shop("", "BLUE SHIELD CA EFT 0091827", "", 0, 31200, 31200),
    Shop("", "76 - GRAND AVE GAS & WASH", "", 0, 3000, 6900),
)


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
        for shop in SHOPS:
            payee = self.builder.payee(shop.name)
            for day in self.days(shop.every):
                yield self.visit(shop, day, payee)
        for shop in NEW_SHOPS:
            for _ in range(self.dice.randint(1, 3)):
                day = self.today - timedelta(days=self.dice.randint(1, 30))
                yield self.visit(shop, day, None)
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
            account=self.card if shop.on_card else self.checking,
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


def facts_of(destination: Path, kind: str, skipped: int = 0) -> ImportFacts:
    """Read a written budget back: what cannot be opened was not imported."""
    import tempfile

    from jobs.budgets.ledger.ledger import open_file

    with (
        tempfile.TemporaryDirectory(prefix="handrail-budget-") as folder,
        open_file(destination, Path(folder)) as ledger,
    ):
        return ImportFacts(kind, ledger.counts(), skipped)
