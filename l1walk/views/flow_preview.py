"""A walk of a draft that leaves no trace: where it is stands in the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from l1walk.graphs.definition import TERMINALS, Definition
from l1walk.views.flow_panels import to_editor
from l1walk.views.flows import EDIT, chosen_graph, find_flow
from workflows.core.http import UserRequest

# Servers refuse addresses above some 4,000 characters; older steps are left out.
MAX_PATH = 1_500


@dataclass(frozen=True, slots=True)
class Step:
    """An answer given in the preview: the node and the key of its answer."""

    node_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Trail:
    """How the preview came to where it is."""

    base: str
    version: str
    steps: tuple[Step, ...] = ()

    @classmethod
    def read(cls, text: str, *, base: str, version: str) -> Trail:
        """Read ``node.key~node.key``; what is no step is left out."""
        pairs = (pair.split(".") for pair in text[-MAX_PATH:].split("~"))
        steps = (Step(*pair) for pair in pairs if len(pair) == 2 and all(pair))
        return cls(base, version, tuple(steps))

    def url(self, at: str) -> str:
        """Return the address of a node with these steps, the newest that fit."""
        pairs: list[str] = []
        left = MAX_PATH
        for step in reversed(self.steps):
            pair = f"{step.node_id}.{step.key}"
            left -= len(pair) + 1
            if left < 0:
                break
            pairs.insert(0, pair)
        asked = {"version": self.version, "at": at, "path": "~".join(pairs)}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{self.base}?{query}" if query else self.base

    def then(self, node_id: str, key: str, to: str) -> str:
        """Return the address after one more answer."""
        steps = (*self.steps, Step(node_id, key))
        return Trail(self.base, self.version, steps).url(to)

    def undone(self) -> str:
        """Return the address before the last answer, "" where there was none."""
        if not self.steps:
            return ""
        before = Trail(self.base, self.version, self.steps[:-1])
        return before.url(self.steps[-1].node_id)


@require_safe
def preview(request: UserRequest, pk: UUID) -> HttpResponse:
    """Walk a draft with all its errors, or ``?version=``; nothing is written."""
    row = find_flow(request, pk)
    graph, _name = chosen_graph(request, row)
    trail = Trail.read(
        request.GET.get("path", ""),
        base=reverse("l1walk:flow_preview", args=[row.pk]),
        version=request.GET.get("version", ""),
    )
    node = graph.node(request.GET.get("at", "") or graph.root)
    context: dict[str, Any] = {
        "flow": row,
        "version": trail.version,
        "node": node,
        "ends": node is not None and node.type in TERMINALS,
        "path": told(graph, trail),
        "undo_url": trail.undone(),
        "start_url": Trail(trail.base, trail.version).url(""),
    }
    if node is not None:
        context["answers"] = [
            (answer, trail.then(node.id, answer.key, answer.to))
            if graph.node(answer.to)
            else (answer, "")
            for answer in node.answers
        ]
        if request.user.has_perm(EDIT) and not trail.version:
            context["edit_url"] = to_editor(row)(node.id)
    return render(request, "l1walk/flows/preview.html", context)


def told(graph: Definition, trail: Trail) -> list[tuple[str, str]]:
    """Return questions and answers of the path as the graph words them now."""
    path = []
    for step in trail.steps:
        node = graph.node(step.node_id)
        for answer in node.answers if node else ():
            if node and answer.key == step.key:
                path.append((node.text or node.id, answer.label))
    return path
