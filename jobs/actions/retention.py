"""How long jobs are kept: 30 days after they ended, with all that belongs to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobs.models import Job, JobAttempt, JobEvent, JobStep
from workflows.core.purge import delete_ranges, purge_rule

# An hour's grace, whatever age is asked for: what ends while a range is deleted is
# then never half in it.
AT_LEAST = timedelta(hours=1)
CHILDREN = ((JobAttempt, "job_id"), (JobStep, "job_id"), (JobEvent, "job_id"))


@purge_rule("jobs", keep=timedelta(days=30), label=_("old jobs"))
def ended_jobs(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Jobs by the day they ended; one that has not ended has no such day.

    Parents and retries go each by their own age: a link may outlive what it points at.
    """
    ended = Job.objects.filter(completed_at__lt=min(cutoff, timezone.now() - AT_LEAST))
    yield from delete_ranges(ended, *CHILDREN, dry_run=dry_run)
