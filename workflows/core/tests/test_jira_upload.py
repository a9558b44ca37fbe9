"""Files reach Jira whole or not at all, once, and never through memory."""

import gc
import io
import tracemalloc
from datetime import timedelta
from hashlib import sha256

import httpx
import psutil
import pytest

from tests.jira import jira_server
from workflows.core.jira import (
    ArtifactTooLarge,
    ConnectionLost,
    FileUnreadable,
    Forbidden,
    JiraProblem,
    Kind,
    ReplyLost,
    TimedOut,
    client,
)
from workflows.core.jira.client import Jira
from workflows.core.jira.upload import CHUNK, PIECE, Upload

MIB = 1024 * 1024


class Stop(Exception):
    """Somebody cancelled."""


def attach(jira, content, name="sosreport-a.tar.xz", progress=lambda sent: None):
    file = io.BytesIO(content)
    return jira.attach("ABC-1", file, name=name, size=len(content), progress=progress)


def attached(server):
    server.wait_until_idle(requests=1)
    return server.issues["ABC-1"].attachments


def posts(server):
    return [asked for asked in server.requests if asked.method == "POST"]


# --- what arrives ---------------------------------------------------------------------
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\r\n--",
        b"\r\n--boundary--\r\n" * 9999,
        b"x" * (PIECE - 1),
        b"x" * PIECE,
        b"y" * CHUNK,
        b"y" * (2 * CHUNK + 1),
    ],
    ids=len,
)
def test_a_file_arrives_as_it_is(kind, content):
    sent = []
    with jira_server(kind=kind) as server:
        server.add_issue("ABC-1")
        with Jira(server.credentials(), ca_file=server.ca_file) as jira:
            found = attach(jira, content, progress=sent.append)
            assert jira.issue("ABC-1").attachments == (found,)
        [stored] = attached(server)
        [asked] = posts(server)
    assert (found.filename, found.size) == ("sosreport-a.tar.xz", len(content))
    assert (stored.size, stored.sha256) == (len(content), sha256(content).hexdigest())
    assert found.id == stored.id
    assert found.author_id == stored.author.id
    whole, rest = divmod(len(content), CHUNK)
    steps = [CHUNK * (step + 1) for step in range(whole)]
    assert sent == steps + [len(content)] * bool(rest)
    assert asked.headers["x-atlassian-token"] == "no-check"
    assert asked.headers["content-length"] == str(asked.size)
    assert "transfer-encoding" not in asked.headers


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Bericht Ü — 日本 😀.tar.xz", "Bericht Ü — 日本 😀.tar.xz"),
        ('a"; name="b.tar', "a%22; name=%22b.tar"),
        ("a\r\nX-Evil: 1\r\n\r\nb", "a%0D%0AX-Evil: 1%0D%0A%0D%0Ab"),
        ("a\\b.tar", "a%5Cb.tar"),
        ("a\udcffb", "a?b"),
    ],
)
def test_any_name_arrives_and_is_found_again(server, jira, name, sent):
    found = attach(jira, b"x", name)
    assert found.filename == sent
    assert jira.find_attachment("ABC-1", name, 1, since_ids=()) == found


@pytest.mark.parametrize(
    "size", [64 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.slow)]
)
def test_a_large_file_does_not_go_through_memory(
    server, jira, tmp_path, record_property, size
):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(size)
    process = psutil.Process()
    resident = []
    gc.collect()  # what other tests sent must not make room meanwhile
    tracemalloc.start()
    try:
        before = process.memory_info().rss
        with path.open("rb") as file:
            jira.attach(
                "ABC-1",
                file,
                name="sparse",
                size=size,
                progress=lambda sent: resident.append(process.memory_info().rss),
            )
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    [stored] = attached(server)
    assert stored.size == size
    assert len(resident) == size // CHUNK
    # The stand-in's memory counts too: it reads in this process.
    assert peak < 8 * MIB
    growth = max(resident) - before
    assert growth < 24 * MIB
    record_property(
        "figure",
        f"an upload of {size // MIB} MiB to Jira {server.kind}: at most "
        f"{growth / MIB:.1f} MiB more memory",
    )


# --- what stops it --------------------------------------------------------------------
def test_who_stops_it_leaves_nothing(server, jira):
    def stop(sent):
        if sent >= 3 * CHUNK:
            raise Stop

    with pytest.raises(Stop):
        attach(jira, b"x" * 8 * CHUNK, progress=stop)
    assert attached(server) == []
    [asked] = posts(server)
    assert asked.size < 8 * CHUNK
    assert jira.issue("ABC-1").attachments == ()


def test_who_stops_it_at_the_very_last_piece_leaves_nothing(server, jira):
    def stop(sent):
        if sent == 2 * CHUNK:
            raise Stop

    with pytest.raises(Stop):
        attach(jira, b"x" * 2 * CHUNK, progress=stop)
    assert attached(server) == []


class Failing(io.BytesIO):
    """A file on a disk that breaks."""

    def read(self, size=-1, /):
        if self.tell() >= CHUNK:
            raise OSError("/srv/artifacts/secret-place")
        return super().read(size)


def closed():
    file = io.BytesIO()
    file.close()
    return file


@pytest.mark.parametrize(
    "make",
    [
        lambda: io.BytesIO(b"x" * 2 * CHUNK),  # shorter than recorded
        lambda: io.BytesIO(b"x" * 4 * CHUNK),  # longer
        lambda: io.BytesIO(b"x" * (3 * CHUNK - 4)),
        lambda: Failing(b"x" * 3 * CHUNK),
        closed,
    ],
    ids=["shorter", "longer", "by one byte", "broken", "closed"],
)
def test_a_file_that_is_not_as_recorded_is_not_attached(server, jira, make):
    with pytest.raises(FileUnreadable, match="Nothing was attached") as caught:
        jira.attach(
            "ABC-1", make(), name="a", size=3 * CHUNK - 5, progress=lambda sent: None
        )
    assert caught.value.code == "read_failed"
    assert caught.value.__context__ is None
    assert attached(server) == []


@pytest.mark.parametrize("early", [False, True])
def test_a_file_that_is_too_large(server, jira, early):
    if early:
        server.fails("/attachments", status=413, early=True)
    server.upload_limit = 4 * CHUNK
    with pytest.raises(ArtifactTooLarge):
        attach(jira, b"x" * (4 * CHUNK + 1))
    assert attached(server) == []
    assert attach(jira, b"x" * 4 * CHUNK).size == 4 * CHUNK


def test_an_account_that_may_only_read(server, jira):
    server.issues["ABC-1"].writers = set()
    with pytest.raises(Forbidden):
        attach(jira, b"x")


# --- lost replies ---------------------------------------------------------------------
@pytest.mark.parametrize("fault", [{"drop": "reply"}, {"drop": "in reply"}])
def test_a_lost_reply_is_not_sent_again_but_looked_for(server, jira, fault):
    before = server.add_attachment("ABC-1", "sosreport-a.tar.xz", 9)
    server.fails("/attachments", **fault)
    with pytest.raises(ReplyLost, match="may be attached already") as caught:
        attach(jira, b"123456789")
    assert caught.value.code == "reply_lost"
    assert caught.value.category == "temporary"
    assert caught.value.__context__ is None
    assert len(posts(server)) == 1
    _old, stored = attached(server)
    name, known = "sosreport-a.tar.xz", {before.id}
    found = jira.find_attachment("ABC-1", name, 9, since_ids=known)
    assert found is not None
    assert found.id == stored.id
    assert jira.find_attachment("ABC-1", name, 8, since_ids=known) is None


def test_a_reply_that_takes_too_long_is_lost(server, jira, monkeypatch):
    monkeypatch.setattr(client, "UPLOAD_TIMEOUT", httpx.Timeout(10, read=0.3))
    server.fails("/attachments", holds="reply")
    with pytest.raises(ReplyLost):
        attach(jira, b"x")
    assert server.held.is_set()
    assert jira.find_attachment("ABC-1", "sosreport-a.tar.xz", 1, since_ids=())


def test_an_upload_has_patience_of_its_own(server, jira, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(30, read=0))
    assert attach(jira, b"x" * MIB).size == MIB
    server.fails(holds="reply")
    with pytest.raises(ConnectionLost):
        jira.myself()


def test_only_what_has_left_to_its_end_can_have_been_attached():
    upload = Upload(io.BytesIO(b"x"), name="a", size=1, progress=lambda sent: None)
    pieces = iter(upload)
    assert [next(pieces)[:2], next(pieces), next(pieces)[-4:]] == [
        b"--",
        b"x",
        b"--\r\n",
    ]
    assert not upload.whole
    assert not list(pieces)
    assert upload.whole


def test_a_connection_that_breaks_midway_leaves_nothing(server, jira):
    server.fails("/attachments", drop="midway")
    with pytest.raises(ConnectionLost):
        attach(jira, b"x" * 64 * MIB)
    assert attached(server) == []
    assert len(posts(server)) == 1
    find = jira.find_attachment("ABC-1", "sosreport-a.tar.xz", 64 * MIB, since_ids=())
    assert find is None


def test_a_jira_that_stops_reading_leaves_nothing(server, jira, monkeypatch):
    monkeypatch.setattr(client, "UPLOAD_TIMEOUT", httpx.Timeout(10, write=0.3))
    server.fails("/attachments", holds="midway")
    with pytest.raises(TimedOut):
        attach(jira, b"x" * 64 * MIB)
    server.release()
    assert attached(server) == []


def test_a_server_that_fails_is_not_asked_again(server, jira):
    """Jira may be storing still what a proxy between here and there has given up."""
    server.fails("/attachments", status=503, nth=2, headers={"Retry-After": "600"})
    attach(jira, b"x")
    with pytest.raises(ReplyLost, match="may be attached already") as caught:
        attach(jira, b"y")
    assert caught.value.retry_after == timedelta(minutes=10)
    assert caught.value.__context__ is None
    assert len(posts(server)) == 2
    assert len(attached(server)) == 1


def test_what_is_stuck_is_left_as_soon_as_any_request():
    assert client.UPLOAD_TIMEOUT.write <= client.TIMEOUT.read


def test_an_answer_that_tells_of_no_attachment(server, jira):
    for body in (b"[]", b"{}", b"<html>Log in", b"[{}, {}]"):
        server.fails("/attachments", status=200, body=body)
        with pytest.raises(JiraProblem) as caught:
            attach(jira, b"x")
        assert caught.value.code == "not_jira"
