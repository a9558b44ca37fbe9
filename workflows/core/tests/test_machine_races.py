"""Two who move one machine at once: one wins, the other is told."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django_fsm import TransitionNotAllowed

from tests.kit.make import make_parcel
from tests.kit.models import Parcel

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(people, act):
    """Let each act on a thread and a connection of their own; return the outcomes."""
    start = Barrier(len(people))

    def run(person):
        try:
            connection.ensure_connection()
            start.wait(timeout=10)
            return act(person)
        except TransitionNotAllowed as refusal:
            return type(refusal)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(run, people))


@pytest.mark.parametrize("people", [2, 8])
def test_of_many_who_send_a_parcel_one_does(account, alice, people):
    parcel = make_parcel(account, by=alice)

    def send(number):
        with Parcel.moving(parcel.pk, by=alice, note=f"van {number}") as row:
            row.send(f"Elm Street {number}")
        return number

    outcomes = at_once(range(people), send)
    [winner] = [outcome for outcome in outcomes if outcome is not TransitionNotAllowed]
    assert len(outcomes) == people
    saved = Parcel.objects.get(pk=parcel.pk)
    assert (saved.state, saved.address) == ("sent", f"Elm Street {winner}")
    assert [m.note for m in parcel.moves()] == ["", f"van {winner}"]


def test_moves_that_follow_each_other_all_happen(account, alice, egon):
    parcels = [make_parcel(account, by=alice) for _ in range(3)]

    def send_all(person):
        sent = 0
        for parcel in parcels:
            try:
                with Parcel.moving(parcel.pk, by=person) as row:
                    row.send()
                sent += 1
            except TransitionNotAllowed:
                with Parcel.moving(parcel.pk, by=person) as row:
                    row.deliver()
        return sent

    sent = at_once([alice, egon], send_all)
    assert sum(sent) == len(parcels)
    for parcel in parcels:
        names = [move.name for move in parcel.moves()]
        assert names == ["begin", "send", "deliver"]
