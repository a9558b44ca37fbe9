"""From a call to a walk: the ticket, the problem, the flow that fits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from l1walk.actions import walks as verbs
from l1walk.actions.matching import Match, rank_flows
from l1walk.actions.tickets import open_ticket
from l1walk.forms.walks import IntakeForm
from l1walk.models import Flow, L1WalkSession, Ticket
from l1walk.views.walks import can_walk
from workflows.core.http import UserRequest, see_other

ADHOC = "adhoc"


@require_http_methods(["GET", "POST"])
@can_walk
def intake(request: UserRequest) -> HttpResponse:
    """Take the call: a strong match starts at once, near ones are offered."""
    if request.method == "GET":
        return page(request, IntakeForm(user=request.user, initial=prefilled(request)))
    form = IntakeForm(request.POST, user=request.user)
    if not form.is_valid():
        return page(request, form, status=422)
    text = form.cleaned_data["problem_text"]
    chosen = request.POST.get("flow", "")
    if chosen == ADHOC:
        return begin(request, form, None)
    if chosen:
        rows = Flow.objects.visible_to(request.user).filter(state=Flow.State.PUBLISHED)
        flow = rows.filter(slug=chosen).select_related("current_version").first()
        if flow is None:
            form.add_error(None, _("That flow is not in use any more. Choose another."))
            return page(
                request, form, matches=rank_flows(request.user, text), status=422
            )
        return begin(request, form, flow)
    matches = rank_flows(request.user, text)
    if matches and matches[0].strong:
        return begin(request, form, matches[0].flow)
    return page(request, form, matches=matches, searched=True)


def page(
    request: UserRequest,
    form: IntakeForm,
    *,
    matches: list[Match] | None = None,
    searched: bool = False,
    status: int = 200,
) -> HttpResponse:
    others = Flow.objects.visible_to(request.user).filter(state=Flow.State.PUBLISHED)
    context: dict[str, Any] = {
        "form": form,
        "matches": matches or [],
        "searched": searched,
        "flows": others.only("state", "title", "slug", "summary").order_by("title")[
            :200
        ],
    }
    return render(request, "l1walk/intake.html", context, status=status)


def prefilled(request: UserRequest) -> dict[str, Any]:
    """Return what a link from a ticket puts into the form."""
    number = request.GET.get("ticket", "")
    rows = Ticket.objects.visible_to(request.user)
    ticket = rows.filter(number=int(number)).first() if number.isdecimal() else None
    if ticket is None:
        return {}
    return {
        "ticket": IntakeForm.EXISTING,
        "ticket_number": str(ticket.number),
        "problem_text": ticket.problem or ticket.title,
        "caller_name": ticket.requester,
        "caller_contact": ticket.contact,
    }


def begin(request: UserRequest, form: IntakeForm, flow: Flow | None) -> HttpResponse:
    """Make the ticket if it is new, and the walk: both, or neither."""
    account = request.user.account
    if account is None:
        form.add_error(None, _("Operators belong to no account, so they cannot walk."))
        return page(request, form, status=422)
    data = form.cleaned_data
    key: UUID = data["start_key"]
    known = L1WalkSession.objects.filter(account=account, start_key=key).first()
    if known is not None:  # sent twice
        return see_other("l1walk:walk", known.pk)
    with transaction.atomic():
        number = data["ticket_number"]
        if data["ticket"] == IntakeForm.NEW:
            ticket = open_ticket(
                account,
                by=request.user,
                title=data["problem_text"].splitlines()[0],
                requester=data["caller_name"],
                contact=data["caller_contact"],
                problem=data["problem_text"],
            )
            number = str(ticket.number)
        walk = verbs.begin_walk(
            account,
            by=request.user,
            intake=form.intake(number),
            flow=flow,
            start_key=key,
        )
    return see_other("l1walk:walk", walk.pk)


@require_GET
@can_walk
def suggestions(request: UserRequest) -> HttpResponse:
    """The flows that fit what is typed so far, as a fragment."""
    text = request.GET.get("problem_text", "")[:4000]
    context = {
        "matches": rank_flows(request.user, text),
        "searched": bool(text.strip()),
    }
    return render(request, "l1walk/_matches.html", context)
