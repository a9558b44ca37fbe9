"""Machines by the hundred move as one does: locked, saved and noted, all or none."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_fsm import TransitionNotAllowed

from tests.kit.models import Parcel
from workflows.core.machine import NotLent
from workflows.core.machines import begin_many, moved, moving_many
from workflows.core.moves import Move

pytestmark = pytest.mark.django_db
S = Parcel.State


def parcels(account, by, n=3):
    return begin_many(
        [Parcel(account=account, address=f"Elm Street {i}") for i in range(n)],
        by=by,
        note="a van full",
    )


def states():
    return sorted(Parcel.objects.values_list("state", flat=True))


def test_many_begin_with_a_move_each(account, alice):
    rows = parcels(account, alice)
    assert states() == [S.PACKED] * 3
    for row in rows:
        move = row.moves().get()
        assert (move.name, move.source, move.target) == ("begin", "", "packed")
        assert (move.actor, move.note) == (alice, "a van full")
    with pytest.raises(NotLent):
        rows[0].send()


def test_none_begin_when_one_cannot(account, alice):
    rows = [Parcel(account=account, address=address) for address in ("here", None)]
    with pytest.raises(Exception, match=r"(?i)null"):
        begin_many(rows, by=alice)
    assert not Parcel.objects.exists()
    assert not Move.objects.exists()


def test_none_at_all_may_begin(account, alice):
    assert begin_many([], by=alice) == []


def test_those_that_moved_are_saved_and_noted(account, alice, mona):
    first, *others = parcels(account, alice)
    with moving_many(Parcel.objects.all(), fields=["address"], by=mona) as held:
        assert [row.pk for row in held] == sorted([first.pk, *(r.pk for r in others)])
        for row in held:
            if row.pk != first.pk:
                row.send()
                row.address = "on the road"
        assert len(moved(held)) == 2
    assert states() == sorted([S.PACKED, S.SENT, S.SENT])
    assert Parcel.objects.filter(address="on the road").count() == 2
    assert [m.name for m in first.moves()] == ["begin"]
    assert [(m.name, m.actor) for m in others[0].moves()] == [
        ("begin", alice),
        ("send", mona),
    ]
    with pytest.raises(NotLent):
        held[0].send()


def test_alike_ones_cost_one_update_and_unlike_ones_one_for_all(account, alice):
    parcels(account, alice, 30)

    def updates(address):
        with (
            CaptureQueriesContext(connection) as asked,
            moving_many(Parcel.objects.all(), fields=["address"], by=alice) as held,
        ):
            for place, row in enumerate(held):
                (row.send if row.state == S.PACKED else row.deliver)()
                row.address = address(place)
        return sum(query["sql"].startswith("UPDATE") for query in asked)

    assert updates(lambda _place: "the same street") == 1
    assert updates(lambda place: f"Elm Street {place}") == 1
    assert set(states()) == {S.DELIVERED}
    assert Parcel.objects.filter(address="Elm Street 7").count() == 1


def test_none_is_saved_when_one_may_not_move(account, alice):
    parcels(account, alice)
    lend = moving_many(Parcel.objects.all(), fields=[], by=alice)
    with pytest.raises(TransitionNotAllowed), lend as held:  # noqa: PT012
        held[0].send()
        held[1].deliver()
    assert states() == [S.PACKED] * 3
    assert set(Move.objects.values_list("name", flat=True)) == {"begin"}


def test_at_most_so_many_are_lent(account, alice):
    parcels(account, alice)
    with moving_many(Parcel.objects.all(), fields=[], by=alice, most=2) as held:
        assert len(held) == 2
    assert states() == [S.PACKED] * 3
