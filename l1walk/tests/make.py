"""Plain helpers that make what most tests of walks need."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from l1walk.actions import walks
from l1walk.actions.flows import create_flow, publish_flow
from l1walk.graphs.definition import Answer, Definition, Node, NodeType
from l1walk.models import Flow, L1WalkSession
from workflows.core.accounts import Account, User

QUESTION, INSTRUCTION = NodeType.QUESTION, NodeType.INSTRUCTION
RESOLVED, ESCALATE = NodeType.RESOLVED, NodeType.ESCALATE


def printer_graph(first: str = "Can anyone else print?") -> Definition:
    """A question, an instruction that loops back, and both ends."""
    return Definition(
        root="scope",
        nodes=(
            Node(
                "scope",
                QUESTION,
                first,
                "Ask for a **colleague** next to them.",
                (
                    Answer("a1", "Only I cannot", "queue"),
                    Answer("a2", "Nobody can", "hand"),
                ),
            ),
            Node(
                "queue",
                INSTRUCTION,
                "Clear the queue",
                "",
                (Answer("a1", "Done", "again"),),
            ),
            Node(
                "again",
                QUESTION,
                "Does it print now?",
                "",
                (
                    Answer("a1", "Yes", "ok"),
                    Answer("a2", "No", "hand"),
                    Answer("a3", "Ask me again", "scope"),
                ),
            ),
            Node("ok", RESOLVED, "It prints again"),
            Node("hand", ESCALATE, "Print team takes over", "", (), "steps_exhausted"),
        ),
    )


def make_flow(account: Account, *, title: str = "Printer", **over: Any) -> Flow:
    """Return a published flow with its version loaded."""
    graph = over.pop("definition", None) or printer_graph()
    flow = create_flow(account, by=None, title=title, definition=graph, **over)
    publish_flow(flow, by=None)
    published: Flow = Flow.objects.select_related("current_version").get(pk=flow.pk)
    return published


def make_walk(
    account: Account, by: User, flow: Flow | None = None, **over: Any
) -> L1WalkSession:
    """Return a fresh walk; ad hoc without a flow."""
    now = over.pop("now", None)
    intake = walks.Intake(
        ticket_kind=over.pop("ticket_kind", "psa"),
        ticket_id=over.pop("ticket_id", "EXT-7"),
        problem_text=over.pop("problem_text", "It does not print"),
        **over,
    )
    return walks.begin_walk(
        account, by=by, intake=intake, flow=flow, start_key=uuid4(), now=now
    )


def give(walk: L1WalkSession, by: User, *keys: str, **over: Any) -> L1WalkSession:
    """Answer the walk's present questions, one key after the other."""
    for key in keys:
        walks.answer_node(
            walk,
            by=by,
            node_id=walk.current_node_id or "",
            answer_key=key,
            submission=walks.Submission(walk.version, over.get("key") or uuid4()),
            note=over.get("note", ""),
            now=over.get("now"),
        )
    return walk


def reread(walk: L1WalkSession) -> L1WalkSession:
    fresh: L1WalkSession = L1WalkSession.objects.select_related("flow").get(pk=walk.pk)
    return fresh


def posted(walk: L1WalkSession, answer: str, **over: Any) -> dict[str, Any]:
    """Return what the walk screen posts for an answer."""
    data = {
        "version": walk.version,
        "node": walk.current_node_id,
        "key": over.pop("key", None) or uuid4(),
        "answer": answer,
    }
    return data | over


def key() -> UUID:
    return uuid4()
