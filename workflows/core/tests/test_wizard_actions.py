"""What a page does: one of its actions, its verb's words, and who may do it at all."""

import re

import pytest
from django import forms
from django.contrib.messages import get_messages

from tests.conftest import make_account, signed_in
from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from tests.kit.wizard import MOON, AddressPage, ArrivedPage, NoteForm, ParcelWizard
from workflows.core.errors import AdminRequired, Problem, Temporary, UserFixable
from workflows.core.tests.test_wizard import ELM, leads_to, moved, refused, send, url
from workflows.core.wizard import Page

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.urls")]

OAK = "Oak Street 2"


@pytest.fixture
def client(alice):
    return signed_in(alice)


@pytest.fixture
def parcel(account, alice):
    """It is on its way: of its wizard only the page of two actions is open."""
    parcel = make_parcel(account, by=alice)
    with Parcel.moving(parcel.pk, by=alice) as row:
        row.send(ELM)
    return parcel


def ask(client, parcel, do, *, state="sent", **data):
    return send(client, parcel, "arrived", state=state, do=do, **data)


def main_of(response):
    html = response.content.decode()
    return html.partition("<main")[2].partition("</main>")[0]


def forms_of(response):
    """Return the page's forms as the reader has them, by the action that each asks."""
    found = re.findall(r"<form.*?</form>", main_of(response), re.DOTALL)
    return {
        re.search(r'name="do" value="(\w*)"', form).group(1): form for form in found
    }


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


# --- several actions ------------------------------------------------------------------
def test_a_page_has_a_form_for_each_action(client, parcel):
    response = client.get(url(parcel, "arrived"))
    found = forms_of(response)
    assert list(found) == ["deliver", "redirect"]
    for form in found.values():
        assert '<form method="post" enctype="multipart/form-data" novalidate>' in form
        assert '<input type="hidden" name="state" value="sent">' in form
        assert 'name="csrfmiddlewaretoken"' in form
        assert 'name="note"' in form
    assert "<button>It has arrived</button>" in found["deliver"]
    assert '<button class="secondary">Redirect it</button>' in found["redirect"]
    context = response.context
    assert context["form"] is context["forms"]["deliver"]
    assert not any(form.is_bound for form in context["forms"].values())


def test_the_form_says_which_action_is_meant(client, parcel):
    ask(client, parcel, "redirect", address=OAK)
    assert moved(parcel) == ("sent", OAK, 1)
    assert leads_to(ask(client, parcel, "deliver", note="to Egon")) == url(parcel)
    assert moved(parcel) == ("delivered", OAK, 2)
    assert parcel.moves().last().note == "to Egon"


def test_a_slip_in_one_form_leaves_the_others_alone(client, parcel):
    response = ask(client, parcel, "redirect", address="", note="ring twice")
    assert response.status_code == 422
    context, found = response.context, forms_of(response)
    assert context["form"] is context["forms"]["redirect"]
    assert not context["forms"]["deliver"].is_bound
    assert 'value="ring twice"' in found["redirect"]
    assert "This field is required." in found["redirect"]
    assert "ring twice" not in found["deliver"]
    assert "error" not in found["deliver"]
    assert moved(parcel) == ("sent", ELM, 1)


def test_the_summary_of_errors_stands_once_above_every_form(client, parcel):
    """Where a page without JavaScript begins, and links to the control below."""
    html = main_of(ask(client, parcel, "redirect", address=""))
    assert html.count("data-error-summary") == 1
    assert html.index("data-error-summary") < html.index("<form")
    assert '<a href="#id_redirect_address">' in html


@pytest.mark.parametrize("address", ["", MOON])
def test_ids_are_unique_and_labels_find_their_controls(client, parcel, address):
    for response in (
        client.get(url(parcel, "arrived")),
        ask(client, parcel, "redirect", address=address),
    ):
        html = main_of(response)
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids))
        assert {"id_deliver_note", "id_redirect_note"} <= set(ids)
        for attribute in ('for="', 'href="#', 'aria-describedby="'):
            for names in re.findall(f'{attribute}([^"]+)"', html):
                assert set(names.split()) <= set(ids)


@pytest.mark.parametrize("do", ["", "burn", "init__", "deliver "])
def test_an_unknown_action_is_no_readable_form(client, parcel, do):
    response = ask(client, parcel, do, address=OAK)
    assert response.status_code == 400
    assert "This request could not be read" in response.content.decode()
    assert moved(parcel) == ("sent", ELM, 1)


def test_a_page_of_one_action_knows_no_other(client, account):
    parcel = make_parcel(account)
    response = send(client, parcel, "address", do="deliver", address=OAK)
    assert response.status_code == 400
    assert 'name="do"' not in main_of(client.get(url(parcel, "address")))


def test_a_named_form_made_for_another_state_moves_nothing(client, parcel):
    response = ask(client, parcel, "redirect", state="packed", address=OAK)
    assert refused(response, OAK) == "sent"
    assert not response.context["forms"]["deliver"].is_bound
    assert moved(parcel) == ("sent", ELM, 1)


def test_a_form_that_the_page_does_not_show_any_more(client, parcel):
    """Nothing is said to be still here that is not."""
    assert ask(client, parcel, "deliver").status_code == 303
    response = ask(client, parcel, "redirect", address=OAK)
    assert response.status_code == 409
    html = main_of(response)
    assert "Look at how it stands now" in html
    assert "still here" not in html


def test_a_page_may_have_an_unnamed_action_beside_named_ones(
    client, parcel, monkeypatch
):
    class Both(ArrivedPage):
        form_class = NoteForm
        form_classes = ArrivedPage.form_classes

        def act(self, form: forms.Form) -> str:
            return "Nothing was done."

    monkeypatch.setattr(ParcelWizard, "pages", (AddressPage, Both))
    context = client.get(url(parcel, "arrived")).context
    assert list(context["forms"]) == ["", "deliver", "redirect"]
    assert context["form"] is context["forms"][""]
    assert said(ask(client, parcel, "")) == ["Nothing was done."]
    assert leads_to(ask(client, parcel, "deliver")) == url(parcel)


def test_a_page_may_have_nothing_to_ask(client, parcel, monkeypatch):
    class Waiting(Page):
        slug, title, template = "arrived", "On its way", "wizard/page.html"
        form_classes = {}

        def done(self) -> bool:
            return False

    monkeypatch.setattr(ParcelWizard, "pages", (AddressPage, Waiting))
    response = client.get(url(parcel, "arrived"))
    assert response.status_code == 200
    assert "<form" not in main_of(response)
    assert ask(client, parcel, "").status_code == 400


def test_an_action_without_its_method_is_noticed_at_once():
    with pytest.raises(TypeError, match=r"Torn has no do_mend\(\)"):
        type("Torn", (Page,), {"form_classes": {"mend": forms.Form}})


# --- what the verb says ---------------------------------------------------------------
def test_a_problem_is_told_and_what_was_typed_is_kept(client, parcel):
    typed = {"address": MOON, "note": "ring twice", "pin": "hunter2"}
    response = ask(client, parcel, "redirect", **typed)
    html = main_of(response)
    assert response.status_code == 422
    summary = html.partition("data-error-summary")[2].partition("<form")[0]
    assert "No driver goes there. Nothing was changed." in summary
    assert f'value="{MOON}"' in html
    assert 'value="ring twice"' in html
    assert "hunter2" not in response.content.decode()
    assert not response.context["forms"]["deliver"].is_bound
    assert moved(parcel) == ("sent", ELM, 1)
    # It stands beside the field that the page blames for it.
    assert [*response.context["form"].errors] == ["address"]


@pytest.mark.parametrize("kind", [UserFixable, AdminRequired, Temporary])
def test_a_problem_is_shown_with_the_machine_as_it_left_it(
    client, parcel, egon, monkeypatch, kind
):
    """What is sent again then is a form for the present state."""

    def fails(self, form):
        with Parcel.moving(parcel.pk, by=egon) as row:
            row.deliver()
        raise kind("<The van> is full.")

    monkeypatch.setattr(ArrivedPage, "do_redirect", fails)
    response = ask(client, parcel, "redirect", address=OAK)
    assert response.status_code == 422
    assert "&lt;The van&gt; is full." in main_of(response)
    assert response.context["state"] == "delivered"
    assert response.context["page"].done()


def test_a_problem_of_the_unnamed_action_is_told_too(client, account, monkeypatch):
    def fails(self, form):
        raise UserFixable("Elm Street is closed.")

    monkeypatch.setattr(AddressPage, "act", fails)
    response = send(client, make_parcel(account), "address", address=ELM)
    assert response.status_code == 422
    assert "Elm Street is closed." in main_of(response)
    assert f'value="{ELM}"' in main_of(response)


def test_nothing_else_is_swallowed(client, parcel, monkeypatch):
    def fails(self, form):
        raise LookupError("a slip in code")

    monkeypatch.setattr(ArrivedPage, "do_redirect", fails)
    assert not issubclass(LookupError, Problem)
    with pytest.raises(LookupError, match="a slip in code"):
        ask(client, parcel, "redirect", address=OAK)


def test_what_was_done_is_said_on_the_page_that_comes_next(client, parcel):
    response = ask(client, parcel, "redirect", address=OAK)
    assert said(response) == ["The driver has been told."]
    page = client.get(leads_to(response), follow=True)
    assert page.redirect_chain == [(url(parcel, "arrived"), 303)]
    html = page.content.decode()
    assert html.count("The driver has been told.") == 1
    assert "toast tone-success" in html


def test_a_verb_may_say_nothing(client, parcel):
    assert said(ask(client, parcel, "deliver")) == []


# --- who may --------------------------------------------------------------------------
@pytest.fixture
def rights(monkeypatch):
    """The wizard is for technicians, as Alice is one."""
    monkeypatch.setattr(ParcelWizard, "permission", "l1walk.walk_ticket")


def answers(user, parcel):
    """Return what every address of the wizard answers to somebody."""
    client = signed_in(user)
    return {
        client.get(url(parcel)).status_code,
        client.get(url(parcel, "arrived")).status_code,
        client.head(url(parcel, "arrived")).status_code,
        client.post(url(parcel)).status_code,
        ask(client, parcel, "redirect", address=OAK).status_code,
        ask(client, parcel, "burn").status_code,
        send(client, parcel, "nowhere").status_code,
    }


def test_who_lacks_the_right_is_refused_everywhere(rights, parcel, nora):
    assert answers(nora, parcel) == {403}
    assert moved(parcel) == ("sent", ELM, 1)


def test_who_has_the_right_goes_on(rights, client, parcel):
    assert client.get(url(parcel, "arrived")).status_code == 200
    assert ask(client, parcel, "redirect", address=OAK).status_code == 303


def test_another_accounts_machine_is_not_there_with_and_without_the_right(
    rights, alice, nora
):
    foreign = make_parcel(make_account("rival"))
    assert answers(alice, foreign) == answers(nora, foreign) == {404}


# --- how it is read -------------------------------------------------------------------
def test_a_wizard_joins_what_its_pages_show(
    client, parcel, monkeypatch, django_assert_num_queries
):
    def joined(self):
        return Parcel.objects.visible_to(self.request.user).select_related("account")

    monkeypatch.setattr(ParcelWizard, "queryset", joined)
    machine = client.get(url(parcel, "arrived")).context["machine"]
    with django_assert_num_queries(0):
        assert machine.account.slug == "acme"


def test_htmx_gets_the_whole_page_too(client, parcel):
    """A part of it that refreshes itself picks what it needs (hx-select)."""
    plain, live = (
        client.get(url(parcel, "arrived"), headers=headers)
        for headers in ({}, {"HX-Request": "true"})
    )
    for response in (plain, live):
        assert response.status_code == 200
        assert response.content.decode().count("<main") == 1
    head = client.head(url(parcel, "arrived"), headers={"HX-Request": "true"})
    assert (head.status_code, head.content) == (200, b"")


def test_each_step_has_a_number_and_the_present_one_its_place(client, parcel):
    bar = main_of(client.get(url(parcel, "arrived"))).partition("</ol>")[0]
    assert re.findall(r'step-number">(\d)<', bar) == ["1", "2", "3"]
    assert bar.count("Step 3 of 3") == bar.count("Step ") == 1
    assert '<span class="why">It is on its way.</span>' in bar
