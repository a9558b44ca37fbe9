"""The form that takes a token: it asks for what each kind of Jira needs."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from django.test import RequestFactory

from tests.conftest import make_user
from tests.jira import EMAIL, TOKEN
from workflows.core.connections import JiraConnection
from workflows.core.intake import JiraIntakeForm
from workflows.core.jira import Kind
from workflows.core.secrets import Secret
from workflows.core.tests.make import allow_hosts, connect_jira

pytestmark = pytest.mark.django_db
CLOUD = {
    "base_url": "https://acme.atlassian.net/",
    "kind": "cloud",
    "email": "alice@example.com",
    "token": " ATATT3x ",
}
SERVER = {"base_url": "https://jira.example.com", "kind": "data_center", "token": "t"}


@pytest.fixture
def account(account):
    allow_hosts(account, "*.atlassian.net", "jira.example.com")
    return account


def form_of(account, data=None, **over):
    return JiraIntakeForm(None if data is None else {**data, **over}, account=account)


def errors(account, data, **over):
    form = form_of(account, data, **over)
    return {name: " ".join(found) for name, found in form.errors.items()}


# --- what it asks for -----------------------------------------------------------------
def test_what_was_typed_in_its_one_spelling(account):
    form = form_of(account, CLOUD)
    assert form.is_valid(), form.errors
    assert form.cleaned_data == {
        "base_url": "https://acme.atlassian.net",
        "kind": "cloud",
        "email": "alice@example.com",
        "token": Secret("ATATT3x"),
    }
    assert form_of(account, SERVER).is_valid()


@pytest.mark.parametrize("email", ["", "not an address", "alice@example.com"])
def test_data_center_needs_no_address(account, email):
    form = form_of(account, SERVER, email=email)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["email"] == ""


@pytest.mark.parametrize(
    ("over", "field", "words"),
    [
        ({"email": ""}, "email", "needs your e-mail address"),
        ({"email": "alice"}, "email", "valid email"),
        ({"token": " "}, "token", "required"),
        ({"token": "t" * 2001}, "token", "2000"),
        ({"kind": ""}, "kind", "required"),
        ({"kind": "server"}, "kind", "server is not one"),
        ({"base_url": "acme"}, "base_url", "not Jira's address"),
        ({"base_url": ""}, "base_url", "required"),
        ({"base_url": "https://jira.example.org"}, "base_url", "not on the list"),
        ({"base_url": "http://jira.example.com"}, "base_url", "begin with https://"),
        ({"base_url": "https://a:b@jira.example.com"}, "base_url", "its own field"),
        ({"base_url": f"https://{'a' * 300}.example"}, "base_url", "300"),
        ({"kind": "data_center"}, "kind", "This address is a Jira Cloud"),
    ],
)
def test_errors_stand_at_what_caused_them(account, over, field, words):
    [(name, text)] = errors(account, CLOUD, **over).items()
    assert name == field
    assert words in text


def test_all_that_is_missing_is_said_at_once(account):
    assert set(errors(account, {})) == {"base_url", "kind", "token"}


# --- how it looks ---------------------------------------------------------------------
def rendered(template, form, user):
    request = RequestFactory().get("/")
    request.user = user
    return render_to_string(template, {"form": form}, request)


def test_labels_and_hints_say_where_a_token_is_made(account, alice, settings):
    settings.JIRA_CONNECTION_HOURS = 8
    page = rendered("account/_jira_intake.html", form_of(account), alice)
    for words in (
        "id.atlassian.com",
        "Personal access tokens",
        "sealed for 8 hours",
        "https://jira.example.com",
        "Allowed here: *.atlassian.net, jira.example.com",
        'autocomplete="off"',
        'spellcheck="false"',
    ):
        assert words in page
    assert 'type="password"' in page
    assert "(optional)" not in page
    assert "paste it once more" not in page
    settings.JIRA_CONNECTION_HOURS = 1
    assert "sealed for an hour" in form_of(account).as_p()


def test_whoever_typed_a_token_is_told_that_it_is_gone(account, alice):
    # As when the case has changed in the meantime: nothing is wrong with the form.
    form = form_of(account, CLOUD)
    assert form.is_valid(), form.errors
    page = rendered("account/_jira_intake.html", form, alice)
    assert "ATATT3x" not in page
    assert "paste it once more" in page


def test_what_was_typed_stays_but_for_the_token(account, alice):
    form = form_of(account, CLOUD, base_url="acme", token=TOKEN)
    page = rendered("account/_jira_intake.html", form, alice)
    assert 'value="acme"' in page
    assert 'value="alice@example.com"' in page
    assert "checked" in page
    assert TOKEN not in page
    assert "paste it once more" in page


def test_one_host_is_filled_in(account):
    assert form_of(account)["base_url"].value() is None
    allow_hosts(account, "jira.example.com")
    assert form_of(account)["base_url"].value() == "https://jira.example.com"
    allow_hosts(account, "*.example.com")
    assert form_of(account)["base_url"].value() is None


def test_many_hosts_are_not_all_listed(account):
    allow_hosts(account, *(f"jira{n}.example.com" for n in range(20)))
    text = form_of(account).fields["base_url"].help_text
    assert "jira7.example.com, …" in text
    assert "jira8.example.com" not in text


def test_while_nobody_has_allowed_a_jira(account, alice, mona):
    allow_hosts(account)
    form = form_of(account)
    assert form.hosts == []
    assert "Allowed here" not in form.fields["base_url"].help_text
    assert "not on the list" in errors(account, CLOUD)["base_url"]
    told = rendered("account/_no_jira.html", form, alice)
    assert "Nobody has allowed a Jira yet" in told
    assert "Ask a manager" in told
    assert "/account/" not in told
    assert 'href="/account/"' in rendered("account/_no_jira.html", form, mona)


def test_an_operator_is_sent_to_no_settings_that_they_have_not(db):
    operator = make_user(None, "root", is_superuser=True)
    told = rendered("account/_no_jira.html", JiraIntakeForm(account=None), operator)
    assert "You work without an account" in told
    assert "somebody of the account can go on" in told
    assert "Nobody has allowed" not in told
    assert "/account/" not in told


def test_without_an_account_nothing_is_allowed():
    assert JiraIntakeForm(account=None).hosts == []


# --- connecting -----------------------------------------------------------------------
@pytest.fixture
def typed(server, account, settings):
    """What opens the stand-in, as somebody types it."""
    settings.JIRA_CA_FILE = str(server.ca_file)
    allow_hosts(account, "localhost")
    data = {"base_url": server.url, "kind": server.kind.value, "token": f" {TOKEN}\n"}
    return {**data, "email": EMAIL}


def test_a_valid_form_connects(server, typed, account, alice):
    form = form_of(account, typed)
    assert form.is_valid(), form.errors
    made = connect_jira(by=alice, **form.cleaned_data)
    assert JiraConnection.objects.get() == made
    assert made.email == (EMAIL if server.kind == Kind.CLOUD else "")
    assert made.display_name == "Alice"
