"""A machine moves under a lock, with an author, and never behind the audit's back."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_fsm import ConcurrentTransition, TransitionNotAllowed, can_proceed
from django_fsm.signals import post_transition, pre_transition

from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from workflows.core.accounts import User
from workflows.core.machine import NotLent, states
from workflows.core.moves import Move

S = Parcel.State
MOVES = {"send": {S.PACKED}, "deliver": {S.SENT}}

pytestmark = pytest.mark.django_db


def state_of(parcel):
    """Return the state that the database holds."""
    return Parcel.objects.values_list("state", flat=True).get(pk=parcel.pk)


def history(parcel):
    return [(m.name, m.source, m.target, m.actor_name) for m in parcel.moves()]


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("move", MOVES)
def test_each_move_from_each_state(move, state):
    assert can_proceed(getattr(Parcel(state=state), move)) is (state in MOVES[move])


# --- begin ----------------------------------------------------------------------------
def test_begin_writes_the_row_and_its_first_move(account, alice):
    parcel = make_parcel(account, by=alice, note="by phone", address="Elm Street 1")
    move = parcel.moves().get()
    assert state_of(parcel) == S.PACKED
    assert (move.subject, move.account_id) == (parcel, account.pk)
    assert (move.name, move.source, move.target) == ("begin", "", "packed")
    assert (move.actor, move.actor_name, move.note) == (alice, "Alice", "by phone")
    assert abs((timezone.now() - move.at).total_seconds()) < 60
    assert str(move) == "begin: ∅ → packed"


def test_a_row_that_cannot_be_written_leaves_no_move(account, alice):
    with pytest.raises(Exception, match=r"(?i)null"):
        make_parcel(account, by=alice, address=None)
    assert not Parcel.objects.exists()
    assert not Move.objects.exists()


def test_a_move_that_cannot_be_written_leaves_no_row(account, alice):
    with pytest.raises(Exception, match=r"(?i)null"):
        make_parcel(account, by=alice, note=None)
    assert not Parcel.objects.exists()
    assert not Move.objects.exists()


def test_the_caller_may_say_when_it_was(account):
    then = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
    parcel = make_parcel(account, at=then)
    with Parcel.moving(parcel.pk, by=None, at=then) as row:
        row.send()
    assert [move.at for move in parcel.moves()] == [then, then]


# --- moving ---------------------------------------------------------------------------
def test_moving_saves_the_row_and_its_move(account, alice):
    parcel = make_parcel(account, by=alice)
    with Parcel.moving(parcel.pk, by=alice, note="blue van") as row:
        row.send("Elm Street 1")
    saved = Parcel.objects.get(pk=parcel.pk)
    assert (saved.state, saved.address) == (S.SENT, "Elm Street 1")
    assert history(parcel)[1:] == [("send", "packed", "sent", "Alice")]
    assert parcel.moves()[1].note == "blue van"


def test_several_moves_under_one_lock_are_kept_in_order(account):
    parcel = make_parcel(account)
    with Parcel.moving(parcel.pk, by=None) as row:
        row.send()
        row.deliver()
    assert [name for name, *_rest in history(parcel)] == ["begin", "send", "deliver"]


def test_without_a_transition_fields_are_saved_and_no_move_is_written(account):
    parcel = make_parcel(account)
    with Parcel.moving(parcel.pk, by=None) as row:
        row.address = "Elm Street 1"
    assert Parcel.objects.get(pk=parcel.pk).address == "Elm Street 1"
    assert len(history(parcel)) == 1


def test_an_exception_inside_takes_row_and_move_back(account, alice):
    parcel, lent = make_parcel(account), []

    def fail():
        with Parcel.moving(parcel.pk, by=alice) as row:
            lent.append(row)
            row.send("Elm Street 1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert state_of(parcel) == S.PACKED
    assert len(history(parcel)) == 1
    with pytest.raises(NotLent):  # the loan has ended for the caller too
        lent[0].save()


def test_a_transition_that_is_not_allowed_changes_nothing(account):
    parcel = make_parcel(account)

    def skip_a_state():
        with Parcel.moving(parcel.pk, by=None) as row:
            row.address = "Elm Street 1"
            row.deliver()

    with pytest.raises(TransitionNotAllowed):
        skip_a_state()
    assert Parcel.objects.get(pk=parcel.pk).address == ""


def test_moving_what_is_gone_says_so(account):
    with pytest.raises(Parcel.DoesNotExist), Parcel.moving(uuid4(), by=None):
        pass


def test_machines_are_moved_within_each_other_and_fail_together(account):
    outer, inner = make_parcel(account), make_parcel(account)
    with Parcel.moving(outer.pk, by=None) as one:
        one.send()
        with Parcel.moving(inner.pk, by=None) as two:
            two.send()
    assert (state_of(outer), state_of(inner)) == (S.SENT, S.SENT)

    def fail():
        with Parcel.moving(outer.pk, by=None) as one:
            one.deliver()
            with Parcel.moving(inner.pk, by=None) as two:
                two.deliver()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (state_of(outer), state_of(inner)) == (S.SENT, S.SENT)
    assert len(history(outer)) == len(history(inner)) == 2


def test_a_row_that_moved_meanwhile_is_not_overwritten(account):
    parcel = make_parcel(account)

    def send_twice():
        with Parcel.moving(parcel.pk, by=None) as row:
            with Parcel.moving(parcel.pk, by=None) as faster:
                faster.send()
            row.send()

    with pytest.raises(ConcurrentTransition, match="moved meanwhile"):
        send_twice()
    assert state_of(parcel) == S.PACKED
    assert len(history(parcel)) == 1


# --- who ------------------------------------------------------------------------------
def test_what_the_product_does_itself_is_signed_handrail(account):
    parcel = make_parcel(account, by=None)
    move = parcel.moves().get()
    assert (move.actor, move.actor_name) == (None, "Handrail")


def test_the_name_of_the_author_outlives_the_author(account, alice):
    parcel = make_parcel(account, by=alice)
    alice_id = alice.pk
    alice.delete()
    move = parcel.moves().get()
    assert (move.actor_id, move.actor_name) == (alice_id, "Alice")
    with pytest.raises(User.DoesNotExist):
        _ = move.actor


def test_the_history_outlives_the_machine(account, alice):
    parcel = make_parcel(account, by=alice)
    pk = parcel.pk
    Parcel.objects.all().delete()
    move = Move.objects.get(object_id=pk)
    assert (move.subject, move.actor_name) == (None, "Alice")


# --- behind the audit's back ----------------------------------------------------------
def test_a_transition_outside_moving_is_refused(account):
    parcel = make_parcel(account)
    for row in (parcel, Parcel.objects.get(pk=parcel.pk), Parcel(account=account)):
        with pytest.raises(NotLent, match="send outside"):
            row.send()
        assert row.state == S.PACKED


def test_a_loan_ends_with_its_block(account):
    parcel = make_parcel(account)
    with Parcel.moving(parcel.pk, by=None) as row:
        row.send()
    with pytest.raises(NotLent):
        row.deliver()
    with pytest.raises(NotLent):
        row.save()
    assert state_of(parcel) == S.SENT


def test_a_state_is_never_assigned(account):
    parcel = make_parcel(account)
    with pytest.raises(AttributeError, match="not allowed"):
        parcel.state = S.SENT
    with Parcel.moving(parcel.pk, by=None) as row, pytest.raises(AttributeError):
        row.state = S.SENT
    assert state_of(parcel) == S.PACKED


def test_saving_outside_is_refused(account):
    parcel = make_parcel(account)
    with pytest.raises(NotLent, match="save outside"):
        parcel.save()
    with pytest.raises(NotLent):
        parcel.save(update_fields=["address"])
    for make in (Parcel.objects.create, Parcel.objects.get_or_create):
        with pytest.raises(NotLent):
            make(account=account, address="elsewhere")
    assert Parcel.objects.count() == 1


def test_updating_a_state_of_many_rows_is_refused(account):
    parcel = make_parcel(account)
    with pytest.raises(NotLent, match="state moves only in"):
        Parcel.objects.filter(pk=parcel.pk).update(state=S.SENT)
    with pytest.raises(NotLent), transaction.atomic():
        Parcel.objects.bulk_update([Parcel(pk=parcel.pk, state=S.SENT)], ["state"])
    assert state_of(parcel) == S.PACKED


def test_updating_other_columns_is_an_ordinary_query(account):
    make_parcel(account)
    assert Parcel.objects.update(address="Elm Street 1") == 1


def test_transitions_of_what_is_no_machine_are_left_alone():
    told = {"instance": User(), "name": "x", "source": "", "target": ""}
    for signal in (pre_transition, post_transition):
        assert all(answer is None for _, answer in signal.send(User, **told))
    assert not Move.objects.exists()


def test_the_first_state_field_is_the_main_one():
    assert [field.name for field in states(Parcel)] == ["state"]


def test_a_move_costs_three_statements_and_its_transaction(account, alice):
    parcel = make_parcel(account, by=alice)
    with (
        CaptureQueriesContext(connection) as captured,
        Parcel.moving(parcel.pk, by=alice) as row,
    ):
        row.send()
    first_words = [query["sql"].split()[0] for query in captured]
    assert first_words == ["SAVEPOINT", "SELECT", "UPDATE", "INSERT", "RELEASE"]


def test_machines_are_not_made_in_bulk(account):
    with pytest.raises(NotLent, match="begin"):
        Parcel.objects.bulk_create([Parcel(account=account)])
    assert not Parcel.objects.exists()
