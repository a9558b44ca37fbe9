"""A wizard leads to the first open page and saves nothing twice or too late."""

from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django_fsm import ConcurrentTransition

from tests.conftest import make_account, signed_in
from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from tests.kit.wizard import AddressPage, SendPage
from workflows.core.wizard import Page

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.urls")]

ELM = "Elm Street 1"


@pytest.fixture
def client(alice):
    return signed_in(alice)


@pytest.fixture
def parcel(account, alice):
    return make_parcel(account, by=alice)


def url(parcel, page=""):
    return f"/parcels/{parcel.pk}/{page}{'/' if page else ''}"


def leads_to(response):
    assert response.status_code == 303
    return response.headers["Location"]


def send(client, parcel, page, *, state="packed", **data):
    return client.post(url(parcel, page), {"state": state, **data})


def moved(parcel):
    """Return the machine as the database has it, and how often it moved."""
    row = Parcel.objects.get(pk=parcel.pk)
    return row.state, row.address, row.moves().count() - 1


def steps(response):
    return [(step.slug, step.state, step.why) for step in response.context["steps"]]


# --- where one goes on ----------------------------------------------------------------
def test_a_person_walks_from_page_to_page_and_ends(client, parcel):
    """Each POST leads to the start, which leads on: no page knows its next."""
    start = url(parcel)
    assert leads_to(client.get(start)) == url(parcel, "address")
    assert leads_to(send(client, parcel, "address", address=ELM)) == start
    assert leads_to(client.get(start)) == url(parcel, "send")
    assert leads_to(send(client, parcel, "send", note="blue van")) == start
    assert leads_to(client.get(start)) == url(parcel, "arrived")
    assert (
        leads_to(send(client, parcel, "arrived", state="sent", do="deliver")) == start
    )
    assert leads_to(client.get(start)) == url(parcel, "finished")
    assert moved(parcel) == ("delivered", ELM, 2)
    assert parcel.moves()[1].note == "blue van"


def test_a_page_that_is_not_open_yet_says_why_and_leads_back(client, parcel):
    response = client.get(url(parcel, "arrived"))
    assert leads_to(response) == url(parcel, "address")
    texts = [str(message) for message in get_messages(response.wsgi_request)]
    assert texts == ["Send it first."]
    assert "Send it first." in client.get(url(parcel, "address")).content.decode()


def test_a_page_that_is_done_can_be_seen_and_changed_while_it_is_open(client, parcel):
    send(client, parcel, "address", address=ELM)
    response = client.get(url(parcel, "address"))
    assert response.status_code == 200
    assert f'value="{ELM}"' in response.content.decode()
    send(client, parcel, "address", address="Oak Street 2")
    assert moved(parcel) == ("packed", "Oak Street 2", 0)


def test_the_progress_shows_what_is_done_open_and_blocked(client, parcel):
    blocked = ("arrived", "blocked", "Send it first.")
    assert steps(client.get(url(parcel, "address"))) == [
        ("address", "current", ""),
        ("send", "blocked", "Say where to first."),
        blocked,
    ]
    send(client, parcel, "address", address=ELM)
    assert steps(client.get(url(parcel, "address"))) == [
        ("address", "current", ""),
        ("send", "open", ""),
        blocked,
    ]
    response = client.get(url(parcel, "send"))
    assert steps(response) == [
        ("address", "done", ""),
        ("send", "current", ""),
        blocked,
    ]
    html = response.content.decode()
    assert 'aria-current="step"' in html
    assert f'href="{url(parcel, "address")}"' in html
    assert f'href="{url(parcel, "arrived")}"' not in html


def test_looking_changes_nothing(client, parcel):
    for page in ("address", "send", "arrived", "finished"):
        client.get(url(parcel, page))
        client.head(url(parcel, page))
    assert moved(parcel) == ("packed", "", 0)


def test_a_page_is_a_plain_form(client, parcel):
    """It works without JavaScript: one form, posted to where it stands."""
    html = client.get(url(parcel, "address")).content.decode()
    main = html.partition("<main")[2].partition("</main>")[0]
    assert main.count("<form") == 1
    assert '<form method="post" enctype="multipart/form-data"' in main
    assert '<input type="hidden" name="state" value="packed">' in main
    assert 'name="csrfmiddlewaretoken"' in main
    assert "hx-" not in main
    assert "<h1>Where to</h1>" in main


# --- what cannot be saved -------------------------------------------------------------
def test_a_form_with_a_slip_is_shown_again_as_typed(client, parcel):
    typed = "x" * 101
    response = send(client, parcel, "address", address=typed)
    html = response.content.decode()
    assert response.status_code == 422
    assert typed in html
    assert "Please look at this again" in html
    assert moved(parcel) == ("packed", "", 0)


def refused(response, typed):
    """Assert a 409 that keeps what was typed; return the state its form is for."""
    html = response.content.decode()
    assert response.status_code == 409
    assert f'value="{typed}"' in html
    assert "so nothing was saved. What you typed is still here" in html
    return response.context["state"]


def test_a_form_made_for_another_state_moves_nothing(client, parcel):
    """Two tabs: the parcel was sent in one, the other still shows the form."""
    send(client, parcel, "address", address=ELM)
    assert send(client, parcel, "send").status_code == 303
    state = refused(send(client, parcel, "send", note="mine"), "mine")
    assert state == "sent"
    assert moved(parcel) == ("sent", ELM, 1)


def test_a_form_without_a_state_moves_nothing(client, parcel):
    response = client.post(url(parcel, "address"), {"address": ELM})
    assert refused(response, ELM) == "packed"
    assert moved(parcel) == ("packed", "", 0)
    # What was refused is sent again as it now stands, and is taken.
    assert send(client, parcel, "address", address=ELM).status_code == 303


@pytest.mark.parametrize("state", ["packed", "sent"])
def test_a_form_of_a_page_that_closed_meanwhile_keeps_what_was_typed(
    client, parcel, state
):
    send(client, parcel, "address", address=ELM)
    send(client, parcel, "send")
    response = send(client, parcel, "address", state=state, address="Oak Street 2")
    refused(response, "Oak Street 2")
    assert "It is on its way." in response.content.decode()
    assert moved(parcel) == ("sent", ELM, 1)


@pytest.mark.parametrize("error", [None, ConcurrentTransition])
def test_who_is_overtaken_is_told_and_keeps_what_they_typed(
    client, parcel, egon, monkeypatch, error
):
    """A colleague sends it between the look at its state and the lock."""
    send(client, parcel, "address", address=ELM)
    stock = SendPage.act

    def overtaken(self, form):
        with Parcel.moving(parcel.pk, by=egon) as row:
            row.send()
        if error:
            raise error
        stock(self, form)

    monkeypatch.setattr(SendPage, "act", overtaken)
    response = send(client, parcel, "send", note="mine")
    assert refused(response, "mine") == "sent"  # as it is now, not as it was
    assert response.context["machine"].state == "sent"
    assert moved(parcel) == ("sent", ELM, 1)
    assert parcel.moves()[1].actor_name == "Egon"


# --- what is not there ----------------------------------------------------------------
def test_another_accounts_machine_is_not_there(client, alice):
    foreign = make_parcel(make_account("rival"))
    for page in ("", "address", "send"):
        assert client.get(url(foreign, page)).status_code == 404
    assert send(client, foreign, "address", address=ELM).status_code == 404
    assert moved(foreign) == ("packed", "", 0)


def test_an_unknown_page_or_machine_is_not_there(client, parcel):
    assert client.get(url(parcel, "nowhere")).status_code == 404
    assert send(client, parcel, "nowhere").status_code == 404
    assert client.get(f"/parcels/{uuid4()}/").status_code == 404


def test_a_page_says_what_it_does_with_it(rf, parcel):
    page = Page(rf.get("/"), parcel)
    assert (page.blocked(), page.context()) == ("", {})
    assert not page.form().fields
    for missing in (page.done, lambda: page.act(page.form())):
        with pytest.raises(NotImplementedError):
            missing()
    assert AddressPage(rf.get("/"), parcel).form().initial == {"address": ""}
