"""Plain helpers of the tests about writing flows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from django.urls import reverse

from l1walk.actions.drafting import blank_definition, draft_of, fingerprint
from l1walk.graphs.definition import Node
from l1walk.models import Flow
from l1walk.tests.make import make_flow
from workflows.core.accounts import Account


def blank_flow(account: Account, title: str = "Printer jams") -> Flow:
    """Return a published flow of one question and two ends: n1, n2 and n3."""
    return make_flow(account, title=title, definition=blank_definition())


def now(flow: Flow) -> Flow:
    """Read the flow as it stands in the database."""
    row: Flow = Flow.objects.select_related("current_version").get(pk=flow.pk)
    return row


def node_of(flow: Flow, node_id: str) -> Node:
    """Return a node of the draft as it stands in the database."""
    node = draft_of(now(flow)).node(node_id)
    assert node is not None
    return node


def url(name: str, flow: Flow | None = None, **kwargs: Any) -> str:
    if flow is not None:
        kwargs["pk"] = flow.pk
    return reverse(f"l1walk:{name}", kwargs=kwargs)


def words(response: Any) -> str:
    """Return the page as one line of text."""
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(text.split())


def rows(*answers: tuple[Any, ...], initial: int = 0) -> dict[str, Any]:
    """Return the rows of a node form: (key, label, to[, order[, removed]])."""
    form: dict[str, Any] = {
        "answers-TOTAL_FORMS": len(answers),
        "answers-INITIAL_FORMS": initial,
    }
    for place, (key, label, to, *rest) in enumerate(answers):
        row = {"key": key, "label": label, "to": to}
        row |= dict(zip(("ORDER", "DELETE"), rest, strict=False))
        form |= {f"answers-{place}-{name}": value for name, value in row.items()}
    return form


def node_form(node: Node, **over: Any) -> dict[str, Any]:
    """Return what the editor posts for a node as it is, but for what ``over`` says."""
    form = {
        "node": node.id,
        "base": fingerprint(node),
        "type": str(node.type),
        "text": node.text,
        "guidance": node.guidance,
        "category": node.category,
    }
    given = [
        (answer.key, answer.label, answer.to, place)
        for place, answer in enumerate(node.answers, start=1)
    ]
    return form | rows(*given, initial=len(given)) | over


def data_file(name: str) -> bytes | None:
    """Return a file of the real flows, None on a machine without them."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("HANDRAIL_DATA", root.parent / "shared" / "data"))
    path = folder / "flows" / name
    return path.read_bytes() if path.is_file() else None
