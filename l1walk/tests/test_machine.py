"""Every state and every transition of walks, handoffs, flows and tickets."""

from typing import Any

import pytest
from django_fsm import TransitionNotAllowed, can_proceed

from l1walk.actions.escalations import claim_walk, escalate_walk
from l1walk.models import Flow, L1WalkSession, Ticket
from l1walk.tests.make import make_flow, make_walk
from workflows.core.machine import NotLent

S, H, F, T = (
    L1WalkSession.Status,
    L1WalkSession.Handoff,
    Flow.State,
    Ticket.Status,
)

STATUS = {"resolve": {S.ACTIVE}, "escalate": {S.ACTIVE}, "abandon": {S.ACTIVE}}
HANDOFF = {
    "queue": {H.NONE},
    "claim": {H.WAITING},
    "release": {H.CLAIMED},
    "reassign": {H.WAITING, H.CLAIMED},
    "close": {H.CLAIMED},
}
FLOW = {
    "publish": {F.DRAFT, F.PUBLISHED},
    "archive": {F.DRAFT, F.PUBLISHED},
    "reopen": {F.ARCHIVED},
}
TICKET = {
    "resolve": {T.OPEN, T.ESCALATED},
    "escalate": {T.OPEN},
    "reopen": {T.RESOLVED, T.ESCALATED},
}
TARGETS = {
    (L1WalkSession, "resolve"): S.RESOLVED,
    (L1WalkSession, "escalate"): S.ESCALATED,
    (L1WalkSession, "abandon"): S.ABANDONED,
    (L1WalkSession, "queue"): H.WAITING,
    (L1WalkSession, "claim"): H.CLAIMED,
    (L1WalkSession, "release"): H.WAITING,
    (L1WalkSession, "reassign"): H.CLAIMED,
    (L1WalkSession, "close"): H.CLOSED,
    (Flow, "publish"): F.PUBLISHED,
    (Flow, "archive"): F.ARCHIVED,
    (Flow, "reopen"): F.DRAFT,
    (Ticket, "resolve"): T.RESOLVED,
    (Ticket, "escalate"): T.ESCALATED,
    (Ticket, "reopen"): T.OPEN,
}
TABLES: list[Any] = [
    (L1WalkSession, "status", S, STATUS),
    (L1WalkSession, "handoff", H, HANDOFF),
    (Flow, "state", F, FLOW),
    (Ticket, "status", T, TICKET),
]
CASES = [
    pytest.param(
        model, field, state, move, sources, id=f"{model.__name__}-{state}-{move}"
    )
    for model, field, states, moves in TABLES
    for state in states
    for move, sources in moves.items()
]


@pytest.mark.parametrize(("model", "field", "state", "move", "sources"), CASES)
def test_each_move_from_each_state(model, field, state, move, sources):
    row = model(**{field: state})
    assert can_proceed(getattr(row, move)) is (state in sources)


@pytest.mark.parametrize(("model", "field", "states", "moves"), TABLES)
def test_the_tables_above_name_every_transition_and_its_target(
    model, field, states, moves
):
    found = getattr(model(), f"get_all_{field}_transitions")()
    known = {(t.name, t.source, t.target) for t in found}
    assert known == {
        (move, source, TARGETS[model, move])
        for move, sources in moves.items()
        for source in sources
    }
    assert {target for _name, _source, target in known} <= set(states)


@pytest.mark.parametrize(("model", "field", "state", "move", "sources"), CASES)
def test_no_transition_outside_moving(model, field, state, move, sources):
    row = model(**{field: state})
    expected = NotLent if state in sources else TransitionNotAllowed
    with pytest.raises(expected):
        getattr(row, move)()
    assert getattr(row, field) == state


@pytest.mark.django_db
def test_a_walk_from_call_to_close_leaves_its_whole_history(account, alice, egon):
    walk = make_walk(account, alice, make_flow(account))
    escalate_walk(walk, by=alice, version=0, category="needs_access")
    claim_walk(walk, by=egon)
    moves = [
        (move.name, move.source, move.target, move.actor_name) for move in walk.moves()
    ]
    assert moves == [
        ("begin", "", "active", "Alice"),
        ("escalate", "active", "escalated", "Alice"),
        ("queue", "", "waiting", "Alice"),
        ("claim", "waiting", "claimed", "Egon"),
    ]
