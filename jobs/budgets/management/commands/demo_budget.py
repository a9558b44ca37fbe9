"""A budget with two years of invented transactions, to look around in."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.budgets.actions.connecting import demo_budget
from jobs.budgets.models import Budget
from workflows.core.accounts import BOOKKEEPER, Account, User

NAME = "Household (demo)"


class Command(BaseCommand):
    help = "Give an account the demo budget; its bookkeeper's first sync is queued."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="the slug of the account")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(slug=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no account “{options['account']}”.")
        if Budget.objects.filter(account=account, name=NAME).exists():
            raise CommandError(f"“{account}” has the demo budget already.")
        keepers = User.objects.filter(account=account, groups__name=BOOKKEEPER)
        demo_budget(account, by=keepers.order_by("username").first(), name=NAME)
        self.stdout.write(f"“{NAME}” is ready.")
