"""What tests of attachments do: run a job to its end, look at what came of it."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from jobs.actions.running import drain, execute
from jobs.tests.engine import change, make_due
from jobs.tests.engine import reread as reread_job
from workflows.core.connecting import (
    expire_connection,
    refuse_connection,
    revoke_connection,
)
from workflows.core.jira import Forbidden
from workflows.support import tasks
from workflows.support.problems import ConnectionExpired, ConnectionRevoked
from workflows.support.tests.make import jira_of, reread

QUEUE = tasks.QUEUE
MIB = 1024**2
CONTENT = bytes(range(256)) * (12 * 1024) + b"the end"  # a little over 3 MiB


@pytest.fixture(name="case")
def ready_case(ready):
    """Call Alice's case, which could attach at once, by the name that tests know."""
    return ready


# --- what Jira was asked, and has -----------------------------------------------------
def attachments(server, key="ABC-1"):
    server.wait_until_idle()
    return server.issues[key].attachments


def asked(server):
    """Return what Jira was asked, in order."""
    return [
        f"{each.method} {each.path.removeprefix(server.root)}"
        for each in server.requests
    ]


def run_out(job):
    """Run the job as often as it is tried again; return it as it is then."""
    drain(QUEUE)
    while (row := reread_job(job)).status == "queued":
        make_due(row)
        drain(QUEUE)
    return row


def sent(server):
    """Return how often somebody began to send a file."""
    server.wait_until_idle()
    return asked(server).count("POST /issue/ABC-1/attachments")


@contextmanager
def held(server, run, **fault):
    """Run it on another thread, up to where Jira is held."""
    server.fails("/attachments", **fault)
    thread = threading.Thread(target=ended, args=[run])
    thread.start()
    try:
        assert server.held.wait(30)
        yield
    finally:
        server.release()
        thread.join(60)
    assert not thread.is_alive()


def ended(run):
    try:
        execute(run)
    finally:
        connection.close()


def is_whole(server, case):
    """The case is completed, and its archive is on the issue, once."""
    [stored] = attachments(server)
    archive = reread(case).sosreport.artifact
    assert (stored.size, stored.sha256) == (archive.size, archive.sha256)
    state = jira_of(case)
    assert (state.attachment_status, state.attachment_id) == ("succeeded", stored.id)
    assert state.issue_url == f"{server.url}/browse/ABC-1"
    assert said(case) == ("completed", "", "")
    return True


def is_kept(case):
    """The archive and the key are there for another try."""
    archive = reread(case).sosreport.artifact
    with default_storage.open(archive.file) as file:
        assert hashlib.sha256(file.read()).hexdigest() == archive.sha256
    state = jira_of(case)
    assert (state.issue_key, state.attachment_status) == ("ABC-1", "failed")
    return True


def failed(case, code, words=""):
    """The case failed at Jira for this reason, and keeps what it has."""
    assert said(case) == ("failed", "jira_attach", code)
    assert words in reread(case).last_error_text
    return is_kept(case)


# --- how the case stands --------------------------------------------------------------
def said(case):
    """Return how the case stands: step, where it failed, code."""
    row = reread(case)
    return row.current_step, row.failed_step, row.last_error_code


@contextmanager
def told(case, kind, code, words=""):
    """The block raises the problem, which the case keeps as its failure."""
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.value.code == code
    assert said(case) == ("failed", "jira_attach", code)
    assert reread(case).last_error_text == str(caught.value)
    assert words in str(caught.value)


@contextmanager
def turned_down(case, kind, code):
    """The block raises the problem; the case keeps it, but no step has failed."""
    before = said(case)[:2]
    with pytest.raises(kind):
        yield
    assert said(case) == (*before, code)
    assert reread(case).last_error_text == str(kind.words)


# --- what comes between ---------------------------------------------------------------
def delete(case):
    change(reread(case).sosreport.artifact, file="", deleted_at=timezone.now())


def over(row):
    change(row, expires_at=timezone.now() - timedelta(seconds=1))


WAYS = [
    (lambda row: expire_connection(row.pk), ConnectionExpired, "connection_expired"),
    (over, ConnectionExpired, "connection_expired"),
    (
        lambda row: revoke_connection(row, by=row.user),
        ConnectionRevoked,
        "connection_revoked",
    ),
    (lambda row: refuse_connection(row.pk), Forbidden, "forbidden"),
]
ENDINGS = pytest.mark.parametrize(("end", "kind", "code"), WAYS)
