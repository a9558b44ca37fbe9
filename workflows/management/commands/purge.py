"""The nightly purge: what is older than its rule keeps is deleted for good."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from workflows.core.purge import RULES, Rule

AGE = re.compile(r"(\d+)([dh])")


class Command(BaseCommand):
    help = "Delete what is older than it is kept. Safe to stop and to run twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count, delete nothing"
        )
        parser.add_argument("--only", default="", help="rules, separated by commas")
        parser.add_argument("--older-than", default="", help="such as 30d or 12h")

    def handle(self, *args: Any, **options: Any) -> None:
        keep = parse_age(options["older_than"])
        for rule in chosen(options["only"]):
            cutoff = timezone.now() - (rule.keep if keep is None else keep)
            count = sum(rule.run(cutoff, options["dry_run"]))
            verb = "would be deleted" if options["dry_run"] else "deleted"
            self.stdout.write(f"{rule.name}: {count} {verb}")


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
