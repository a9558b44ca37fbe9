"""Writing a flow's nodes, and deciding about its draft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from l1walk.actions import flows as verbs
from l1walk.actions.drafting import (
    NodeChanged,
    RootStays,
    Saved,
    delete_node,
    draft_of,
    fingerprint,
    free_id,
    save_node,
)
from l1walk.forms.flows import (
    MAX_ROWS,
    DeleteForm,
    NodeForm,
    RevisionForm,
    Targets,
    answer_set,
    ends_walk,
)
from l1walk.graphs.definition import Definition, Node, NodeType, Severity
from l1walk.graphs.validate import find_problems
from l1walk.models import Flow
from l1walk.views.flow_panels import in_words, outline_rows, shown, to_editor
from l1walk.views.flows import can_edit, can_publish, find_flow, find_version, overview
from workflows.core.http import UserRequest, see_other

# --- nodes ----------------------------------------------------------------------------


@require_safe
@can_edit
def edit(request: UserRequest, pk: UUID) -> HttpResponse:
    """The outline and one node's form: ``?node=``, ``?add=1``, else the first one."""
    row = find_flow(request, pk)
    graph = draft_of(row)
    wanted = request.GET.get("node", "")
    node = graph.node(wanted)
    gone = wanted if wanted and node is None else ""
    if node is None and not request.GET.get("add"):
        node = graph.node(graph.root) or next(iter(graph.nodes), None)
    if node is None:
        fresh = {"node": free_id(graph), "type": NodeType.QUESTION}
        form = NodeForm(initial=fresh)
    else:
        form = NodeForm.of(node, is_root=node.id == graph.root)
    return editor(
        request, row, graph, node, form=form, rows=answer_set(graph, node), gone=gone
    )


def editor(
    request: UserRequest,
    row: Flow,
    graph: Definition,
    node: Node | None,
    *,
    form: NodeForm,
    rows: Any,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    problems = find_problems(graph)
    link = to_editor(row)
    here = [p for p in problems if node and p.node_id == node.id]
    errors = [problem for problem in problems if problem.severity == Severity.ERROR]
    elsewhere = [p.node_id for p in errors if p.node_id and p not in here]
    targets = Targets(graph)
    context = {
        "flow": row,
        "node": node,
        "form": form,
        "rows": rows,
        "max_rows": MAX_ROWS,
        "too_many": node is not None and len(node.answers) > MAX_ROWS,
        "targets": [*targets.fresh, *targets.nodes] if targets.many else [],
        "ends": ends_walk(form) and not (node and node.answers),
        "is_root": node is not None and node.id == graph.root,
        "base": fingerprint(node),
        "outline": outline_rows(graph, link, problems),
        "here": [shown(problem, link) for problem in here],
        "summary": in_words(len(errors), len(problems) - len(errors), 0),
        "next_error": link(elsewhere[0]) if elsewhere else "",
        "nodes": {known.id: known for known in graph.nodes},
        "may_publish": request.user.has_perm("l1walk.publish_flow"),
        **extra,
    }
    return render(request, "l1walk/flows/edit.html", context, status=status)


@require_POST
@can_edit
def save(request: UserRequest, pk: UUID) -> HttpResponse:
    """Save a node; what somebody saved meanwhile is shown beside what was typed."""
    row = find_flow(request, pk)
    graph = draft_of(row)
    node = graph.node(request.POST.get("node", ""))
    is_root = node is not None and node.id == graph.root
    form = NodeForm(request.POST, is_root=is_root)
    rows = answer_set(graph, node, request.POST)
    valid = [form.is_valid(), rows.is_valid()]
    if not all(valid):
        return editor(request, row, graph, node, form=form, rows=rows, status=422)
    try:
        saved = save_node(
            row,
            by=request.user,
            node=form.as_node(rows.answers()),
            base=form.cleaned_data["base"],
            first=form.cleaned_data.get("first", False),
        )
    except NodeChanged as changed:
        # Sent again from this page, it is saved over what is shown as theirs.
        data = request.POST.copy()
        data["base"] = fingerprint(changed.node)
        form.data = data
        context = {"conflict": True, "theirs": changed.node}
        return editor(
            request, row, graph, node, form=form, rows=rows, status=409, **context
        )
    messages.success(request, saved_text(row, saved))
    return see_other(to_editor(row)(saved.node.id))


def saved_text(row: Flow, saved: Saved) -> str:
    """Say what was saved, with links to the nodes that wait to be written."""
    if not saved.added:
        return _("Saved.")
    link = to_editor(row)
    links = format_html_join(
        ", ", '<a href="{}">{}</a>', ((link(n.id), n.id) for n in saved.added)
    )
    text = ngettext(
        "Saved. Write the new node next: {}",
        "Saved. Write the new nodes next: {}",
        len(saved.added),
    )
    return format_html(text, links)


@require_POST
@can_edit
def delete(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take a node out of the draft."""
    row = find_flow(request, pk)
    form = DeleteForm(request.POST)
    url = reverse("l1walk:flow_edit", args=[row.pk])
    if not form.is_valid():
        messages.warning(request, _("The page was incomplete. Delete it from here."))
        return see_other(url)
    data = form.cleaned_data
    try:
        delete_node(row, by=request.user, node_id=data["node"], base=data["base"])
    except RootStays:
        text = _("Walks begin here. Let another node be the first, then delete this.")
    except NodeChanged:
        text = _("Somebody saved this node in the meantime. Look before you delete it.")
    else:
        messages.success(request, _("%(id)s is deleted.") % {"id": data["node"]})
        return see_other(url)
    messages.warning(request, text)
    return see_other(to_editor(row)(data["node"]))


# --- the draft and the state ----------------------------------------------------------


def attempt(
    request: UserRequest, row: Flow, verb: Callable[[], object], done: str
) -> HttpResponse:
    """Call a verb and go back to the flow, with a word about how it went."""
    try:
        verb()
    except verbs.DraftChanged:
        text = _("Somebody changed the draft in the meantime. Look at it, then decide.")
        messages.warning(request, text)
    except verbs.NothingToPublish:
        messages.info(
            request, _("There is no draft: the version in use is the newest.")
        )
    except (TransitionNotAllowed, ConcurrentTransition):
        now = find_flow(request, row.pk)
        text = _("Not possible now: the flow is %(state)s.") % {
            "state": Flow.State(now.state).label.lower()
        }
        messages.warning(request, text)
    else:
        messages.success(request, done)
    return see_other("l1walk:flow", row.pk)


def seen_revision(request: UserRequest) -> int:
    """Return which draft the page showed; -1, which none has, when it does not say."""
    form = RevisionForm(request.POST)
    return int(form.cleaned_data["revision"]) if form.is_valid() else -1


@require_POST
@can_publish
def publish(request: UserRequest, pk: UUID) -> HttpResponse:
    """Let new walks start on the draft; refused with the list while it has errors."""
    row = find_flow(request, pk)
    revision = seen_revision(request)
    try:
        return attempt(
            request,
            row,
            lambda: verbs.publish_flow(row, by=request.user, revision=revision),
            _("Published. New walks start on it; running ones keep their version."),
        )
    except verbs.HasErrors:
        return overview(request, find_flow(request, pk), refused=True, status=409)


@require_POST
@can_publish
def archive(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take the flow out of use."""
    row = find_flow(request, pk)
    return attempt(
        request,
        row,
        lambda: verbs.archive_flow(row, by=request.user),
        _("Archived. Nobody starts on it; running walks go on."),
    )


@require_POST
@can_publish
def reopen(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take an archived flow back as a draft."""
    row = find_flow(request, pk)
    return attempt(
        request,
        row,
        lambda: verbs.reopen_flow(row, by=request.user),
        _("It is a draft again. Publish it to let walks start on it."),
    )


@require_POST
@can_edit
def discard(request: UserRequest, pk: UUID) -> HttpResponse:
    """Give the draft up for the version in use."""
    row = find_flow(request, pk)
    revision = seen_revision(request)
    return attempt(
        request,
        row,
        lambda: verbs.discard_draft(row, by=request.user, revision=revision),
        _("The draft is gone. This is the last published version."),
    )


@require_POST
@can_edit
def restore(request: UserRequest, pk: UUID, number: int) -> HttpResponse:
    """Make an old version the draft."""
    row = find_flow(request, pk)
    version = find_version(row, number)
    revision = seen_revision(request)
    return attempt(
        request,
        row,
        lambda: verbs.restore_version(
            row, by=request.user, version=version, revision=revision
        ),
        _("Version %(n)s is the draft now. Publish it to use it.") % {"n": number},
    )
