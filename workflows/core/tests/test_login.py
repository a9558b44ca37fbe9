"""Nothing is seen before login, and passwords cannot be guessed one after the other."""

import pytest
from django.test import Client

from tests.conftest import make_account, make_user, signed_in

pytestmark = pytest.mark.django_db

RIGHT = {"username": "alice", "password": "correct horse"}
WRONG = {"username": "alice", "password": "guess"}


def test_a_page_is_behind_login_and_a_form_is_too(client):
    """Every other address is walked in tests/test_tenancy.py."""
    for path in ("/", "/profile/", "/account/", "/password/", "/admin/"):
        for method in (client.get, client.post):
            response = method(path)
            assert response.status_code == 302
            where = response.headers["Location"]
            assert where.startswith(("/login/?next=/", "/admin/login/?next=/"))
    # The admin has no login of its own.
    way = client.get("/admin/login/?next=/admin/").headers["Location"]
    assert way.startswith("/login/?next=")


def test_what_is_open_shows_nothing_of_anybody(client, alice):
    for path in ("/login/", "/healthz", "/readyz"):
        response = client.get(path)
        assert response.status_code == 200
        assert b"Acme" not in response.content
    for path in ("/logout/", "/theme/"):  # a link or an image cannot do these
        assert client.get(path).status_code == 405


def test_a_person_comes_in_and_goes_to_the_page_they_asked_for(client, alice):
    page = client.get("/login/?next=/profile/").content.decode()
    assert 'name="next" value="/profile/"' in page
    response = client.post("/login/", {**RIGHT, "next": "/profile/"})
    assert (response.status_code, response.headers["Location"]) == (302, "/profile/")
    assert client.get("/profile/").status_code == 200
    # Who is in already has no use for the form.
    assert client.get("/login/").headers["Location"] == "/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "http:///evil.example",
        "javascript:alert(1)",
    ],
)
def test_a_login_never_leads_to_another_site(client, alice, elsewhere):
    response = client.post(f"/login/?next={elsewhere}", {**RIGHT, "next": elsewhere})
    assert response.headers["Location"] == "/"


def test_a_session_begins_anew_at_login_and_ends_at_logout(client, alice):
    client.post("/login/", RIGHT)
    key = client.session.session_key
    assert client.get("/logout/").status_code == 405
    assert client.get("/profile/").status_code == 200
    response = client.post("/logout/")
    assert response.headers["Location"] == "/login/"
    client.cookies["sessionid"] = key
    assert client.get("/profile/").status_code == 302


def test_a_password_is_changed_by_who_knows_it(alice):
    client = signed_in(alice)
    new = "battery staple 7"
    change = {"new_password1": new, "new_password2": new}
    response = client.post("/password/", {"old_password": "guess", **change})
    assert response.status_code == 200
    response = client.post("/password/", {"old_password": "correct horse", **change})
    assert response.headers["Location"] == "/password/done/"
    assert client.get("/password/done/").status_code == 200
    assert Client().post("/login/", RIGHT).status_code == 200
    assert Client().post("/login/", {**RIGHT, "password": new}).status_code == 302


# --- guessing -------------------------------------------------------------------------
@pytest.fixture
def throttled(settings):
    settings.AXES_ENABLED = True


def guess(username="alice", times=1, **options):
    for _ in range(times):
        response = Client().post("/login/", {**WRONG, "username": username}, **options)
    return response


@pytest.mark.usefixtures("throttled")
def test_after_five_failures_even_the_right_password_waits(alice):
    assert guess(times=4).status_code == 200
    assert guess().status_code == 429
    response = Client().post("/login/", RIGHT)
    html = response.content.decode()
    assert response.status_code == 429
    assert "Too many failed logins. Wait 15 minutes, then try again." in html
    assert "data-problem" in html
    assert "alice" not in html


@pytest.mark.usefixtures("throttled")
def test_nobody_else_is_locked_out(alice, egon):
    guess(times=6)
    response = Client().post("/login/", {**RIGHT, "username": "egon"})
    assert response.status_code == 302
    elsewhere = Client(REMOTE_ADDR="192.0.2.1").post("/login/", RIGHT)
    assert elsewhere.status_code == 302  # nor Alice herself, from another address


@pytest.mark.usefixtures("throttled")
def test_a_login_forgets_the_slips_before_it(alice):
    guess(times=4)
    assert Client().post("/login/", RIGHT).status_code == 302
    assert guess(times=4).status_code == 200


@pytest.mark.usefixtures("throttled")
def test_nobody_learns_who_exists(alice):
    for number in range(1, 7):
        answers = [guess(name) for name in ("alice", "zelda")]
        expected = 200 if number < 5 else 429
        assert [answer.status_code for answer in answers] == [expected, expected]
        assert words(answers[0], "alice") == words(answers[1], "zelda")


def words(response, name):
    """Return the page without what differs for any two requests."""
    lines = response.content.decode().replace(name, "NAME").splitlines()
    return [line for line in lines if "csrfmiddlewaretoken" not in line]


@pytest.mark.usefixtures("throttled")
def test_behind_a_proxy_each_person_is_throttled_alone(settings, alice):
    settings.PROXY_COUNT = 1
    guess(times=6, headers={"X-Forwarded-For": "198.51.100.7"})
    for address, status in (("198.51.100.7", 429), ("198.51.100.8", 302)):
        proxied = Client(headers={"X-Forwarded-For": address})
        assert proxied.post("/login/", RIGHT).status_code == status


def test_who_left_cannot_come_in(alice):
    alice.is_active = False
    alice.save()
    assert Client().post("/login/", RIGHT).status_code == 200


def test_a_user_of_any_account_comes_in(db):
    make_user(make_account("third"), "alice")
    assert Client().post("/login/", RIGHT).status_code == 302


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/profile/?a=b", "/profile/%3Fa%3Db"),
        ("https://evil.example/profile/", "/"),
        ("", "/"),
    ],
)
def test_whose_session_ended_comes_back_to_the_page_they_typed_on(
    client, referer, back
):
    response = client.post("/password/", headers={"referer": referer})
    assert response.headers["Location"] == f"/login/?next={back}"
