"""Where everybody begins, and how a ticket, a walk or a flow is found again."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from l1walk.actions.escalations import claim_walk, escalate_walk
from l1walk.actions.flows import archive_flow
from l1walk.actions.tickets import InternalTickets, open_ticket
from l1walk.actions.walks import resolve_walk
from l1walk.models import L1WalkSession
from l1walk.tests.make import make_flow, make_walk
from tests.conftest import make_user, signed_in
from workflows.core.accounts import User

pytestmark = pytest.mark.django_db


def main(response: Any) -> str:
    """Return what the page says, without its frame."""
    assert response.status_code == 200
    text: str = response.content.decode()
    return text.split("<main", 1)[1].split("</main>", 1)[0]


def home(user: User) -> str:
    return main(signed_in(user).get(reverse("home")))


def escalated(user: User, text: str) -> L1WalkSession:
    assert user.account is not None
    walk = make_walk(user.account, user, problem_text=text)
    return escalate_walk(walk, by=user, version=0, category="security")


# --- home -----------------------------------------------------------------------------
def test_an_operator_is_not_offered_a_call(account, alice):
    open_ticket(account, by=alice, title="Printer")
    operator = make_user(None, "root", is_superuser=True, is_staff=True)
    page = home(operator)
    assert "Printer" in page
    assert reverse("l1walk:intake") not in page
    for name in ("walks", "tickets", "flows"):
        page = main(signed_in(operator).get(reverse(f"l1walk:{name}")))
        for offer in ("intake", "new_ticket", "flow_new"):
            assert reverse(f"l1walk:{offer}") not in page


def test_a_technician_sees_ones_own_open_walks_and_open_tickets(account, alice):
    tom = make_user(account, "tom", "technician")
    flow = make_flow(account)
    mine = make_walk(account, alice, flow, problem_text="My open walk")
    make_walk(account, tom, flow, problem_text="Tom's open walk")
    over = make_walk(account, alice, flow, problem_text="My ended walk")
    resolve_walk(over, by=alice, version=0)
    escalated(alice, "My escalated walk")
    open_ticket(account, by=alice, title="A ticket to walk")
    closed = open_ticket(account, by=alice, title="A closed ticket")
    InternalTickets(account, alice).close(str(closed.number))
    shown = home(alice)
    assert "Hello, Alice" in shown
    assert "My open walk" in shown
    assert reverse("l1walk:walk", args=[mine.pk]) in shown
    assert "A ticket to walk" in shown
    for other in ("Tom's open", "My ended", "My escalated", "A closed ticket"):
        assert other not in shown
    assert "Waiting for an engineer" not in shown


def test_an_engineer_sees_what_waits_and_what_is_claimed(account, alice, egon):
    erika = make_user(account, "erika", "engineer")
    escalated(alice, "Waits longest")
    escalated(alice, "Waits since now")
    claim_walk(escalated(alice, "Egon has this"), by=egon)
    claim_walk(escalated(alice, "Erika has that"), by=erika)
    shown = home(egon)
    claimed, waiting = shown.split("Waiting for an engineer", 1)
    assert "Egon has this" in claimed.split("Escalations you took", 1)[1]
    assert waiting.index("Waits longest") < waiting.index("Waits since now")
    assert "Egon has this" not in waiting
    assert "Erika has that" not in shown
    assert reverse("l1walk:queue") in waiting
    assert "Your open walks" in shown  # engineers cover for the first line


def test_a_manager_sees_what_waits_and_walks_nothing(account, alice, mona):
    escalated(alice, "Waits")
    shown = home(mona)
    assert "Waits" in shown
    assert "Your open walks" not in shown
    assert "Take a call" not in shown


def test_without_a_role_there_are_tickets_to_look_at(account, alice, nora):
    open_ticket(account, by=alice, title="A ticket")
    escalated(alice, "Waits")
    shown = home(nora)
    assert "A ticket" in shown
    for other in ("Your open walks", "Waiting for an engineer", "Take a call"):
        assert other not in shown


def test_nothing_of_another_account(account, alice, charlie):
    make_walk(account, alice, problem_text="Acme's walk")
    escalated(alice, "Acme's escalation")
    open_ticket(account, by=alice, title="Acme's ticket")
    assert "Acme" not in home(charlie)


def test_an_empty_home_says_what_to_do(alice, egon, mona):
    for user in (alice, egon):
        assert "When a call comes in, take it" in home(user)
        assert "A ticket is made when a call is taken." in home(user)
    for user in (egon, mona):
        assert "Escalated walks appear here, oldest first." in home(user)
    assert "Nothing waits" not in home(alice)
    assert "Escalations you took" not in home(egon)


def test_the_lists_of_home_are_short(account, egon):
    for place in range(25):
        open_ticket(account, by=egon, title=f"Ticket {place}")
        make_walk(account, egon, problem_text=f"Walk {place}")
    context = signed_in(egon).get(reverse("home")).context
    assert [ticket.title for ticket in context["tickets"]] == [
        f"Ticket {place}" for place in range(24, 16, -1)
    ]
    assert [walk.problem_text for walk in context["mine"]] == [
        f"Walk {place}" for place in range(24, 4, -1)
    ]


def test_home_costs_the_same_for_few_and_for_many(account, egon):
    client = signed_in(egon)
    flow = make_flow(account)
    costs = []
    for more in (1, 10):
        for _ in range(more):
            open_ticket(account, by=egon, title="x")
            make_walk(account, egon, flow)
            escalated(egon, "x")
            claim_walk(escalated(egon, "x"), by=egon)
        client.get(reverse("home"))
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("home"))
        costs.append(len(captured))
    assert costs[0] == costs[1]


# --- search ---------------------------------------------------------------------------
@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


@pytest.fixture
def world(account, alice, egon) -> None:
    open_ticket(account, by=alice, title="Toner is empty", requester="Ann Field")
    open_ticket(account, by=alice, title="Room 1001 is cold", requester="Bo Toner")
    make_flow(account, title="Printer does not print", keywords="toner paper jam")
    old = make_flow(account, title="Fax machine", keywords="thermal")
    archive_flow(old, by=egon)
    make_walk(account, alice, ticket_id="INC-42", problem_text="By the other system")
    make_walk(
        account,
        alice,
        ticket_kind="internal",
        ticket_id="1001",
        problem_text="By number",
    )


def found(client: Client, text: str) -> set[str]:
    """Return the tickets, walks and flows that a search lists."""
    context = client.get(reverse("search"), {"q": text}).context
    return (
        {f"#{row.number}" for row in context.get("tickets", ())}
        | {row.title for row in context.get("flows", ())}
        | {row.problem_text for row in context.get("walks", ())}
    )


FOUND = [
    ("1001", {"#1001", "#1002"}),  # the second has it in its title
    ("#1001", {"#1001"}),
    (" #1002 ", {"#1002"}),
    ("1003", set()),
    ("#", set()),
    ("##1001", set()),
    ("is empty", {"#1001"}),
    ("IS EMPTY", {"#1001"}),
    ("field", {"#1001"}),
    ("toner", {"#1001", "#1002", "Printer does not print"}),
    ("does not", {"Printer does not print"}),
    ("jam", {"Printer does not print"}),
    ("fax", {"Fax machine"}),
    ("INC-42", {"By the other system"}),
    ("#INC-42", {"By the other system"}),
    ("INC-4", set()),
    ("100%", set()),
    ("_", set()),
    ("x" * 5000, set()),
    ("9" * 5000, set()),
    ("\u0661", set()),
    ("ton\0er", {"#1001", "#1002", "Printer does not print"}),
    ("' OR 1=1 --", set()),
]


@pytest.mark.parametrize(("text", "rows"), FOUND, ids=range(len(FOUND)))
def test_what_is_found(client, world, text, rows):
    assert found(client, text) == rows


def test_each_hit_is_a_link_and_the_words_stay_in_the_box(client, world):
    shown = main(client.get(reverse("search"), {"q": "toner"}))
    assert 'value="toner"' in shown
    for row in client.get(reverse("search"), {"q": "toner"}).context["tickets"]:
        assert reverse("l1walk:ticket", args=[row.pk]) in shown
    (flow,) = client.get(reverse("search"), {"q": "jam"}).context["flows"]
    assert reverse("l1walk:flow", args=[flow.pk]) in shown
    walk = L1WalkSession.objects.get(ticket_id="INC-42")
    shown = main(client.get(reverse("search"), {"q": "INC-42"}))
    assert reverse("l1walk:walk", args=[walk.pk]) in shown


def test_what_was_typed_is_text_not_markup(client):
    shown = main(client.get(reverse("search"), {"q": '"><script>alert(1)</script>'}))
    assert "<script>alert" not in shown


@pytest.mark.parametrize("text", ["", "   ", "\0"])
def test_nothing_asked_nothing_looked_for(client, world, text):
    with CaptureQueriesContext(connection) as captured:
        shown = main(client.get(reverse("search"), {"q": text}))
    assert "Nothing found" not in shown
    assert not [q for q in captured if "l1walk" in q["sql"]]
    assert main(client.get(reverse("search")))


def test_nothing_found_says_what_to_try(client, world):
    shown = main(client.get(reverse("search"), {"q": "zebra"}))
    assert "Nothing found" in shown
    assert "Try another word" in shown


def test_another_accounts_things_are_absent(world, charlie):
    client = signed_in(charlie)
    for text, _rows in FOUND:
        assert found(client, text) == set()


def test_everybody_of_the_account_may_search(world, nora):
    assert "#1001" in found(signed_in(nora), "toner")


def test_at_most_twenty_of_a_kind_and_at_the_same_cost(client, account, alice):
    costs = []
    for more in (2, 28):
        for place in range(more):
            open_ticket(account, by=alice, title="Toner")
            flow = make_flow(account, title=f"Toner {place}")
            make_walk(account, alice, flow, ticket_id="Toner")
        client.get(reverse("search"), {"q": "toner"})
        with CaptureQueriesContext(connection) as captured:
            response = client.get(reverse("search"), {"q": "Toner"})
        costs.append(len(captured))
    assert costs[0] == costs[1]
    for kind in ("tickets", "flows", "walks"):
        assert len(response.context[kind]) == 20
