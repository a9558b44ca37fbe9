"""Where a scenario takes place: its processes, its database and its broker."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
from redis import Redis

from tests.faults.ledger import Ledger
from tests.faults.names import EFFECT, LEASE_SECONDS
from tests.program import ROOT
from tests.services import free_port, redis

WITHIN_SECONDS = 90.0  # for what the scenario only waits for
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "DEBUG": "0",
    "HTTPS": "0",
    "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
    "SECRET_KEY": "only-for-tests-" + "x" * 50,
    "SEAL_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    "JIRA_LOOPBACK": "1",
    "LOG_FORMAT": "text",
    "JOB_LEASE_SECONDS": str(LEASE_SECONDS),
}


class Broker:
    """A Redis that can be stopped, killed, frozen, emptied, and started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.stack = ExitStack()

    def start(self) -> None:
        """Begin anew, with nothing in it."""
        self.stack.enter_context(redis(port=self.port))
        with Redis.from_url(self.url) as client:
            self.pid = int(client.info("server")["process_id"])

    def stop(self) -> None:
        self.thaw()
        self.stack.close()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.stack.close()

    def freeze(self) -> None:
        """Let it accept connections and answer nobody."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def empty(self) -> None:
        with Redis.from_url(self.url) as client:
            client.flushall()


class Ground:
    """The processes of one scenario; all of them end with it."""

    def __init__(self, folder: Path, place: str | Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {
            **ENVIRONMENT,
            "HOME": str(folder),
            "DATA_DIR": str(folder / "data"),
            **environment,
        }
        self.place = place
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger(self.place)
        return self._ledger

    def close(self) -> None:
        for process in self.processes.values():
            kill(process)
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()
        if self._ledger:
            self._ledger.close()

    # --- processes --------------------------------------------------------------------
    def run(self, *arguments: str) -> None:
        """Run manage.py to its end."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def spawn(
        self, name: str, *arguments: str, pipe: int | None = None
    ) -> subprocess.Popen[str]:
        """Start Python with the arguments, as the leader of a group of its own."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.processes[f"{name} {process.pid}"] = process
        return process

    def worker(self, name: str, concurrency: int = 4) -> subprocess.Popen[str]:
        size = ("--concurrency", str(concurrency))
        return self.spawn(name, "manage.py", "worker", "--name", name, *size)

    def standby(self, name: str, concurrency: int = 4) -> subprocess.Popen[str]:
        """Return a worker that is ready, and frozen until somebody needs it.

        How long a process takes to start says more about the machine than about jobs.
        """
        before = self.workers()
        process = self.worker(name, concurrency)
        self.wait("a worker", lambda: self.workers() >= before + concurrency)
        os.killpg(process.pid, signal.SIGSTOP)
        return process

    def scheduler(self, name: str = "scheduler") -> subprocess.Popen[str]:
        return self.spawn(name, "manage.py", "scheduler")

    def driver(self) -> Driver:
        """Return somebody who starts and cancels jobs."""
        pipe = subprocess.PIPE
        return Driver(self.spawn("driver", "-m", "tests.faults.driver", pipe=pipe))

    # --- conditions -------------------------------------------------------------------
    def wait(
        self, what: str, condition: Callable[[], Any], within: float = WITHIN_SECONDS
    ) -> Any:
        """Return what the condition says once it holds."""
        deadline = time.monotonic() + within
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what}: never came\n{self.said()}"
            time.sleep(0.05)
        return found

    def wait_running(self, count: int, kind: str = EFFECT) -> None:
        ledger = self.ledger
        self.wait(f"{count} running", lambda: ledger.count("running", kind) >= count)

    def workers(self) -> int:
        """Return how many processes have said that they live."""
        return int(self.ledger.one("SELECT count(*) FROM jobs_worker"))

    def wait_ended(self) -> None:
        self.wait("the end of all jobs", lambda: not self.ledger.unended())

    def said(self) -> str:
        """Return the last words of all processes, and the jobs that have not ended."""
        words = []
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-40:]
            words += [f"--- {path.name}", *lines]
        sql = "SELECT * FROM jobs_job WHERE status IN ('queued', 'running')"
        words += ["--- jobs", *map(str, self.ledger.rows(sql)[:10])]
        return "\n".join(words)


class Driver:
    """Speaks with tests.faults.driver."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert self.read() == "ready"

    def read(self) -> Any:
        pipe = self.process.stdout
        assert pipe
        assert select.select([pipe], [], [], WITHIN_SECONDS)[0], "no answer"
        return json.loads(pipe.readline() or "null")

    def send(self, what: str, **arguments: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self.process.stdin.flush()

    def ask(self, what: str, **arguments: Any) -> Any:
        """Return the answer; None when it died."""
        self.send(what, **arguments)
        return self.read()

    def tell(self, what: str, **arguments: Any) -> None:
        """Have something done. Raises AssertionError when it was not."""
        answer = self.ask(what, **arguments)
        assert answer is not None, "it died"
        assert "error" not in answer, answer

    def start(self, count: int = 1, kind: str = EFFECT, rounds: int = 4) -> list[str]:
        """Start jobs whose two steps take so many tenths of a second each."""
        answer = self.ask("start", kind=kind, count=count, rounds=rounds)
        ids: list[str] = answer["ids"]
        assert len(ids) == count
        return ids


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with all its group, also where its leader is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def release(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGCONT)


def kill_alone(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def pool(process: subprocess.Popen[str]) -> list[int]:
    """Return the process ids of a worker's pool."""
    return [child.pid for child in psutil.Process(process.pid).children()]


def pid_of(worker: str) -> int:
    """Return the process id from a worker's name (jobs.actions.guard)."""
    return int(worker.split(":")[1])


def alive(pid: int) -> bool:
    """Is it there and more than a zombie?"""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
