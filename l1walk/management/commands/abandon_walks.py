"""Walks that nobody came back to, closed as abandoned."""

from typing import Any

from django.core.management.base import BaseCommand

from l1walk.actions.walks import abandon_idle_walks


class Command(BaseCommand):
    help = "Abandon walks in which nobody answered for the account's time (24 h)."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{abandon_idle_walks()} walks abandoned")
