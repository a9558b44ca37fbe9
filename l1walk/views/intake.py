"""From a call to a walk: the ticket, the problem, the flow that fits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from l1walk.actions.calls import begun_walk, take_call
from l1walk.actions.matching import Match, rank_flows
from l1walk.forms.walks import MAX_NOTE, IntakeForm, find_ticket
from l1walk.models import Flow, L1WalkSession, Ticket
from l1walk.views.walks import can_walk
from workflows.core.accounts import Account
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
    account = request.user.account
    if account is None:
        form.add_error(None, _("Operators belong to no account, so they cannot walk."))
        return page(request, form, status=422)
    if (walk := begun_walk(account, form.cleaned_data["start_key"])) is not None:
        return see_other("l1walk:walk", walk.pk)  # sent twice
    text = form.cleaned_data["problem_text"]
    chosen = request.POST.get("flow", "").replace("\0", "")
    running = None if "anyway" in request.POST else running_walk(request, form)
    if running is not None:
        return page(request, form, running=running, chosen=chosen, status=409)
    if chosen == ADHOC:
        return begin(request, account, form, None)
    if chosen:
        rows = Flow.objects.visible_to(request.user).filter(state=Flow.State.PUBLISHED)
        flow = rows.filter(slug=chosen).select_related("current_version").first()
        if flow is None:
            form.add_error(None, _("That flow is not in use any more. Choose another."))
            return page(
                request, form, matches=rank_flows(request.user, text), status=422
            )
        return begin(request, account, form, flow)
    matches = rank_flows(request.user, text)
    if matches and matches[0].strong:
        return begin(request, account, form, matches[0].flow)
    return page(request, form, matches=matches, searched=True)


def page(
    request: UserRequest,
    form: IntakeForm,
    *,
    matches: list[Match] | None = None,
    searched: bool = False,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    others = Flow.objects.visible_to(request.user).filter(state=Flow.State.PUBLISHED)
    context: dict[str, Any] = {
        "form": form,
        "matches": matches or [],
        "searched": searched,
        "flows": others.only("state", "title", "slug", "summary").order_by("title")[
            :200
        ],
        **extra,
    }
    return render(request, "l1walk/intake.html", context, status=status)


def running_walk(request: UserRequest, form: IntakeForm) -> L1WalkSession | None:
    """Return the walk that somebody is in with the ticket that was named."""
    if form.cleaned_data["ticket"] != IntakeForm.EXISTING:
        return None
    rows = L1WalkSession.objects.visible_to(request.user).filter(
        ticket_kind=L1WalkSession.TicketKind.INTERNAL,
        ticket_id=form.cleaned_data["ticket_number"],
        status=L1WalkSession.Status.ACTIVE,
    )
    walk: L1WalkSession | None = (
        rows.select_related("created_by_user", "flow").defer("flow__draft").first()
    )
    return walk


def prefilled(request: UserRequest) -> dict[str, Any]:
    """Return what a link from a ticket or a walk puts into the form."""
    if (walk := asked_walk(request)) is not None:
        psa = walk.ticket_kind == L1WalkSession.TicketKind.PSA
        return {
            "ticket": IntakeForm.OTHER if psa else IntakeForm.EXISTING,
            "ticket_number": walk.ticket_id,
            "problem_text": walk.problem_text,
            "caller_name": walk.caller_name,
            "caller_contact": walk.caller_contact,
        }
    ticket = find_ticket(request.user, request.GET.get("ticket", ""))
    if ticket is None:
        return {}
    return {
        "ticket": IntakeForm.EXISTING,
        "ticket_number": str(ticket.number),
        "problem_text": told(ticket)[:MAX_NOTE],
        "caller_name": ticket.requester,
        "caller_contact": ticket.contact,
    }


def asked_walk(request: UserRequest) -> L1WalkSession | None:
    """Return the walk whose ticket is to be walked again, if the link names one."""
    try:
        pk = UUID(request.GET.get("walk", ""))
    except ValueError:
        return None
    walk: L1WalkSession | None = (
        L1WalkSession.objects.visible_to(request.user).filter(pk=pk).first()
    )
    return walk


def told(ticket: Ticket) -> str:
    """Return all of a ticket's words: the title often names what the text does not."""
    if ticket.problem.startswith(ticket.title):
        return ticket.problem
    return f"{ticket.title}\n{ticket.problem}".strip()


def begin(
    request: UserRequest, account: Account, form: IntakeForm, flow: Flow | None
) -> HttpResponse:
    walk = take_call(
        account,
        by=request.user,
        intake=form.intake(),
        flow=flow,
        start_key=form.cleaned_data["start_key"],
    )
    return see_other("l1walk:walk", walk.pk)


@require_safe
@can_walk
def suggestions(request: UserRequest) -> HttpResponse:
    """The flows that fit what is typed so far, as a fragment."""
    text = request.GET.get("problem_text", "")[:MAX_NOTE]
    context = {
        "matches": rank_flows(request.user, text),
        "searched": bool(text.strip()),
    }
    return render(request, "l1walk/_matches.html", context)
