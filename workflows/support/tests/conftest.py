"""A wrapper of one's own, other programs in the place of sos, and the real one."""

# ruff: noqa: S603 - programs of our own

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from tests.conftest import *  # noqa: F403  (the cast)
from tests.jira import JiraServer
from workflows.core.accounts import Account, User
from workflows.core.jira import Kind
from workflows.core.tests.make import lent_jira, make_connection_to
from workflows.support.actions import confirming
from workflows.support.actions.verifying import use_connection, verify_issue
from workflows.support.collecting.collector import Installed, Report
from workflows.support.models import WorkflowSession
from workflows.support.tests.make import make_archive, make_case, reread
from workflows.support.tests.sending import CONTENT

SHIPPED = Path(__file__).resolve().parent.parent / "wrapper"
REAL = Path("/usr/bin/sos")
WITHIN = 15.0  # seconds

# Each is a whole program in the place of sos; $work is where the archive belongs. It
# sleeps with a program of this test's own, so that what goes on is told from others'.
BEGIN = """#!/bin/sh
for word; do case $word in --tmp-dir=*) work=${word#*=}; esac; done
sleep=${0%/*}/sleep
"""
FAKES = {
    "good": """
        echo " Starting 1/2   host            [Running: host]"
        echo " Starting 2/2   login           [Running: host login]"
        echo " Finishing plugins              [Running: login]"
        echo " Finished running plugins"
        name=sosreport-x
        case "$*" in *--clean*)
            echo "sosreport-x : Beginning obfuscation..."
            name=$name-obfuscated
        esac
        echo "Creating compressed archive..."
        mkdir "$work/in" && echo "$@" >"$work/in/arguments"
        env >"$work/in/environment"
        tar -C "$work" -cJf "$work/$name.tar.xz" in
        (cd "$work" && sha256sum $name.tar.xz >$name.tar.xz.sha256)
        echo private >"$work/sosreport-x-private_map"
    """,
    "big": """
        head -c 3000000 /dev/urandom >"$work/in"
        tar -C "$work" -cf "$work/sosreport-x.tar" in
    """,
    "unmasked": 'tar -cf "$work/sosreport-x.tar" /etc/hostname',
    "nothing": "exit 0",
    "failing": "exit 3",
    "two": 'for n in 1 2; do tar -cf "$work/sosreport-$n.tar" /etc/hostname; done',
    "no tar": 'echo hello >"$work/sosreport-x.tar"',
    "breaks off": """
        head -c 300000 /dev/zero >"$work/in"
        tar -C "$work" -cf "$work/all" in
        head -c 200000 "$work/all" >"$work/sosreport-x.tar"
    """,
    "packed breaks off": """
        head -c 300000 /dev/urandom >"$work/in"
        tar -C "$work" -czf "$work/all" in
        head -c 200000 "$work/all" >"$work/sosreport-x.tar.gz"
    """,
    "other sum": """
        tar -cf "$work/sosreport-x.tar" /etc/hostname
        echo 0123456789 >"$work/sosreport-x.tar.sha256"
    """,
    "link": 'tar -cf "$work/in" /etc/hostname; ln -s in "$work/sosreport-x.tar"',
    "full": """
        echo "No space left on device while collecting plugin data"
        exit 1
    """,
    "filling": 'cat /dev/zero >"$work/fill"; exit 1',
    # What plugins start detaches from sos: its own session, its own group.
    "endless": """
        echo " Starting 1/9   host            [Running: host]"
        trap '' TERM
        setsid sh -c "trap '' TERM; exec $sleep 986" &
        (env -i $sleep 987 & exec $sleep 988) &
        $sleep 989
    """,
    "leaving": """
        setsid $sleep 985 &
        tar -cf "$work/sosreport-x.tar" /etc/hostname
    """,
}


@dataclass(frozen=True)
class Ended:
    """What a call of the wrapper came to."""

    code: int
    answers: list[dict]

    @property
    def last(self) -> dict:
        return self.answers[-1]


class Copy(Installed):
    """A wrapper like the shipped one, but for the constants at its top."""

    def call(self, *argv: object, **environment: str) -> Ended:
        with self.start(*argv, **environment) as process:
            assert process.stdout is not None
            output = process.stdout.read()  # its input stays open meanwhile
        return Ended(
            process.returncode,
            [json.loads(line) for line in output.split("\n") if line],
        )

    def start(self, *argv: object, **environment: str) -> subprocess.Popen:
        """Start it with its standard input held open."""
        return subprocess.Popen(
            [self.wrapper, *map(str, argv)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", **environment},
        )

    def folder(self, run_id: str) -> Path:
        return Path(self.spool) / run_id

    def working(self) -> dict[psutil.Process, str]:
        """Return what still runs of it, of sos, and of what sos has started."""
        return commands_with(str(Path(self.wrapper).parent))

    def under_way(self) -> bool:
        """Has sos started all that it starts before it waits?"""
        return sum("/sleep 98" in text for text in self.working().values()) == 4

    def clean(self) -> bool:
        return not self.working() and not any(Path(self.spool).iterdir())


def copy_into(folder: Path, fake: str | None = "good", **constants: object) -> Copy:
    """Return a copy of the wrapper in this folder: for the real sos without a fake."""
    text = (SHIPPED / "handrail-sos").read_text()
    values = {
        "SPOOL": str(folder / "spool"),
        "SOS": sos_of(fake, folder),
        "POLITE_SECONDS": 0.3,
        **constants,
    }
    for name, value in values.items():
        text, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value!r}", text)
        assert found == 1, name
    wrapper = folder / "handrail-sos"
    wrapper.write_text(text)
    wrapper.chmod(0o755)
    return Copy(str(wrapper), str(values["SPOOL"]))


@pytest.fixture
def make_copy(tmp_path: Path) -> Callable[..., Copy]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return partial(copy_into, tmp_path)


@pytest.fixture  # type: ignore[no-redef]  # what comes with the cast is another
def install(make_copy: Callable[..., Copy], settings: Any) -> Callable[..., Copy]:
    """Let cases use a copy of the wrapper: ``install(fake, …)``."""

    def put(fake: str | None = "good", **constants: object) -> Copy:
        copy = make_copy(fake, **constants)
        settings.SOS_WRAPPER, settings.SOS_SPOOL = copy.wrapper, copy.spool
        return copy

    return put


def sos_of(fake: str | None, folder: Path) -> tuple[str, ...]:
    if fake is None:
        if not REAL.exists():
            pytest.skip("needs sos: apt-get install sosreport")
        return (str(REAL),)
    shutil.copy("/bin/sleep", folder / "sleep")
    program = folder / "sos"
    program.write_text(BEGIN + FAKES[fake])
    program.chmod(0o755)
    return (str(program),)


def commands_with(word: str) -> dict[psutil.Process, str]:
    """Return the processes whose command has this in it, and their commands."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            if word in command:
                found[process] = command
    return found


@pytest.fixture
def run_id() -> str:
    return uuid4().hex


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield disk
    finally:
        subprocess.run(["/bin/umount", str(disk)], check=True)


def until(condition: Callable[[], object], seconds: float = WITHIN) -> bool:
    """Is it so within this time?"""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def has(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is not None


# --- Jira -----------------------------------------------------------------------------
@pytest.fixture(params=Kind)
def server(
    request: pytest.FixtureRequest, settings: Any, account: Account
) -> Iterator[JiraServer]:
    """A Jira of each kind with one issue: trusted, and allowed to the account."""
    with lent_jira(account, settings, request.param) as running:
        yield running


@pytest.fixture
def ready(server: JiraServer, alice: User) -> WorkflowSession:
    """Alice's case: an archive of 3 MiB, she is connected, the issue is checked."""
    case = make_case(alice, at="jira_attach")
    make_archive(case, content=CONTENT)
    use_connection(case, by=alice, connection=make_connection_to(server, alice))
    verify_issue(case, by=alice, key="ABC-1")
    server.requests.clear()
    return reread(case)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gives a Jira time that has not confirmed an upload."""
    monkeypatch.setattr(confirming, "LATE", timedelta())


@pytest.fixture
def kept(tmp_path: Path, run_id: str) -> tuple[Report, Path, Installed]:
    """An archive as it waits on its host, of 3 MiB that nothing makes smaller."""
    folder = tmp_path / run_id / "archive"
    folder.mkdir(parents=True)
    content = os.urandom(3 * 1024**2 + 5)
    path = folder / "sosreport-x.tar.xz"
    path.write_bytes(content)
    report = Report(path.name, len(content), hashlib.sha256(content).hexdigest())
    return report, path, Installed("", str(tmp_path))
