"""Jobs in words: steps, events and results as people say them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from jobs.models import Job, JobEvent, JobStep
from jobs.models.tracked import Status

LISTED = 10
NOTHING = "\N{EN DASH}"
TRIGGERS = {"trigger", "schedule"}  # said with who asked for it


def words(name: str) -> str:
    """Return a name of code as words: fullResync and full_resync are "Full resync"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return str(capfirst(spaced.replace("_", " ").replace("-", " ").strip().lower()))


def step_label(step: JobStep) -> str:
    try:
        return str(JobStep.StepType(step.step_type).label)
    except ValueError:
        return words(step.step_type)


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a result or metadata as pairs of words."""
    return [(words(str(name)), said(value)) for name, value in values.items()]


def said(value: Any) -> str:
    """Return a value of JSON as people say it; long lists are cut, and say so."""
    if value in (None, "", [], {}):
        return NOTHING
    match value:
        case bool():
            return _("Yes") if value else _("No")
        case dict():
            return "; ".join(f"{name}: {text}" for name, text in facts(value))
        case list():
            text = ", ".join(said(part) for part in value[:LISTED])
            more = len(value) - LISTED
            return (
                text
                if more <= 0
                else _("%(text)s and %(n)s more")
                % {
                    "text": text,
                    "n": more,
                }
            )
        case _:
            return str(value)


def asked_with(job: Job) -> list[tuple[str, str]]:
    """Return what the job was started with, but for what says who started it."""
    return facts({n: v for n, v in job.metadata.items() if n not in TRIGGERS})


def schedule_of(job: Job) -> str:
    """Return the name of the schedule that started it, or ""."""
    return str(job.metadata.get("schedule") or "")


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event as the history shows it."""

    event: JobEvent
    title: str
    message: str
    css: str


def event_line(event: JobEvent) -> EventLine:
    step = f"{step_label(event.step)}: " if event.step else ""
    if event.status == Status.RUNNING and event.message:
        # The work itself left a note; nothing changed its status.
        return EventLine(event, f"{step}{event.message}", "", "")
    word = Status(event.status).label
    css = {"failed": "failed", "succeeded": "done"}.get(event.status, "")
    return EventLine(event, f"{step}{word}", event.message, css)
