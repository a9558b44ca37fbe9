"""What can go wrong, by who can mend it. The texts are shown to people as they are."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Category(models.TextChoices):
    """Who can mend it."""

    USER_FIXABLE = "user_fixable", _("You can mend this")
    ADMIN_REQUIRED = "admin_required", _("An administrator can mend this")
    TEMPORARY = "temporary", _("This passes by itself")


class Problem(Exception):
    """A failure explained to its reader: what happened, what is kept, what to do next.

    The text never holds a secret, nor what somebody typed.
    """

    category: ClassVar[Category]


class UserFixable(Problem):
    """Whoever asked for it can mend it: another password, another file."""

    category = Category.USER_FIXABLE


class AdminRequired(Problem):
    """It takes somebody with more rights: a setting, an installation."""

    category = Category.ADMIN_REQUIRED


class Temporary(Problem):
    """It passes by itself: the only kind that the machine tries again."""

    category = Category.TEMPORARY

    def __init__(self, text: str, *, retry_after: timedelta | None = None) -> None:
        """``retry_after``: what the other side asked to wait, at least."""
        super().__init__(text)
        self.retry_after = retry_after
