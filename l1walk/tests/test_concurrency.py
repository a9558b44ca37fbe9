"""Two tabs, two engineers, fifty at once: one wins, the others are told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.urls import reverse

from l1walk.actions import walks
from l1walk.actions.continuing import restart_walk, resume_walk
from l1walk.actions.escalations import escalate_walk
from l1walk.models import L1WalkSession, WalkStep
from l1walk.tests.make import give, make_flow, make_walk, posted, reread
from tests.conftest import make_user, signed_in
from workflows.core.machine import Move

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(calls):
    """Make all calls at the same moment, each on a connection of its own."""
    barrier = Barrier(len(calls))

    def one(call):
        try:
            barrier.wait(timeout=60)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def many():
    """Fifty where the database takes them; SQLite's one writer gets eight."""
    return 50 if connection.vendor == "postgresql" else 8


def test_answers_to_one_node_make_one_step_and_polite_refusals(account, alice):
    walk = make_walk(account, alice, make_flow(account))
    url = reverse("l1walk:answer", args=[walk.pk])
    number = many()
    clients = [signed_in(alice) for _ in range(number)]

    def answer(client, note):
        form = posted(walk, "a1", note=note)
        return lambda: client.post(url, form)

    notes = [f"note of tab {n}." for n in range(number)]
    responses = at_once(
        [answer(client, note) for client, note in zip(clients, notes, strict=True)]
    )
    codes = sorted(response.status_code for response in responses)
    assert codes == [303] + [409] * (number - 1)
    step = WalkStep.objects.get(session=walk)
    walk = reread(walk)
    assert (walk.version, walk.last_seq, walk.current_node_id) == (1, 1, "queue")
    for note, response in zip(notes, responses, strict=True):
        if response.status_code == 303:
            assert step.note == note
        else:  # what was typed comes back with the present question
            page = response.content.decode()
            assert note in page
            assert "Clear the queue" in page


def test_one_form_sent_many_times_at_once_is_one_answer(account, alice):
    walk = make_walk(account, alice, make_flow(account))
    url, form = reverse("l1walk:answer", args=[walk.pk]), posted(walk, "a1")
    clients = [signed_in(alice) for _ in range(8)]
    responses = at_once([lambda c=c: c.post(url, form) for c in clients])
    assert {response.status_code for response in responses} == {303}
    assert WalkStep.objects.filter(session=walk).count() == 1


def test_claims_have_one_winner(account, alice):
    walk = make_walk(account, alice, make_flow(account))
    escalate_walk(walk, by=alice, version=0, category="security")
    number = many()
    engineers = [make_user(account, f"e{n}", "engineer") for n in range(number)]
    url = reverse("l1walk:claim", args=[walk.pk])
    clients = [signed_in(engineer) for engineer in engineers]
    responses = at_once([lambda c=c: c.post(url) for c in clients])
    assert {response.status_code for response in responses} == {303}
    winner = reread(walk).claimed_by
    assert winner in engineers
    assert Move.objects.filter(object_id=walk.pk, name="claim").count() == 1
    for engineer, client in zip(engineers, clients, strict=True):
        page = client.get(reverse("l1walk:handoff", args=[walk.pk])).content.decode()
        told = "It is yours." if engineer == winner else f"{winner} claimed it at"
        assert told in page


def test_an_answer_and_an_escalation_at_once_leave_one_of_both(account, alice, egon):
    for _ in range(5):
        walk = make_walk(account, alice, make_flow(account, title="Race"))
        answer = signed_in(alice)
        hand_over = signed_in(egon)
        results = at_once(
            [
                lambda c=answer, w=walk: c.post(
                    reverse("l1walk:answer", args=[w.pk]), posted(w, "a1")
                ),
                lambda c=hand_over, w=walk: c.post(
                    reverse("l1walk:escalate", args=[w.pk]),
                    {"version": 0, "category": "security"},
                ),
            ]
        )
        walk = reread(walk)
        steps = WalkStep.objects.filter(session=walk).count()
        codes = [response.status_code for response in results]
        if walk.status == "escalated":
            assert (steps, codes) == (0, [409, 303])
        else:
            assert (steps, codes) == (1, [303, 409])


def test_undo_at_once_takes_one_back(account, alice):
    walk = give(make_walk(account, alice, make_flow(account)), alice, "a1", "a1")

    def undo():
        mine = L1WalkSession.objects.get(pk=walk.pk)
        try:
            walks.undo_step(mine, by=alice, version=2)
        except walks.Moved:
            return "refused"
        return "undone"

    outcomes = at_once([undo] * 6)
    assert sorted(outcomes) == ["refused"] * 5 + ["undone"]
    assert len(reread(walk).live_steps()) == 1


def test_a_walk_resumed_twice_at_once_is_one_walk(account, alice):
    walk = give(make_walk(account, alice, make_flow(account)), alice, "a1")
    walks.abandon_walk(walk, by=alice, version=1)
    key = uuid4()
    made = at_once([lambda: resume_walk(walk, by=alice, start_key=key).pk] * 4)
    assert len(set(made)) == 1
    assert L1WalkSession.objects.count() == 2


def test_a_walk_restarted_twice_at_once_is_one_walk(account, alice):
    flow = make_flow(account)
    walk, key = make_walk(account, alice, flow), uuid4()

    def restart():
        return restart_walk(walk, by=alice, flow=flow, start_key=key).pk

    assert len(set(at_once([restart] * 4))) == 1
    assert L1WalkSession.objects.count() == 2
