"""The nightly purge: what is older than its rule keeps is deleted for good."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    OutputWrapper,
)

from workflows.core.purge import RULES, Rule, Swept, purge

AGE = re.compile(r"(\d+)([dh])")
BAR = 30  # characters


class Command(BaseCommand):
    help = (
        "Delete what is older than it is kept. Safe to stop, and to run twice at once. "
        "Ends with 0 when all is done, 1 when a rule failed, 128 + signal when stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count, delete nothing"
        )
        parser.add_argument("--only", default="", help="rules, separated by commas")
        parser.add_argument("--older-than", default="", help="such as 30d or 12h")

    def handle(self, *args: Any, **options: Any) -> None:
        rules, keep = chosen(options["only"]), parse_age(options["older_than"])
        dry_run = options["dry_run"]
        bar = None
        if self.stdout.isatty() and not dry_run:
            before = purge(rules, keep=keep, dry_run=True)
            bar = Bar(self.stdout, {s.rule.name: s.count for s in before if s.ended})
        rows: list[tuple[Swept, float]] = []
        with told_to_stop() as told:
            started, swept = time.monotonic(), None
            for swept in purge(rules, keep=keep, dry_run=dry_run):
                if bar:
                    bar.show(swept)
                if swept.ended:
                    rows.append((swept, time.monotonic() - started))
                    started = time.monotonic()
                if told:
                    break
        if bar:
            bar.clear()
        if swept and not swept.ended:
            rows.append((swept, time.monotonic() - started))
        self.report(rows, dry_run=dry_run)
        self.finish([swept for swept, _seconds in rows], rules, told)

    def report(self, rows: Sequence[tuple[Swept, float]], *, dry_run: bool) -> None:
        wide = max(map(len, ["rule", *(swept.rule.name for swept, _ in rows)]))
        verb = "to delete" if dry_run else "deleted"
        self.stdout.write(f"{'rule':<{wide}} {verb:>12} {'seconds':>9}")
        for swept, seconds in rows:
            state = ""
            if swept.error:
                state = "  failed"
            elif not swept.ended:
                state = "  stopped"
            self.stdout.write(
                f"{swept.rule.name:<{wide}} {swept.count:>12,} {seconds:>9.1f}{state}"
            )

    def finish(self, rows: Sequence[Swept], rules: list[Rule], told: list[int]) -> None:
        """End as cron should hear of it. Raises CommandError, SystemExit."""
        done = {swept.rule.name for swept in rows if swept.ended}
        if failed := [
            f"{swept.rule.name} ({type(swept.error).__name__})"
            for swept in rows
            if swept.error
        ]:
            raise CommandError(f"Failed: {', '.join(failed)}. The log says why.")
        if told and (left := [rule.name for rule in rules if rule.name not in done]):
            self.stderr.write(f"Stopped before the end of: {', '.join(left)}.")
            sys.exit(128 + told[0])


class Bar:
    """One line on a terminal, written over and over."""

    def __init__(self, out: OutputWrapper, totals: dict[str, int]) -> None:
        self.out = out
        self.totals = totals

    def show(self, swept: Swept) -> None:
        total = max(self.totals.get(swept.rule.name, 0), swept.count)
        share = 1.0 if swept.ended or not total else swept.count / total
        filled = int(share * BAR)
        self.write(
            f"{swept.rule.name} [{'#' * filled}{'.' * (BAR - filled)}] "
            f"{swept.count:,} of {total:,}"
        )

    def clear(self) -> None:
        self.write("")

    def write(self, text: str) -> None:
        # "Erase to the end of the line": what stood there may have been longer.
        self.out.write(f"\r{text}\x1b[K", ending="")
        self.out.flush()


@contextmanager
def told_to_stop() -> Iterator[list[int]]:
    """Note a signal that asks for an end: the chunk is finished. Obey a second one."""
    told: list[int] = []

    def note(number: int, _frame: object) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield told  # signals are the main thread's
        return
    endings = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, note) for number in endings}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def chosen(names: str) -> list[Rule]:
    """Return the named rules, or all. Raises CommandError for an unknown name."""
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(RULES)
    if unknown := [name for name in wanted if name not in RULES]:
        raise CommandError(
            f"There is no rule {', '.join(unknown)}. Rules: {', '.join(RULES)}."
        )
    return [RULES[name] for name in wanted]


def parse_age(text: str) -> timedelta | None:
    """Return the age, None for "". Raises CommandError for what is no age."""
    if not text:
        return None
    if not (match := AGE.fullmatch(text)):
        raise CommandError(f"“{text}” is no age. Write it like 30d or 12h.")
    number = int(match[1])
    return timedelta(days=number) if match[2] == "d" else timedelta(hours=number)
