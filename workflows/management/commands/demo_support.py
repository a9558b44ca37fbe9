"""The machine that Handrail runs on, to look around with: its reports need no host."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from workflows.core.accounts import Account
from workflows.support.actions.hosts import add_local_host

NAME = "This machine"


class Command(BaseCommand):
    help = "Let an account make reports of this machine; harmless when it can already."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="the slug of the account")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(slug=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no account “{options['account']}”.")
        try:
            add_local_host(account, by=None, name=NAME)
        except IntegrityError:
            self.stdout.write(f"“{account}” has a host “{NAME}” already.")
        else:
            self.stdout.write(f"“{account}” can make reports of this machine.")
