"""What a host sends slowly, or not any more, while a file is read over ssh."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress

import psutil
import pytest

from tests.sshd import connect, sshd
from workflows.support.collecting import ssh as module
from workflows.support.collecting.collector import Collector
from workflows.support.collecting.problems import ReadFailed


class Enough(Exception):
    """What a job raises to stop."""


@pytest.fixture
def own_server():
    with sshd() as running:
        yield running


@pytest.fixture
def frozen(own_server):
    """Let the server stand still, once a file is open."""
    stopped = []

    def freeze():
        stopped.extend(psutil.Process(own_server.pid).children(recursive=True))
        for process in stopped:
            process.suspend()

    yield freeze
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def test_a_read_that_takes_long_is_waited_for_in_turns(own_server, kept, frozen):
    """So that a cancel is heard meanwhile; and nothing of it is lost."""
    report, path, _installed = kept
    with connect(own_server) as shell, shell.open(str(path)) as source:
        frozen()
        assert source.read(1024**2, 0.2) is None
        assert source.read(1024**2, 0.2) is None
        for process in psutil.Process(own_server.pid).children(recursive=True):
            process.resume()
        digest = hashlib.sha256()
        while block := source.read(1024**2):
            digest.update(block)
    assert digest.hexdigest() == report.sha256


def test_a_host_that_sends_nothing_any_more_is_given_up(
    own_server, kept, frozen, monkeypatch
):
    monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    _report, path, _installed = kept
    with connect(own_server) as shell, shell.open(str(path)) as source:
        frozen()
        assert source.read(1024**2, 0.1) is None
        with pytest.raises(ReadFailed):
            all(source.read(1024**2, 0.1) is None for _turn in range(9))


def test_a_fetch_hears_a_stop_while_nothing_arrives(own_server, kept, frozen, run_id):
    report, _path, installed = kept
    looks = []

    def progress(done, total, words):
        looks.append(done)
        if len(looks) == 1:
            return
        raise Enough

    with connect(own_server) as shell:
        opening = shell.open

        def opened(path):
            source = opening(path)
            frozen()
            return source

        shell.open = opened
        with pytest.raises(Enough):
            Collector(shell, as_root=True, installed=installed).fetch(
                report, run_id, io.BytesIO(), progress=progress
            )
    assert looks == [0, 0]
