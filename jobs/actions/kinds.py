"""The kinds of jobs. Who owns the work registers it; the engine knows no workflow."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise

if TYPE_CHECKING:
    from jobs.actions.run import Run
    from jobs.models import Job

    Work = Callable[[Run], dict[str, Any] | None]
else:
    Work = Callable

BRIEF_TIMEOUT = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
TYPE = re.compile(r"[\w.-]+")


class UnknownKind(LookupError):
    """No such kind is registered: a slip in code, or a worker of an older release."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How jobs of one type are run.

    ``work`` is called once for each unfinished step, in order, or once where there are
    no steps; what it returns is merged into the job's result.
    """

    type: str
    label: str | Promise
    work: Work
    steps: tuple[str, ...]
    queue: str
    timeout: timedelta
    retries: int
    backoff: tuple[timedelta, ...]
    repeatable: bool
    exclusive: bool
    brief: bool
    grace: timedelta
    ended: Callable[[Job, str], None] | None
    restarted: Callable[[Job], None] | None


KINDS: dict[str, Kind] = {}


def job_kind(
    type: str,  # the seed's name
    *,
    label: str | Promise,
    timeout: timedelta,
    steps: Sequence[str] = (),
    queue: str = "default",
    retries: int = 3,
    backoff: Sequence[timedelta] = (),
    repeatable: bool = True,
    exclusive: bool = False,
    brief: bool = False,
    grace: timedelta = timedelta(seconds=10),
    ended: Callable[[Job, str], None] | None = None,
    restarted: Callable[[Job], None] | None = None,
) -> Callable[[Work], Work]:
    """Register what runs jobs of a type. Raises ValueError for a slip.

    ``retries``: how often a run that failed for a passing reason, or whose worker was
    lost, is followed by another. ``backoff``: waits between them, the last one
    repeated; doubling from 5 seconds where none are given. ``repeatable``: may a run
    that ended nobody knows where be followed by another? ``exclusive``: one running
    job a subject, or one of the kind where there is none. ``brief``: takes well under a
    second, so that a worker takes several at once. ``grace``: what a run gets between
    being told to stop and being killed.

    ``ended``: called once with each job that failed or was canceled, and a word for
    why: the problem's ``code``, "canceled", "timeout", or "" for anything else. What it
    raises is logged, and the job ends all the same. ``restarted``: called with the new
    job when a person tries one again; raises NotNow to refuse. Both write in the
    transaction that writes the job, whose times are in the database alone by then, and
    lock what it is about after it: a verb that holds that must not wait for its job.
    """
    if not TYPE.fullmatch(type):
        raise ValueError(f"{type}: a type is letters, digits, '.', '_' and '-'")
    if type in KINDS:
        raise ValueError(f"the kind {type} is registered twice")
    if brief and (timeout > BRIEF_TIMEOUT or not repeatable):
        # Some of a batch may have to run elsewhere though they never began.
        raise ValueError(
            f"{type}: brief is what ends within {BRIEF_TIMEOUT}, repeatable"
        )

    def register(work: Work) -> Work:
        KINDS[type] = Kind(
            type,
            label,
            work,
            tuple(steps),
            queue,
            timeout,
            retries,
            tuple(backoff),
            repeatable,
            exclusive,
            brief,
            grace,
            ended,
            restarted,
        )
        return work

    return register


def kind_of(type: str) -> Kind:
    """Return the registered kind. Raises UnknownKind."""
    try:
        return KINDS[type]
    except KeyError:
        raise UnknownKind(type) from None


def label_of(type: str) -> str:
    """Return the words for a type; jobs of a kind that is gone keep its name."""
    return str(KINDS[type].label) if type in KINDS else type


def queues() -> list[str]:
    """Return the names of all queues, for workers that serve them all."""
    return sorted({"default", *(kind.queue for kind in KINDS.values())})
