"""The storage does not answer when an archive is read: that is said, and passes."""

from __future__ import annotations

import errno
import os

import pytest

from jobs.tests.engine import outcomes
from tests.conftest import signed_in
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.tests.make import make_archive, make_case
from workflows.support.tests.pages import opened, text, url
from workflows.support.tests.sending import (
    attachments,
    failed,
    is_whole,
    run_out,
    sent,
)
from workflows.support.tests.storages import (  # noqa: F401
    MIB,
    Distant,
    Silent,
    elsewhere,
    own_storage,
)

pytestmark = pytest.mark.django_db
AWAY = [Silent.Away("planted-place"), OSError(errno.EIO, os.strerror(errno.EIO))]
BREAKS = pytest.mark.parametrize("breaks", ["opening", "coming", "reading"])
ERRORS = pytest.mark.parametrize("error", AWAY, ids=["its own", "the system's"])


@pytest.fixture
def case(distant, ready):
    return ready


def break_down(monkeypatch, breaks, error=AWAY[0], times=None):
    """Let the storage fail there, always or so often."""
    left = [times]

    def do(what):
        if what == breaks and left[0] != 0:
            left[0] = left[0] and left[0] - 1
            raise error

    monkeypatch.setattr(Distant, "do", staticmethod(do))


@BREAKS
@ERRORS
def test_an_upload_is_tried_again(server, case, alice, monkeypatch, breaks, error):
    break_down(monkeypatch, breaks, error, times=1)
    row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["failed", "succeeded"]
    assert is_whole(server, case)
    # Jira is not made to wait for a file that has not come.
    assert sent(server) == (2 if breaks == "reading" else 1)


@BREAKS
@ERRORS
def test_an_upload_says_who_does_not_answer(
    server, case, alice, monkeypatch, breaks, error, caplog
):
    with monkeypatch.context() as broken:
        break_down(broken, breaks, error)
        row = run_out(jira_attach_artifact(case, by=alice))
    assert outcomes(row) == ["failed"] * 4
    assert failed(case, "read_failed", "the storage of Handrail does not answer")
    page = text(opened(signed_in(alice), case))
    assert "have an administrator look at the storage" in page
    assert "Choose the file again" not in page
    told = caplog.text + row.failure_reason
    told += "".join(attempt.traceback for attempt in row.attempts.all())
    assert "planted-place" not in told
    assert attachments(server) == []
    run_out(jira_attach_artifact(case, by=alice))
    assert is_whole(server, case)


@pytest.mark.usefixtures("distant")
@BREAKS
@ERRORS
def test_pages_say_so(alice, monkeypatch, breaks, error):
    case = make_case(alice)
    archive = make_archive(case, content=b"\0" * 3 * MIB)
    client = signed_in(alice)
    with monkeypatch.context() as broken:
        break_down(broken, breaks, error)
        response = client.get(url("archive", case, archive.pk))
        assert response.status_code == 200
        if breaks != "reading":  # the list of an empty one ends before
            assert "the storage of Handrail does not answer" in text(response)
            response = client.get(url("archive_download", case, archive.pk))
            assert response.status_code == 409
            assert "the storage of Handrail does not answer" in text(response)
    response = client.get(url("archive_download", case, archive.pk))
    assert len(response.getvalue()) == 3 * MIB
