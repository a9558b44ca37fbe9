"""What the verbs of a walk promise, whoever calls them."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.actions.running import drain
from jobs.actions.scheduling import start_due
from jobs.models import Job, Schedule
from l1walk.actions import walks
from l1walk.actions.continuing import restart_walk, resume_walk
from l1walk.actions.drafting import draft_of, fingerprint, save_node
from l1walk.actions.flows import archive_flow, publish_flow
from l1walk.actions.tickets import open_ticket
from l1walk.graphs.definition import Node, NodeType
from l1walk.models import FlowProposal, L1WalkSession, Ticket, WalkStep
from l1walk.tests.make import give, make_flow, make_walk, reread
from workflows.core.machine import Move

pytestmark = pytest.mark.django_db
S = L1WalkSession.Status


@pytest.fixture
def flow(account):
    return make_flow(account)


@pytest.fixture
def walk(account, alice, flow):
    return make_walk(account, alice, flow)


def submission(walk, key=None):
    return walks.Submission(walk.version, key or uuid4())


def answer(walk, by, answer_key, *, node=None, sent=None, **over):
    return walks.answer_node(
        walk,
        by=by,
        node_id=node or walk.current_node_id,
        answer_key=answer_key,
        submission=sent or submission(walk),
        **over,
    )


def test_an_answer_leads_on_and_is_kept_as_it_was_shown(walk, alice):
    later = walk.last_step_at + timedelta(seconds=42)
    step = answer(walk, alice, "a1", note="Anna tried", now=later)
    walk = reread(walk)
    assert (walk.current_node_id, walk.version, walk.last_seq) == ("queue", 1, 1)
    assert walk.last_step_at == later
    step = WalkStep.objects.get(pk=step.pk)
    assert (step.seq, step.node_id, step.node_type) == (1, "scope", "question")
    assert (step.question_text, step.answer_label) == (
        "Can anyone else print?",
        "Only I cannot",
    )
    assert (step.note, step.actor, step.seconds) == ("Anna tried", alice, 42)


def test_the_same_key_again_is_known(walk, alice):
    key = uuid4()
    before = reread(walk)
    answer(walk, alice, "a1", sent=walks.Submission(0, key))
    with pytest.raises(walks.AlreadyDone):
        answer(before, alice, "a1", sent=walks.Submission(0, key))
    assert WalkStep.objects.filter(session=walk).count() == 1


def test_a_stale_form_is_told_where_the_walk_is(walk, alice, egon):
    mine = reread(walk)
    answer(walk, egon, "a2")
    with pytest.raises(walks.Moved) as caught:
        answer(mine, alice, "a1")
    assert caught.value.walk.current_node_id == "hand"
    assert WalkStep.objects.filter(session=walk).count() == 1


def test_a_form_older_than_the_loaded_walk_is_stale_too(walk, alice):
    give(walk, alice, "a1", "a1", "a3")
    with pytest.raises(walks.Moved):
        answer(walk, alice, "a1", node="scope", sent=walks.Submission(0, uuid4()))
    assert reread(walk).last_seq == 3


def test_an_answer_that_is_not_on_the_screen(walk, alice):
    with pytest.raises(walks.NoSuchAnswer):
        answer(walk, alice, "a9")
    with pytest.raises(walks.NoSuchAnswer):
        answer(walk, alice, "a1", node="nowhere")
    with pytest.raises(walks.Moved):
        answer(walk, alice, "a1", node="again")
    key, before = uuid4(), reread(walk)
    answer(walk, alice, "a1", sent=walks.Submission(0, key))
    before.version = 1
    with pytest.raises(walks.AlreadyDone):
        answer(before, alice, "zz", sent=walks.Submission(0, key))


def test_a_walk_that_ended_takes_no_answer(walk, alice):
    mine = reread(walk)
    walks.resolve_walk(walk, by=alice, version=0)
    with pytest.raises(walks.Ended):
        answer(mine, alice, "a1")
    with pytest.raises(walks.Ended):
        walks.undo_step(give_one(mine, alice), by=alice, version=0)
    with pytest.raises(walks.Ended):
        walks.resolve_walk(mine, by=alice, version=0)
    with pytest.raises(walks.Ended):
        walks.abandon_walk(mine, by=alice, version=0)


def give_one(walk, alice):
    """A step that another tab had answered before the walk ended."""
    WalkStep.objects.create(
        session=walk, seq=1, node_id="scope", node_type="question", question_text="?",
        answer_label="x", actor=alice, shown_at=walk.started_at,
        answered_at=walk.started_at, idempotency_key=uuid4(),
    )  # fmt: skip
    return walk


def test_a_clock_that_was_set_back_breaks_nothing(walk, alice):
    early = walk.last_step_at - timedelta(hours=1)
    assert answer(walk, alice, "a1", now=early).seconds == 0
    undone = walks.undo_step(walk, by=alice, version=1, now=early)
    assert WalkStep.objects.get(pk=undone.pk).undone_at == undone.answered_at


def test_undo_goes_back_one_and_keeps_the_step(walk, alice, egon):
    give(walk, alice, "a1", "a1")
    walks.undo_step(walk, by=egon, version=2)
    walk = reread(walk)
    assert (walk.current_node_id, walk.version, walk.last_seq) == ("queue", 3, 2)
    first, second = walk.steps.all()
    assert first.undone_at is None
    assert second.undone_by == egon
    assert [step.seq for step in walk.live_steps()] == [1]
    give(walk, alice, "a1")
    assert [step.seq for step in reread(walk).live_steps()] == [1, 3]


def test_undo_twice_by_a_double_click_takes_one_back(walk, alice):
    give(walk, alice, "a1", "a1")
    twin = reread(walk)
    walks.undo_step(walk, by=alice, version=2)
    with pytest.raises(walks.Moved):
        walks.undo_step(twin, by=alice, version=2)
    assert reread(walk).current_node_id == "queue"


def test_nothing_to_undo_at_the_first_question(walk, alice):
    with pytest.raises(walks.NothingToUndo):
        walks.undo_step(walk, by=alice, version=0)


def test_a_loop_is_walked_as_often_as_it_takes(walk, alice):
    give(walk, alice, *["a1", "a1", "a3"] * 20, "a2")
    walk = reread(walk)
    assert (walk.last_seq, walk.current_node_id) == (61, "hand")


def test_the_walk_keeps_its_version_when_the_flow_moves_on(walk, alice, egon, flow):
    changed = Node("scope", NodeType.RESOLVED, "Nothing to ask any more")
    base = fingerprint(draft_of(flow).node("scope"))
    save_node(flow, by=egon, node=changed, base=base)
    archive_flow(flow, by=egon)
    give(walk, alice, "a1", "a1", "a1")
    assert reread(walk).current_node.type == NodeType.RESOLVED


def test_an_archived_or_unpublished_flow_begins_no_walk(account, alice, egon, flow):
    archive_flow(flow, by=egon)
    flow = type(flow).objects.get(pk=flow.pk)
    with pytest.raises(walks.FlowNotWalkable):
        make_walk(account, alice, flow)
    assert not L1WalkSession.objects.exists()


def test_the_same_start_key_finds_its_walk(account, alice, flow):
    key, intake = uuid4(), walks.Intake("psa", "X-1")
    made = [
        walks.begin_walk(account, by=alice, intake=intake, flow=flow, start_key=key)
        for _ in range(2)
    ]
    assert made[0].pk == made[1].pk
    assert L1WalkSession.objects.count() == 1


def test_a_beginning_that_breaks_a_rule_is_no_repeat(account, alice):
    with pytest.raises(IntegrityError, match="ticket_kind"), transaction.atomic():
        make_walk(account, alice, ticket_kind="fax")


def test_rows_are_called_by_what_they_hold(account, alice, walk):
    give(walk, alice, "a1")
    assert str(walk) == "EXT-7: It does not print"
    assert str(walk.steps.get()) == "1. Can anyone else print? → Only I cannot"
    proposal = FlowProposal(account=account, title="From a walk", definition={})
    assert str(proposal) == "From a walk"


def test_who_covers_for_the_first_line_is_marked(account, alice, egon):
    assert make_walk(account, alice).acting_as is None
    assert make_walk(account, egon).acting_as == "l1_coverage"


def test_an_adhoc_walk_records_what_was_checked(account, alice):
    walk = make_walk(account, alice)
    assert walk.session_kind == "adhoc"
    assert walk.definition is None
    walks.record_finding(
        walk, by=alice, question="Cable?", finding="Loose", submission=submission(walk)
    )
    walks.record_finding(
        walk, by=alice, question="Light?", finding="Off", submission=submission(walk)
    )
    walks.undo_step(walk, by=alice, version=2)
    walk = reread(walk)
    assert walk.current_node_id is None
    assert [
        (s.node_type, s.question_text, s.answer_label) for s in walk.live_steps()
    ] == [("adhoc", "Cable?", "Loose")]


def test_resolving_closes_the_ticket_with_the_path_on_it(account, alice, flow):
    ticket = open_ticket(account, by=alice, title="Printer", problem="No paper")
    walk = make_walk(
        account, alice, flow, ticket_kind="internal", ticket_id=str(ticket.number)
    )
    give(walk, alice, "a1", note="Queue was full")
    walks.resolve_walk(walk, by=alice, version=1, notes="Cleared it", helpful=True)
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert ticket.status == Ticket.Status.RESOLVED
    note = ticket.notes.get()
    assert note.is_resolution
    assert note.author == alice
    for words in ("Cleared it", "Can anyone else print?", "Only I cannot", "Queue was"):
        assert words in note.text
    walk = reread(walk)
    assert (walk.status, walk.helpful, walk.resolution_notes) == (
        "resolved",
        True,
        "Cleared it",
    )
    assert walk.resolved_at == walk.last_step_at


def test_resolving_a_walk_that_moved_on_is_refused(walk, alice):
    mine = reread(walk)
    give(walk, alice, "a1")
    with pytest.raises(walks.Moved):
        walks.resolve_walk(mine, by=alice, version=0, notes="too early")
    assert reread(walk).status == S.ACTIVE


def test_the_path_and_the_notes_in_the_shape_of_the_export(walk, alice):
    give(walk, alice, "a1", note="Anna tried")
    give(walk, alice, "a1")
    walk = reread(walk)
    assert [(p["node_id"], p["node_type"], p["answer"]) for p in walk.walked_path] == [
        ("scope", "question", "Only I cannot"),
        ("queue", "instruction", "Done"),
    ]
    (note,) = walk.walk_notes
    assert (note["node_id"], note["note"]) == ("scope", "Anna tried")


# --- forgotten walks ------------------------------------------------------------------
def test_forgotten_walks_are_abandoned_and_live_ones_are_not(account, alice, flow):
    old = timezone.now() - timedelta(hours=25)
    forgotten = make_walk(account, alice, flow, now=old)
    answered = give(make_walk(account, alice, flow, now=old), alice, "a1")
    young = make_walk(account, alice, flow, now=timezone.now() - timedelta(hours=23))
    assert walks.abandon_idle_walks() == 1
    assert reread(forgotten).status == S.ABANDONED
    assert reread(answered).status == reread(young).status == S.ACTIVE
    move = Move.objects.get(object_id=forgotten.pk, name="abandon")
    assert (move.actor, move.actor_name) == (None, "Handrail")
    assert "24" in move.note


def test_each_account_has_its_own_patience(account, charlie, alice):
    account.settings["l1walk.abandon_after_hours"] = 2
    account.save()
    old = timezone.now() - timedelta(hours=3)
    mine = make_walk(account, alice, now=old)
    theirs = make_walk(charlie.account, charlie, now=old)
    assert walks.abandon_idle_walks() == 1
    assert reread(mine).status == S.ABANDONED
    assert reread(theirs).status == S.ACTIVE


def test_an_answer_that_comes_while_the_hook_runs_wins(account, alice, monkeypatch):
    walk = make_walk(account, alice, now=timezone.now() - timedelta(hours=25))
    lend = L1WalkSession.moving

    def answered_first(pk, **kwargs):
        walks.record_finding(
            reread(walk),
            by=alice,
            question="?",
            finding="!",
            submission=submission(walk),
        )
        return lend(pk, **kwargs)

    monkeypatch.setattr(L1WalkSession, "moving", answered_first)
    assert walks.abandon_idle_walks() == 0
    assert reread(walk).status == S.ACTIVE


def test_the_command_and_the_schedule_do_the_same(account, alice, capsys):
    old = timezone.now() - timedelta(hours=25)
    make_walk(account, alice, now=old)
    call_command("abandon_walks")
    assert "1 walks abandoned" in capsys.readouterr().out
    second = make_walk(account, alice, now=old)
    Schedule.objects.filter(name="forgotten walks").update(next_at=old)
    start_due()
    start_due()
    drain("default")
    assert reread(second).status == S.ABANDONED
    assert Job.objects.get(type="l1walk.abandon_walks").result == {"abandoned": 1}


def test_a_walk_of_yesterday_is_answered_late(account, alice, flow):
    walk = make_walk(account, alice, flow, now=timezone.now() - timedelta(hours=20))
    assert walk.stale
    assert not give(walk, alice, "a1").stale


# --- going on -------------------------------------------------------------------------
def test_resuming_copies_the_path_and_the_notes(walk, alice, egon, flow):
    give(walk, alice, "a1", note="Anna tried")
    give(walk, alice, "a1", "a3")
    walks.undo_step(walk, by=alice, version=3)
    walks.abandon_walk(walk, by=alice, version=4)
    archive_flow(flow, by=egon)
    key = uuid4()
    new = resume_walk(walk, by=egon, start_key=key)
    new = reread(new)
    assert (new.status, new.current_node_id, new.last_seq) == ("active", "again", 2)
    assert (new.resumed_from, new.created_by_user) == (walk, egon)
    assert new.ticket_id == walk.ticket_id
    assert [step.note for step in new.live_steps()] == ["Anna tried", ""]
    assert {step.actor for step in new.live_steps()} == {alice}
    give(new, egon, "a1")
    assert reread(new).current_node_id == "ok"
    assert resume_walk(walk, by=egon, start_key=key).pk == new.pk


def test_a_resolved_ticket_is_open_again_when_its_walk_goes_on(account, alice, flow):
    ticket = open_ticket(account, by=alice, title="Printer")
    walk = make_walk(
        account, alice, flow, ticket_kind="internal", ticket_id=str(ticket.number)
    )
    walks.resolve_walk(walk, by=alice, version=0)
    resume_walk(walk, by=alice, start_key=uuid4())
    assert Ticket.objects.get(pk=ticket.pk).status == Ticket.Status.OPEN
    gone = make_walk(account, alice, flow, ticket_kind="internal", ticket_id="999")
    walks.abandon_walk(gone, by=alice, version=0)
    resume_walk(gone, by=alice, start_key=uuid4())
    walks.abandon_walk(again := open_walk_of(ticket), by=alice, version=again.version)
    resume_walk(again, by=alice, start_key=uuid4())
    assert [move.name for move in ticket.moves()] == ["begin", "resolve", "reopen"]


def open_walk_of(ticket):
    return L1WalkSession.objects.get(status="active", ticket_id=str(ticket.number))


def test_a_running_walk_is_not_resumed(walk, alice):
    with pytest.raises(walks.Moved):
        resume_walk(walk, by=alice, start_key=uuid4())


def test_restarting_on_the_version_in_use(walk, alice, egon, flow):
    give(walk, alice, "a1")
    walks_on = type(flow).objects.get(pk=flow.pk)
    node = draft_of(walks_on).node("ok")
    better = Node("ok", NodeType.RESOLVED, "Say goodbye")
    save_node(walks_on, by=egon, node=better, base=fingerprint(node))
    publish_flow(walks_on, by=egon)
    walks_on = type(flow).objects.select_related("current_version").get(pk=flow.pk)
    key = uuid4()
    new = restart_walk(walk, by=alice, flow=walks_on, start_key=key)
    assert new.flow_version.number == 2
    assert (new.current_node_id, new.resumed_from_id) == ("scope", walk.pk)
    assert reread(walk).status == S.ABANDONED
    again = restart_walk(walk, by=alice, flow=walks_on, start_key=key)
    assert again.pk == new.pk


def test_a_restart_that_cannot_begin_leaves_the_walk_running(walk, alice, egon, flow):
    archive_flow(flow, by=egon)
    gone = type(flow).objects.get(pk=flow.pk)
    with pytest.raises(walks.FlowNotWalkable):
        restart_walk(walk, by=alice, flow=gone, start_key=uuid4())
    assert reread(walk).status == S.ACTIVE


def test_the_summary_reads_without_handrail(walk, alice):
    assert "No step was answered." in walks.summary(walk)
    give(walk, alice, "a1", note="Anna tried")
    text = walks.summary(reread(walk))
    assert text.splitlines() == [
        "It does not print",
        "",
        "1. Can anyone else print? → Only I cannot",
        "   Anna tried",
    ]


def test_a_step_that_the_database_refuses_is_no_step_of_somebody_else(walk, alice):
    """Only a known key means "sent before"; anything else is a fault, and is raised."""
    give(walk, alice, "a1")
    stale = reread(walk)
    stale.last_seq = 0  # so that the next step takes a number that is taken
    with pytest.raises(IntegrityError), transaction.atomic():
        give(stale, alice, "a1")
    assert reread(walk).version == 1
