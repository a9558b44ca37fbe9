"""Each request has an id and one line in the log that says nothing of the person."""

import logging
import re

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_user, signed_in
from workflows.core.http import client_address
from workflows.core.logs import RequestIdFilter, request_id

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.urls")]


def lines(caplog):
    """Return what the requests' own logger wrote."""
    return [r.getMessage() for r in caplog.records if r.name == "handrail.requests"]


def test_an_id_that_a_proxy_gave_is_used(client):
    response = client.get("/login/", headers={"X-Request-ID": "proxy-0123456789"})
    assert response.headers["X-Request-ID"] == "proxy-0123456789"


@pytest.mark.parametrize(
    "given",
    [None, "", "short", "x" * 65, "has space in it", "line\nbreak1", "ünïcode123"],
)
def test_without_a_usable_id_one_is_made(client, given):
    headers = {} if given is None else {"X-Request-ID": given}
    first, second = (
        client.get("/login/", headers=headers).headers["X-Request-ID"] for _ in "12"
    )
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second


def test_every_line_of_a_request_carries_its_id(caplog, client):
    caplog.handler.addFilter(RequestIdFilter())
    caplog.set_level(logging.INFO)
    client.raise_request_exception = False
    client.get("/wrong/broken/", headers={"X-Request-ID": "proxy-0123456789"})
    names = {record.name for record in caplog.records}
    assert {"handrail.requests", "django.request"} <= names
    assert {record.request_id for record in caplog.records} == {"proxy-0123456789"}


def test_lines_of_no_request_carry_a_dash():
    record = logging.makeLogRecord({})
    token = request_id.set("-")
    assert RequestIdFilter().filter(record)
    assert record.request_id == "-"
    request_id.reset(token)


def test_the_line_names_route_status_and_time(caplog, client):
    caplog.set_level(logging.INFO)
    client.get("/login/")
    [line] = lines(caplog)
    assert re.fullmatch(r"GET login/ 200 \d+ ms", line)


def test_the_line_has_the_route_and_not_what_people_looked_at(caplog, alice):
    alice.email = "alice@example.com"
    client = signed_in(alice)
    caplog.set_level(logging.INFO)
    uuid = "01890000-0000-7000-8000-000000000000"
    client.get(f"/parcels/{uuid}/?q=alice@example.com")
    client.get("/nowhere/alice@example.com/")
    client.post("/login/", {"username": "alice", "password": "correct horse"})
    assert [re.sub(r"\d+ ms", "", line).strip() for line in lines(caplog)] == [
        "GET parcels/<uuid:pk>/ 404",
        "GET - 404",
        "POST login/ 302",
    ]


def test_a_refusal_is_no_second_line_with_the_path(caplog, client, alice):
    client.get("/wrong/unreadable/?q=alice@example.com")
    client.get("/login/", headers={"host": "evil.example"})
    Client(enforce_csrf_checks=True).post("/login/", {"username": "alice"})
    names = {record.name for record in caplog.records}
    assert names == {"handrail.requests"}
    assert "alice" not in caplog.text


# --- times ----------------------------------------------------------------------------
def test_times_are_those_of_the_account_and_of_nobody_after(account, alice, charlie):
    account.time_zone = "America/New_York"
    account.save()
    charlie.account.time_zone = "Asia/Kolkata"
    charlie.account.save()
    ours, theirs = signed_in(alice), signed_in(charlie)
    for client, expected in (
        (ours, "2026-01-15 07:00:00-05:00"),
        (theirs, "2026-01-15 17:30:00+05:30"),
        (ours, "2026-01-15 07:00:00-05:00"),
    ):
        assert client.get("/noon/").content.decode() == expected


def test_a_zone_ends_with_its_request_even_if_that_fails(account, alice):
    account.time_zone = "America/New_York"
    account.save()
    client = signed_in(alice)
    client.raise_request_exception = False
    assert client.get("/wrong/broken/").status_code == 500
    assert timezone.get_current_timezone_name() == "UTC"


def test_operators_read_times_in_utc(db):
    olga = signed_in(make_user(None, "olga", is_superuser=True))
    assert olga.get("/noon/").content == b"2026-01-15 12:00:00+00:00"


# --- whose address it is --------------------------------------------------------------
@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.7", "127.0.0.1"),  # anybody can write a header
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "192.0.2.66, 198.51.100.7", "198.51.100.7"),
        (2, "192.0.2.66, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (2, "198.51.100.7", "127.0.0.1"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "unknown", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
def test_behind_proxies_the_address_is_what_the_outermost_saw(
    settings, rf, proxies, forwarded, expected
):
    settings.PROXY_COUNT = proxies
    request = rf.get("/", headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == expected
