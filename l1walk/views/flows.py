"""Looking at flows, and making them: from a title or from a file."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import BooleanField, Count, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from l1walk.actions import flows as verbs
from l1walk.actions.drafting import draft_of
from l1walk.forms.flows import DescribeForm, ImportForm, NewFlowForm
from l1walk.graphs.definition import Definition
from l1walk.graphs.exporting import to_dot, to_json_text, to_mermaid
from l1walk.graphs.importing import ImportRefused
from l1walk.graphs.validate import find_problems
from l1walk.models import Flow, FlowVersion, L1WalkSession
from l1walk.models.flow import definition_of
from l1walk.views.flow_panels import picture, problem_list, to_anchor, to_editor
from workflows.core.http import UserRequest, see_other

EDIT, PUBLISH = "l1walk.edit_flow", "l1walk.publish_flow"
can_edit = permission_required(EDIT, raise_exception=True)
can_publish = permission_required(PUBLISH, raise_exception=True)
PAGE_SIZE = 50
EXPORTS = {  # the suffix and the type of each format
    "json": (".json", "application/json"),
    "mermaid": (".mmd", "text/plain; charset=utf-8"),
    "dot": (".dot", "text/plain; charset=utf-8"),
}


def find_flow(request: UserRequest, pk: UUID) -> Flow:
    """Return a flow of the user's account with its version in use, or answer 404."""
    rows = Flow.objects.visible_to(request.user).select_related("current_version")
    flow: Flow = get_object_or_404(rows, pk=pk)
    return flow


def find_version(flow: Flow, number: int) -> FlowVersion:
    rows = flow.versions.select_related("published_by")
    version: FlowVersion = get_object_or_404(rows, number=number)
    return version


def running(rows: Any, by: str) -> dict[UUID, int]:
    """Count the open walks by flow or by version, in one query for a whole page."""
    open_walks = L1WalkSession.objects.filter(status=L1WalkSession.Status.ACTIVE)
    counted = open_walks.filter(**{f"{by}__in": rows}).order_by().values_list(by)
    return dict(counted.annotate(walks=Count("pk")))


@require_safe
def flows(request: UserRequest) -> HttpResponse:
    """The flows of the account by title."""
    rows = Flow.objects.visible_to(request.user).select_related("current_version")
    state = request.GET.get("state", "")
    if state in Flow.State.values:
        rows = rows.filter(state=state)
    else:
        state, rows = "", rows.exclude(state=Flow.State.ARCHIVED)
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    for word in text.split()[:8]:
        rows = rows.filter(
            Q(title__icontains=word)
            | Q(keywords__icontains=word)
            | Q(category__icontains=word)
            | Q(summary__icontains=word)
        )
    page = Paginator(light(rows), PAGE_SIZE).get_page(request.GET.get("page"))
    found = list(page.object_list)
    walks = running([flow.pk for flow in found], "flow")
    context = {
        "page": page,
        "rows": [(flow, walks.get(flow.pk, 0)) for flow in found],
        "state": state,
        "states": Flow.State.choices,
        "q": text,
        "may_edit": request.user.has_perm(EDIT) and request.user.account_id,
    }
    return render(request, "l1walk/flows/list.html", context)


def light(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Order by title, and leave the graphs in the database."""
    has_draft = ExpressionWrapper(Q(draft__isnull=False), output_field=BooleanField())
    heavy = ("draft", "draft_notes", "search_text", "current_version__definition")
    rows = rows.annotate(has_draft=has_draft).defer(*heavy)
    return rows.order_by(Lower("title"), "pk")


@require_safe
def flow(request: UserRequest, pk: UUID) -> HttpResponse:
    """One flow: what it says, what is wrong with it, its versions."""
    return overview(request, find_flow(request, pk))


def overview(
    request: UserRequest, row: Flow, *, refused: bool = False, status: int = 200
) -> HttpResponse:
    graph = draft_of(row)
    may_edit = request.user.has_perm(EDIT)
    link = to_editor(row) if may_edit else to_anchor
    problems = find_problems(graph) if row.draft is not None else []
    versions = list(row.versions.select_related("published_by").defer("definition"))
    walks = running([version.pk for version in versions], "flow_version")
    context = {
        **picture(graph, link),
        "flow": row,
        "problems": problem_list(
            row, problems, link, everything=bool(request.GET.get("all"))
        ),
        "refused": refused,
        "versions": [(version, walks.get(version.pk, 0)) for version in versions],
        "walks": sum(walks.values()),
        "moves": row.moves(),
        "next_number": versions[0].number + 1 if versions else 1,
        "may_edit": may_edit,
        "may_publish": request.user.has_perm(PUBLISH),
    }
    return render(request, "l1walk/flows/flow.html", context, status=status)


@require_safe
def version(request: UserRequest, pk: UUID, number: int) -> HttpResponse:
    """A published version as it is and stays."""
    row = find_flow(request, pk)
    shown = find_version(row, number)
    context = {
        **picture(definition_of(shown.pk), to_anchor),
        "flow": row,
        "version": shown,
        "may_edit": request.user.has_perm(EDIT),
    }
    return render(request, "l1walk/flows/version.html", context)


@require_http_methods(["GET", "POST"])
@can_edit
def new(request: UserRequest) -> HttpResponse:
    """A flow from scratch: it begins with one question and two ends."""
    form = NewFlowForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        account = request.user.account
        if account is not None:
            row = verbs.create_flow(account, by=request.user, **form.cleaned_data)
            return see_other("l1walk:flow_edit", row.pk)
        form.add_error(None, _("Operators belong to no account: nothing was made."))
    status = 422 if form.is_bound else 200
    return render(request, "l1walk/flows/new.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@can_edit
def import_file(request: UserRequest) -> HttpResponse:
    """A flow from a file: always a draft, with everything to look at listed."""
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file, account = form.cleaned_data["file"], request.user.account
        try:
            if account is None:
                raise ImportRefused(_("Operators belong to no account."))
            row, _read = verbs.import_flow(
                account,
                by=request.user,
                filename=file.name,
                data=file.read(),
                key=form.cleaned_data["key"],
            )
        except ImportRefused as refused:
            form.add_error("file", str(refused))
        else:
            messages.success(request, _("Imported as a draft. Nobody walks it yet."))
            return see_other("l1walk:flow", row.pk)
    status = 422 if form.is_bound else 200
    return render(request, "l1walk/flows/import.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@can_edit
def describe(request: UserRequest, pk: UUID) -> HttpResponse:
    """Title, category, summary and keywords."""
    row = find_flow(request, pk)
    context: dict[str, Any] = {"flow": row}
    status = 200
    if request.method == "GET":
        mark = verbs.description_mark(row)
        form = DescribeForm(instance=row, initial={"base": mark})
    else:
        # Bound to a flow of its own: what is typed must not show as what is saved.
        form, status = DescribeForm(request.POST, instance=Flow(pk=row.pk)), 422
        if form.is_valid():
            try:
                verbs.describe_flow(row, by=request.user, **form.cleaned_data)
            except verbs.DescriptionChanged as changed:
                data = request.POST.copy()
                data["base"] = verbs.description_mark(changed.flow)
                form.data = data
                context["theirs"], status = changed.flow, 409
            else:
                messages.success(request, _("Saved."))
                return see_other("l1walk:flow", row.pk)
    context["form"] = form
    return render(request, "l1walk/flows/describe.html", context, status=status)


@require_safe
def export(request: UserRequest, pk: UUID, format: str) -> HttpResponse:
    """The draft, or ``?version=``, as a file that can be imported again."""
    row = find_flow(request, pk)
    if format not in EXPORTS:
        raise Http404
    graph, name = chosen_graph(request, row)
    suffix, content_type = EXPORTS[format]
    response = HttpResponse(
        as_text(row, graph, format), headers={"Content-Type": content_type}
    )
    disposition = f'attachment; filename="{row.slug}{name}{suffix}"'
    response["Content-Disposition"] = disposition
    return response


def chosen_graph(request: UserRequest, row: Flow) -> tuple[Definition, str]:
    """Return the graph that ``?version=`` asks for, else the draft, and its name."""
    number = request.GET.get("version", "")
    if not number:
        return draft_of(row), "" if row.draft is None else "-draft"
    if not (number.isascii() and number.isdigit() and len(number) < 9):
        raise Http404
    return definition_of(find_version(row, int(number)).pk), f"-v{number}"


def as_text(row: Flow, graph: Definition, format: str) -> str:
    if format == "mermaid":
        return to_mermaid(row.title, graph)
    if format == "dot":
        return to_dot(row.title, graph)
    return to_json_text(
        row.title,
        graph,
        category=row.category,
        summary=row.summary,
        keywords=row.keywords,
    )
