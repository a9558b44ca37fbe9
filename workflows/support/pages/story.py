"""What happened to a case, from its beginning, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _l
from django_stubs_ext import StrOrPromise

from workflows.core.moves import Move
from workflows.support.models import WorkflowSession

MOST = 200
CASE: dict[str, StrOrPromise] = {
    "begin": _l("Began the case"),
    "select": _l("Chose product and host"),
    "collected": _l("Went on to Jira"),
    "choose_again": _l("Went back to the choice of product and host"),
    "collect_again": _l("Went back to the report"),
}
REPORT: dict[str, StrOrPromise] = {
    "generate": _l("Agreed to what a report contains, and had one made"),
    "generated": _l("The report was made on the host"),
    "not_generated": _l("The report was not made"),
    "bring": _l("Brought an archive along"),
    "take_earlier": _l("Went on with an earlier archive"),
    "fetched": _l("The archive arrived"),
    "not_fetched": _l("The archive did not arrive"),
    "not_there": _l("The host did not have the archive any more"),
}
JIRA: dict[str, StrOrPromise] = {
    "attach": _l("Had the archive sent to Jira"),
    "attached": _l("Jira has the archive"),
    "not_attached": _l("The archive was not attached"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a case's history."""

    words: StrOrPromise
    who: str
    at: datetime
    failed: bool


def story_of(case: WorkflowSession) -> list[Event]:
    """Return what happened, oldest first: one query."""
    words: dict[UUID, dict[str, StrOrPromise]] = {
        case.pk: CASE,
        case.sosreport.pk: REPORT,
        case.jira.pk: JIRA,
    }
    moves = Move.objects.filter(object_id__in=words).order_by("id")[:MOST]
    return [
        Event(
            words[move.object_id][move.name],
            move.actor_name,
            move.at,
            move.name.startswith("not_"),
        )
        for move in moves
        if move.name in words[move.object_id]
    ]
