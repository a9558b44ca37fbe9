"""What an account may change about budgets."""

from django.utils.translation import gettext_lazy as _

from workflows.core.preferences import Preference, register

USE_PROVIDER = register(
    Preference(
        "budgets.use_provider",
        _("Ask a language model about unknown payees"),
        _(
            "Only if this installation has one (its operator knows whose). For payees "
            "that Handrail cannot place by itself it gets: what the bank wrote, "
            "without long numbers and e-mail addresses; whether money came or went "
            "and roughly how much; the account's name; the weekday; the names of the "
            "budget's categories. Never notes, exact amounts, dates or balances."
        ),
        default=False,
    )
)
