"""The pages about oneself: light or dark, profile, and the account's settings."""

from html.parser import HTMLParser

import pytest
from django.test import Client

from tests.conftest import make_user, signed_in
from workflows.core.accounts import User

pytestmark = pytest.mark.django_db


# --- light or dark --------------------------------------------------------------------
def choose(client, **data):
    return client.post("/theme/", data)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_is_kept_in_a_cookie_of_the_device(client, theme):
    response = choose(client, theme=theme, next="/login/?next=/profile/")
    assert response.status_code == 303
    assert response.headers["Location"] == "/login/?next=/profile/"
    cookie = response.cookies["theme"]
    assert (cookie.value, cookie["samesite"], cookie["secure"]) == (theme, "Lax", "")
    assert cookie["max-age"] == 365 * 24 * 3600
    assert f'data-theme="{theme}"' in client.get("/login/").content.decode()


@pytest.mark.parametrize("theme", ["auto", "", "neon"])
def test_any_other_theme_is_the_one_of_the_system(client, theme):
    choose(client, theme="dark")
    choose(client, theme=theme)
    assert "data-theme=" not in client.get("/login/").content.decode()


def test_over_https_the_cookie_stays_there(client):
    response = client.post("/theme/", {"theme": "dark"}, secure=True)
    assert response.cookies["theme"]["secure"] is True


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""]
)
def test_a_theme_never_leads_to_another_site(client, elsewhere):
    response = choose(client, theme="dark", next=elsewhere)
    assert (response.status_code, response.headers["Location"]) == (303, "/")


def test_an_address_is_taken_as_it_stands(client):
    """It is no name of a view, and nothing that a redirect would look up as one."""
    assert choose(client, theme="dark", next="x").headers["Location"] == "x"


# --- profile --------------------------------------------------------------------------
PROFILE = {
    "first_name": "Alicia",
    "last_name": "Arends",
    "email": "alicia@example.com",
}


def test_a_person_changes_what_is_theirs(alice):
    client = signed_in(alice)
    assert 'value="Alice"' in client.get("/profile/").content.decode()
    response = client.post("/profile/", PROFILE)
    assert (response.status_code, response.headers["Location"]) == (303, "/profile/")
    assert "Your profile is saved." in client.get("/profile/").content.decode()
    saved = User.objects.get(pk=alice.pk)
    assert (saved.get_full_name(), saved.email) == ("Alicia Arends", PROFILE["email"])
    assert saved.key_shortcuts is False  # a box that is not ticked is not sent


def test_nobody_changes_more_than_that(alice, charlie):
    signed_in(alice).post(
        "/profile/",
        {
            **PROFILE,
            "username": "root",
            "is_superuser": "on",
            "is_staff": "on",
            "account": str(charlie.account_id),
            "groups": "3",
        },
    )
    saved = User.objects.get(pk=alice.pk)
    assert (saved.username, saved.is_superuser, saved.is_staff) == (
        "alice",
        False,
        False,
    )
    assert (saved.account_id, saved.first_name) == (alice.account_id, "Alicia")
    assert [group.name for group in saved.groups.all()] == ["technician"]


def test_what_cannot_be_saved_is_shown_again_as_typed(alice):
    response = signed_in(alice).post("/profile/", {**PROFILE, "email": "no address"})
    html = response.content.decode()
    assert response.status_code == 422
    assert 'value="no address"' in html
    assert "Please look at this again" in html
    assert User.objects.get(pk=alice.pk).first_name == "Alice"


def test_a_page_is_read_or_posted(alice):
    for path in ("/profile/", "/account/"):
        assert signed_in(alice).put(path).status_code == 405


# --- the account's settings -----------------------------------------------------------
class Controls(HTMLParser):
    """What a browser would send of a page's forms as they stand."""

    def __init__(self, page):
        super().__init__()
        self.data = {}
        self.open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "input" and given["type"] == "checkbox":
            self.data |= {name: "on"} if "checked" in given else {}
        elif tag == "input":
            self.data[name] = value
        elif tag in {"select", "textarea"}:
            self.open = name
            self.data[name] = ""
        elif tag == "option" and "selected" in given:
            self.data[self.open] = value

    def handle_data(self, text):
        if self.lasttag == "textarea" and self.open:
            self.data[self.open] = text.removeprefix("\n").replace("\n", "\r\n")

    def handle_endtag(self, tag):
        if tag in {"select", "textarea"}:
            self.open = ""


def settings_form(client):
    """Return what the page's form would send as it stands."""
    return sent_by(client.get("/account/"))


def sent_by(response):
    return Controls(response.text.partition("<main")[2]).data


@pytest.mark.parametrize("who", ["alice", "egon", "nora"])
def test_only_managers_see_the_settings(request, who):
    client = signed_in(request.getfixturevalue(who))
    assert client.get("/account/").status_code == 403
    assert client.post("/account/", {"name": "Mine"}).status_code == 403
    assert "/account/" not in client.get("/profile/").content.decode()


def test_a_manager_changes_the_settings(mona, account):
    client = signed_in(mona)
    assert "/account/" in client.get("/profile/").content.decode()
    data = settings_form(client) | {"name": "Acme Ltd", "time_zone": "Europe/Berlin"}
    response = client.post("/account/", data)
    assert (response.status_code, response.headers["Location"]) == (303, "/account/")
    html = client.get("/account/").content.decode()
    assert "settings are saved" in html
    account.refresh_from_db()
    assert (account.name, account.time_zone) == ("Acme Ltd", "Europe/Berlin")


def test_settings_that_cannot_be_are_shown_again(mona, account):
    client = signed_in(mona)
    data = settings_form(client) | {"name": "", "time_zone": "Mars/Olympus"}
    response = client.post("/account/", data)
    assert response.status_code == 422
    account.refresh_from_db()
    assert (account.name, account.time_zone) == ("Acme", "UTC")


def test_each_manager_changes_their_own_account(mona, charlie):
    client = signed_in(charlie)
    data = settings_form(client) | {"name": "Rival Ltd", "slug": "acme"}
    assert client.post("/account/", data).status_code == 303
    charlie.account.refresh_from_db()
    mona.account.refresh_from_db()
    assert (charlie.account.name, charlie.account.slug) == ("Rival Ltd", "rival")
    assert mona.account.name == "Acme"


def test_an_operator_has_no_account_to_set_up():
    olga = signed_in(make_user(None, "olga", is_superuser=True))
    assert olga.get("/account/").status_code == 404
    assert "Account settings" not in olga.get("/profile/").content.decode()


def test_a_stranger_is_sent_to_log_in():
    assert Client().get("/account/").headers["Location"] == "/login/?next=/account/"


def test_the_theme_of_a_refused_form_leads_back_to_the_page_it_stood_on(mona):
    refused = signed_in(mona).post(
        "/account/", {"name": ""}, headers={"referer": "http://testserver/search/?q=1"}
    )
    assert refused.status_code == 422
    assert 'name="next" value="/search/?q=1"' in refused.content.decode()
