"""Kinds of jobs that only tests know: registered for a block, then forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobs.actions.kinds import KINDS, job_kind
from jobs.actions.run import Run

Work = Callable[[Run], dict[str, Any] | None]
Register = Callable[..., str]
QUEUE = "kit"  # of tests alone: what the product itself queues is not run by them


def nothing(run: Run) -> None:
    """Be done at once."""


def register(work: Work = nothing, *, type: str = "kit.job", **options: Any) -> str:
    """Register a kind on the tests' queue; return its type."""
    options = {"timeout": timedelta(seconds=30), "queue": QUEUE, **options}
    job_kind(type, label=type, **options)(work)
    return type


@pytest.fixture
def kind() -> Iterator[Register]:
    """Register kinds for one test: ``kind(work, type=…, steps=…, …)`` -> type."""
    before = dict(KINDS)
    yield register
    KINDS.clear()
    KINDS.update(before)
