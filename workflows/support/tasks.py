"""What runs for a case in the background, each kind with the verb that does it."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from jobs.actions.kinds import job_kind
from jobs.actions.run import Run
from workflows.core.jira.upload import REPLY_SECONDS
from workflows.support.actions import attaching, fetching, generating
from workflows.support.actions.reporting import ATTACH, FETCH, GENERATE

QUEUE = "support"
# A host has 16 seconds to end a report by itself and 20 to clear it away, and gives up
# a connection after 20. Where it answers, all this takes a moment.
GRACE = timedelta(seconds=90)


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
    ATTACH,
    label=_("Attach to Jira"),
    queue=QUEUE,
    timeout=timedelta(hours=2),
    # Once all of it has gone the run ends by itself, with what Jira has to say: after
    # the last bytes, the reply, and the look whether it is on the issue.
    grace=timedelta(seconds=30 + REPLY_SECONDS + 45),
    ended=attaching.attach_ended,
    restarted=attaching.attach_restarted,
)
def jira_attach_artifact(run: Run) -> None:
    attaching.attach(run)
