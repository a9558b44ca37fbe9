"""Starts, watches and ends the processes of a contender."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.services import _die_with_parent

ROOT = Path(__file__).resolve().parents[2]
GRACE = 20.0  # seconds that a worker gets to end by itself
PATIENCE = 300.0  # seconds until a measurement counts as stuck
LOOK_EVERY = 0.005  # seconds; bounds how late an end is noticed


def cpu_of(pid: int) -> float:
    """Return milliseconds of CPU of a process and of all that it has started."""
    root = psutil.Process(pid)
    spent = 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:4])  # the last two: children that ended
    return spent * 1e3


class Stuck(RuntimeError):
    """A contender's process ended, or nothing happened for too long."""


class Group:
    """Processes that live and die together, and share one log."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.members: list[subprocess.Popen[str]] = []

    def start(
        self, command: Sequence[str], environ: Mapping[str, str], *, pipes: bool = False
    ) -> subprocess.Popen[str]:
        with self.log.open("a") as output:
            member = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, **environ},
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else output,
                stderr=output,
                text=True,
                start_new_session=True,
                preexec_fn=_die_with_parent(signal.SIGTERM),
            )
        self.members.append(member)
        return member

    def pids(self) -> list[int]:
        return [member.pid for member in self.members]

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return once it holds. Raises Stuck with the end of the log."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if any(member.poll() is not None for member in self.members):
                problem = "a process ended"
            elif time.monotonic() > deadline:
                problem = f"{PATIENCE:.0f} seconds passed"
            else:
                time.sleep(LOOK_EVERY)
                continue
            words = self.log.read_text(errors="replace")[-4000:]
            raise Stuck(f"{problem} while waiting: {what}\n{words}")

    def stop(self) -> None:
        """Ask every member to end, then end all that it has started."""
        for member in self.members:
            if member.poll() is None:
                member.terminate()
        deadline = time.monotonic() + GRACE
        for member in self.members:
            with suppress(subprocess.TimeoutExpired):
                member.wait(max(0.1, deadline - time.monotonic()))
            with suppress(ProcessLookupError):  # none of its session is left
                os.killpg(member.pid, signal.SIGKILL)
            member.wait()
            for pipe in (member.stdin, member.stdout):
                if pipe is not None:
                    pipe.close()
        self.members.clear()
