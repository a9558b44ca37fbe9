"""How a job says that it has begun, the same for every contender."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

LINE = b"%010d %020d %010d\n"
WIDTH = len(LINE % (0, 0, 0))
_file: int | None = None


class Start(NamedTuple):
    """One job's first moment: CLOCK_MONOTONIC, which all processes of Linux share."""

    job: int
    at: int  # nanoseconds
    pid: int


def say_started(index: int) -> None:
    """Append one line to the run's file, in one atomic write of some microseconds."""
    at = time.monotonic_ns()
    global _file
    if _file is None:
        _file = os.open(os.environ["BENCH_STARTS"], os.O_WRONLY | os.O_APPEND)
    os.write(_file, LINE % (index, at, os.getpid()))


def count_starts(path: Path) -> int:
    """Return how many jobs have begun, at the price of one stat()."""
    return path.stat().st_size // WIDTH


def read_starts(path: Path) -> list[Start]:
    return [Start(*map(int, line.split())) for line in path.read_bytes().splitlines()]
