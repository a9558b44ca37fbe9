"""The review: payees at the left, one of them in focus, decided with one key."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode
from uuid import NAMESPACE_OID, UUID, uuid5

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _l
from django.views.decorators.http import require_safe

from jobs.budgets.actions import reading
from jobs.budgets.actions.payees import Focus, Mark, Payee, focus_on, page_of
from jobs.budgets.models import Budget, Category
from jobs.budgets.views.finding import can_keep, find_budget
from workflows.core.http import UserRequest
from workflows.core.presence import others_at

TABS: dict[str, Promise] = {
    "open": _l("To review"),
    "unsure": _l("Without a proposal"),
    "approved": _l("Approved"),
    "rejected": _l("Left as they are"),
    "applied": _l("Applied"),
    "skipped": _l("Skipped"),
}
LONGEST_KEY = 200


def asked_for(data: Any) -> tuple[str, str]:
    """Return the tab and the words that a query string or form asks for."""
    show = data.get("show", "open")
    # No database keeps a NUL: PostgreSQL refuses even to look for one.
    words = data.get("q", "").replace("\0", "").strip()[:LONGEST_KEY]
    return show if show in TABS else "open", words


def key_in(text: str | None) -> str | None:
    """Return the payee that is asked for; None where none is."""
    return None if text is None else text.replace("\0", "")[:LONGEST_KEY]


@require_safe
@can_keep
def review(request: UserRequest, pk: UUID) -> HttpResponse:
    """Every payee of a tab, and the first or the chosen one in focus."""
    budget = find_budget(request, pk)
    return screen(request, budget)


def screen(
    request: UserRequest,
    budget: Budget,
    *,
    status: int = 200,
    show: str = "",
    **extra: Any,
) -> HttpResponse:
    """Render the whole page; ``extra`` says what is kept of a refusal."""
    data = request.POST if request.method == "POST" else request.GET
    asked_show, words = asked_for(data)
    show = show or asked_show
    rows = reading.searched(reading.shown(budget, show), words)
    payees, mark = page_of(rows, mark_in(request.GET.get("after")))
    keys = [payee.key for payee in payees]
    asked = key_in(data.get("payee"))
    key = asked if asked is not None else next(iter(keys), None)
    categories = reading.categories_of(budget)
    names = {category.ledger_id: category.name for category in categories}
    context = {
        **focused(request, budget, show, key, categories),
        "payees": [(payee, category_words(payee, names)) for payee in payees],
        "chosen": asked is not None,
        "tabs": TABS.items(),
        "words": words,
        "older": mark_url(budget, show, words, mark),
        "paged": "after" in request.GET,
        "counts": reading.counts_of([budget.pk])[budget.pk],
        "sure": sure_enough(budget) if show == "open" else [],
        "done": request.GET.get("done", ""),
        "done_key": key_in(request.GET.get("done_payee")),
        **neighbours(keys, key),
        **extra,
    }
    return render(request, "budgets/review.html", context, status=status)


def sure_enough(budget: Budget) -> list[tuple[float, int]]:
    """Return what can be approved in bulk; nothing where nothing is sure."""
    return [(least, n) for least, n in reading.sure_counts(budget) if n]


def category_words(payee: Payee, names: dict[str, str]) -> str:
    """Return what the queue says is proposed; "" for nothing, or several."""
    return names.get(payee.category_id, "")


def neighbours(keys: list[str], key: str | None) -> dict[str, Any]:
    """Return the payees before and after the one in focus."""
    if key not in keys:
        return {"previous": None, "next": keys[0] if keys and key is None else None}
    place = keys.index(key)
    return {
        "previous": keys[place - 1] if place else None,
        "next": keys[place + 1] if place + 1 < len(keys) else None,
    }


def focused(
    request: UserRequest,
    budget: Budget,
    show: str,
    key: str | None,
    categories: list[Category] | None = None,
) -> dict[str, Any]:
    """Return what the payee's card shows; three queries."""
    if categories is None:
        categories = reading.categories_of(budget)
    names = {category.ledger_id: category.name for category in categories}
    focus: Focus | None = None
    if key is not None:
        focus = focus_on(reading.shown(budget, show), key, names)
    context = {
        "budget": budget,
        "show": show,
        "focus": focus,
        "groups": reading.grouped(categories),
        "names": names,
    }
    if focus:
        subject = uuid5(NAMESPACE_OID, f"{budget.pk}:{focus.key}")
        context["others"] = others_at(subject, request.user)
    return context


@require_safe
@can_keep
def card(request: UserRequest, pk: UUID) -> HttpResponse:
    """The payee's card alone, for the queue's links."""
    budget = find_budget(request, pk)
    show, _words = asked_for(request.GET)
    context = focused(request, budget, show, key_in(request.GET.get("payee", "")))
    return render(request, "budgets/_payee.html", context)


# --- pages of the queue: by number and key, so that each costs the same ---------------
def mark_url(budget: Budget, show: str, words: str, mark: Mark | None) -> str:
    if mark is None:
        return ""
    cursor = base64.urlsafe_b64encode(json.dumps(mark).encode()).decode()
    query = {"show": show, "q": words, "after": cursor}
    return f"{reverse('budgets:review', args=[budget.pk])}?{urlencode(query)}"


def mark_in(text: str | None) -> Mark | None:
    """Return where a page begins; a cursor that cannot be read is the first page."""
    if not text:
        return None
    try:
        n, key = json.loads(base64.urlsafe_b64decode(text.encode()))
        return int(n) % 2**31, str(key).replace("\0", "")
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
