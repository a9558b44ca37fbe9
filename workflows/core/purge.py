"""The registry of retention rules behind ``manage.py purge``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept for how long. ``run`` yields the number of rows of each chunk.

    A chunk is a short transaction of its own, so that a purge may be stopped at any
    time and run twice at once. With ``dry_run`` it counts and changes nothing.
    """

    name: str
    keep: timedelta
    run: Callable[[datetime, bool], Iterator[int]]


RULES: dict[str, Rule] = {}


def purge_rule(
    name: str, *, keep: timedelta
) -> Callable[[Callable[[datetime, bool], Iterator[int]]], Rule]:
    """Register a rule: a function of (cutoff, dry_run). Raises ValueError if taken."""

    def register(run: Callable[[datetime, bool], Iterator[int]]) -> Rule:
        if name in RULES:
            raise ValueError(f"the purge rule {name} is registered twice")
        RULES[name] = Rule(name, keep, run)
        return RULES[name]

    return register
