"""Handrail's own tickets: listed, written, noted on, opened again, numbered."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_fsm import TransitionNotAllowed

from l1walk.actions.escalations import escalate_walk
from l1walk.actions.tickets import (
    InternalTickets,
    ReferenceOnly,
    add_note,
    gateway_for,
    number_in,
    open_ticket,
    reopen_ticket,
)
from l1walk.actions.walks import resolve_walk
from l1walk.models import Ticket, TicketNote
from l1walk.tests.make import make_flow, make_walk
from l1walk.tests.test_concurrency import at_once
from tests.conftest import make_user, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


@pytest.fixture
def ticket(account, alice) -> Ticket:
    return open_ticket(
        account,
        by=alice,
        title="No paper",
        requester="Ann Field",
        contact="ext. 12",
        problem="Tray 2\nis <empty>",
    )


def url(name: str = "tickets", *args: Any) -> str:
    return reverse(f"l1walk:{name}", args=args)


def page(response: Any) -> str:
    return str(response.content.decode())


def titles(response: Any) -> list[str]:
    return [row.title for row in response.context["list"].rows]


def now(ticket: Ticket) -> Ticket:
    row: Ticket = Ticket.objects.get(pk=ticket.pk)
    return row


def close(ticket: Ticket) -> Ticket:
    InternalTickets(ticket.account, None).close(str(ticket.number))
    return ticket


def moves(ticket: Ticket) -> list[str]:
    return [move.name for move in ticket.moves()]


# --- the list -------------------------------------------------------------------------
def test_a_tab_for_each_status_open_ones_first(client, account, alice):
    tickets = {
        name: open_ticket(account, by=alice, title=name)
        for name in ("open", "resolved", "escalated")
    }
    close(tickets["resolved"])
    InternalTickets(account, alice).escalate(str(tickets["escalated"].number))
    assert titles(client.get(url())) == ["open"]
    for status in tickets:
        assert titles(client.get(url(), {"status": status})) == [status]
    for status in ("all", "nonsense", "a\0"):
        response = client.get(url(), {"status": status})
        assert titles(response) == ["escalated", "resolved", "open"]
        assert page(response).count('aria-current="true">All') == 1


def test_fifty_a_page_and_both_ways(client, account, alice):
    for number in range(120):
        close(open_ticket(account, by=alice, title=str(number)))
    newest_first = [str(number) for number in reversed(range(120))]
    first = client.get(url(), {"status": "resolved"})
    assert titles(first) == newest_first[:50]
    assert first.context["list"].newer_url == ""
    second = client.get(url() + first.context["list"].older_url)
    assert titles(second) == newest_first[50:100]
    third = client.get(url() + second.context["list"].older_url)
    assert titles(third) == newest_first[100:]
    assert third.context["list"].older_url == ""
    again = client.get(url() + third.context["list"].newer_url)
    assert titles(again) == titles(second)
    top = client.get(url() + again.context["list"].newer_url)
    assert titles(top) == titles(first)
    assert top.context["status"] == "resolved"


def test_an_empty_list_says_what_makes_a_ticket(client):
    assert "A ticket is made when a call is taken" in page(client.get(url()))


def test_the_list_costs_the_same_for_few_and_for_many(client, account, alice):
    costs = []
    for number in (3, 57):
        for _ in range(number):
            open_ticket(account, by=alice, title="Printer")
        client.get(url())
        with CaptureQueriesContext(connection) as captured:
            client.get(url())
        costs.append(len(captured))
    assert costs[0] == costs[1]


# --- one ticket -----------------------------------------------------------------------
def test_it_shows_what_was_said_its_notes_and_its_walks(
    client, account, alice, egon, ticket
):
    flow = make_flow(account, title="Printer flow")
    number = str(ticket.number)
    make_walk(account, alice, flow, ticket_kind="internal", ticket_id=number)
    make_walk(account, alice, ticket_id=number, problem_text="Of another system")
    add_note(ticket, by=egon, text="<i>Ordered</i>\npaper")
    add_note(ticket, by=None, text="Closed by itself", is_resolution=True)
    shown = page(client.get(url("ticket", ticket.pk)))
    for words in (
        "#1001 No paper",
        "Tray 2<br>is &lt;empty&gt;",
        "Ann Field",
        "ext. 12",
        "Printer flow",
        "&lt;i&gt;Ordered&lt;/i&gt;<br>paper",
        "Egon",
        "resolution",
        "Walk this ticket",
    ):
        assert words in shown
    assert shown.index("Ordered") < shown.index("Closed by itself")
    assert "Of another system" not in shown
    assert "Open it again" not in shown


def test_notes_stand_in_the_order_they_were_sent(client, alice, ticket):
    late = uuid4()  # of a page that was opened at some other time
    for text, key in (("one", None), ("two", late), ("three", None)):
        add_note(ticket, by=alice, text=text, key=key)
    notes = client.get(url("ticket", ticket.pk)).context["notes"]
    assert [note.text for note in notes] == ["one", "two", "three"]


def test_a_bare_ticket_says_that_nothing_happened_yet(client, ticket):
    shown = page(client.get(url("ticket", ticket.pk)))
    assert "Nobody has walked this ticket yet." in shown
    assert "No note yet." in shown


def test_its_page_costs_the_same_with_few_notes_and_walks_and_with_many(
    client, account, alice, egon, ticket
):
    flow = make_flow(account)
    number = str(ticket.number)
    costs = []
    for more in (1, 20):
        for _ in range(more):
            add_note(ticket, by=egon, text="x")
            make_walk(account, alice, flow, ticket_kind="internal", ticket_id=number)
        client.get(url("ticket", ticket.pk))
        with CaptureQueriesContext(connection) as captured:
            client.get(url("ticket", ticket.pk))
        costs.append(len(captured))
    assert costs[0] == costs[1]


# --- writing one ----------------------------------------------------------------------
def test_a_ticket_is_written_down_without_a_walk(client, account, alice, ticket):
    form = {
        "key": uuid4(),
        "title": " Toner ",
        "problem": "Empty",
        "requester": "Bo",
        "contact": "bo@example.com",
    }
    response = client.post(url("new_ticket"), form)
    row = Ticket.objects.latest("number")
    assert response.status_code == 303
    assert response.url == url("ticket", row.pk)
    assert (row.number, row.title, row.problem) == (ticket.number + 1, "Toner", "Empty")
    assert (row.requester, row.contact) == ("Bo", "bo@example.com")
    assert [move.actor for move in row.moves()] == [alice]


@pytest.mark.parametrize("title", ["", "  ", "x" * 201, "a\0"])
def test_a_title_is_needed_and_what_was_typed_is_kept(client, title):
    response = client.post(url("new_ticket"), {"title": title, "problem": "Tray 7"})
    assert response.status_code == 422
    assert "Tray 7" in page(response)
    assert not Ticket.objects.exists()


def test_a_form_sent_twice_is_one_ticket(client):
    key = client.get(url("new_ticket")).context["form"].initial["key"]
    urls = {
        client.post(url("new_ticket"), {"key": key, "title": "Toner"}).url
        for _ in range(2)
    }
    assert urls == {url("ticket", Ticket.objects.get().pk)}


def test_another_accounts_key_finds_nothing_of_theirs(client, account, charlie):
    theirs = open_ticket(charlie.account, by=charlie, title="Secret")
    response = client.post(url("new_ticket"), {"key": theirs.pk, "title": "Toner"})
    mine = Ticket.objects.get(account=account)
    assert response.url == url("ticket", mine.pk)
    assert mine.title == "Toner"


# --- notes ----------------------------------------------------------------------------
def test_a_note_is_added(client, alice, ticket):
    response = client.post(url("ticket_note", ticket.pk), {"text": " On its way "})
    assert response.status_code == 303
    note = ticket.notes.get()
    assert (note.text, note.author, note.visibility) == (
        "On its way",
        alice,
        "internal",
    )
    assert not note.is_resolution
    shown = page(client.get(response.url))
    assert "On its way" in shown
    assert "The note is on the ticket." in shown


def test_a_note_sent_twice_is_one_note(client, account, alice, ticket):
    key = client.get(url("ticket", ticket.pk)).context["form"].initial["key"]
    for _ in range(2):
        form = {"key": key, "text": "On its way"}
        assert client.post(url("ticket_note", ticket.pk), form).status_code == 303
    assert ticket.notes.count() == 1
    other = open_ticket(account, by=alice, title="Other")
    client.post(url("ticket_note", other.pk), {"key": key, "text": "Elsewhere"})
    assert other.notes.get().text == "Elsewhere"
    assert ticket.notes.get().text == "On its way"


@pytest.mark.parametrize("text", ["", "   ", "y" * 4001, "kept words\0"])
def test_a_bad_note_is_refused_with_its_text_kept(client, ticket, text):
    response = client.post(url("ticket_note", ticket.pk), {"text": text})
    assert response.status_code == 422
    assert text.strip("\0 ") in page(response)
    assert "#1001 No paper" in page(response)
    assert not TicketNote.objects.exists()


# --- opening again --------------------------------------------------------------------
def test_a_ticket_that_came_back_is_opened_again(client, alice, ticket):
    close(ticket)
    assert "Open it again" in page(client.get(url("ticket", ticket.pk)))
    response = client.post(url("ticket_reopen", ticket.pk))
    assert response.status_code == 303
    assert now(ticket).status == "open"
    assert ticket.moves().last().actor == alice
    assert "The ticket is open again." in page(client.get(response.url))


def test_opening_an_open_one_is_not_now(client, ticket):
    response = client.post(url("ticket_reopen", ticket.pk))
    assert response.status_code == 409
    assert "Somebody changed this in the meantime" in page(response)
    assert moves(ticket) == ["begin"]
    with pytest.raises(TransitionNotAllowed):
        reopen_ticket(ticket, by=ticket.moves().get().actor)


# --- who ------------------------------------------------------------------------------
def test_everybody_of_the_account_may_look(nora, ticket):
    client = signed_in(nora)
    assert titles(client.get(url())) == ["No paper"]
    shown = page(client.get(url("ticket", ticket.pk)))
    for offer in ("Add the note", "Walk this ticket", "Open it again"):
        assert offer not in shown
    assert "New ticket" not in page(client.get(url()))


def test_a_role_is_needed_to_write(nora, ticket):
    client = signed_in(nora)
    close(ticket)
    assert client.get(url("new_ticket")).status_code == 403
    assert client.post(url("new_ticket"), {"title": "x"}).status_code == 403
    note = client.post(url("ticket_note", ticket.pk), {"text": "x"})
    assert note.status_code == 403
    assert client.post(url("ticket_reopen", ticket.pk)).status_code == 403
    assert (now(ticket).status, TicketNote.objects.count()) == ("resolved", 0)


def test_a_manager_works_tickets_but_walks_none(mona, ticket):
    client = signed_in(mona)
    shown = page(client.get(url("ticket", ticket.pk)))
    assert "Add the note" in shown
    assert "Walk this ticket" not in shown
    assert "Open it again" not in shown  # it is open
    form = {"text": "Called them"}
    assert client.post(url("ticket_note", ticket.pk), form).status_code == 303
    close(ticket)
    assert client.post(url("ticket_reopen", ticket.pk)).status_code == 303


def test_another_accounts_ticket_is_not_found(charlie, ticket):
    client = signed_in(charlie)
    assert titles(client.get(url(), {"status": "all"})) == []
    assert client.get(url("ticket", ticket.pk)).status_code == 404
    note = client.post(url("ticket_note", ticket.pk), {"text": "x"})
    assert note.status_code == 404
    assert client.post(url("ticket_reopen", ticket.pk)).status_code == 404


def test_an_operator_without_an_account_opens_none_and_is_told(ticket):
    client = signed_in(make_user(None, "olga", is_superuser=True))
    assert client.get(url("new_ticket")).status_code == 200
    response = client.post(url("new_ticket"), {"title": "Toner"})
    assert response.status_code == 422
    assert "Operators belong to no account" in page(response)
    assert "Toner" in page(response)
    assert Ticket.objects.get() == ticket


@pytest.mark.parametrize("name", ["ticket_note", "ticket_reopen"])
def test_get_changes_nothing(client, ticket, name):
    assert client.get(url(name, ticket.pk)).status_code == 405


# --- numbers --------------------------------------------------------------------------
def test_each_account_counts_for_itself(account, alice, charlie, ticket):
    theirs = open_ticket(charlie.account, by=charlie, title="x")
    more = open_ticket(account, by=alice, title="y")
    assert (ticket.number, theirs.number, more.number) == (1001, 1001, 1002)


@pytest.mark.django_db(transaction=True)
def test_numbers_given_at_once_have_no_gap_and_no_double(account, alice):
    number = 20 if connection.vendor == "postgresql" else 4
    at_once([lambda: open_ticket(account, by=alice, title="x")] * number)
    given = sorted(Ticket.objects.values_list("number", flat=True))
    assert given == list(range(1001, 1001 + number))


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1001", 1001),
        (" #1001 ", 1001),
        ("007", 7),
        ("12345678", 12345678),
        ("123456789", None),
        ("##1", None),
        ("#", None),
        ("", None),
        ("-1", None),
        ("1.0", None),
        ("²", None),
        ("\u0661", None),
    ],
)
def test_what_is_a_number(written, number):
    assert number_in(written) == number


# --- the gateway ----------------------------------------------------------------------
def test_what_the_walk_screen_is_told_of_a_ticket(account, alice, ticket):
    card = InternalTickets(account, alice).get("1001")
    assert card is not None
    assert (card.number, card.title, card.status) == ("1001", "No paper", "Open")
    assert (card.requester, card.contact) == ("Ann Field", "ext. 12")
    assert card.problem.startswith("Tray 2")


@pytest.mark.parametrize("unknown", ["1002", "", "abc", "9" * 30, "\u0661", "1\0"])
def test_nothing_happens_for_an_unknown_id(account, alice, ticket, unknown):
    tickets = InternalTickets(account, alice)
    assert tickets.get(unknown) is None
    tickets.add_note(unknown, "x", "internal", is_resolution=False)
    tickets.close(unknown)
    tickets.escalate(unknown)
    assert moves(ticket) == ["begin"]
    assert not TicketNote.objects.exists()


def test_the_gateway_of_another_account_does_not_reach_it(charlie, ticket):
    theirs = InternalTickets(charlie.account, charlie)
    assert theirs.get("1001") is None
    theirs.close("1001")
    assert now(ticket).status == "open"


def test_closing_and_escalating_twice_is_doing_it_once(account, alice, ticket):
    tickets = InternalTickets(account, alice)
    for _ in range(2):
        tickets.escalate("1001")
    assert (now(ticket).status, moves(ticket)) == ("escalated", ["begin", "escalate"])
    for _ in range(2):
        tickets.close("1001")
    assert now(ticket).status == "resolved"
    assert moves(ticket) == ["begin", "escalate", "resolve"]


def test_a_resolved_ticket_that_is_escalated_is_not_left_among_the_resolved(
    account, alice, ticket
):
    walk = make_walk(account, alice, ticket_kind="internal", ticket_id="1001")
    close(ticket)
    escalate_walk(walk, by=alice, version=0, category="security")
    assert now(ticket).status == "escalated"
    assert moves(ticket) == ["begin", "resolve", "reopen", "escalate"]


def test_notes_of_a_walk_say_who_and_for_whom(account, alice, ticket):
    tickets = InternalTickets(account, alice)
    tickets.add_note("1001", "Fixed", "public", is_resolution=True)
    note = ticket.notes.get()
    assert (str(note), note.author) == ("Fixed", alice)
    assert (note.visibility, note.is_resolution) == ("public", True)


def test_another_systems_ticket_is_only_a_number(account, alice):
    walk = make_walk(account, alice, ticket_kind="psa", ticket_id="1001")
    ours = open_ticket(account, by=alice, title="Has the same number")
    tickets = gateway_for(walk, by=alice)
    assert isinstance(tickets, ReferenceOnly)
    assert tickets.get("1001") is None
    tickets.escalate("1001")
    resolve_walk(walk, by=alice, version=0, notes="Cable")
    assert now(ours).status == "open"
    assert not TicketNote.objects.exists()


def test_the_kind_of_the_walk_says_which_gateway(account, alice):
    walk = make_walk(account, alice, ticket_kind="internal", ticket_id="1001")
    assert isinstance(gateway_for(walk, by=None), InternalTickets)
