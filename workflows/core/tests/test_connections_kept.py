"""Connections end by the clock, and what is left of them goes a month later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.actions.running import drain
from jobs.actions.scheduling import start_due
from jobs.models import Job, Schedule
from workflows.core.connecting import expire_connection, revoke_connection
from workflows.core.connections import JiraConnection
from workflows.core.moves import Move
from workflows.core.purge import RULES, purge
from workflows.core.tests.make import make_connection
from workflows.support.models.attachment import JiraAttachmentState
from workflows.support.models.session import WorkflowSession

pytestmark = pytest.mark.django_db


def days(count):
    return timedelta(days=count)


def swept(**options):
    [end] = [s for s in purge([RULES["connections"]], **options) if s.ended]
    assert end.error is None
    return end.count


def ended(user, *, since):
    """Return a connection whose time was over so long ago."""
    row = make_connection(user, left=-since)
    expire_connection(row.pk)
    return row


def kept():
    return set(JiraConnection.objects.all())


# --- by the clock ---------------------------------------------------------------------
def test_every_five_minutes_a_job_ends_those_whose_time_is_over(alice):
    late, running = make_connection(alice, left=-days(1)), make_connection(alice)
    schedule = Schedule.objects.get(name="expired connections")
    assert (schedule.type, schedule.cron) == ("jobs.expire_connections", "*/5 * * * *")
    assert (schedule.enabled, schedule.account) == (True, None)
    Schedule.objects.exclude(pk=schedule.pk).delete()
    assert start_due(now=schedule.next_at) == 1
    drain("default")
    job = Job.objects.get(type="jobs.expire_connections")
    assert (job.status, job.result) == ("succeeded", {"expired": 1})
    rows = dict(JiraConnection.objects.values_list("pk", "status"))
    assert rows == {late.pk: "expired", running.pk: "connected"}
    assert JiraConnection.objects.get(pk=late.pk).token == ""


# --- the purge ------------------------------------------------------------------------
def test_ended_ones_are_kept_for_a_month(alice, egon):
    old = [ended(alice, since=days(31)), ended(egon, since=days(400))]
    young = ended(alice, since=days(29))
    revoked = make_connection(alice)
    revoke_connection(revoked, by=alice)
    active = make_connection(alice)
    # Nobody has noticed: its end comes first, by the clock.
    forgotten = make_connection(alice, left=-days(31))
    assert swept(dry_run=True) == 2
    assert swept() == 2
    assert kept() == {young, revoked, active, forgotten}
    assert Move.objects.filter(object_id=old[0].pk).count() == 2
    assert swept() == 0


def test_what_a_case_tells_of_stays_with_it(account, alice):
    used, unused = (ended(alice, since=days(60)) for _ in range(2))
    case = WorkflowSession.begin(by=alice, account=account, created_by=alice)
    JiraAttachmentState.begin(by=alice, account=account, session=case, connection=used)
    assert swept() == 1
    assert kept() == {used}
    assert unused not in kept()
    WorkflowSession.objects.filter(pk=case.pk).delete()
    assert swept() == 1
    assert kept() == set()


def test_a_long_life_is_no_reason_to_go_early(alice, settings):
    settings.JIRA_CONNECTION_HOURS = 24 * 90
    row = make_connection(alice, left=days(60))
    revoke_connection(row, by=alice)
    assert swept() == 0
    assert row.expires_at > timezone.now()
