"""The nightly purge is a job: it says how far it is, and can be canceled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from jobs.actions.claiming import claim
from jobs.actions.kinds import kind_of
from jobs.actions.run import CANCELED, LOST, Run
from jobs.actions.running import drain, execute
from jobs.actions.scheduling import start_due
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job, retry_job
from jobs.models import Job, Schedule
from jobs.models.tracked import Status
from jobs.tests.test_retention import days, keys, make_jobs
from tests.conftest import make_user
from workflows.core.purge import RULES, Rule, purge, purge_rule

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule() -> Iterator[Callable[[Any], Rule]]:
    """Register rules for this test, the only ones it has."""
    before = dict(RULES)
    RULES.clear()
    yield lambda run: purge_rule(run.__name__, keep=timedelta(days=1))(run)
    RULES.clear()
    RULES.update(before)


@pytest.fixture
def olga(db: None) -> Any:
    """The operator."""
    return make_user(None, "olga", is_superuser=True, is_staff=True)


def taken() -> Run:
    """Start a purge and take it, as a worker would."""
    start_job("jobs.purge", None, by=None)
    [job] = claim("default", "w").jobs
    return Run(job, kind_of(job.type))


def notes(job: Job) -> list[str]:
    return list(job.events.exclude(message="").values_list("message", flat=True))


def test_it_runs_every_night_as_a_job_of_the_product_itself():
    young, old = make_jobs(2, ended=days(29)), make_jobs(2, ended=days(31))
    assert old
    schedule = Schedule.objects.get(name="nightly purge")
    assert (schedule.type, schedule.cron) == ("jobs.purge", "15 3 * * *")
    assert (schedule.enabled, schedule.account) == (True, None)
    assert (schedule.next_at.hour, schedule.next_at.minute) == (3, 15)
    Schedule.objects.exclude(pk=schedule.pk).delete()
    assert start_due(now=schedule.next_at) == 1
    assert start_due(now=schedule.next_at) == 0
    job = Job.objects.get(type="jobs.purge")
    drain("default")
    job = Job.objects.get(pk=job.pk)
    assert (job.status, job.account) == (Status.SUCCEEDED, None)
    assert set(job.result["deleted"]) == set(RULES)
    counts = job.result["deleted"].items()
    assert {name: count for name, count in counts if count} == {"jobs": 2}
    left = set(Job.objects.values_list("pk", flat=True))
    assert left == keys(young) | {job.pk}


def test_it_says_what_it_is_at(rule):
    seen = []

    def jars(cutoff, dry_run):
        yield 5
        seen.append(Job.objects.values("done", "phase").get(type="jobs.purge"))
        yield 2

    rule(jars)
    run = taken()
    execute(run)
    assert seen == [{"done": 5, "phase": "Deleting jars"}]
    job = Job.objects.get(pk=run.job.pk)
    assert (job.status, job.done) == (Status.SUCCEEDED, 7)


def test_canceled_in_the_middle_it_keeps_what_was_done_and_can_go_on(rule, olga):
    left = [1, 1, 1, 1]

    def jars(cutoff, dry_run):
        while left:
            if len(left) == 3 and not run.told:
                cancel_job(run.job, by=olga)
                run.tell(CANCELED)  # as the guard does when it sees the row
            yield left.pop()

    def never(cutoff, dry_run):
        assert not run.told
        yield 1

    rule(jars)
    rule(never)
    run = taken()
    execute(run)
    job = Job.objects.get(pk=run.job.pk)
    assert job.status == Status.CANCELED
    assert notes(job)[0] == "Deleted so far: jars 2."
    again = retry_job(job, by=olga)
    run.told = None
    drain("default")
    again = Job.objects.get(pk=again.pk)
    assert (again.status, again.result) == (
        Status.SUCCEEDED,
        {"deleted": {"jars": 2, "never": 1}},
    )


def test_a_run_that_lost_its_job_writes_nothing_more(rule):
    def jars(cutoff, dry_run):
        run.tell(LOST)
        yield 1

    rule(jars)
    run = taken()
    execute(run)
    assert notes(run.job) == []
    assert Job.objects.get(pk=run.job.pk).status == Status.RUNNING


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("of Jane Roe"), "failed"), (OperationalError("at db1"), "queued")],
)
def test_a_rule_that_fails_fails_the_job_but_no_other_rule(rule, error, status):
    def broken(cutoff, dry_run):
        yield 3
        raise error

    def jars(cutoff, dry_run):
        yield 2

    rule(broken)
    rule(jars)
    run = taken()
    execute(run)
    job = Job.objects.get(pk=run.job.pk)
    assert job.status == status  # what passes by itself is tried again
    attempt = job.attempts.get()
    assert attempt.reason == (
        "Failed: broken. Deleted: broken 3, jars 2. The log says why."
    )
    assert str(error) not in f"{attempt.reason}{attempt.traceback}"


def test_command_and_job_are_one_verb(rule):
    def jars(cutoff, dry_run):
        yield 2

    made = rule(jars)
    assert [swept.count for swept in purge() if swept.ended] == [2]
    assert [swept.rule for swept in purge([made])] == [made, made]
