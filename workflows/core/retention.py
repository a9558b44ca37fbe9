"""What the core itself keeps too long: old sessions and records of logins."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from workflows.core.purge import CHUNK, purge_rule


def delete_in_chunks(rows: QuerySet[Any], *, dry_run: bool) -> Iterator[int]:
    """Delete the rows CHUNK at a time; for tables that nothing points at."""
    if dry_run:
        yield rows.count()
        return
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        yield rows.model._base_manager.filter(pk__in=pks).delete()[0]


@purge_rule("sessions", keep=timedelta(0))
def expired_sessions(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Sessions that ended by themselves: nobody can use them any more."""
    old = Session.objects.filter(expire_date__lt=min(cutoff, timezone.now()))
    yield from delete_in_chunks(old, dry_run=dry_run)


@purge_rule("logins", keep=timedelta(days=30))
def login_records(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Addresses and names of login attempts: personal data without a later use."""
    for model in (AccessAttempt, AccessFailureLog, AccessLog):
        old = model.objects.filter(attempt_time__lt=cutoff)
        yield from delete_in_chunks(old, dry_run=dry_run)
