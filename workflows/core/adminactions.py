"""Admin actions: the pages' verbs, row by row, and what became of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from workflows.core.accounts import User

# Each row is a transaction of its own: more of them would outlast the request.
MOST_ROWS = 200
REASONS_SHOWN = 10

Verb = Callable[[Any, User], Any]
# Which exceptions of the verb are ordinary, and what to say of each.
Refusals = dict[type[Exception], Any]


def apply(
    request: HttpRequest, rows: QuerySet[Any], verb: Verb, refusals: Refusals
) -> None:
    """Call the verb for each row; say how many it did and why it did not the others."""
    user, done, reasons = cast(User, request.user), 0, []
    chosen = list(rows[: MOST_ROWS + 1])
    for row in chosen[:MOST_ROWS]:
        try:
            verb(row, user)
        except tuple(refusals) as error:
            text = next(t for kind, t in refusals.items() if isinstance(error, kind))
            reasons.append(f"{row}: {text(error) if callable(text) else text}")
        else:
            done += 1
    if done:
        text = ngettext("Done for one row.", "Done for %(n)s rows.", done)
        messages.success(request, text % {"n": done})
    for reason in reasons[:REASONS_SHOWN]:
        messages.warning(request, reason)
    if len(reasons) > REASONS_SHOWN:
        more = _("And %(n)s more that could not be done.")
        messages.warning(request, more % {"n": len(reasons) - REASONS_SHOWN})
    if len(chosen) > MOST_ROWS:
        text = _("Only the first %(n)s rows were taken. Choose again for the others.")
        messages.warning(request, text % {"n": MOST_ROWS})
