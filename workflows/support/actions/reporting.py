"""What pages show of a case: what runs for it, its archives, what its host lacks."""

from __future__ import annotations

from uuid import UUID

from jobs.actions.starting import UNENDED
from jobs.models import Job
from workflows.support.actions.hosts import check_host
from workflows.support.collecting.collector import Prerequisites
from workflows.support.models import Artifact, Host, WorkflowSession

GENERATE = "support.generate_sosreport"
FETCH = "support.fetch_sosreport"
ATTACH = "support.jira_attach_artifact"
MOST = 10  # archives that are listed
KINDS = (GENERATE, FETCH, ATTACH)


def unique_key(kind: str, case_pk: UUID) -> str:
    """Return the key under which a case has one running job of a kind."""
    return f"{kind}:{case_pk}"


def running_job(case_pk: UUID) -> Job | None:
    """Return the job of this case that is queued or running, if one is.

    Who shows both asks for it first, and reads the case then: or else a job that ends
    between the two is over, and the case still says that it runs.
    """
    keys = [unique_key(kind, case_pk) for kind in KINDS]
    jobs = Job.objects.filter(unique_key__in=keys, status__in=UNENDED)
    return jobs.order_by("-id").first()


def earlier_archives(case: WorkflowSession) -> list[Artifact]:
    """Return the archives that the case had before and are still kept, newest first."""
    kept = Artifact.objects.filter(session=case).exclude(file="")
    return list(kept.exclude(pk=case.sosreport.artifact_id).order_by("-id")[:MOST])


def prerequisites(case: WorkflowSession) -> Prerequisites:
    """Ask the case's host what it lacks for a report, over the network.

    Where an archive is brought along, nothing is asked for. Raises nothing.
    """
    host = case.host
    if host is None or host.transport == Host.Transport.UPLOAD:
        return Prerequisites(None, None, None, ())
    return check_host(host, product=case.selected_product)
