"""A long list is walked page by page, forward and back: each row once."""

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from django.test import RequestFactory

from tests.kit.make import make_parcel
from workflows.core.accounts import User
from workflows.core.moves import Move
from workflows.core.paging import PAGE_SIZE, slice_of

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def rows(account):
    """120 moves; three at a time happened in the same moment."""
    parcel = make_parcel(account, at=START)
    [first] = parcel.moves()
    values = {f.attname: getattr(first, f.attname) for f in Move._meta.fields}
    del values["id"]
    Move.objects.bulk_create(
        Move(**{**values, "at": START + timedelta(minutes=(n + 1) // 3)})
        for n in range(119)
    )
    return Move.objects.all()


def page_at(url, rows, order):
    return slice_of(RequestFactory().get(f"/{url}"), rows, order=order)


def sorted_by(order, rows):
    name = order.removeprefix("-")
    return sorted(
        rows, key=lambda r: (getattr(r, name), r.pk), reverse=order.startswith("-")
    )


@pytest.mark.parametrize("order", ["-id", "id", "-at", "at"])
def test_a_list_is_walked_to_its_end_and_back(rows, order):
    expected, pages, url = sorted_by(order, rows), [], "?status=open"
    while True:
        pages.append(page_at(url, rows, order))
        if not pages[-1].older_url:
            break
        url = pages[-1].older_url
    assert [len(page.rows) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 20]
    assert [row for page in pages for row in page.rows] == expected
    assert [bool(page.newer_url) for page in pages] == [False, True, True]

    middle = page_at(pages[2].newer_url, rows, order)
    assert (middle.rows, bool(middle.older_url)) == (pages[1].rows, True)
    first = page_at(middle.newer_url, rows, order)
    assert (first.rows, first.newer_url) == (pages[0].rows, "")
    assert page_at(first.older_url, rows, order).rows == pages[1].rows


def test_links_keep_what_the_list_was_asked_for(rows):
    first = page_at("?status=open&q=a%26b&q=c", rows, "-id")
    second = page_at(first.older_url, rows, "-id")
    for url, direction in ((second.newer_url, "before"), (second.older_url, "after")):
        query = parse_qs(url.removeprefix("?"))
        assert query.keys() == {"status", "q", direction}
        assert (query["status"], query["q"]) == (["open"], ["a&b", "c"])


def test_a_row_that_comes_meanwhile_moves_no_page(rows, account):
    first = page_at("", rows, "-id")
    second = page_at(first.older_url, rows, "-id").rows
    make_parcel(account)
    assert page_at(first.older_url, rows, "-id").rows == second


def test_a_short_list_has_no_links(account):
    make_parcel(account)
    page = page_at("", Move.objects.all(), "-id")
    assert (len(page.rows), page.newer_url, page.older_url) == (1, "", "")


def test_an_empty_list_is_a_page_too(db):
    page = page_at("", User.objects.all(), "-id")
    assert (page.rows, page.newer_url, page.older_url) == ([], "", "")


def mark(*content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


PK = "01890000-0000-7000-8000-000000000000"
BAD = {
    "empty": "",
    "no base64": "%%%",
    "no JSON": base64.urlsafe_b64encode(b"[").decode(),
    "no UTF-8": base64.urlsafe_b64encode(b'["\xff"]').decode(),
    "no pair": mark(1, 2, 3),
    "no list": base64.urlsafe_b64encode(b"7").decode(),
    "no id": mark("2026-03-01T12:00:00+00:00", "x"),
    "id of another type": mark("2026-03-01T12:00:00+00:00", 7),
    "no date": mark("yesterday", PK),
    "date of another type": mark(7, PK),
    "too early a date": mark("0001-01-01T00:00:00+14:00", PK),
    "too deep a list": base64.urlsafe_b64encode(b"[" * 5000).decode(),
    "not ASCII": "ß🛠",
}


@pytest.mark.parametrize("direction", ["after", "before"])
@pytest.mark.parametrize("what", BAD)
def test_a_cursor_that_cannot_be_read_shows_the_first_page(rows, what, direction):
    request = RequestFactory().get("/", {direction: BAD[what]})
    page = slice_of(request, rows, order="-at")
    assert page.rows == sorted_by("-at", rows)[:PAGE_SIZE]
    assert page.newer_url == ""


def test_a_time_without_a_zone_is_read_without_a_warning(rows):
    request = RequestFactory().get("/", {"after": mark("2999-01-01", PK)})
    assert len(slice_of(request, rows, order="-at").rows) == PAGE_SIZE
