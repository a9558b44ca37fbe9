"""What the core itself keeps too long: old sessions and records of logins."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from workflows.core.purge import delete_ranges, purge_rule


@purge_rule("sessions", keep=timedelta(0), label=_("ended sessions"))
def expired_sessions(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Sessions that ended by themselves: nobody can use them any more."""
    old = Session.objects.filter(expire_date__lt=min(cutoff, timezone.now()))
    yield from delete_ranges(old, dry_run=dry_run)


@purge_rule("logins", keep=timedelta(days=30), label=_("records of logins"))
def login_records(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Addresses and names of login attempts: personal data without a later use."""
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        old = model.objects.filter(attempt_time__lt=cutoff)
        yield from delete_ranges(old, dry_run=dry_run)
