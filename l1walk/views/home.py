"""Where everybody begins, and the search in the header."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from l1walk.actions.tickets import number_in
from l1walk.models import Flow, L1WalkSession, Ticket
from l1walk.views.escalations import REASSIGN, TAKE
from workflows.core.home import sections_for
from workflows.core.http import UserRequest

FOUND = 20


@require_safe
def home(request: UserRequest) -> HttpResponse:
    """One's open walks, what waits in any workflow, and tickets nobody has begun."""
    user = request.user
    walks = L1WalkSession.objects.visible_to(user).select_related("flow")
    walks = walks.defer("flow__draft")
    mine = walks.filter(created_by_user=user, status=L1WalkSession.Status.ACTIVE)
    context: dict[str, Any] = {
        "mine": list(mine.order_by("-last_step_at")[:20]),
        "sections": sections_for(user),
        "tickets": list(
            Ticket.objects.visible_to(user)
            .filter(status=Ticket.Status.OPEN)
            .order_by("-id")[:8]
        ),
    }
    if user.has_perm(TAKE) or user.has_perm(REASSIGN):
        waiting = walks.filter(handoff=L1WalkSession.Handoff.WAITING)
        context["waiting"] = list(waiting.order_by("escalated_at")[:8])
        claimed = walks.filter(handoff=L1WalkSession.Handoff.CLAIMED, claimed_by=user)
        context["claimed"] = list(claimed.order_by("escalated_at")[:8])
    return render(request, "l1walk/home.html", context)


@require_safe
def search(request: UserRequest) -> HttpResponse:
    """Tickets and flows by number or word."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    context: dict[str, Any] = {"q": text}
    if text:
        tickets = Ticket.objects.visible_to(request.user)
        number = number_in(text)
        words = Q(title__icontains=text) | Q(requester__icontains=text)
        fits = words if number is None else Q(number=number) | words
        context["tickets"] = tickets.filter(fits).order_by("-id")[:FOUND]
        flows = Flow.objects.visible_to(request.user).defer("draft")
        found = Q(title__icontains=text) | Q(keywords__icontains=text)
        context["flows"] = flows.filter(found).order_by("title")[:FOUND]
        walks = L1WalkSession.objects.visible_to(request.user).select_related("flow")
        # Walks are shown with a "#" before the number, and copied with it.
        psa = walks.filter(
            ticket_kind=L1WalkSession.TicketKind.PSA,
            ticket_id__in={text, text.removeprefix("#")},
        )
        context["walks"] = psa.defer("flow__draft").order_by("-id")[:FOUND]
    return render(request, "l1walk/search.html", context)
