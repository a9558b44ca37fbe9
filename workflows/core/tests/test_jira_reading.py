"""What Jira tells is of a length and of letters that every column and page can take."""

from __future__ import annotations

import json

import pytest

from workflows.core.jira import NotJira

ENTRY = {"id": "10000", "filename": "a", "size": 1, "created": "2026-01-05T09:00:00Z"}


def tell(server, path, said):
    server.fails(path, status=200, body=json.dumps(said).encode())


def tell_issue(server, *, key="ABC-1", summary="It is slow", **entry):
    fields = {"summary": summary, "attachment": [{**ENTRY, **entry}]}
    tell(server, "/ABC-1", {"key": key, "fields": fields})


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        (" \x00\ud800\u202eThe disk\nis full ", "The disk is full"),
        ("n" * 300, "n" * 255),
        ("Größe 🔑", "Größe 🔑"),
        ("\x00", ""),
    ],
)
def test_a_summary_can_be_shown_and_stored(server, jira, summary, found):
    tell_issue(server, summary=summary)
    assert jira.issue("ABC-1").summary == found


@pytest.mark.parametrize(
    "odd", ["", "1" * 41, 10**40, "1\x00", "\ud800", True, 1.5, None, [1]]
)
def test_what_cannot_be_an_attachments_id(server, jira, odd):
    tell_issue(server, id=odd)
    with pytest.raises(NotJira):
        jira.issue("ABC-1")


@pytest.mark.parametrize("id", ["1" * 40, 10**39, "7f3c-aa"])
def test_an_attachments_id_is_taken_whole(server, jira, id):
    tell_issue(server, id=id)
    assert [each.id for each in jira.issue("ABC-1").attachments] == [str(id)]


def test_a_key_that_is_longer_than_any(server, jira):
    tell_issue(server, key=f"ABC-{'1' * 80}")
    with pytest.raises(NotJira):
        jira.issue("ABC-1")


@pytest.mark.parametrize(("limit", "found"), [(0, 0), (10**30, 2**63 - 1)])
def test_a_limit_is_of_a_size_that_can_be_stored(server, jira, limit, found):
    tell(server, "/attachment/meta", {"enabled": True, "uploadLimit": limit})
    assert jira.upload_limit() == found


def test_a_limit_is_not_below_nothing(server, jira):
    tell(server, "/attachment/meta", {"enabled": True, "uploadLimit": -1})
    with pytest.raises(NotJira):
        jira.upload_limit()
