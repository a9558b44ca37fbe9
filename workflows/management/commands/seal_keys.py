"""Keys that seal secrets: make one, or seal everything anew with the first."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand, CommandError, CommandParser

from workflows.core.secrets import SealError, rotate, sealed_columns


class Command(BaseCommand):
    help = "“new” prints a key for SEAL_KEYS; “rotate” seals all with its first key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["new", "rotate"])

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "new":
            self.stdout.write(Fernet.generate_key().decode())
            return
        try:
            for model, column in sealed_columns():
                count = rotate(model, column)
                self.stdout.write(f"{model._meta.label}.{column}: {count} sealed anew")
        except SealError as error:
            raise CommandError(str(error)) from error
