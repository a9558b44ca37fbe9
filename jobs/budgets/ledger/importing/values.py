"""Dates and amounts as people and banks write them, settled from a whole column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from jobs.budgets.ledger.importing.choosing import (
    choose_date_order,
    choose_decimal_mark,
)

FIRST, LAST = date(1970, 1, 1), date(2100, 1, 1)
MOST_CENTS = 10**13
MONTHS = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
NUMERIC = re.compile(r"(\d{1,4})([-/. ])(\d{1,2})\2(\d{1,4})(?:[T ,].*)?")
COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)")
DAY_FIRST = re.compile(r"(\d{1,2})[-/. ]+([a-z]{3})[a-z]*[-/., ]+(\d{4}|\d\d)", re.I)
MONTH_FIRST = re.compile(r"([a-z]{3})[a-z]*[-/. ]+(\d{1,2}),? +(\d{4}|\d\d)", re.I)
SHORT = re.compile(r"\d\d-\d\d-\d\d(?!\d)")
ORDERS = ("dmy", "mdy", "ymd")
MARKS = re.compile(r"[.,]")
NUMBER = re.compile(r"\d[\d.,]*|[.,]\d+")
MINUS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2012": "-"})
GROUPING = re.compile(r"(?<=\d)[\s'\u2019](?=\d{3})")


def day_in(text: str, order: str) -> date | None:
    """Return the day that the text means if its numbers stand in this order."""
    text = text.strip()
    year, month, day = "", "", ""
    if (found := NUMERIC.fullmatch(text)) is not None:
        first, _mark, second, third = found.groups()
        if len(first) == 4:
            year, month, day = first, second, third
        elif len(first) == 3 or len(third) in {1, 3}:
            return None
        elif order == "ymd":
            year, month, day = first, second, third
        elif order == "dmy":
            day, month, year = first, second, third
        else:
            month, day, year = first, second, third
    elif (found := COMPACT.fullmatch(text)) is not None:
        year, month, day = found.groups()
    elif (found := DAY_FIRST.fullmatch(text)) is not None:
        day, month, year = found.groups()
    elif (found := MONTH_FIRST.fullmatch(text)) is not None:
        month, day, year = found.groups()
    return day_of(year, month, day)


def day_of(year: str, month: str, day: str) -> date | None:
    if month[:3].lower() in MONTHS:
        month = str(MONTHS.index(month[:3].lower()) + 1)
    if not (year.isdecimal() and month.isdecimal() and day.isdecimal()):
        return None
    # Two digits: no bank had files before 1970.
    number = int(year) + (0 if len(year) == 4 else 2000 if int(year) < 70 else 1900)
    try:
        found = date(number, int(month), int(day))
    except ValueError:
        return None
    return found if FIRST <= found < LAST else None


def date_order(texts: Sequence[str], chosen: str) -> str:
    """Return the order in which every date of the column can be read.

    Raises Choose where two orders give different days. A column that none fits gets the
    one that fits most, whose first misfit the caller will name.
    """
    if chosen:
        return chosen
    # With dashes a year of two digits may well come first.
    orders = ORDERS if any(SHORT.match(text) for text in texts) else ORDERS[:2]
    days = {order: [day_in(text, order) for text in texts] for order in ORDERS}
    fits = [order for order in orders if None not in days[order]] or [
        order for order in ORDERS if None not in days[order]
    ]
    if any(days[order] != days[fits[0]] for order in fits):
        raise choose_date_order(tuple(fits))
    return fits[0] if fits else min(ORDERS, key=lambda order: days[order].count(None))


def decimal_mark(texts: Iterable[str], chosen: str) -> str:
    """Return which mark stands before the cents in every amount of the column.

    Raises Choose where "1,234" is all there is, or where amounts contradict each other.
    """
    if chosen:
        return chosen
    told, open_ = set(), False
    for text in texts:
        found = NUMBER.search(GROUPING.sub("", text))
        number = found[0] if found else ""
        marks = MARKS.findall(number)
        if len(set(marks)) == 2:
            told.add(marks[-1])
        elif len(marks) > 1:
            told.add("," if marks[0] == "." else ".")
        elif marks:
            whole, behind = re.split(r"[.,]", number)
            if len(behind) == 3 and 1 <= len(whole) <= 3 and whole.strip("0"):
                open_ = True
            else:
                told.add(marks[0])
    if len(told) > 1 or (open_ and not told):
        raise choose_decimal_mark()
    return told.pop() if told else "."


def cents_in(text: str, mark: str) -> int | None:
    """Return the amount in cents; ``None`` for what is no amount, or no whole cents."""
    text = text.translate(MINUS).strip()
    if not text:
        return None
    found = NUMBER.search(GROUPING.sub("", text))
    if found is None:
        return None
    before, number, after = GROUPING.sub("", text).partition(found[0])
    around = (before + after).upper()
    if re.search(r"\d", around) or len(around) > 12:
        return None
    other = "," if mark == "." else "."
    whole, _mark, behind = (
        number.rpartition(mark) if mark in number else (number, "", "")
    )
    if other in behind or mark in whole:
        return None
    groups = whole.split(other)
    if len(groups) > 1 and not (
        1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    ):
        return None
    if behind[2:].strip("0"):
        return None
    cents = int("".join(groups) or "0") * 100 + int((behind[:2] or "0").ljust(2, "0"))
    negative = "-" in around or "(" in around or around.strip().endswith(("DR", "DB"))
    if cents > MOST_CENTS:
        return None
    return -cents if negative else cents
