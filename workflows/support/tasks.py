"""What runs for a case in the background, each kind with the verb that does it."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from jobs.actions.kinds import job_kind
from jobs.actions.run import Run
from workflows.support.actions import attaching, fetching, generating
from workflows.support.actions.reporting import FETCH, GENERATE

QUEUE = "support"
# A host has 15 seconds to end a report by itself, and a connection may take its time.
GRACE = timedelta(seconds=25)


@job_kind(
    GENERATE,
    label=_("Generate a report"),
    queue=QUEUE,
    # Longer than a host gives a report, which then says so itself.
    timeout=timedelta(seconds=generating.LONGEST_SECONDS, minutes=5),
    retries=1,
    grace=GRACE,
    ended=generating.PART.ended,
    restarted=generating.PART.restarted,
)
def generate_sosreport(run: Run) -> None:
    generating.generate(run)


@job_kind(
    FETCH,
    label=_("Fetch the archive"),
    queue=QUEUE,
    timeout=timedelta(hours=1),
    grace=GRACE,
    ended=fetching.fetch_ended,
    restarted=fetching.PART.restarted,
)
def fetch_sosreport(run: Run) -> None:
    fetching.fetch(run)


@job_kind(
    attaching.KIND,
    label=_("Attach to Jira"),
    queue=QUEUE,
    timeout=timedelta(hours=2),
    # A request to another server may take 30 seconds to give up.
    grace=timedelta(seconds=35),
    ended=attaching.attach_ended,
    restarted=attaching.attach_restarted,
)
def jira_attach_artifact(run: Run) -> None:
    attaching.attach(run)
