"""Turns what a foreign notation says into our nodes, reporting each guess."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count

from django.utils.translation import gettext as _

from l1walk.graphs.definition import (
    ID_PATTERN,
    MAX_NODES,
    Answer,
    Definition,
    Node,
    NodeType,
    Problem,
    Severity,
)
from l1walk.graphs.reading import fresh_names, type_by_exits
from l1walk.graphs.text import clean, plain, shorten

MAX_EDGES = 10 * MAX_NODES
MAX_UNREADABLE = 1_000

_ESCALATE_WORDS = re.compile(
    r"\b(contact|e-?mail(ing)?|phone|request (for )?help|(additional|further) help"
    r"|ask for help|get help|support|replacement|escalat\w*|engineer|technician"
    r"|help ?desk|service desk|second line|(open|raise|create|log) a ticket)\b",
    re.IGNORECASE,
)


class ImportRefused(Exception):
    """The file cannot become a draft; the message tells its owner what to do."""


class Shape(Enum):
    """What an outline drawn around a node says about it."""

    PLAIN = "plain"
    DECISION = "decision"
    RESOLVED = "resolved"
    ESCALATE = "escalate"


@dataclass(slots=True)
class DraftNode:
    """A node as the file draws it; `type` is set only where the file says it."""

    name: str
    line: int | None = None
    text: str | None = None
    shape: Shape = Shape.PLAIN
    id: str = ""
    type: NodeType | None = None
    guidance: str = ""
    category: str = ""
    needs_review: bool = False

    @property
    def title(self) -> str:
        """Call the node by its words in messages."""
        return shorten(plain((self.text or self.name)[:300]), 60)


@dataclass(slots=True)
class DraftEdge:
    """A link as the file draws it; `target` is empty when it leads nowhere yet."""

    source: str
    target: str
    label: str
    line: int | None = None


@dataclass(slots=True)
class Draft:
    """A foreign graph while it is read: nodes by their foreign name, in order."""

    title: str = ""
    root: str = ""
    nodes: dict[str, DraftNode] = field(default_factory=dict)
    edges: list[DraftEdge] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unreadable: int = 0

    def touch(self, name: str, line: int | None = None) -> DraftNode:
        """Find a node or declare it; raises ImportRefused above MAX_NODES."""
        node = self.nodes.get(name)
        if node is None:
            if len(self.nodes) >= MAX_NODES:
                raise too_many_nodes()
            node = self.nodes[name] = DraftNode(name, line)
        return node

    def link(
        self, source: str, target: str, label: str, line: int | None = None
    ) -> None:
        """Add a link; raises ImportRefused above MAX_EDGES."""
        if len(self.edges) >= MAX_EDGES:
            message = _("The file has more than %(max)d links. Split it and try again.")
            raise ImportRefused(message % {"max": MAX_EDGES})
        self.edges.append(DraftEdge(source, target, label, line))

    def warn(
        self, code: str, message: str, line: int | None = None, node_id: str = ""
    ) -> None:
        """Note something the author should check."""
        self.problems.append(Problem(Severity.WARNING, code, message, node_id, line))

    def not_understood(self, text: str, line: int) -> None:
        """Note an unread line; raises ImportRefused when hardly any can be read."""
        self.unreadable += 1
        if self.unreadable > MAX_UNREADABLE:
            message = _(
                "More than %(max)d lines are not understood; the last is line %(line)d:"
                " “%(text)s”. Check that the file is a flowchart."
            )
            shown = {"max": MAX_UNREADABLE, "line": line, "text": shorten(text, 80)}
            raise ImportRefused(message % shown)
        message = _("Line %(line)d was not understood and is left out: “%(text)s”.")
        shown = {"line": line, "text": shorten(text, 200)}
        self.warn("not_understood", message % shown, line)


def usable_target(name: str) -> bool:
    """Tell whether a dangling answer may be kept as it is."""
    return not name or ID_PATTERN.fullmatch(name) is not None


def too_many_nodes() -> ImportRefused:
    """Say the limit in the same words for every format."""
    message = _("The file has more than %(max)d nodes. Split it and try again.")
    return ImportRefused(message % {"max": MAX_NODES})


def assemble(draft: Draft) -> Definition:
    """Decide ids, types, labels and the root; each guess becomes a warning."""
    _assign_ids(draft)
    exits: dict[str, list[DraftEdge]] = {name: [] for name in draft.nodes}
    for edge in draft.edges:
        exits[edge.source].append(edge)
    nodes = tuple(_node(draft, node, exits[node.name]) for node in draft.nodes.values())
    return Definition(_root(draft, exits), nodes)


def _assign_ids(draft: Draft) -> None:
    """Keep usable ids, so that a flow of ours comes back with its own."""
    taken: set[str] = set()
    for node in draft.nodes.values():
        wanted = node.id or node.name
        node.id = ""
        if ID_PATTERN.fullmatch(wanted) and wanted not in taken:
            node.id = wanted
            taken.add(wanted)
    fresh = fresh_names("n", taken)
    for node in draft.nodes.values():
        node.id = node.id or next(fresh)


def _node(draft: Draft, node: DraftNode, exits: list[DraftEdge]) -> Node:
    return Node(
        id=node.id,
        type=node.type or _guess_type(draft, node, exits),
        text=clean(node.name if node.text is None else node.text),
        guidance=clean(node.guidance),
        answers=tuple(_answers(draft, node, exits)),
        category=clean(node.category),
        needs_review=node.needs_review,
    )


def _guess_type(draft: Draft, node: DraftNode, exits: list[DraftEdge]) -> NodeType:
    by_exits = type_by_exits(len(exits))
    if by_exits == NodeType.INSTRUCTION:
        if node.shape is Shape.DECISION and exits[0].label:
            message = _(
                "“%(node)s” has only one answer, “%(label)s”, and was imported as an"
                " instruction. Add the other answers if callers can give them."
            )
            shown = {"node": node.title, "label": shorten(exits[0].label, 60)}
            draft.warn("one_answer", message % shown, node.line, node.id)
        return by_exits
    if by_exits is not None:
        return by_exits
    if node.shape is Shape.RESOLVED:
        return NodeType.RESOLVED
    if node.shape is Shape.ESCALATE:
        return NodeType.ESCALATE
    if _ESCALATE_WORDS.search(node.text or node.name):
        message = _("“%(node)s” was imported as an end that escalates. Check it.")
        draft.warn("guessed_end", message % {"node": node.title}, node.line, node.id)
        return NodeType.ESCALATE
    message = _("“%(node)s” was imported as an end that resolves. Check it.")
    draft.warn("guessed_end", message % {"node": node.title}, node.line, node.id)
    return NodeType.RESOLVED


def _answers(draft: Draft, node: DraftNode, exits: list[DraftEdge]) -> Iterator[Answer]:
    used = {edge.label.strip().casefold() for edge in exits}
    spare = _spare_labels(used)
    for position, edge in enumerate(exits, start=1):
        label = clean(edge.label)
        if not label.strip():
            label = next(spare)
            if len(exits) > 1:
                message = _(
                    "“%(node)s” has an answer without words; it is now “%(label)s”."
                    " Write what the caller would say."
                )
                shown = {"node": node.title, "label": label}
                draft.warn("unlabelled", message % shown, edge.line, node.id)
        target = draft.nodes.get(edge.target)
        yield Answer(f"a{position}", label, target.id if target else edge.target)


def _spare_labels(used: set[str]) -> Iterator[str]:
    word = _("Continue")
    for n in count(1):
        label = word if n == 1 else f"{word} {n}"
        if label.casefold() not in used:
            yield label


def _root(draft: Draft, exits: dict[str, list[DraftEdge]]) -> str:
    """Choose the first node nothing leads to, rather one that leads somewhere."""
    if draft.root in draft.nodes:
        return draft.nodes[draft.root].id
    if not draft.nodes:
        return ""
    entered = {edge.target for edge in draft.edges if edge.source != edge.target}
    starts = [node for name, node in draft.nodes.items() if name not in entered]
    leading = [node for node in starts if exits[node.name]]
    if not starts:
        root = next(iter(draft.nodes.values()))
        message = _(
            "Every node is led to by another, so the flow starts at the first one,"
            " “%(node)s”. Check that."
        )
        draft.warn("guessed_root", message % {"node": root.title}, root.line, root.id)
        return root.id
    root = (leading or starts)[0]
    for node in starts:
        if node is not root:
            message = _(
                "“%(node)s” is a second start; the flow starts at “%(root)s”."
                " Connect it or delete it."
            )
            shown = {"node": node.title, "root": root.title}
            draft.warn("other_root", message % shown, node.line, node.id)
    return root.id
