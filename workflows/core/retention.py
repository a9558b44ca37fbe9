"""What the core itself keeps too long: old sessions, logins, ended connections."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.db.models import Exists, ManyToOneRel, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from workflows.core.connections import ConnectionStatus, JiraConnection
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


@purge_rule(
    "connections", keep=timedelta(days=30), label=_("ended connections to Jira")
)
def ended_connections(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Whose they were, where nothing tells of them any more; tokens went long ago.

    Age counts from when it would have ended by itself: no column knows when it did.
    """
    ended = JiraConnection.objects.exclude(status=ConnectionStatus.CONNECTED)
    old = without_use(ended.filter(expires_at__lt=cutoff))
    yield from delete_ranges(old, dry_run=dry_run)


def without_use(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Leave out what a row of any other table points at."""
    for field in rows.model._meta.get_fields(include_hidden=True):
        if isinstance(field, ManyToOneRel):
            column = {field.field.name: OuterRef("pk")}
            rows = rows.exclude(
                Exists(field.related_model._base_manager.filter(**column))
            )
    return rows
