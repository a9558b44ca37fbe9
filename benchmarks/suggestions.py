"""Suggested categories on real histories: python -m benchmarks.suggestions FILE.csv ...

Each file is one person's or one card's history with the columns date, payee, amount,
category and account. The first part of it in time is learned from, the rest is asked
for; nothing of the rest is seen before. Transfers are no category and are left out.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from pathlib import Path

from jobs.budgets.engine import CategoryEngine, Example, payee_key
from jobs.budgets.engine.calibration import smoothed
from jobs.budgets.engine.categories import top
from jobs.budgets.engine.text_model import TextModel

PRECISION = 0.95
STATED = 0.85
BINS = 10
COLUMNS = {
    "date": ("date", "transaction date", "posted date", "post date", "booking date"),
    "payee": ("payee", "merchant", "original description", "description", "name"),
    "amount": ("amount", "net amount", "value"),
    "category": ("category",),
    "account": ("account", "account name", "card"),
}
REQUIRED = ("date", "payee", "category")
FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d.%m.%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%m-%d-%Y", "%d-%m-%Y"),
)
TRANSFERS = re.compile(
    r"(?:(?:internal|account|bank|balance)? ?transfers?"
    r"(?: (?:in|out|to|from|between)\b.*)?"
    r"|(?:credit )?card payments?|payment ?/ ?credit|loan payments?/transfers?"
    r"|umbuchung|virements? internes?|traspasos?|giroconto|overforing|överföring)"
)
CLOCK = re.compile(r"[T ]+\d{1,2}:\d{2}.*$")  # a time of day behind the date
NO_CATEGORY = {"", "uncategorized", "uncategorised", "n/a", "none", "nan", "-"}


class UnreadableFile(Exception):
    """The file is not a history; the message says where and why."""


@dataclass(frozen=True)
class Answer:
    """What a method said of one row it was asked for: None is an abstention."""

    confidence: float | None
    right: bool
    unseen: bool  # whether the payee was new


Guess = Callable[[Example], tuple[str, float] | None]


def read(path: Path) -> list[Example]:
    """Read a history in the order of time, without transfers and open rows."""
    rows = [
        Example(date=day, payee=payee, amount=cents, account=account, category=category)
        for day, payee, cents, category, account in _cells(path)
        if category.casefold() not in NO_CATEGORY
        and not TRANSFERS.fullmatch(category.casefold())
    ]
    return sorted(rows, key=lambda row: row.date)


def _cells(path: Path) -> Iterator[tuple[date, str, int, str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="cp1252")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}") from error
    lines = text.splitlines()
    if not lines:
        raise UnreadableFile(f"{path}: the file is empty")
    delimiter = max(",;\t", key=lines[0].count)
    table = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter))
    header = [cell.strip().casefold() for cell in table[0]]
    at = {
        column: next((header.index(name) for name in names if name in header), None)
        for column, names in COLUMNS.items()
    }
    for column in REQUIRED:
        if at[column] is None:
            raise UnreadableFile(f"{path}: no column {column!r} among {header}")

    def cell(row: list[str], column: str) -> str:
        index = at[column]
        return row[index].strip() if index is not None and index < len(row) else ""

    rows = [(i, row) for i, row in enumerate(table[1:], 2) if any(map(str.strip, row))]
    days = _dates([(i, cell(row, "date")) for i, row in rows], path)
    for day, (line, row) in zip(days, rows, strict=True):
        cents = _cents(cell(row, "amount"), path, line)
        yield (
            day,
            cell(row, "payee"),
            cents,
            cell(row, "category"),
            cell(row, "account"),
        )


def _dates(cells: Sequence[tuple[int, str]], path: Path) -> list[date]:
    """Parse a column of dates with the one format that fits all of it."""
    fits: list[list[date]] = []
    furthest, culprit = -1, ""
    for form in FORMATS:
        days: list[date] = []
        for line, cell in cells:
            try:
                parsed = datetime.strptime(CLOCK.sub("", cell), form)  # noqa: DTZ007
            except ValueError:
                if len(days) > furthest:
                    furthest, culprit = len(days), f"line {line}: {cell!r}"
                break
            days.append(parsed.date())
        else:
            fits.append(days)
    if not fits:
        raise UnreadableFile(
            f"{path}: {culprit} is no date in the format of the others"
        )
    in_order = [days for days in fits if days in (sorted(days), sorted(days)[::-1])]
    if any(days != fits[0] for days in fits):
        if any(days != in_order[0] for days in in_order) or not in_order:
            raise UnreadableFile(
                f"{path}: day or month first? Use dates like 2025-12-31"
            )
        return in_order[0]
    return fits[0]


def _cents(cell: str, path: Path, line: int) -> int:
    """Cents of "1,234.56", "1.234,56", "$12", "(3.00)" or "3.00-"; 0 when empty."""
    digits = re.sub(r"[^\d.,]", "", cell)
    negative = "-" in cell or "\u2212" in cell or cell.startswith("(")
    if match := re.fullmatch(r"([\d.,]*?)(?:[.,](\d{1,2}))?", digits):
        units, decimals = re.sub(r"[.,]", "", match[1]), match[2] or ""
        cents = int(units or 0) * 100 + int(decimals.ljust(2, "0"))
        return -cents if negative else cents
    raise UnreadableFile(f"{path}: line {line}: {cell!r} is no amount")


def payee_majority(train: Sequence[Example]) -> Guess:
    """The category that the payee went to most often: what one would try first."""
    counts: dict[str, Counter[str]] = {}
    for row in train:
        counts.setdefault(payee_key(row.payee), Counter())[row.category] += 1

    def guess(row: Example) -> tuple[str, float] | None:
        seen = counts.get(payee_key(row.payee))
        if not seen:
            return None
        category, n = top(seen)
        return category, smoothed(n, seen.total())

    return guess


def character_model(train: Sequence[Example]) -> Guess:
    """The text model alone, by its raw score."""
    model = TextModel((payee_key(row.payee), row.category) for row in train)

    def guess(row: Example) -> tuple[str, float] | None:
        scores = model.scores(payee_key(row.payee))
        return top(scores) if scores else None

    return guess


def engine(train: Sequence[Example]) -> Guess:
    """What the product ships."""
    fitted = CategoryEngine().fit(train)

    def guess(row: Example) -> tuple[str, float] | None:
        proposal = fitted.suggest(row)
        return None if proposal is None else (proposal.value, proposal.confidence)

    return guess


METHODS: dict[str, Callable[[Sequence[Example]], Guess]] = {
    "payee majority": payee_majority,
    "character model": character_model,
    "**engine**": engine,
}


def ask(rows: Sequence[Example], split: float) -> dict[str, list[Answer]]:
    """Let every method learn from the first part and answer for the rest."""
    cut = int(len(rows) * split)
    train, test = rows[:cut], rows[cut:]
    known = {payee_key(row.payee) for row in train}
    answers = {}
    for name, method in METHODS.items():
        guess = method(train)
        answers[name] = [
            Answer(
                confidence=None if said is None else said[1],
                right=said is not None and said[0] == row.category,
                unseen=payee_key(row.payee) not in known,
            )
            for row, said in ((row, guess(row)) for row in test)
        ]
    return answers


def coverage(answers: Sequence[Answer], precision: float = PRECISION) -> float:
    """The largest share of rows, surest first, of which enough are right.

    Rows of equal confidence are taken together: nothing tells them apart.
    """
    ranked = sorted(
        ((a.confidence, a.right) for a in answers if a.confidence), reverse=True
    )
    best = right = 0
    for place, (confidence, hit) in enumerate(ranked, 1):
        right += hit
        last_of_tie = place == len(ranked) or ranked[place][0] != confidence
        if last_of_tie and right >= precision * place:
            best = place
    return best / len(answers)


def calibration_error(answers: Sequence[Answer]) -> float:
    """Mean gap between stated and actual share, weighted, in ten equal bins."""
    given = [(a.confidence, a.right) for a in answers if a.confidence is not None]
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in given:
        bins[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    gaps = (abs(sum(c for c, _ in b) - sum(r for _, r in b)) for b in bins)
    return sum(gaps) / len(given) if given else 0.0


def line(name: str, answers: Sequence[Answer]) -> str:
    """One row of the table."""
    unseen = [a for a in answers if a.unseen]
    cells = [
        name,
        str(len(answers)),
        _share(sum(a.right for a in answers), len(answers)),
        _share(sum(a.right for a in unseen), len(unseen)),
        f"{coverage(answers):.3f}",
    ]
    if "engine" in name:
        stated = [a for a in answers if a.confidence and a.confidence >= STATED]
        cells += [
            _share(sum(a.confidence is not None for a in answers), len(answers)),
            _share(len(stated), len(answers)),
            _share(sum(a.right for a in stated), len(stated)),
            f"{calibration_error(answers):.3f}",
        ]
    else:
        cells += [""] * 4
    return f"| {' | '.join(cells)} |"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


COLUMNS_SHOWN = (
    *("method", "rows", "accuracy", "unseen payees", "coverage at 95 %", "proposed"),
    *("stated >= .85", "of those right", "calibration error"),
)


def report(title: str, answers: dict[str, list[Answer]]) -> None:
    print(f"\n## {title}\n\n| {' | '.join(COLUMNS_SHOWN)} |")
    print(f"| --- {'| --: ' * (len(COLUMNS_SHOWN) - 1)}|")
    for name, given in answers.items():
        print(line(name, given))


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.csv")
    parser.add_argument("--split", type=float, default=0.7, help="share learned from")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if not 0 < options.split < 1:
        parser.error("--split is a share between 0 and 1")
    pooled: dict[str, list[Answer]] = {name: [] for name in METHODS}
    asked = 0
    for path in options.files:
        try:
            rows = read(path)
        except UnreadableFile as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if len(rows) < 2:
            print(f"left out: {path}: fewer than two categorised rows", file=sys.stderr)
            continue
        answers = ask(rows, options.split)
        report(f"{path.name} ({len(rows)} rows)", answers)
        asked += 1
        for name, given in answers.items():
            pooled[name] += given
    if asked > 1:
        report(f"All {asked} files", pooled)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
