"""Handrail's own tickets."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from l1walk.actions.tickets import add_note, open_ticket, reopen_ticket
from l1walk.forms.walks import TicketForm, TicketNoteForm
from l1walk.models import L1WalkSession, Ticket
from workflows.core.http import UserRequest, see_other
from workflows.core.paging import slice_of

may_work = permission_required("l1walk.work_ticket", raise_exception=True)


@require_safe
def tickets(request: UserRequest) -> HttpResponse:
    """The account's tickets, newest first."""
    rows = Ticket.objects.visible_to(request.user)
    status = request.GET.get("status", Ticket.Status.OPEN)
    if status in Ticket.Status.values:
        rows = rows.filter(status=status)
    else:
        status = "all"
    context = {
        "list": slice_of(request, rows),
        "status": status,
        "statuses": Ticket.Status.choices,
    }
    return render(request, "l1walk/tickets.html", context)


@require_http_methods(["GET", "POST"])
@may_work
def new_ticket(request: UserRequest) -> HttpResponse:
    """Write a ticket down without walking it yet."""
    form = TicketForm(request.POST or None)
    account = request.user.account
    if form.is_bound and account is None:
        form.add_error(None, _("Operators belong to no account, so they have none."))
    elif form.is_valid() and account is not None:
        row = open_ticket(account, by=request.user, **form.cleaned_data)
        return see_other("l1walk:ticket", row.pk)
    status = 422 if form.is_bound else 200
    return render(request, "l1walk/ticket_new.html", {"form": form}, status=status)


def find_ticket(request: UserRequest, pk: UUID) -> Ticket:
    row: Ticket = get_object_or_404(Ticket.objects.visible_to(request.user), pk=pk)
    return row


@require_safe
def ticket(request: UserRequest, pk: UUID) -> HttpResponse:
    """One ticket: its notes and its walks."""
    return show(request, find_ticket(request, pk), TicketNoteForm())


def show(
    request: UserRequest, row: Ticket, form: TicketNoteForm, *, status: int = 200
) -> HttpResponse:
    walks = L1WalkSession.objects.visible_to(request.user).filter(
        ticket_kind=L1WalkSession.TicketKind.INTERNAL, ticket_id=str(row.number)
    )
    context = {
        "ticket": row,
        # By time: a note's id is as old as the page that it was written on.
        "notes": row.notes.select_related("author").order_by("at", "id"),
        "walks": walks.select_related("flow", "created_by_user").order_by("-id")[:50],
        "form": form,
    }
    return render(request, "l1walk/ticket.html", context, status=status)


@require_POST
@may_work
def note(request: UserRequest, pk: UUID) -> HttpResponse:
    """Add a note."""
    row = find_ticket(request, pk)
    form = TicketNoteForm(request.POST)
    if not form.is_valid():
        return show(request, row, form, status=422)
    add_note(row, by=request.user, **form.cleaned_data)
    messages.success(request, _("The note is on the ticket."))
    return see_other("l1walk:ticket", row.pk)


@require_POST
@may_work
def reopen(request: UserRequest, pk: UUID) -> HttpResponse:
    """Open a ticket that came back."""
    row = find_ticket(request, pk)
    reopen_ticket(row, by=request.user)
    messages.success(request, _("The ticket is open again."))
    return see_other("l1walk:ticket", row.pk)
