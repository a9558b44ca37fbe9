"""An archive: looked through, downloaded, deleted."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage

from tests.conftest import signed_in
from workflows.support.actions import archives
from workflows.support.tests.make import (
    ARCHIVE,
    make_archive,
    make_case,
    packed,
    reread,
    start_attaching,
)
from workflows.support.tests.pages import opened, text, url

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(alice):
    return signed_in(alice)


@pytest.fixture
def case(alice):
    return make_case(alice)


def test_the_files_are_listed_with_their_sizes(client, case):
    content = packed(etc__hostname=b"web-1\n", var__log__syslog=b"x" * 4096)
    archive = make_archive(case, content=content)
    page = text(client.get(url("archive", case, archive.pk)))
    for words in ("sosreport-web-1/etc/hostname", "6\xa0bytes", "4.0\xa0KB"):
        assert words in page
    assert "1 to 2 of 2" in page


def test_names_are_found_in_any_case_of_letters(client, case):
    content = packed(etc__hostname=b"", var__log__SYSLOG=b"")
    archive = make_archive(case, content=content)
    found = client.get(url("archive", case, archive.pk), {"q": " syslog"})
    assert [entry.name for entry in found.context["page"]] == [
        "sosreport-web-1/var/log/SYSLOG"
    ]
    none = text(client.get(url("archive", case, archive.pk), {"q": "nowhere"}))
    assert "No name in this archive has that in it" in none


def test_long_lists_come_in_pages(client, case):
    content = packed(**{f"n{number:04}": b"" for number in range(450)})
    address = url("archive", case, make_archive(case, content=content).pk)
    first = client.get(address, {"q": "n0"})
    assert "1 to 200 of 450" in text(first)
    assert "?q=n0&amp;page=2" in text(first)
    last = client.get(address, {"q": "n0", "page": "3"})
    assert "401 to 450 of 450" in text(last)
    for odd in ("0", "99", "x", "-1"):
        assert client.get(address, {"page": odd}).status_code == 200


def test_a_name_is_shown_as_text(client, case):
    content = packed(**{"<script>alert(1)<__script>": b""})
    page = text(
        client.get(url("archive", case, make_archive(case, content=content).pk))
    )
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_a_list_that_is_cut_off_says_so(client, case, monkeypatch):
    monkeypatch.setattr(archives, "MOST_LISTED", 2)
    content = packed(a=b"", b=b"", c=b"")
    address = url("archive", case, make_archive(case, content=content).pk)
    assert "only its first 2 entries are listed" in text(client.get(address))
    # Whether the rest has such a name is not known.
    page = text(client.get(address, {"q": "sosreport-web-1/c"}))
    assert "No entry that is listed has that in its name." in page
    assert "No name in this archive" not in page


def test_a_damaged_archive_is_said_and_still_handed_out(client, case):
    archive = make_archive(case, content=b"damaged" * 100)
    page = text(client.get(url("archive", case, archive.pk)))
    assert "it is damaged" in page
    assert url("archive_download", case, archive.pk) in page


def test_a_download_is_never_opened_by_the_browser(client, case):
    archive = make_archive(case, filename='sosreport-a"ä.tar.xz')
    response = client.get(url("archive_download", case, archive.pk))
    content = b"".join(response.streaming_content)
    assert len(content) == archive.size == int(response["Content-Length"])
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    said = response["Content-Disposition"]
    assert said == "attachment; filename*=utf-8''sosreport-a%22%C3%A4.tar.xz"


def test_a_file_that_is_gone_from_the_storage(client, case):
    archive = make_archive(case)
    default_storage.delete(archive.file)
    assert client.get(url("archive_download", case, archive.pk)).status_code == 409
    page = client.get(url("archive", case, archive.pk))
    assert page.status_code == 200
    assert "not here" in text(page)


def test_deleted_means_gone_and_says_so(
    client, case, django_capture_on_commit_callbacks
):
    archive = make_archive(case)
    name = archive.file
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(url("archive_delete", case, archive.pk))
    assert (response.status_code, response.url) == (303, url("case", case))
    assert "The archive is deleted." in text(opened(client, case))
    assert not default_storage.exists(name)
    for address in ("archive", "archive_download"):
        gone = client.get(url(address, case, archive.pk))
        assert gone.status_code == 410
        assert f"{ARCHIVE} was deleted on" in text(gone)
    again = client.post(url("archive_delete", case, archive.pk))
    assert again.status_code == 303


def test_an_archive_on_its_way_to_jira_stays(client, alice):
    case = make_case(alice, at="jira_attach")
    start_attaching(case)
    archive = case.sosreport.artifact
    response = client.post(url("archive_delete", case, archive.pk))
    assert response.status_code == 409
    assert "on its way to Jira" in text(response)
    assert reread(case).sosreport.artifact.file


def test_nothing_is_deleted_by_a_link(client, case):
    archive = make_archive(case)
    assert client.get(url("archive_delete", case, archive.pk)).status_code == 405
