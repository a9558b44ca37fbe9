"""Writing a flow's draft: its nodes, one at a time, without losing another's work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from l1walk.graphs.definition import Answer, Definition, Node, NodeType
from l1walk.models import Flow
from workflows.core.accounts import User

NEW = "new:"  # begins a target that asks for a fresh node: "new:question"


class NodeChanged(Exception):
    """Somebody saved the node since the form was loaded; ``node`` is theirs."""

    def __init__(self, node: Node | None) -> None:
        super().__init__("the node was saved by somebody else")
        self.node = node


class RootStays(Exception):
    """The first node cannot be deleted: every walk begins there."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The node as it was saved, and the fresh ones that its answers asked for."""

    node: Node
    added: tuple[Node, ...] = ()


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


def draft_of(flow: Flow) -> Definition:
    """Return what an editor works on: the draft, else the version in use."""
    data = flow.draft
    if data is None and flow.current_version:  # one of them: ck_flow_has_content
        data = flow.current_version.definition
    return Definition.from_dict(data)


def write_draft(row: Flow, graph: Definition) -> None:
    """Put a graph into a lent flow; what equals the version in use is no draft."""
    used = row.current_version if row.state == Flow.State.PUBLISHED else None
    if used is not None and used.sha256 == graph.sha256:
        row.draft, row.draft_notes = None, []
    else:
        row.draft = graph.to_dict()
    row.draft_revision += 1


def fingerprint(node: Node | None) -> str:
    """Return what a node form carries to tell whether its node was saved since."""
    if node is None:
        return ""
    text = json.dumps(node.to_dict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def free_id(graph: Definition) -> str:
    """Return the id that the next node gets: n1, n2 and so on."""
    return next(fresh("n", {node.id for node in graph.nodes}))


def fresh(prefix: str, taken: set[str]) -> Iterator[str]:
    """Count up names that are free, and take each."""
    number = 1
    while True:
        name = f"{prefix}{number}"
        if name not in taken:
            taken.add(name)
            yield name
        number += 1


def save_node(
    flow: Flow, *, by: User, node: Node, base: str, first: bool = False
) -> Saved:
    """Put the node into the draft, as its first one when ``first`` is set.

    ``base`` is the fingerprint the form was made from, "" for a node that is to be
    added; it gets another id when its own was taken meanwhile. An answer without a
    key gets a free one; a target "new:<type>" becomes a fresh node of that type. The
    same form sent twice is saved once. Raises NodeChanged when somebody saved or
    deleted the node since.
    """
    with Flow.moving(flow.pk, by=by) as row:
        graph = draft_of(row)
        present = graph.node(node.id)
        if fingerprint(present) != base:
            if present is not None and is_repeat(graph, present, node):
                return Saved(present)
            if base:
                raise NodeChanged(present)
            node = replace(node, id=free_id(graph))
            present = None
        saved = connect(graph, present, node)
        nodes = [saved.node if n.id == node.id else n for n in graph.nodes]
        if present is None:
            nodes.append(saved.node)
        root = node.id if first or not graph.root else graph.root
        write_draft(row, Definition(root, (*nodes, *saved.added)))
    return saved


def connect(graph: Definition, present: Node | None, node: Node) -> Saved:
    """Give each answer its key, and each "new:<type>" a node of that type."""
    ids = fresh("n", {known.id for known in graph.nodes} | {node.id})
    # A removed answer's key is not given to another one: reports compare them.
    before = present.answers if present else ()
    keys = fresh("a", {answer.key for answer in (*before, *node.answers)})
    added: list[Node] = []
    answers: list[Answer] = []
    for answer in node.answers:
        target = answer.to
        if target.startswith(NEW):
            kind = NodeType(target.removeprefix(NEW))
            added.append(Node(id=next(ids), type=kind, text=""))
            target = added[-1].id
        repeated = answer.key in {earlier.key for earlier in answers}
        key = next(keys) if repeated or not answer.key else answer.key
        answers.append(Answer(key, answer.label, target))
    return Saved(replace(node, answers=tuple(answers)), tuple(added))


def is_repeat(graph: Definition, present: Node, sent: Node) -> bool:
    """Tell whether ``present`` is what saving ``sent`` has made of it already."""
    if len(present.answers) != len(sent.answers):
        return False
    answers = []
    for done, answer in zip(present.answers, sent.answers, strict=True):
        target = graph.node(done.to)
        made = target is not None and answer.to == f"{NEW}{target.type}"
        answers.append(
            replace(
                answer,
                key=answer.key or done.key,
                to=done.to if made else answer.to,
            )
        )
    return replace(sent, answers=tuple(answers)) == present


def delete_node(flow: Flow, *, by: User, node_id: str, base: str) -> None:
    """Take a node out of the draft; answers that led there lead nowhere, as problems.

    Deleting it twice is deleting it once. Raises RootStays for the first node, and
    NodeChanged when somebody saved it since the form with ``base`` was made.
    """
    with Flow.moving(flow.pk, by=by) as row:
        graph = draft_of(row)
        present = graph.node(node_id)
        if present is None:
            return
        if graph.root == node_id:
            raise RootStays(node_id)
        if fingerprint(present) != base:
            raise NodeChanged(present)
        nodes = (loosened(node, node_id) for node in graph.nodes if node is not present)
        write_draft(row, Definition(graph.root, tuple(nodes)))


def loosened(node: Node, target: str) -> Node:
    """Return the node with the answers that lead to ``target`` leading nowhere."""
    if all(answer.to != target for answer in node.answers):
        return node
    answers = (
        replace(answer, to="") if answer.to == target else answer
        for answer in node.answers
    )
    return replace(node, answers=tuple(answers))
