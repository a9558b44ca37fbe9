"""What several pages about flows show: the outline, the map, the problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.urls import reverse
from django.utils.translation import ngettext

from l1walk.graphs.definition import Definition, Node, Problem, Severity
from l1walk.graphs.drawing import NodeStats, draw
from l1walk.graphs.outline import OutlineItem, outline
from l1walk.models import Flow

# Deeper lists would leave no room for words; numbers and order still tell the way.
MAX_DEPTH = 10
SHOWN_PROBLEMS = 100
RETRY_SECONDS = 300
Link = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """A line of the outline with the list tags that stand before and after it."""

    node: Node
    via: str
    repeated: bool
    opens: bool
    closes: range
    url: str
    anchor: str
    errors: int


def outline_rows(
    graph: Definition, link: Link, problems: list[Problem] | None = None
) -> list[OutlineRow]:
    """Return the outline as lines of nested lists. ``link`` makes a node's address."""
    items = outline(graph)
    depths = [min(item.depth, MAX_DEPTH) for item in items]
    errors = Counter(
        p.node_id for p in problems or () if p.severity == Severity.ERROR and p.node_id
    )
    return list(nested(items, depths, link, errors))


def nested(
    items: list[OutlineItem], depths: list[int], link: Link, errors: Counter[str]
) -> Iterator[OutlineRow]:
    for place, item in enumerate(items):
        depth = depths[place]
        following = depths[place + 1] if place + 1 < len(items) else 0
        yield OutlineRow(
            node=item.node,
            via=item.via,
            repeated=item.repeated,
            opens=place > 0 and depth > depths[place - 1],
            closes=range(max(depth - following, 0)),
            url=link(item.node.id),
            anchor="" if item.repeated else f"node-{item.node.id}",
            errors=0 if item.repeated else errors[item.node.id],
        )


def to_anchor(node_id: str) -> str:
    """Link to the node's line in the outline of the same page."""
    return f"#node-{node_id}"


def to_editor(flow: Flow) -> Link:
    """Link to the node's form."""
    url = reverse("l1walk:flow_edit", args=[flow.pk])
    return lambda node_id: f"{url}?node={node_id}"


def picture(graph: Definition, link: Link) -> dict[str, Any]:
    """Return what the map panel shows: the drawing and the outline beside it."""
    return {
        "map": drawing(graph, link),
        "outline": outline_rows(graph, link),
        "nodes": len(graph.nodes),
    }


def drawing(
    graph: Definition, link: Link, weights: Mapping[str, NodeStats] | None = None
) -> str | None:
    """Return the map; what could not be drawn is not tried again with every view."""
    key = f"undrawable:{graph.sha256}"
    svg = None if cache.get(key) else draw(graph, weights=weights, href=link)
    if svg is None:
        cache.set(key, True, RETRY_SECONDS)
    return svg


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """One line of the problem list with the way to mend it."""

    severity: str
    message: str
    line: int | None
    node_id: str
    url: str


@dataclass(frozen=True, slots=True)
class ProblemList:
    """What is wrong with a draft, and what its import noticed; ``hidden`` are left."""

    found: list[ShownProblem]
    noticed: list[ShownProblem]
    hidden: int
    summary: str
    errors: int

    def __bool__(self) -> bool:
        return bool(self.found or self.noticed)


def problem_list(
    flow: Flow, problems: list[Problem], link: Link, *, everything: bool = False
) -> ProblemList:
    """Return the problems of a draft: errors first, then in the order of its nodes."""
    problems = sorted(problems, key=lambda problem: problem.severity != Severity.ERROR)
    notes = [
        Problem(**note | {"severity": Severity(note["severity"])})
        for note in flow.draft_notes
    ]
    total = len(problems) + len(notes)
    limit = total if everything else SHOWN_PROBLEMS
    errors = sum(problem.severity == Severity.ERROR for problem in problems)
    return ProblemList(
        found=[shown(problem, link) for problem in problems[:limit]],
        noticed=[
            shown(problem, link) for problem in notes[: max(limit - len(problems), 0)]
        ],
        hidden=max(total - limit, 0),
        summary=in_words(errors, len(problems) - errors, len(notes)),
        errors=errors,
    )


def in_words(errors: int, warnings: int, notes: int) -> str:
    """Say how many there are of each, without those there are none of."""
    parts = [
        (errors, ngettext("%(n)d error", "%(n)d errors", errors)),
        (warnings, ngettext("%(n)d warning", "%(n)d warnings", warnings)),
        (
            notes,
            ngettext("%(n)d note of the import", "%(n)d notes of the import", notes),
        ),
    ]
    return ", ".join(words % {"n": number} for number, words in parts if number)


def shown(problem: Problem, link: Link) -> ShownProblem:
    return ShownProblem(
        severity=str(problem.severity),
        message=problem.message,
        line=problem.line,
        node_id=problem.node_id,
        url=link(problem.node_id) if problem.node_id else "",
    )
