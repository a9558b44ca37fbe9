"""How one's own jobs stand, in the header of every page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from jobs.actions.reading import MOST_COUNTED, Badge, badge_of, latest_of
from workflows.core.http import UserRequest

# How often the header asks: quick while something moves, else for what others start.
QUICK_SECONDS, SLOW_SECONDS = 4, 60


@require_safe
def badge(request: UserRequest) -> HttpResponse:
    """The words of the badge, and how soon to ask again."""
    found = badge_of(request.user)
    seconds = QUICK_SECONDS if found.moves else SLOW_SECONDS
    context = {
        "badge": found,
        "seconds": seconds,
        "most": MOST_COUNTED,
        "version": version(found),
    }
    response = render(request, "jobs/_badge.html", context)
    # The drawer, if it is open, shows the same jobs.
    if request.GET.get("seen", version(found)) != version(found):
        trigger_client_event(response, "jobs-changed")
    return response


def version(found: Badge) -> str:
    return f"{found.running}-{found.waiting}-{found.failed}"


@require_safe
def drawer(request: UserRequest) -> HttpResponse:
    """One's last jobs, for the drawer under the badge."""
    return render(request, "jobs/_drawer.html", {"lines": latest_of(request.user)})
