"""Each CHECK and UNIQUE of the tables, broken on purpose behind Django's back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.utils import timezone

from l1walk.actions.escalations import claim_walk, close_escalation, escalate_walk
from l1walk.actions.tickets import add_note, open_ticket
from l1walk.actions.walks import undo_step
from l1walk.models import (
    Flow,
    FlowProposal,
    FlowVersion,
    L1WalkSession,
    Ticket,
    WalkStep,
)
from l1walk.tests.make import give, make_flow, make_walk

pytestmark = pytest.mark.django_db


def change(row: models.Model, **columns: Any) -> None:
    """UPDATE the row as no verb would, without Django's checks."""
    queryset: models.QuerySet[Any] = models.QuerySet(type(row)).filter(pk=row.pk)
    models.QuerySet.update(queryset, **columns)


def another(step: WalkStep, **over: Any) -> WalkStep:
    """A further step like this one, not saved yet."""
    names = [field.attname for field in WalkStep._meta.concrete_fields]
    values = {name: getattr(step, name) for name in names}
    fresh = {"id": uuid4(), "seq": step.seq + 1, "idempotency_key": uuid4()}
    return WalkStep(**values | fresh | over)


def refused(name: str) -> Any:
    """The database says no and, on PostgreSQL and SQLite alike, by which rule."""
    return pytest.raises(IntegrityError, match=name)


@pytest.fixture
def flow(account):
    return make_flow(account)


@pytest.fixture
def walk(account, alice, flow):
    return make_walk(account, alice, flow)


NOW = timezone.now()
WALK_BREAKS = [
    ("ticket_kind", {"ticket_kind": "fax"}),
    ("session_kind", {"session_kind": "guess"}),
    ("target_consistency", {"session_kind": "adhoc"}),
    ("target_consistency", {"session_kind": "proposal"}),
    ("target_consistency", {"session_kind": "ai_build"}),
    ("target_consistency", {"flow": None, "flow_version": None}),
    ("version_pinned", {"flow_version": None}),
    ("resolved", {"status": "resolved"}),
    ("resolved", {"resolved_at": NOW}),
    ("escalated", {"status": "escalated", "handoff": "waiting"}),
    ("escalated", {"escalated_at": NOW}),
    ("escalated", {"escalation_reason_category": "security"}),
    (
        "escalation_category",
        {
            "status": "escalated",
            "handoff": "waiting",
            "escalated_at": NOW,
            "escalation_reason_category": "boredom",
        },
    ),
    (
        "other_has_reason",
        {
            "status": "escalated",
            "handoff": "waiting",
            "escalated_at": NOW,
            "escalation_reason_category": "other",
            "escalation_reason": "",
        },
    ),
    ("pending_node", {"pending_node": {"id": "n1"}}),
    ("acting_as", {"acting_as": "superhero"}),
    ("handoff", {"handoff": "waiting"}),
]


@pytest.mark.parametrize(("rule", "columns"), WALK_BREAKS)
def test_a_walk_that_contradicts_itself_is_refused(walk, rule, columns):
    with refused(f"ck_l1_walk_sessions_{rule}"), transaction.atomic():
        change(walk, **columns)
    assert L1WalkSession.objects.get(pk=walk.pk).status == "active"


def test_an_unknown_status_is_refused(walk):
    with refused("ck_l1_walk_sessions_"), transaction.atomic():
        change(walk, status="asleep")


def test_an_escalation_without_a_handoff_is_refused(walk, alice):
    escalate_walk(walk, by=alice, version=0, category="security")
    with refused("ck_l1_walk_sessions_handoff"), transaction.atomic():
        change(walk, handoff="")


def test_claimed_means_by_somebody_at_some_time(walk, alice, egon):
    escalate_walk(walk, by=alice, version=0, category="security")
    for columns in (
        {"handoff": "claimed"},
        {"claimed_by": egon},
        {"claimed_at": NOW},
        {"handoff": "claimed", "claimed_by": egon},
    ):
        with refused("ck_l1_walk_sessions_claimed"), transaction.atomic():
            change(walk, **columns)


def test_closed_means_with_an_outcome_at_some_time(walk, alice, egon):
    escalate_walk(walk, by=alice, version=0, category="security")
    claim_walk(walk, by=egon)
    for columns in (
        {"handoff": "closed"},
        {"handoff_outcome": "fixed"},
        {"handoff_closed_at": NOW},
        {"handoff": "closed", "handoff_closed_at": NOW},
    ):
        with refused("ck_l1_walk_sessions_closed"), transaction.atomic():
            change(walk, **columns)
    close_escalation(walk, by=egon, outcome="fixed")


def test_the_same_start_key_makes_no_second_walk(account, alice, walk):
    with refused("start_key"), transaction.atomic():
        change(make_walk(account, alice), start_key=walk.start_key)


def test_the_kinds_of_a_later_day_fit_the_table_already(account, alice):
    proposal = FlowProposal.objects.create(
        account=account, title="From a walk", definition={}
    )
    walk = make_walk(account, alice)
    change(walk, session_kind="proposal", flow_proposal=proposal)
    change(walk, session_kind="ai_build", flow_proposal=None, pending_node={"id": "n1"})
    with refused("target_consistency"), transaction.atomic():
        change(walk, flow_proposal=proposal)
    with refused("pending_node"), transaction.atomic():
        change(walk, session_kind="adhoc")


def test_steps_are_numbered_once_and_known_by_their_key(walk, alice):
    give(walk, alice, "a1")
    step = WalkStep.objects.get(session=walk)
    with refused("seq"), transaction.atomic():
        another(step, seq=step.seq).save(force_insert=True)
    with refused("idempotency_key"), transaction.atomic():
        another(step, idempotency_key=step.idempotency_key).save(force_insert=True)
    another(step).save(force_insert=True)


def test_a_step_keeps_the_order_of_its_times(walk, alice):
    give(walk, alice, "a1")
    undo_step(walk, by=alice, version=1)
    step = WalkStep.objects.get(session=walk)
    before = step.shown_at - timedelta(seconds=1)
    for rule, columns in (
        ("ck_walk_step_times", {"answered_at": before}),
        ("ck_walk_step_undone", {"undone_at": before}),
        ("ck_walk_step_undone", {"undone_at": None}),
        ("ck_walk_step_undone", {"undone_by_id": None}),
        ("ck_walk_step_seq", {"seq": 0}),
    ):
        with refused(rule), transaction.atomic():
            another(step, **columns).save(force_insert=True)


def test_a_step_is_taken_back_and_never_rewritten(walk, alice, egon):
    give(walk, alice, "a1", note="Anna tried")
    step = WalkStep.objects.get(session=walk)
    for columns in ({"answer_label": "Nobody can"}, {"note": ""}, {"actor": egon}):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change(step, **columns)
    undo_step(walk, by=egon, version=1)
    assert WalkStep.objects.get(pk=step.pk).undone_by == egon


def test_a_note_on_a_ticket_is_never_rewritten(account, alice):
    note = add_note(open_ticket(account, by=alice, title="x"), by=alice, text="Said")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(note, text="Never said")


def test_flows(account, flow):
    other = make_flow(account, title="Scanner")
    for rule, columns in (
        ("slug", {"slug": other.slug}),
        ("ck_flow_published_has_version", {"current_version": None, "draft": {}}),
        ("ck_flow_has_content", {"state": "draft", "current_version": None}),
        ("ck_flow_", {"state": "lost"}),
    ):
        with refused(rule), transaction.atomic():
            change(flow, **columns)


def test_two_accounts_may_use_the_same_short_name(account, flow, charlie):
    assert make_flow(charlie.account).slug == flow.slug


def test_a_version_has_a_number_of_its_own(flow):
    version = flow.current_version
    for number in (0, version.number):
        with pytest.raises(IntegrityError), transaction.atomic():
            FlowVersion.objects.create(
                flow=flow, number=number, definition={}, sha256="0" * 64
            )


def test_a_version_is_never_changed_again(flow):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(flow.current_version, definition={})
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE l1walk_flowversion SET sha256 = 'x'")


def test_a_walked_flow_is_not_deleted(flow, walk):
    with pytest.raises(models.RestrictedError):
        flow.delete()
    with pytest.raises(models.RestrictedError):
        flow.current_version.delete()


def test_an_account_goes_with_all_it_had(account, walk, alice):
    give(walk, alice, "a1")
    open_ticket(account, by=alice, title="x")
    account.delete()
    assert not L1WalkSession.objects.exists()
    assert not Flow.objects.exists()


def test_tickets(account, alice):
    one, two = (open_ticket(account, by=alice, title=name) for name in "ab")
    for rule, columns in (
        ("number", {"number": one.number}),
        ("ck_ticket_status", {"status": "lost"}),
        ("ck_ticket_title", {"title": ""}),
    ):
        with refused(rule), transaction.atomic():
            change(two, **columns)
    assert Ticket.objects.filter(pk=two.pk, title="b", number=one.number + 1).exists()


def test_the_indexes_of_the_seed_are_there():
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "l1_walk_sessions")
    assert {
        "ix_l1_walk_sessions_escalated",
        "ck_l1_walk_sessions_ticket_kind",
        "ck_l1_walk_sessions_session_kind",
        "ck_l1_walk_sessions_status",
        "ck_l1_walk_sessions_target_consistency",
    } <= set(found)
    single = {tuple(c["columns"]) for c in found.values() if c["index"]}
    assert {
        ("status",),
        ("last_step_at",),
        ("account_id",),
        ("created_by_user_id",),
    } <= single


def test_every_field_of_the_seed_is_there():
    names = {field.attname for field in L1WalkSession._meta.concrete_fields}
    assert {
        "id", "account_id", "created_by_user_id", "acting_as", "ticket_id",
        "ticket_kind", "session_kind", "category", "problem_text", "flow_id",
        "flow_proposal_id", "current_node_id", "pending_node", "status",
        "resolution_notes", "helpful", "escalation_reason",
        "escalation_reason_category", "started_at", "last_step_at", "resolved_at",
    } <= names  # fmt: skip
    assert L1WalkSession(id=uuid4()).walked_path == L1WalkSession(id=uuid4()).walk_notes
