"""A flow from a file, as the import page makes it."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from l1walk.actions.flows import HasErrors, import_flow, publish_flow
from l1walk.graphs.definition import Problem
from l1walk.graphs.importing import MAX_BYTES, ImportRefused
from workflows.core.accounts import Account


class Command(BaseCommand):
    help = "Import a Mermaid, DOT or Handrail JSON file as a draft flow of an account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--account", required=True, metavar="SLUG")
        parser.add_argument(
            "--publish", action="store_true", help="publish it if it has no errors"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        account = Account.objects.filter(slug=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no account “{options['account']}”.")
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # one more than is taken: refused
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
        try:
            flow, read = import_flow(account, by=None, filename=path.name, data=data)
        except ImportRefused as refused:
            raise CommandError(f"{path} was refused. {refused}") from None
        for problem in read.problems:
            self.stdout.write(as_line(problem))
        self.stdout.write(f"“{flow.title}” is a draft now: flows/{flow.pk}/")
        if options["publish"]:
            try:
                version = publish_flow(flow, by=None)
            except HasErrors as refused:
                count = len(refused.problems)
                raise CommandError(
                    f"Not published: {count} of these are errors. The draft is kept."
                ) from None
            self.stdout.write(f"Version {version.number} is published.")


def as_line(problem: Problem) -> str:
    """Say a problem in one line, with its place in the file and in the flow."""
    place = f"line {problem.line}" if problem.line else ""
    where = ", ".join(filter(None, (place, problem.node_id)))
    return f"{problem.severity}: {problem.message}" + (f" ({where})" if where else "")
