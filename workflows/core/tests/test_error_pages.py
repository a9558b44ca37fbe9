"""A refusal is a page in the design that says what happened and what to do next."""

import pytest
from django.test import Client

from tests.conftest import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.urls")]

# Path: status, words of the page, whether they say that nothing was changed.
PAGES = {
    "/wrong/unreadable/": (400, "This request could not be read"),
    "/wrong/forbidden/": (403, "Your role does not include this page or action."),
    "/wrong/forbidden-because/": (403, "Only Mona may close this."),
    "/nowhere/": (404, "it belongs to another team"),
    "/wrong/conflict/": (409, "Egon claimed it a moment ago."),
    "/wrong/not-now/": (409, "Somebody changed this in the meantime."),
    "/wrong/too-late/": (409, "Somebody changed this in the meantime."),
    "/wrong/broken/": (500, "The mistake is ours, not yours."),
}


def page(client, path, **options):
    client.raise_request_exception = False
    response = client.get(path, **options)
    return response.status_code, response.content.decode()


def assert_in_the_design(html):
    assert html.startswith("\n<!doctype html>") or html.lstrip().startswith("<!doctype")
    assert "css/site.css" in html
    assert "data-problem" in html
    assert "What to do" in html
    assert "hunter2" not in html
    assert "Traceback" not in html


@pytest.mark.parametrize("path", PAGES)
def test_a_person_is_told_what_happened_and_what_to_do(alice, path):
    status, html = page(signed_in(alice), path)
    expected, words = PAGES[path]
    assert status == expected
    assert words in html
    assert_in_the_design(html)
    # All but a page of our own mistake keep the person's menu.
    assert ("Sign out" in html) is (status != 500)


@pytest.mark.parametrize("path", set(PAGES) - {"/nowhere/"})
def test_a_stranger_is_told_as_well(client, path):
    status, html = page(client, path)
    expected, words = PAGES[path]
    assert status == expected
    assert words in html
    assert_in_the_design(html)
    assert "Sign out" not in html


def test_a_host_that_is_not_ours_is_refused_in_the_design(client):
    status, html = page(client, "/login/", headers={"host": "evil.example"})
    assert status == 400
    assert_in_the_design(html)
    assert "evil" not in html


def test_a_conflict_leads_back_to_where_it_was(alice):
    there = "http://testserver/walks/"
    _status, html = page(
        signed_in(alice), "/wrong/conflict/", headers={"referer": there}
    )
    assert f'href="{there}"' in html


def test_what_a_refusal_says_is_text(alice):
    status, html = page(signed_in(alice), "/nowhere/<script>alert(1)</script>/")
    assert status == 404
    assert "<script>alert" not in html


def test_a_form_that_expired_is_explained(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="workflows.core.auth.RoleBackend")
    response = client.post("/profile/", {"first_name": "Mallory"})
    html = response.content.decode()
    assert response.status_code == 403
    assert "This page was open for too long" in html
    assert "what you typed is still in the form" in html
    assert_in_the_design(html)
    alice.refresh_from_db()
    assert alice.first_name == "Alice"


def test_a_page_in_the_dark_stays_dark_when_it_fails(alice):
    client = signed_in(alice)
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in page(client, "/wrong/conflict/")[1]
    client.cookies["theme"] = "<script>"
    assert "data-theme=" not in page(client, "/wrong/conflict/")[1]


@pytest.mark.urls("config.urls")
def test_an_address_that_only_takes_a_form_says_so(alice, client):
    for browser in (signed_in(alice), client):
        response = browser.get("/theme/")
        assert response.status_code == 405
        assert response["Allow"] == "POST"
        assert "This address only takes a form" in response.content.decode()
