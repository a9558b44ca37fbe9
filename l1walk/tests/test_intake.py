"""From a call to a walk: nothing typed is lost, nothing is made twice."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from l1walk.actions.calls import begun_walk, take_call
from l1walk.actions.flows import archive_flow, create_flow
from l1walk.actions.tickets import open_ticket
from l1walk.actions.walks import FlowNotWalkable, Intake
from l1walk.models import Flow, L1WalkSession, Ticket
from l1walk.tests.make import make_flow, make_walk, reread
from l1walk.tests.test_concurrency import at_once
from tests.conftest import make_user, signed_in

pytestmark = pytest.mark.django_db

STRONG = "The printer prints nothing, paper is in"
NEAR = "Since the big move on Wednesday our printer beside Anna's aquarium rattles"
NONE = "I need a new chair"


@pytest.fixture
def flow(account) -> Flow:
    return make_flow(account, title="Printer does not print", keywords="print paper")


@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


def url(name: str = "intake", *args: Any) -> str:
    return reverse(f"l1walk:{name}", args=args)


def call(text: str = STRONG, **over: Any) -> dict[str, Any]:
    """Return the intake form as filled in during a call."""
    form = {
        "start_key": uuid4(),
        "problem_text": text,
        "caller_name": "Ann Field",
        "caller_contact": "ext. 12",
        "ticket": "new",
        "ticket_number": "",
    }
    return form | over


def page(response: Any) -> str:
    return str(response.content.decode())


def begun(response: Any) -> L1WalkSession:
    """Return the walk that a response leads to."""
    assert response.status_code == 303, page(response)
    rows = L1WalkSession.objects.select_related("flow", "flow_version")
    walk: L1WalkSession = rows.latest("id")
    assert response.url == url("walk", walk.pk)
    return walk


# --- which flow -----------------------------------------------------------------------
def test_a_strong_match_starts_at_once_with_a_ticket(client, flow, alice):
    open_ticket(alice.account, by=alice, title="An older one")
    walk = begun(client.post(url(), call()))
    assert walk.flow == flow
    assert walk.flow_version == flow.current_version
    assert walk.created_by_user == alice
    assert (walk.caller_name, walk.caller_contact) == ("Ann Field", "ext. 12")
    ticket = Ticket.objects.latest("id")
    assert (walk.ticket_kind, walk.ticket_id) == ("internal", str(ticket.number))
    assert ticket.number == 1002
    assert (ticket.title, ticket.problem) == (STRONG, STRONG)
    assert (ticket.requester, ticket.contact) == ("Ann Field", "ext. 12")


def test_a_near_match_is_offered_and_keeps_everything_typed(client, flow):
    form = call(NEAR)
    response = client.post(url(), form)
    assert response.status_code == 200
    assert f'name="flow" value="{flow.slug}"' in page(response)
    assert "Fits well" not in page(response)
    for typed in ("our printer beside Anna", "Ann Field", "ext. 12"):
        assert typed in page(response)
    assert f'value="{form["start_key"]}"' in page(response)
    assert not Ticket.objects.exists()
    assert not L1WalkSession.objects.exists()
    assert begun(client.post(url(), form | {"flow": flow.slug})).flow == flow


def test_where_no_flow_fits_a_walk_without_one_is_offered(client, flow):
    response = client.post(url(), call(NONE))
    assert "No flow fits these words" in page(response)
    assert 'name="flow" value="adhoc"' in page(response)
    assert not Ticket.objects.exists()


def test_a_walk_without_a_flow(client, flow):
    walk = begun(client.post(url(), call(STRONG, flow="adhoc")))
    assert (walk.session_kind, walk.flow) == ("adhoc", None)
    assert walk.problem_text == STRONG
    assert walk.ticket_id == str(Ticket.objects.get().number)


def test_a_chosen_flow_starts_whatever_the_words_say(client, account, flow):
    other = make_flow(account, title="Chairs")
    assert begun(client.post(url(), call(STRONG, flow=other.slug))).flow == other


def test_every_published_flow_can_be_chosen(client, account, flow, charlie):
    create_flow(account, by=None, title="Not written yet")
    make_flow(charlie.account, title="Of somebody else")
    shown = page(client.get(url()))
    assert f'value="{flow.slug}"' in shown
    assert "Not written yet" not in shown
    assert "Of somebody else" not in shown


def test_without_any_flow_the_page_says_so(client):
    assert "No flow is published yet" in page(client.get(url()))


@pytest.mark.parametrize("slug", ["", "no-such-flow", "printer\0", "of-a-rival"])
def test_a_flow_that_went_away_is_not_started(client, flow, egon, charlie, slug):
    make_flow(charlie.account, title="Of a rival")
    other = make_flow(egon.account, title="Printer queue")
    archive_flow(flow, by=egon)
    response = client.post(url(), call(flow=slug or flow.slug))
    assert response.status_code == 422
    assert "not in use any more" in page(response)
    assert STRONG in page(response)
    assert f'value="{other.slug}"' in page(response)
    assert not Ticket.objects.exists()


def test_the_verb_refuses_it_too_and_leaves_no_ticket(account, alice, flow):
    archived = archive_flow(flow, by=alice)
    intake = Intake("internal", "", problem_text="x")
    with pytest.raises(FlowNotWalkable):
        take_call(account, by=alice, intake=intake, flow=archived, start_key=uuid4())
    assert not Ticket.objects.exists()


# --- the ticket -----------------------------------------------------------------------
def test_an_existing_one_is_used_with_or_without_its_sign(client, account, alice, flow):
    ticket = open_ticket(account, by=alice, title="Printer")
    for written in ("1001", "#1001", " #1001 "):
        form = call(ticket="existing", ticket_number=written, anyway="1")
        walk = begun(client.post(url(), form))
        assert (walk.ticket_kind, walk.ticket_id) == ("internal", "1001")
    assert Ticket.objects.get() == ticket


@pytest.mark.parametrize(
    "written", ["1002", "#", "-1", "ten", "²", "1001.0", "9" * 60, "\u0661\u0660"]
)
def test_an_unknown_number_is_pointed_out(client, account, alice, flow, written):
    open_ticket(account, by=alice, title="Printer")
    form = call(ticket="existing", ticket_number=written)
    response = client.post(url(), form)
    assert response.status_code == 422
    assert f"There is no ticket {written}." in page(response)
    assert STRONG in page(response)
    assert not L1WalkSession.objects.exists()


def test_another_accounts_number_is_unknown(client, flow, charlie):
    open_ticket(charlie.account, by=charlie, title="Secret")
    form = call(ticket="existing", ticket_number="1001")
    assert "There is no ticket 1001." in page(client.post(url(), form))


def test_another_systems_ticket_is_kept_as_typed(client, flow):
    form = call(ticket="other", ticket_number=" #INC-00 7/b ")
    walk = begun(client.post(url(), form))
    assert (walk.ticket_kind, walk.ticket_id) == ("psa", "#INC-00 7/b")
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("kind", ["existing", "other"])
def test_a_number_is_needed(client, flow, kind):
    response = client.post(url(), call(ticket=kind, ticket_number="  "))
    assert response.status_code == 422
    assert page(response).count("Write the ticket&#x27;s number.") == 2


def test_a_number_that_cannot_be_one_is_named_once(client, flow):
    form = call(ticket="other", ticket_number="1\0")
    response = client.post(url(), form)
    assert response.status_code == 422
    assert "Null characters" in page(response)
    assert "Write the ticket" not in page(response)


def test_a_number_beside_a_new_ticket_is_not_dropped_in_silence(client, flow):
    response = client.post(url(), call(ticket="new", ticket_number="1001"))
    assert response.status_code == 422
    assert "say whose it is, or clear it" in page(response)
    assert 'value="1001"' in page(response)


def test_the_title_is_the_first_line_and_at_most_200_long(client, flow):
    begun(client.post(url(), call("Broken \r\nprinter\nsince noon", flow="adhoc")))
    assert Ticket.objects.latest("id").title == "Broken"
    text = "paper " * 60
    begun(client.post(url(), call(text, flow="adhoc")))
    ticket = Ticket.objects.latest("id")
    assert ticket.title == text[:200]
    assert ticket.problem == text.strip()


# --- coming from a ticket -------------------------------------------------------------
def test_the_form_is_filled_from_it(client, account, alice):
    open_ticket(
        account,
        by=alice,
        title="Tray <2>",
        requester="Ann Field",
        contact="ext. 12",
        problem="No paper",
    )
    form = client.get(url(), {"ticket": "1001"}).context["form"]
    assert form.initial | {"start_key": None} == {
        "start_key": None,
        "ticket": "existing",
        "ticket_number": "1001",
        "problem_text": "Tray <2>\nNo paper",
        "caller_name": "Ann Field",
        "caller_contact": "ext. 12",
    }


@pytest.mark.parametrize(
    ("title", "problem", "told"),
    [
        ("No paper", "", "No paper"),
        ("No paper", "No paper\nin tray 2", "No paper\nin tray 2"),
        ("x" * 200, "y" * 4000, "x" * 200 + "\n" + "y" * 3799),
    ],
)
def test_nothing_is_said_twice_or_too_long(
    client, account, alice, title, problem, told
):
    open_ticket(account, by=alice, title=title, problem=problem)
    form = client.get(url(), {"ticket": "1001"}).context["form"]
    assert form.initial["problem_text"] == told


@pytest.mark.parametrize("number", ["", "1002", "x", "9" * 5000, "1\0", "²"])
def test_an_unknown_one_leaves_the_form_empty(client, account, alice, number):
    open_ticket(account, by=alice, title="Printer")
    response = client.get(url(), {"ticket": number})
    assert response.status_code == 200
    assert set(response.context["form"].initial) == {"start_key"}


def test_another_accounts_ticket_fills_nothing(client, charlie):
    open_ticket(charlie.account, by=charlie, title="Secret")
    assert "Secret" not in page(client.get(url(), {"ticket": "1001"}))


# --- once -----------------------------------------------------------------------------
def test_a_form_sent_twice_is_one_walk_and_one_ticket(client, flow):
    form = call()
    assert client.post(url(), form).url == client.post(url(), form).url
    assert L1WalkSession.objects.count() == Ticket.objects.count() == 1


def test_even_when_the_flow_was_archived_in_between(client, flow, egon):
    form = call(flow=flow.slug)
    walk = begun(client.post(url(), form))
    archive_flow(flow, by=egon)
    assert client.post(url(), form).url == url("walk", walk.pk)


def test_a_new_form_has_a_new_key(client):
    keys = {client.get(url()).context["form"].initial["start_key"] for _ in "ab"}
    assert len(keys) == 2


def test_another_accounts_key_is_not_ours(client, flow, charlie):
    form = call(flow="adhoc")
    theirs = begun(signed_in(charlie).post(url(), form))
    mine = begun(client.post(url(), form))
    assert mine.pk != theirs.pk


def test_a_form_without_its_key_is_refused(client, flow):
    response = client.post(url(), call(start_key=""))
    assert response.status_code == 422
    assert not Ticket.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("over", [{}, {"ticket": "other", "ticket_number": "X-1"}])
def test_the_same_form_many_times_at_once_is_one_walk_and_one_ticket(
    account, alice, over
):
    make_flow(account, title="Printer does not print", keywords="print paper")
    form = call(**over)
    clients = [signed_in(alice) for _ in range(6)]
    responses = at_once([lambda c=c: c.post(url(), form) for c in clients])
    walk = L1WalkSession.objects.get()
    assert {response.status_code for response in responses} == {303}
    assert {response.url for response in responses} == {url("walk", walk.pk)}
    assert Ticket.objects.count() == (0 if over else 1)


@pytest.mark.django_db(transaction=True)
def test_who_comes_second_to_the_lock_finds_the_walk(account, alice):
    key, intake = uuid4(), Intake("internal", "", problem_text="No paper")
    walks = at_once(
        [lambda: take_call(account, by=alice, intake=intake, flow=None, start_key=key)]
        * 4
    )
    assert {walk.pk for walk in walks} == {L1WalkSession.objects.get().pk}
    assert begun_walk(account, key) == walks[0]
    assert Ticket.objects.count() == 1


# --- what is missing ------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "   ", "\r\n\t\u2003"])
def test_a_problem_is_needed(client, flow, text):
    response = client.post(url(), call(text, flow="adhoc"))
    assert response.status_code == 422
    assert "Write what the caller says." in page(response)
    assert "Ann Field" in page(response)
    assert not Ticket.objects.exists()


def test_too_long_a_problem_is_refused_with_the_text_kept(client, flow):
    response = client.post(url(), call("printer " * 501))
    assert response.status_code == 422
    assert "printer " * 500 in page(response)


def test_strange_signs_are_no_error(client, flow):
    walk = begun(client.post(url(), call("& | ! ( ) : * ' \x01 <b>", flow="adhoc")))
    assert "&lt;b&gt;" in page(client.get(url("walk", walk.pk)))


def test_nul_is_refused_not_an_error(client, flow):
    assert client.post(url(), call("printer\0")).status_code == 422


# --- who ------------------------------------------------------------------------------
@pytest.mark.parametrize("who", ["nora", "mona"])
def test_without_the_right_it_is_not_for_you(request, flow, who):
    client = signed_in(request.getfixturevalue(who))
    assert client.get(url()).status_code == 403
    assert client.post(url(), call()).status_code == 403
    assert client.get(url("suggestions")).status_code == 403
    assert not L1WalkSession.objects.exists()


def test_an_engineer_covers(egon, flow):
    walk = begun(signed_in(egon).post(url(), call()))
    assert walk.acting_as == "l1_coverage"


def test_an_engineer_who_is_a_technician_too_does_not(account, flow):
    both = make_user(account, "bo", "technician", "engineer")
    walk = begun(signed_in(both).post(url(), call()))
    assert reread(walk).acting_as is None


def test_an_operator_without_an_account_is_told(flow):
    olga = make_user(None, "olga", is_superuser=True)
    client = signed_in(olga)
    assert client.get(url()).status_code == 200
    response = client.post(url(), call())
    assert response.status_code == 422
    assert "Operators belong to no account" in page(response)
    assert STRONG in page(response)
    assert not L1WalkSession.objects.exists()


def test_rights_come_from_the_role(alice, flow):
    alice.groups.set(Group.objects.filter(name="manager"))
    assert signed_in(alice).get(url()).status_code == 403


# --- suggestions while typing ---------------------------------------------------------
def test_a_fragment_with_the_flows_that_fit(client, flow):
    response = client.get(url("suggestions"), {"problem_text": STRONG})
    shown = page(response)
    assert "<html" not in shown
    assert shown.lstrip().startswith('<div id="matches"')
    assert f'name="flow" value="{flow.slug}"' in shown
    assert "Fits well" in shown
    assert not Ticket.objects.exists()


def test_nothing_typed_nothing_said(client, flow):
    for text in ("", "  "):
        shown = page(client.get(url("suggestions"), {"problem_text": text}))
        assert "<button" not in shown
        assert "No flow fits" not in shown


def test_no_flow_fits(client, flow):
    shown = page(client.get(url("suggestions"), {"problem_text": NONE}))
    assert "No flow fits these words" in shown


def test_they_read_the_flows_once(client, flow):
    with CaptureQueriesContext(connection) as captured:
        client.get(url("suggestions"), {"problem_text": STRONG})
    assert sum('FROM "l1walk_flow"' in query["sql"] for query in captured) == 1


def test_only_get(client):
    assert client.post(url("suggestions")).status_code == 405


def test_starting_costs_the_same_with_one_flow_and_with_thirty(client, account, flow):
    client.post(url(), call())  # what a process reads once
    costs = []
    for number in (0, 30):
        for place in range(number):
            make_flow(account, title=f"Scanner {place}")
        with CaptureQueriesContext(connection) as captured:
            assert client.post(url(), call()).status_code == 303
        costs.append(len(captured))
    assert costs[0] == costs[1] <= 24


def test_a_ticket_that_somebody_walks_is_not_walked_twice_unawares(
    account, alice, egon
):
    flow = make_flow(account, title="Printer", keywords="printer jam")
    ticket = open_ticket(account, by=alice, title="Printer jam")
    walk = make_walk(
        account, alice, flow, ticket_kind="internal", ticket_id=str(ticket.number)
    )
    form = {
        "start_key": uuid4(), "problem_text": "Kept words", "ticket": "existing",
        "ticket_number": f"#{ticket.number}", "flow": flow.slug,
    }  # fmt: skip
    client = signed_in(egon)
    response = client.post(reverse("l1walk:intake"), form)
    page = response.content.decode()
    assert response.status_code == 409
    assert "Alice has begun a walk" in page
    assert reverse("l1walk:walk", args=[walk.pk]) in page
    assert "Kept words" in page
    assert L1WalkSession.objects.count() == 1
    response = client.post(reverse("l1walk:intake"), form | {"anyway": "1"})
    assert response.status_code == 303
    assert L1WalkSession.objects.get(start_key=form["start_key"]).flow == flow
