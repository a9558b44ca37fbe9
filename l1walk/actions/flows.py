"""Writing flows: drafts, nodes, versions, imports."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from l1walk.graphs.definition import (
    Answer,
    Definition,
    Node,
    NodeType,
    Problem,
    Severity,
)
from l1walk.graphs.importing import Imported, read_flow
from l1walk.graphs.validate import find_problems
from l1walk.models import Flow, FlowVersion
from workflows.core.accounts import Account, User


class HasErrors(Exception):
    """A flow with errors is not published; ``problems`` lists them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} errors")
        self.problems = problems


class NothingToPublish(Exception):
    """The flow has no draft that differs from the version in use."""


class NodeChanged(Exception):
    """Somebody saved the node since the form was loaded; ``node`` is theirs."""

    def __init__(self, node: Node | None) -> None:
        super().__init__("the node was saved by somebody else")
        self.node = node


class RootStays(Exception):
    """The first node cannot be deleted: every walk begins there."""


def blank_definition() -> Definition:
    """Return the smallest flow that can be published: one question, two ends."""
    return Definition(
        root="n1",
        nodes=(
            Node(
                id="n1",
                type=NodeType.QUESTION,
                text=_("Does it work now?"),
                answers=(
                    Answer(key="a1", label=_("Yes"), to="n2"),
                    Answer(key="a2", label=_("No"), to="n3"),
                ),
            ),
            Node(id="n2", type=NodeType.RESOLVED, text=_("It works")),
            Node(id="n3", type=NodeType.ESCALATE, text=_("Hand over to an engineer")),
        ),
    )


def create_flow(
    account: Account,
    *,
    by: User | None,
    title: str,
    category: str = "",
    summary: str = "",
    keywords: str = "",
    definition: Definition | None = None,
    notes: list[Problem] | None = None,
) -> Flow:
    """Make a draft flow; its short name is made from the title and unique."""
    base = slugify(title)[:70] or "flow"
    for number in range(1, 1000):
        slug = base if number == 1 else f"{base}-{number}"
        try:
            with transaction.atomic():
                return Flow.begin(
                    by=by,
                    account=account,
                    title=title[:200],
                    slug=slug,
                    category=category,
                    summary=summary,
                    keywords=keywords,
                    draft=(definition or blank_definition()).to_dict(),
                    draft_notes=[as_note(problem) for problem in notes or []],
                )
        except IntegrityError:
            taken = Flow.objects.filter(account=account, slug=slug).exists()
            if not taken:
                raise
    raise IntegrityError(f"no free short name for {base}")


def as_note(problem: Problem) -> dict[str, Any]:
    return {
        "severity": str(problem.severity),
        "code": problem.code,
        "message": str(problem.message),
        "node_id": problem.node_id,
        "line": problem.line,
    }


def draft_of(flow: Flow) -> Definition:
    """Return what an editor works on: the draft, else the version in use."""
    if flow.draft is not None:
        return Definition.from_dict(flow.draft)
    assert flow.current_version is not None  # ck_flow_has_content
    return Definition.from_dict(flow.current_version.definition)


def describe_flow(
    flow: Flow, *, by: User, title: str, category: str, summary: str, keywords: str
) -> Flow:
    """Change what is said about a flow, not what it asks."""
    with Flow.moving(flow.pk, by=by) as row:
        row.title, row.category = title, category
        row.summary, row.keywords = summary, keywords
        if row.current_version is not None:
            graph = Definition.from_dict(row.current_version.definition)
            row.search_text = searchable(row, graph)
    return row


def fingerprint(node: Node | None) -> str:
    """Return what a node form carries to tell whether its node was saved since."""
    if node is None:
        return ""
    graph = Definition(root=node.id, nodes=(node,)).to_dict()
    text = json.dumps(graph["nodes"][0], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_node(flow: Flow, *, by: User, node: Node, base: str) -> Flow:
    """Put the node into the draft. ``base`` is the fingerprint the form was made from.

    An answer whose target is "new:<type>" gets a fresh node of that type. Raises
    NodeChanged when somebody saved the node since.
    """
    with Flow.moving(flow.pk, by=by) as row:
        graph = draft_of(row)
        present = graph.node(node.id)
        if fingerprint(present) != base:
            raise NodeChanged(present)
        taken = {known.id for known in graph.nodes} | {node.id}
        added: list[Node] = []
        answers = []
        for answer in node.answers:
            if answer.to.startswith("new:"):
                fresh = Node(
                    id=free_id(taken),
                    type=NodeType(answer.to.removeprefix("new:")),
                    text="",
                    needs_review=True,
                )
                taken.add(fresh.id)
                added.append(fresh)
                answer = replace(answer, to=fresh.id)  # noqa: PLW2901
            answers.append(answer)
        saved = replace(node, answers=tuple(answers))
        nodes = [saved if known.id == node.id else known for known in graph.nodes]
        if present is None:
            nodes.append(saved)
        _write_draft(row, Definition(graph.root, (*nodes, *added)))
    return row


def free_id(taken: set[str]) -> str:
    """Return the next id of the form n<number>."""
    number = 1
    while f"n{number}" in taken:
        number += 1
    return f"n{number}"


def _write_draft(row: Flow, graph: Definition) -> None:
    row.draft = graph.to_dict()
    row.draft_revision += 1


def delete_node(flow: Flow, *, by: User, node_id: str) -> Flow:
    """Take a node out of the draft; answers that led there lead nowhere, as problems.

    Raises RootStays for the first node.
    """
    with Flow.moving(flow.pk, by=by) as row:
        graph = draft_of(row)
        if graph.root == node_id:
            raise RootStays(node_id)
        nodes = tuple(
            replace(
                node,
                answers=tuple(
                    replace(answer, to="") if answer.to == node_id else answer
                    for answer in node.answers
                ),
            )
            for node in graph.nodes
            if node.id != node_id
        )
        _write_draft(row, Definition(graph.root, nodes))
    return row


def discard_draft(flow: Flow, *, by: User) -> Flow:
    """Go back to the version in use. Raises NothingToPublish where there is none."""
    with Flow.moving(flow.pk, by=by) as row:
        if row.current_version is None or row.draft is None:
            raise NothingToPublish(row.title)
        row.draft, row.draft_notes = None, []
        row.draft_revision += 1
    return row


def publish_flow(flow: Flow, *, by: User | None) -> FlowVersion:
    """Make the draft the version that new walks start on.

    Raises HasErrors, NothingToPublish, or TransitionNotAllowed for an archived flow.
    """
    with Flow.moving(flow.pk, by=by) as row:
        if row.draft is None:
            raise NothingToPublish(row.title)
        graph = Definition.from_dict(row.draft)
        errors = [p for p in find_problems(graph) if p.severity == Severity.ERROR]
        if errors:
            raise HasErrors(errors)
        last = row.versions.first()
        version = FlowVersion.objects.create(
            flow=row,
            number=last.number + 1 if last else 1,
            definition=row.draft,
            sha256=graph.sha256,
            published_by=by,
        )
        row.publish(version)
        row.search_text = searchable(row, graph)
    return version


def searchable(flow: Flow, graph: Definition) -> str:
    """Return the text that intake matches problems against."""
    texts = (text for node in graph.nodes for text in (node.text, *labels(node)))
    head = (flow.title, flow.keywords, flow.category.replace("_", " "), flow.summary)
    return "\n".join(part for part in (*head, *texts) if part)


def labels(node: Node) -> list[str]:
    return [answer.label for answer in node.answers]


def archive_flow(flow: Flow, *, by: User) -> Flow:
    """Take a flow out of use; its walks go on. Raises TransitionNotAllowed."""
    with Flow.moving(flow.pk, by=by) as row:
        row.archive()
    return row


def reopen_flow(flow: Flow, *, by: User) -> Flow:
    """Take an archived flow back as a draft. Raises TransitionNotAllowed."""
    with Flow.moving(flow.pk, by=by) as row:
        row.reopen()
        if row.draft is None and row.current_version is not None:
            row.draft = row.current_version.definition
    return row


def restore_version(flow: Flow, *, by: User, version: FlowVersion) -> Flow:
    """Make an old version the draft; the version in use stays until it is published."""
    with Flow.moving(flow.pk, by=by) as row:
        row.draft, row.draft_notes = version.definition, []
        row.draft_revision += 1
    return row


def import_flow(
    account: Account, *, by: User | None, filename: str, data: bytes
) -> tuple[Flow, Imported]:
    """Read a file into a new draft with its problem list. Raises ImportRefused."""
    read = read_flow(filename, data)
    noticed = [p for p in read.problems if p not in find_problems(read.definition)]
    flow = create_flow(
        account,
        by=by,
        title=read.title or filename,
        category=read.category,
        summary=read.summary,
        keywords=read.keywords,
        definition=read.definition,
        notes=noticed,
    )
    return flow, read
