"""The engineers' queue and the handoff page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe
from django_fsm import TransitionNotAllowed

from l1walk.actions import escalations as verbs
from l1walk.actions.tickets import gateway_for
from l1walk.forms.walks import CloseForm, ReassignForm
from l1walk.graphs.definition import EscalationCategory
from l1walk.models import L1WalkSession
from workflows.core.accounts import User
from workflows.core.http import UserRequest, see_other
from workflows.core.paging import slice_of
from workflows.core.presence import others_at

Handoff = L1WalkSession.Handoff
MOST_COUNTED = 99
TAKE, REASSIGN = "l1walk.take_escalation", "l1walk.reassign_escalation"
DONE = {
    "begin": _("took the call"),
    "escalate": _("asked for an engineer"),
    "claim": _("claimed it"),
    "release": _("gave it back to the queue"),
    "reassign": _("gave it to an engineer"),
    "close": _("closed it"),
}
can_take = permission_required(TAKE, raise_exception=True)
can_reassign = permission_required(REASSIGN, raise_exception=True)


def need_either(user: User) -> None:
    if not (user.has_perm(TAKE) or user.has_perm(REASSIGN)):
        raise PermissionDenied(_("The queue is for engineers and managers."))


@require_safe
def queue(request: UserRequest) -> HttpResponse:
    """What waits for an engineer, oldest first."""
    need_either(request.user)
    rows = L1WalkSession.objects.visible_to(request.user).select_related(
        "created_by_user", "claimed_by", "flow"
    )
    show = request.GET.get("show", "all")
    if show == "mine":
        rows = rows.filter(handoff=Handoff.CLAIMED, claimed_by=request.user)
    elif show == "waiting":
        rows = rows.filter(handoff=Handoff.WAITING)
    elif show == "closed":
        rows = rows.filter(status="escalated", handoff=Handoff.CLOSED)
    else:
        show, rows = "all", rows.filter(handoff__in=[Handoff.WAITING, Handoff.CLAIMED])
    category = request.GET.get("category", "")
    if category in EscalationCategory.values:
        rows = rows.filter(escalation_reason_category=category)
    order = "-last_step_at" if show == "closed" else "escalated_at"
    found = slice_of(request, rows.defer("flow__draft"), order=order)
    asked = request.GET.get("item", "")
    places = {str(row.pk): place for place, row in enumerate(found.rows)}
    place = places.get(asked, 0)
    context = {
        "list": found,
        "chosen": asked in places,
        "previous": found.rows[place - 1] if place else None,
        "next": found.rows[place + 1] if place + 1 < len(found.rows) else None,
        "show": show,
        "category": category,
        "categories": EscalationCategory.choices,
        "shows": [
            ("all", _("Open")),
            ("waiting", _("Waiting")),
            ("mine", _("Mine")),
            ("closed", _("Closed")),
        ],
    }
    if found.rows:
        context |= known(request, found.rows[place])
    return render(request, "l1walk/queue.html", context)


@require_safe
def badge(request: UserRequest) -> HttpResponse:
    """How many wait, for the navigation of every page; empty when none does."""
    need_either(request.user)
    rows = L1WalkSession.objects.visible_to(request.user)
    waiting = rows.filter(handoff=Handoff.WAITING)[: MOST_COUNTED + 1].count()
    context = {"waiting": waiting, "most": MOST_COUNTED}
    return render(request, "l1walk/_badge.html", context)


def find_escalation(request: UserRequest, pk: UUID) -> L1WalkSession:
    rows = L1WalkSession.objects.visible_to(request.user).filter(status="escalated")
    rows = rows.select_related("flow", "flow_version", "claimed_by", "created_by_user")
    row: L1WalkSession = get_object_or_404(rows, pk=pk)
    return row


@require_safe
def handoff(request: UserRequest, pk: UUID) -> HttpResponse:
    """Everything that is known of an escalated walk, so that nobody asks twice."""
    row = find_escalation(request, pk)
    need_either(request.user)
    return show(request, row, CloseForm())


def show(
    request: UserRequest,
    row: L1WalkSession,
    form: CloseForm,
    *,
    status: int = 200,
    refused: str = "",
) -> HttpResponse:
    """Render the handoff page; ``refused`` says why a form was not taken."""
    context = known(request, row) | {
        "refused": refused,
        "form": form,
        "history": [
            (move, DONE[move.name]) for move in row.moves().exclude(name="queue")
        ],
        "may_decide": row.handoff == Handoff.CLAIMED
        and (row.claimed_by == request.user or request.user.has_perm(REASSIGN)),
    }
    if request.user.has_perm(REASSIGN):
        context["reassign_form"] = ReassignForm(engineers=verbs.engineers_of(row))
    return render(request, "l1walk/handoff.html", context, status=status)


def known(request: UserRequest, row: L1WalkSession) -> dict[str, Any]:
    """Return the path, the ticket and who else looks at an escalated walk."""
    steps = list(row.steps.select_related("actor"))
    return {
        "walk": row,
        "path": [step for step in steps if step.undone_at is None],
        "undone": [step for step in steps if step.undone_at is not None],
        "ticket": gateway_for(row, by=request.user).get(row.ticket_id),
        "others": others_at(row.pk, request.user),
    }


def outpaced(request: UserRequest, pk: UUID) -> HttpResponse:
    """Go to the handoff page, and tell there who was faster."""
    messages.warning(request, who_was_faster(request, find_escalation(request, pk)))
    return see_other("l1walk:handoff", pk)


def who_was_faster(request: UserRequest, row: L1WalkSession) -> str:
    text: str | Promise
    if row.handoff == Handoff.WAITING:
        text = _("It is back in the queue: claim it first.")
    elif row.handoff == Handoff.CLOSED:
        text = _("%(who)s closed it already.") % {"who": row.claimed_by}
    elif row.claimed_by == request.user:
        text = _("It is yours already.")
    else:
        at = timezone.localtime(row.claimed_at).strftime("%H:%M")
        text = _("%(who)s claimed it at %(at)s.") % {"who": row.claimed_by, "at": at}
    return str(text)


@require_POST
@can_take
def claim(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take it; the second one is told who was first."""
    row = find_escalation(request, pk)
    try:
        verbs.claim_walk(row, by=request.user)
    except TransitionNotAllowed:
        return outpaced(request, pk)
    messages.success(request, _("It is yours."))
    return see_other("l1walk:handoff", pk)


@require_POST
def release(request: UserRequest, pk: UUID) -> HttpResponse:
    """Give it back to the queue."""
    row = find_escalation(request, pk)
    need_either(request.user)
    try:
        verbs.release_walk(row, by=request.user)
    except (TransitionNotAllowed, verbs.NotYours):
        return outpaced(request, pk)
    messages.success(request, _("It is back in the queue."))
    return see_other("l1walk:queue")


@require_POST
@can_reassign
def reassign(request: UserRequest, pk: UUID) -> HttpResponse:
    """Give it to an engineer."""
    row = find_escalation(request, pk)
    form = ReassignForm(request.POST, engineers=verbs.engineers_of(row))
    if not form.is_valid():
        messages.error(request, _("Choose an engineer of this account."))
        return see_other("l1walk:handoff", pk)
    engineer = form.cleaned_data["engineer"]
    try:
        verbs.reassign_walk(row, by=request.user, engineer=engineer)
    except TransitionNotAllowed:
        return outpaced(request, pk)
    messages.success(request, _("%(who)s has it now.") % {"who": engineer})
    return see_other("l1walk:handoff", pk)


@require_POST
def close(request: UserRequest, pk: UUID) -> HttpResponse:
    """End it with an outcome."""
    row = find_escalation(request, pk)
    need_either(request.user)
    form = CloseForm(request.POST)
    if not form.is_valid():
        return show(request, row, form, status=422)
    try:
        verbs.close_escalation(row, by=request.user, **form.cleaned_data)
    except (TransitionNotAllowed, verbs.NotYours):
        now, notes = find_escalation(request, pk), form.cleaned_data["notes"]
        if notes in ("", now.handoff_notes):  # nothing to keep, or sent twice
            return outpaced(request, pk)
        refused = who_was_faster(request, now)
        return show(request, now, form, status=409, refused=refused)
    messages.success(request, _("Closed. The ticket has the outcome."))
    return see_other("l1walk:queue")
