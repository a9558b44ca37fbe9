"""What a large archive costs: python -m benchmarks.attach [MIB]

A sparse archive of one GiB is brought from a host of this machine into the storage,
hashed on its way, and goes to the tests' Jira over TLS; and the same by hand, with
nothing but the standard library, httpx or curl. "Attached by its job" is the whole job
as a worker runs it: it asks Jira four times besides. Each turn is a process of its own,
in turn for three rounds; Jira is one beside them. Figures are medians; "memory" is the
most by which a process grew over what it had when it was ready to begin, "peak" the
most it had at all.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import django
from cryptography.fernet import Fernet

from benchmarks.attach_turns import CONTENDERS, MIB, Ground

SELF, CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3


class Spent(NamedTuple):
    seconds: float
    cpu: float  # seconds
    growth: int  # bytes of memory
    peak: int  # bytes


# --- one turn, in a process of its own ------------------------------------------------
def take_turn(name: str, ground: Ground) -> None:
    django.setup()  # in all of them: how large a heap is decides what a block costs
    turn = CONTENDERS[name].prepare(ground)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, cpu, started = memory("VmRSS"), cpu_seconds(), time.monotonic()
    turn()
    seconds, cpu = time.monotonic() - started, cpu_seconds() - cpu
    peak = memory("VmHWM")
    print(json.dumps(Spent(seconds, cpu, peak - before, peak)))


def cpu_seconds() -> float:
    """Return what this process has used, with the programs that it has run."""
    used = (resource.getrusage(who) for who in (SELF, CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory(line: str) -> int:
    """Return bytes: VmRSS is what the process has, VmHWM the most it had."""
    for each in Path("/proc/self/status").read_text().splitlines():
        if each.startswith(f"{line}:"):
            return int(each.split()[1]) * 1024
    raise LookupError(line)


# --- all of them ----------------------------------------------------------------------
def serve() -> None:
    """Be a Jira until the input ends."""
    django.setup()
    from tests.jira import jira_server

    with jira_server() as jira:
        jira.add_issue("ABC-1")
        print(json.dumps([jira.url, str(jira.ca_file), jira.token]), flush=True)
        sys.stdin.read()


@contextmanager
def ground_of(size: int) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="config.settings",
            DATA_DIR=folder,
            DEBUG="0",
            SECRET_KEY="x" * 64,
            SEAL_KEYS=Fernet.generate_key().decode(),
            ALLOWED_HOSTS="localhost",
            JIRA_LOOPBACK="1",
            LOG_LEVEL="WARNING",
        )
        with subprocess.Popen(
            [*command(), "--serve"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as jira:
            assert jira.stdin
            assert jira.stdout
            ground = Ground(folder, size, "", *json.loads(jira.stdout.readline()))
            ground.source.parent.mkdir(parents=True)
            with ground.source.open("wb") as file:
                file.truncate(size)
            with ground.source.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.environ["JIRA_CA_FILE"] = ground.ca_file
            yield ground._replace(sha256=digest)
            jira.stdin.close()


def command() -> list[str]:
    return [sys.executable, "-m", "benchmarks.attach"]


def measure(ground: Ground) -> dict[str, Spent]:
    figures: dict[str, list[Spent]] = {name: [] for name in CONTENDERS}
    for round_number in range(ROUNDS):
        # Back and forth: what one leaves in the page cache is another's advantage.
        for name in list(figures)[:: -1 if round_number % 2 else 1]:
            done = subprocess.run(
                [*command(), "--turn", name, json.dumps(ground)],
                cwd=ROOT,
                check=True,
                stdout=subprocess.PIPE,
            )
            figures[name].append(Spent(*json.loads(done.stdout)))
    return {name: middle(spent) for name, spent in figures.items()}


def middle(spent: list[Spent]) -> Spent:
    columns: list[Any] = [median(column) for column in zip(*spent, strict=True)]
    return Spent(*columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mib", type=int, nargs="?", default=1024)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--turn", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return serve()
    if asked.turn:
        name, ground = asked.turn
        return take_turn(name, Ground(*json.loads(ground)))
    with ground_of(asked.mib * MIB) as ground:
        figures = measure(ground)
    print(f"| an archive of {asked.mib:,} MiB | MiB/s | ratio | CPU | memory | peak |")
    print("|---|---|---|---|---|---|")
    for name, contender in CONTENDERS.items():
        spent, base = figures[name], figures[contender.base]
        print(
            f"| {name} | {asked.mib / spent.seconds:.0f} "
            f"| {base.seconds / spent.seconds:.2f} | {spent.cpu / base.cpu:.2f} "
            f"| {spent.growth / MIB:.1f} | {spent.peak / MIB:.0f} |"
        )
    return None


if __name__ == "__main__":
    main()
