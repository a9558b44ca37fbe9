"""`manage.py up`: the whole product starts, serves, and ends without a trace."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.program import ROOT, clean_environment, run_python
from workflows.management.processes import Crew, Gone, kill_group

pytestmark = pytest.mark.slow

STARTED_WITHIN = 60.0  # seconds
STOPPED_WITHIN = 20.0  # seconds
RUNS_AT = re.compile(rb"Handrail runs at http://localhost:(\d+)/")


class Up:
    """A running product, as a person started it."""

    def __init__(
        self, data: Path, port: int, *arguments: str, **environment: str
    ) -> None:
        self.data = data
        self.log = data / f"up-{time.monotonic_ns()}.log"
        command = [sys.executable, "manage.py", "up", f"--port={port}", *arguments]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean_environment(DATA_DIR=str(data), **environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.port = self.wait_for_address()

    def wait_for_address(self) -> int:
        deadline = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < deadline:
            if found := RUNS_AT.search(self.log.read_bytes()):
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("localhost", self.port, timeout=20)
        connection.request("GET", path, headers={"Connection": "close", **headers})
        return connection.getresponse()

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(by)
        return self.process.wait(STOPPED_WITHIN)


def processes_of(data: Path) -> dict[int, str]:
    """Return the id and command of every process that was started for this folder."""
    mark = f"DATA_DIR={data}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it ended meanwhile, or is not ours to look at
            continue
        if mark in environment:  # a zombie has no environment any more
            found[int(entry.name)] = command
    return found


@contextmanager
def own_machine(folder: Path) -> Iterator[Path]:
    """Lend a folder with the keys of one's own machine; no process outlives it."""
    assert run_python("-m", "config.local", DATA_DIR=str(folder)).returncode == 0
    try:
        yield folder
    finally:
        for pid in processes_of(folder):  # none, unless the test failed
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    with own_machine(tmp_path / "data") as folder:
        yield folder


@pytest.fixture
def up(data: Path) -> Callable[..., Up]:
    def start(port: int | None = None, *arguments: str) -> Up:
        return Up(data, port or free_port(), "--no-demo", *arguments)

    return start


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_the_product_starts_serves_and_ends(up, data):
    first = up()
    page = first.get("/login/")
    html = page.read().decode()
    assert page.status == 200

    styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)
    scripts = re.findall(r'<script src="([^"]+)"', html)
    assert styles
    assert scripts
    for path in styles + scripts:
        assert re.search(r"\.[0-9a-f]{12}\.(css|js)$", urlsplit(path).path), path
        asset = first.get(path, **{"Accept-Encoding": "gzip"})
        body = asset.read()
        assert asset.status == 200
        assert "max-age=315360000" in asset.headers["Cache-Control"]
        assert "immutable" in asset.headers["Cache-Control"]
        assert asset.headers["Content-Encoding"] == "gzip"
        assert len(gzip.decompress(body)) > len(body)

    ready = first.get("/readyz")
    assert (ready.status, json.load(ready)["status"]) == (200, "ok")
    running = " ".join(processes_of(data).values())
    assert "gunicorn" in running
    assert "celery" in running

    # Somebody starts it again beside the first: it takes the next free port.
    beside = up(first.port)
    assert first.port < beside.port <= first.port + 20
    assert beside.get("/readyz").status == first.get("/readyz").status == 200
    assert beside.stop() == 0
    assert first.get("/readyz").status == 200

    started = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - started < STOPPED_WITHIN
    assert processes_of(data) == {}
    assert "Traceback" not in first.log.read_text()
    with pytest.raises(OSError, match="refused"):
        first.get("/login/")


MAKE = """
from workflows.core.accounts import Account
Account.objects.create(name="Acme", slug="acme")
"""
COUNT = """
from workflows.core.accounts import Account
print(Account.objects.count())
"""


def test_a_second_start_keeps_the_data_and_any_end_is_clean(up, data):
    def shell(code: str) -> str:
        arguments = ("manage.py", "shell", "--no-imports", "-c", code)
        done = run_python(*arguments, DATA_DIR=str(data))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    keys = (data / "local.env").read_text()
    assert up().stop(signal.SIGTERM) == 0
    assert processes_of(data) == {}
    shell(MAKE)

    again = up()
    assert again.get("/login/").status == 200
    # The terminal is closed, and whoever is impatient presses Ctrl-C as well.
    again.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert again.stop(signal.SIGINT) == 0
    assert processes_of(data) == {}
    assert shell(COUNT) == "1"
    assert (data / "local.env").read_text() == keys


def wait_until(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + STARTED_WITHIN
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def pids(data: Path, word: str) -> set[int]:
    return {pid for pid, name in processes_of(data).items() if word in name}


def test_a_worker_or_a_scheduler_that_dies_is_started_again(up, data):
    product = up()
    # Which of the two workers comes first is chance.
    for word, said in (("celery", r"Worker \d ended"), ("scheduler", "The scheduler")):
        wait_until(lambda word=word: bool(pids(data, word)), product.log)
        before = pids(data, word)
        os.kill(min(before), signal.SIGKILL)
        wait_until(
            lambda said=said: bool(re.search(said, product.log.read_text())),
            product.log,
        )
        wait_until(
            lambda word=word, before=before: bool(pids(data, word) - before),
            product.log,
        )
    assert product.get("/readyz").status == 200
    assert product.stop() == 0
    assert processes_of(data) == {}


def test_when_the_web_server_dies_everything_is_stopped(up, data):
    product = up()
    web = min(pids(data, "gunicorn"))
    os.kill(web, signal.SIGKILL)
    assert product.process.wait(STOPPED_WITHIN) != 0
    assert "The web server ended with exit code -9" in product.log.read_text()
    assert processes_of(data) == {}


def test_what_ends_again_and_again_is_given_up(capfd):
    crew = Crew(dict(os.environ))
    crew.start("The clock", [sys.executable, "-c", "raise SystemExit(3)"])
    try:
        for _again in range(4):
            crew.children[0].process.wait()
            assert crew.look() == ["The clock"]
        crew.children[0].process.wait()
        with pytest.raises(Gone, match="The clock ended with exit code 3"):
            crew.look()
    finally:
        kill_group(crew.children[0].process)
