"""The walk screen and everything that is done on it."""

from __future__ import annotations

from typing import Any
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

from l1walk.actions import walks as verbs
from l1walk.actions.continuing import restart_walk, resume_walk
from l1walk.actions.escalations import escalate_walk
from l1walk.actions.tickets import gateway_for
from l1walk.forms.walks import (
    AnswerData,
    BadAnswer,
    EscalateForm,
    ResolveForm,
    StepForm,
    VersionForm,
)
from l1walk.graphs.definition import NodeType
from l1walk.models import Flow, L1WalkSession
from workflows.core.http import Conflict, UserRequest, see_other
from workflows.core.ids import uuid7

can_walk = permission_required("l1walk.walk_ticket", raise_exception=True)


def find_walk(request: UserRequest, pk: UUID) -> L1WalkSession:
    """Return a walk of the user's account with its flow, or answer 404."""
    rows = L1WalkSession.objects.visible_to(request.user).select_related("flow")
    walk: L1WalkSession = get_object_or_404(rows.defer("flow__draft"), pk=pk)
    return walk


@require_safe
def walk(request: UserRequest, pk: UUID) -> HttpResponse:
    """Show where the walk stands: its question, or how it ended."""
    return screen(request, find_walk(request, pk))


def screen(
    request: UserRequest, row: L1WalkSession, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the whole page of a walk; ``extra`` says what is kept of a refusal."""
    steps = list(row.steps.select_related("actor"))
    path = [step for step in steps if step.undone_at is None]
    context = {
        **question(request, row),
        "path": path,
        "undone": len(steps) - len(path),
        "ticket": gateway_for(row, by=request.user).get(row.ticket_id),
        "stale": row.stale,
        **extra,
    }
    template = "walk" if row.status == L1WalkSession.Status.ACTIVE else "ended"
    if template == "ended":
        context["resumed_as"] = row.resumed_as.first()
        context["restart_key"] = uuid7()
    return render(request, f"l1walk/{template}.html", context, status=status)


def question(request: UserRequest, row: L1WalkSession) -> dict[str, Any]:
    """Return what the question's fragment shows; no query of its own."""
    node = row.current_node
    context: dict[str, Any] = {
        "walk": row,
        "node": node,
        "key": uuid7(),
        "may_walk": request.user.has_perm("l1walk.walk_ticket"),
    }
    if node is None:
        context["form"] = StepForm(
            initial={"version": row.version, "key": context["key"]}
        )
    elif node.type == NodeType.RESOLVED:
        context["form"] = ResolveForm(initial={"version": row.version})
    elif node.type == NodeType.ESCALATE:
        initial = {"version": row.version, "category": node.category}
        context["form"] = EscalateForm(initial=initial)
    return context


def refuse(request: UserRequest, moved: verbs.Moved, **kept: Any) -> HttpResponse:
    """Answer a form that came too late: where the walk is now, and what was typed."""
    if isinstance(moved, verbs.AlreadyDone):
        return answered(request, moved.walk)
    row = find_walk(request, moved.walk.pk)
    last = row.steps.select_related("actor", "undone_by").last()
    context = {"moved": moved, "last_step": last, **kept}
    if request.htmx and not isinstance(moved, verbs.Ended):
        context |= {**question(request, row), "path": row.live_steps(), "swap": "all"}
        return render(request, "l1walk/_question.html", context, status=409)
    return screen(request, row, status=409, **context)


def answered(request: UserRequest, row: L1WalkSession, **extra: Any) -> HttpResponse:
    """Answer a form that was taken: the next question, or the page that shows it."""
    if not request.htmx:
        return see_other("l1walk:walk", row.pk)
    context = question(request, row) | extra
    if "step" not in extra:
        context |= {"path": row.steps.filter(undone_at=None).select_related("actor")}
        context |= {"swap": "all"}
    return render(request, "l1walk/_question.html", context)


@require_POST
@can_walk
def answer(request: UserRequest, pk: UUID) -> HttpResponse:
    """Record an answer to the question on the screen."""
    # Without its flow: this runs for every answer, and needs the graph alone.
    rows = L1WalkSession.objects.visible_to(request.user)
    row: L1WalkSession = get_object_or_404(rows, pk=pk)
    try:
        data = AnswerData.read(request.POST)
    except BadAnswer:
        raise Conflict(_("The page was incomplete. Load the walk again.")) from None
    if data.problem:
        kept = {"kept_note": data.note, "note_error": data.problem}
        if request.htmx:
            kept = question(request, row) | kept
            return render(request, "l1walk/_question.html", kept, status=422)
        return screen(request, find_walk(request, pk), status=422, **kept)
    try:
        step = verbs.answer_node(
            row,
            by=request.user,
            node_id=data.node_id,
            answer_key=data.answer_key,
            submission=data.submission,
            note=data.note,
        )
    except verbs.Moved as moved:
        return refuse(request, moved, kept_note=data.note)
    except verbs.NoSuchAnswer:
        return refuse(request, verbs.Moved(row), kept_note=data.note)
    return answered(request, row, step=step)


@require_POST
@can_walk
def record(request: UserRequest, pk: UUID) -> HttpResponse:
    """Record a finding of an ad-hoc walk."""
    row = find_walk(request, pk)
    form = StepForm(request.POST)
    if row.flow_version_id is not None:
        raise Conflict(_("This walk follows a flow: answer its question."))
    if not form.is_valid():
        return screen(request, row, status=422, form=form)
    data = form.cleaned_data
    try:
        step = verbs.record_finding(
            row,
            by=request.user,
            question=data["question"],
            finding=data["finding"],
            submission=verbs.Submission(data["version"], data["key"]),
            note=data["note"],
        )
    except verbs.AlreadyDone as moved:
        return refuse(request, moved)
    except verbs.Ended as ended:
        said = (data["question"], data["finding"], data["note"])
        return refuse(request, ended, kept_note="\n".join(filter(None, said)))
    except verbs.Moved as moved:
        kept = {**data, "version": moved.walk.version, "key": uuid7()}
        return refuse(request, moved, form=StepForm(initial=kept))
    return answered(request, row, step=step)


@require_POST
@can_walk
def undo(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take the last answer back."""
    row = find_walk(request, pk)
    form = VersionForm(request.POST)
    version = form.cleaned_data["version"] if form.is_valid() else -1
    try:
        step = verbs.undo_step(row, by=request.user, version=version)
    except verbs.NothingToUndo:
        messages.info(request, _("This is the first question: nothing to undo."))
        return answered(request, row)
    except verbs.Moved as moved:
        return refuse(request, moved)
    return answered(request, row, undone_step=step)


@require_http_methods(["GET", "POST"])
@can_walk
def resolve(request: UserRequest, pk: UUID) -> HttpResponse:
    """End the walk as solved."""
    row = find_walk(request, pk)
    form = ResolveForm(request.POST or None, initial={"version": row.version})
    return end(request, row, form, "resolve")


@require_http_methods(["GET", "POST"])
@can_walk
def escalate(request: UserRequest, pk: UUID) -> HttpResponse:
    """End the walk by handing it over."""
    row = find_walk(request, pk)
    node = row.current_node
    category = node.category if node else ""
    initial = {"version": row.version, "category": category}
    form = EscalateForm(request.POST or None, initial=initial)
    return end(request, row, form, "escalate")


def end(request: UserRequest, row: L1WalkSession, form: Any, how: str) -> HttpResponse:
    """Show or take one of the two forms that end a walk."""
    if request.method == "POST" and form.is_valid():
        data = dict(form.cleaned_data)
        try:
            if how == "resolve":
                verbs.resolve_walk(row, by=request.user, **data)
                messages.success(request, resolved_words(row))
            else:
                escalate_walk(row, by=request.user, **data)
                messages.success(request, _("Handed over. Engineers see it now."))
        except verbs.Ended as ended:
            said = data.get("notes") or data.get("reason")
            known = (ended.walk.resolution_notes, ended.walk.escalation_reason)
            if said and said not in known:
                return refuse(request, ended, kept_note=said)
            messages.info(request, _("This walk had ended already; see below how."))
        except verbs.Moved as moved:
            # What was typed goes out again on the walk's present version.
            form.data = form.data.copy()
            form.data["version"] = str(moved.walk.version)
            return ending(request, moved.walk, form, how, status=409)
        return see_other("l1walk:walk", row.pk)
    if row.status != L1WalkSession.Status.ACTIVE:
        return see_other("l1walk:walk", row.pk)
    return ending(request, row, form, how, status=422 if form.is_bound else 200)


def resolved_words(row: L1WalkSession) -> str:
    """Say where the path is now: another system's ticket gets it by hand."""
    if row.ticket_kind == L1WalkSession.TicketKind.INTERNAL:
        return _("Resolved. The ticket has the whole path.")
    return _("Resolved. Copy the summary into ticket %(id)s.") % {"id": row.ticket_id}


def ending(
    request: UserRequest, row: L1WalkSession, form: Any, how: str, *, status: int
) -> HttpResponse:
    context = {"walk": row, "form": form, "how": how, "moved": status == 409}
    context["path"] = row.live_steps()
    return render(request, "l1walk/end.html", context, status=status)


@require_POST
@can_walk
def abandon(request: UserRequest, pk: UUID) -> HttpResponse:
    """End the walk without an outcome."""
    row = find_walk(request, pk)
    form = VersionForm(request.POST)
    version = form.cleaned_data["version"] if form.is_valid() else -1
    try:
        verbs.abandon_walk(row, by=request.user, version=version)
    except verbs.Moved as moved:
        return refuse(request, moved)
    messages.success(request, _("Closed without an outcome. You can resume it."))
    return see_other("l1walk:walk", row.pk)


def start_key(request: UserRequest) -> UUID:
    """Return what makes this submission safe to repeat. Raises Conflict."""
    try:
        return UUID(request.POST.get("start_key", ""))
    except ValueError:
        raise Conflict(_("The page was incomplete. Load it again.")) from None


@require_POST
@can_walk
def resume(request: UserRequest, pk: UUID) -> HttpResponse:
    """Go on with an ended walk as a new one."""
    row = find_walk(request, pk)
    try:
        new = resume_walk(row, by=request.user, start_key=start_key(request))
    except verbs.Moved:
        messages.info(request, _("This walk is still running: go on here."))
        return see_other("l1walk:walk", row.pk)
    return see_other("l1walk:walk", new.pk)


@require_POST
@can_walk
def restart(request: UserRequest, pk: UUID) -> HttpResponse:
    """Begin again on the version in use, of this flow or another one."""
    row = find_walk(request, pk)
    # Operators see every account's flows: a walk stays within its own.
    flows = Flow.objects.visible_to(request.user).filter(account=row.account_id)
    flow = get_object_or_404(
        flows.select_related("current_version"),
        slug=request.POST.get("flow", "").replace("\0", ""),
    )
    try:
        new = restart_walk(
            row,
            by=request.user,
            flow=flow,
            start_key=start_key(request),
        )
    except verbs.FlowNotWalkable:
        raise Conflict(
            _("“%(flow)s” is not in use any more. Choose another flow.")
            % {"flow": flow.title}
        ) from None
    except verbs.Moved as moved:
        return refuse(request, moved)
    return see_other("l1walk:walk", new.pk)


@require_safe
def summary(request: UserRequest, pk: UUID) -> HttpResponse:
    """The walk as plain text, to be copied anywhere."""
    row = find_walk(request, pk)
    return HttpResponse(verbs.summary(row), content_type="text/plain; charset=utf-8")
