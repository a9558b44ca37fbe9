"""The background jobs of walks; each calls one verb."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.utils.translation import gettext_lazy as _

from jobs.actions.kinds import job_kind
from jobs.actions.run import Run
from jobs.actions.scheduling import regularly
from l1walk.actions import escalations, walks
from l1walk.models import L1WalkSession


@job_kind(
    "l1walk.abandon_walks",
    label=_("Close forgotten walks"),
    timeout=timedelta(minutes=10),
)
def abandon_walks(run: Run) -> dict[str, Any]:
    return {"abandoned": walks.abandon_idle_walks()}


regularly("forgotten walks", "l1walk.abandon_walks", interval=timedelta(minutes=5))


@job_kind(
    escalations.NOTICE,
    label=_("E-mail to the engineers"),
    timeout=timedelta(minutes=2),
    retries=8,
)
def notify_engineers(run: Run) -> dict[str, Any]:
    return {"addresses": escalations.send_notice(cast(L1WalkSession, run.subject))}
