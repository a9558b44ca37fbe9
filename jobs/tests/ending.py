"""A job that fails, every way in which it may end, and what its kind's hooks meet."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError

from jobs.actions.reaping import reap
from jobs.actions.run import HANDED_BACK
from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job
from jobs.tests.engine import expire, take_one
from jobs.tests.test_running import fails_late
from workflows.core.errors import AdminRequired


class Full(AdminRequired):
    code = "disk_full"


@pytest.fixture
def failing(kind, alice):
    """Return the run of a job that fails, of a kind with this hook."""

    def make(ended=None):
        work = fails_late(Full("No room."))
        start_job(kind(work, retries=0, ended=ended), None, by=alice)
        return take_one("gone")

    return make


def by_its_work(run, user):
    execute(run)


def by_the_reaper(run, user):
    expire(run.job)
    reap()


def by_a_person(run, user):
    run.tell(HANDED_BACK)
    execute(run)
    cancel_job(run.job, by=user)


WAYS = pytest.mark.parametrize("end", [by_its_work, by_the_reaper, by_a_person])


def deadlock():
    """Return what PostgreSQL says to one of two that wait for each other."""
    cause = Exception()
    cause.sqlstate = "40P01"
    error = OperationalError("deadlock detected")
    error.__cause__ = cause
    return error


def breaks_a_rule():
    Group.objects.create(name="kit")
