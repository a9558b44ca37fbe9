"""What a table of transactions leaves open, and how its reader is asked."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from workflows.core.errors import UserFixable


@dataclass(frozen=True, slots=True)
class Choices:
    """Empty means: settle it from the file, or ask.

    ``date_order`` is dmy, mdy or ymd; ``decimal_mark`` a point or a comma. A
    ``…_column`` names a column by its heading. ``account`` is the account's name where
    the table has no column of it; ``flip`` is "yes" where spending is positive.
    """

    date_order: str = ""
    decimal_mark: str = ""
    date_column: str = ""
    payee_column: str = ""
    amount_column: str = ""
    debit_column: str = ""
    credit_column: str = ""
    category_column: str = ""
    account_column: str = ""
    notes_column: str = ""
    account: str = ""
    flip: str = ""


class Choose(UserFixable):
    """The file can be read in more than one way: ``choice`` names the field.

    ``options`` are the values it can have, in the order in which to offer them.
    """

    def __init__(self, text: str, choice: str, options: tuple[str, ...]) -> None:
        super().__init__(text)
        self.choice, self.options = choice, options


def choose_date_order(orders: tuple[str, ...]) -> Choose:
    return Choose(
        _(
            "The dates can be read with the day first or in another order. Choose "
            "which it is."
        ),
        "date_order",
        orders,
    )


def choose_decimal_mark() -> Choose:
    return Choose(
        _(
            "The amounts can be read with a point or with a comma before the cents. "
            "Choose which it is."
        ),
        "decimal_mark",
        (".", ","),
    )


def choose_column(choice: str, headings: tuple[str, ...]) -> Choose:
    texts = {
        "date_column": _("Choose the column of the dates."),
        "amount_column": _("Choose the column of the amounts."),
    }
    return Choose(texts[choice], choice, headings)
