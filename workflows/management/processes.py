"""Child processes that are kept alive, and end together with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

GRACE = 15  # seconds that a child gets to finish what it has begun
# A child that ends this often within the time will not get better by itself.
MOST_STARTS = 5
WITHIN_SECONDS = 60.0


class Gone(Exception):
    """A part ended for good; the text says which."""


@dataclass
class Child:
    name: str
    command: Sequence[str]
    vital: bool
    process: subprocess.Popen[bytes]
    starts: list[float] = field(default_factory=list)


class Crew:
    """The children of one parent."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.children: list[Child] = []

    def start(self, name: str, command: Sequence[str], *, vital: bool = False) -> None:
        """Start a child; a vital one is not started again when it ends."""
        child = Child(name, command, vital, self.spawn(command))
        child.starts.append(time.monotonic())
        self.children.append(child)

    def spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        # A group of its own: what a child has started ends with it.
        return subprocess.Popen(  # noqa: S603
            command, env=self.environment, start_new_session=True
        )

    def look(self) -> list[str]:
        """Start ended children again; return their names. Raises Gone."""
        return [child.name for child in self.children if self.revive(child)]

    def revive(self, child: Child) -> bool:
        code = child.process.poll()
        if code is None:
            return False
        kill_group(child.process)
        now = time.monotonic()
        child.starts = [at for at in child.starts if now - at < WITHIN_SECONDS]
        if child.vital or len(child.starts) >= MOST_STARTS:
            raise Gone(
                f"{child.name} ended with exit code {code}; its last words stand "
                "above. Everything was stopped."
            )
        child.process = self.spawn(child.command)
        child.starts.append(now)
        return True

    def restart(self, prefix: str) -> None:
        """Kill the children of that name and start them anew."""
        for child in self.children:
            if child.name.startswith(prefix):
                kill_group(child.process)
                child.process.wait()
                child.process = self.spawn(child.command)

    def stop(self) -> None:
        """End every child with all it started; whoever is impatient meanwhile waits."""
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        for child in self.children:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + GRACE
        for child in self.children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - time.monotonic()))
            kill_group(child.process)
            child.process.wait()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # none of its group is left
        os.killpg(process.pid, signal.SIGKILL)
