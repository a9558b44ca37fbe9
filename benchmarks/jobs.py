"""What a job costs: python -m benchmarks.jobs [--only celery,procrastinate]

Empty jobs end to end, by our engine and by others, in turn on the same PostgreSQL and
Redis with as many worker processes. One producer enqueues them one at a time, each in
its own transaction. Throughput: from the first enqueue call until the last job is
finished by the contender's own records. Latency: at a low load, from just before the
enqueue call to the first line of the job. CPU: of one job in the throughput run, of
producer, workers and PostgreSQL together. Figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.ground import product
from benchmarks.jobs_rivals.contenders import Contender, postmaster
from benchmarks.jobs_rivals.field import CONTENDERS, LIMIT
from benchmarks.jobs_rivals.processes import (
    PATIENCE,
    ROOT,
    Group,
    Stuck,
    cpu_of,
)
from benchmarks.jobs_rivals.starts import Start, count_starts, read_starts

SETTINGS = {"DJANGO_SETTINGS_MODULE": "benchmarks.jobs_rivals.settings"}
DEFAULT = "celery,handrail,procrastinate,django-q2-redis,django-q2-orm"
WARM_UP = 20  # jobs in one batch
WARM_UPS = 5  # batches, at least


class Spent(NamedTuple):
    """CPU time, which a busy neighbour distorts least of all. Milliseconds."""

    producer: float
    workers: float
    database: float


class Turn(NamedTuple):
    """What one contender did in one round."""

    rate: float  # jobs a second, end to end
    enqueued: float  # jobs a second, the producer alone
    cpu: Spent  # of one job
    middle: float  # milliseconds from enqueue to start, median
    p95: float


class Run:
    """A contender at work: its workers, its producer and the file of its starts."""

    def __init__(self, contender: Contender, workers: int, folder: Path) -> None:
        self.contender = contender
        self.workers = workers
        self.starts = folder / "starts"
        self.group = Group(folder / "log")
        self.ordered = 0

    def __enter__(self) -> Self:
        environ = {**SETTINGS, "BENCH_STARTS": str(self.starts)}
        self.starts.touch()
        self.contender.setup()
        try:
            self.contender.start(self.group, self.workers, environ)
            self.producer = self.group.start(
                ("-m", "benchmarks.jobs_rivals.producer", self.contender.name),
                {**environ, **self.contender.environ},
                pipes=True,
            )
            self.warm_up()
        except BaseException:
            self.group.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.group.stop()

    def warm_up(self) -> None:
        """Feed it until every worker process has run something."""
        deadline = time.monotonic() + PATIENCE
        batches = 0
        while batches < WARM_UPS or self.seen_workers() < self.workers:
            if time.monotonic() > deadline:
                raise Stuck(f"{self.contender.name}: a worker process takes nothing")
            self.feed(WARM_UP)
            batches += 1

    def seen_workers(self) -> int:
        return len({start.pid for start in read_starts(self.starts)})

    def feed(
        self, jobs: int, rate: float | None = None
    ) -> tuple[list[int], list[Start], int]:
        """Have jobs enqueued and wait for their end.

        Returns when each was about to be enqueued, when each began, and the end.
        """
        assert self.producer.stdin
        assert self.producer.stdout
        first, self.ordered = self.ordered, self.ordered + jobs
        order = {"first": first, "jobs": jobs, "rate": rate}
        self.producer.stdin.write(json.dumps(order) + "\n")
        self.producer.stdin.flush()
        # One stat() a look until all have begun; only then are its records asked.
        self.group.wait_until(
            lambda: count_starts(self.starts) >= self.ordered, f"{jobs} jobs to begin"
        )
        self.group.wait_until(
            lambda: self.contender.finished(self.ordered), f"{jobs} jobs to finish"
        )
        end = time.monotonic_ns()
        begun = json.loads(self.producer.stdout.readline())
        starts = [s for s in read_starts(self.starts) if s.job >= first]
        return begun, sorted(starts), end

    def measure(self, options: argparse.Namespace) -> Turn:
        before = self.spent()
        begun, _starts, end = self.feed(options.jobs)
        pairs = zip(before, self.spent(), strict=True)
        cpu = Spent(*((late - early) / options.jobs for early, late in pairs))
        rate = options.jobs / (end - begun[0]) * 1e9
        enqueued = options.jobs / (begun[-1] - begun[0]) * 1e9
        paced, starts, _end = self.feed(
            round(options.rate * options.seconds), options.rate
        )
        self.check()
        waits = [(start.at - at) / 1e6 for at, start in zip(paced, starts, strict=True)]
        return Turn(rate, enqueued, cpu, median(waits), quantiles(waits, n=20)[-1])

    def spent(self) -> Spent:
        workers = (pid for pid in self.group.pids() if pid != self.producer.pid)
        return Spent(
            cpu_of(self.producer.pid), sum(map(cpu_of, workers)), cpu_of(postmaster())
        )

    def check(self) -> None:
        """Every job ran once, and the contender has it on record."""
        ran = sorted(start.job for start in read_starts(self.starts))
        assert ran == list(range(self.ordered)), "jobs were lost or ran twice"
        self.contender.check(self.ordered)


def main() -> None:
    options = arguments()
    with product():
        # Apart, because this process keeps the product's own settings.
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env={**os.environ, **SETTINGS},
            check=True,
        )
        turns = in_rounds(options)
    print_table(turns)


def arguments() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(CONTENDERS):
            raise argparse.ArgumentTypeError(f"{unknown}: choose from {[*CONTENDERS]}")
        return chosen

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=names, default=names(DEFAULT), metavar="A,B")
    parser.add_argument("--jobs", type=int, default=2000, help="for throughput")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--rate", type=float, default=20, help="jobs/s for latency")
    parser.add_argument("--seconds", type=float, default=10, help="of that load")
    return parser.parse_args()


def in_rounds(options: argparse.Namespace) -> dict[str, list[Turn]]:
    """Let the contenders take turns, round after round."""
    turns: dict[str, list[Turn]] = {name: [] for name in options.only}
    for number in range(options.rounds):
        for name, taken in turns.items():
            with (
                tempfile.TemporaryDirectory() as folder,
                Run(CONTENDERS[name], options.workers, Path(folder)) as run,
            ):
                turn = run.measure(options)
            taken.append(turn)
            print(
                f"round {number + 1}  {name:<20}{turn.rate:8.0f} jobs/s  "
                f"(enqueued {turn.enqueued:.0f}/s)  "
                f"start {turn.middle:.1f} ms, p95 {turn.p95:.1f} ms  "
                f"CPU a job: producer {turn.cpu.producer:.2f} ms, workers "
                f"{turn.cpu.workers:.2f}, database {turn.cpu.database:.2f}",
                file=sys.stderr,
                flush=True,
            )
    return turns


def print_table(turns: dict[str, list[Turn]]) -> None:
    print(
        "| contender | jobs/s | of bare Celery | start, ms | p95, ms | CPU, ms "
        "| kept of a job |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, taken in turns.items():
        ratio = "-"
        if LIMIT in turns:
            # Of the same round: the machine's speed drifts between rounds.
            pairs = zip(taken, turns[LIMIT], strict=True)
            ratio = f"{median(own.rate / limit.rate for own, limit in pairs):.2f}"
        print(
            f"| {name} | {median(turn.rate for turn in taken):.0f} | {ratio} "
            f"| {median(turn.middle for turn in taken):.1f} "
            f"| {median(turn.p95 for turn in taken):.1f} "
            f"| {median(sum(turn.cpu) for turn in taken):.1f} "
            f"| {CONTENDERS[name].kept} |"
        )


if __name__ == "__main__":
    main()
