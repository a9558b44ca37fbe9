"""Who takes what, in which order: due, known, one a key, brief ones in batches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.db.models.functions import Now
from django.utils import timezone

from jobs.actions import claiming
from jobs.actions.claiming import BATCH, LEASE, Claimed, claim
from jobs.actions.kinds import KINDS
from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.models import Job, JobStep
from jobs.tests.engine import (
    HOUR,
    QUEUE,
    change,
    make_due,
    reread,
    steps_of,
    take,
    take_one,
)
from tests.kit.make import make_parcel

pytestmark = pytest.mark.django_db
BRIEF = {"brief": True, "timeout": timedelta(seconds=5)}


def test_a_claimed_job_has_worker_lease_and_first_step(kind, alice):
    job = start_job(kind(steps=("one", "two")), None, by=alice)
    change(job, done=3, total=5, phase="Of the run before")
    run = take_one("host:1")
    row = reread(job)
    assert (row.status, row.worker, row.attempt) == ("running", "host:1", 1)
    assert (run.job.status, run.job.fence) == (row.status, row.fence)
    assert (row.done, row.total, row.phase) == (0, None, "")
    assert row.started_at >= row.created_at
    left = Job.objects.annotate(now=Now()).get(pk=job.pk)
    assert timedelta(0) < left.lease_until - left.now <= LEASE
    assert steps_of(job) == ["running", "queued"]
    assert job.steps.get(position=1).started_at
    assert run.step == job.steps.get(position=1)


def test_a_taken_job_is_not_taken_again(kind, alice):
    start_job(kind(), None, by=alice)
    assert len(take("a")) == 1
    assert take("b") == []


def test_who_waited_longest_is_first(kind, alice):
    type = kind()
    jobs = [start_job(type, None, by=alice) for _ in range(4)]
    at = timezone.now() - HOUR
    for job, minutes in zip(jobs, (3, 1, 2, 1), strict=True):
        change(job, run_after=at + timedelta(minutes=minutes))
    order = [take_one().job for _ in jobs]
    assert order == [jobs[1], jobs[3], jobs[2], jobs[0]]


def test_what_is_for_later_is_left(kind, alice):
    type = kind()
    later = start_job(type, None, by=alice, run_after=timezone.now() + HOUR)
    now = start_job(type, None, by=alice)
    assert take_one().job == now
    assert take() == []
    make_due(later)
    assert take_one().job == later


def test_another_queue_is_left(kind, alice):
    start_job(kind(queue="kit-other"), None, by=alice)
    assert take() == []
    assert len(take(queue="kit-other")) == 1


def test_kinds_of_another_release_are_left(kind, alice):
    gone = start_job(kind(type="kit.gone"), None, by=alice)
    known = start_job(kind(), None, by=alice)
    del KINDS["kit.gone"]
    assert take_one().job == known
    assert take() == []
    assert reread(gone).status == "queued"


def test_nothing_to_do_is_nothing_more(kind):
    assert claim(QUEUE, "a") == ([], False)


# --- one at a time, or a few ----------------------------------------------------------
def test_ordinary_jobs_are_taken_one_at_a_time(kind, alice):
    type = kind()
    for _ in range(3):
        start_job(type, None, by=alice)
    for left in (2, 1, 0):
        jobs, more = claim(QUEUE, "a")
        assert (len(jobs), more) == (1, left > 0)


def test_brief_jobs_are_taken_a_few_at_a_time(kind, alice):
    type = kind(**BRIEF)
    made = [start_job(type, None, by=alice) for _ in range(BATCH + 3)]
    jobs, more = claim(QUEUE, "a")
    assert (jobs, more) == (made[:BATCH], True)
    assert BATCH == 8
    jobs, more = claim(QUEUE, "a")
    assert (jobs, more) == (made[BATCH:], False)
    assert {job.attempt for job in Job.objects.all()} == {1}


def test_each_of_a_batch_has_its_own_steps(kind, alice):
    type = kind(steps=("one", "two"), **BRIEF)
    for _ in range(3):
        start_job(type, None, by=alice)
    runs = take()
    assert [[s.position for s in run.job.ordered] for run in runs] == [[1, 2]] * 3
    assert all(step.job_id == run.job.pk for run in runs for step in run.job.ordered)
    assert JobStep.objects.filter(status="running", position=1).count() == 3


def test_a_long_job_is_not_taken_behind_brief_ones(kind, alice):
    brief, long = kind(type="kit.brief", **BRIEF), kind()
    made = [start_job(type, None, by=alice) for type in (brief, long, brief, long)]
    assert [run.job for run in take()] == [made[0], made[2]]
    assert [run.job for run in take()] == [made[1]]
    assert [run.job for run in take()] == [made[3]]


def test_a_batch_has_one_job_of_a_key(kind, account, alice):
    type = kind(exclusive=True, **BRIEF)
    one, two = make_parcel(account), make_parcel(account)
    made = [start_job(type, parcel, by=alice) for parcel in (one, one, two, one)]
    runs = take()
    assert [run.job for run in runs] == [made[0], made[2]]
    assert take() == []
    for run in runs:
        execute(run)
    assert [run.job for run in take()] == [made[1]]


# --- exclusive keys -------------------------------------------------------------------
def test_one_job_runs_under_a_key(kind, account, alice):
    exclusive, other = kind(exclusive=True), kind(type="kit.other", exclusive=True)
    parcel = make_parcel(account)
    first = start_job(exclusive, parcel, by=alice)
    second = start_job(other, parcel, by=alice)
    free = start_job(exclusive, make_parcel(account), by=alice)
    run = take_one()
    assert run.job == first
    assert take_one().job == free  # it does not wait behind the second
    assert take() == []
    execute(run)
    assert take_one().job == second


def test_a_key_that_somebody_took_in_this_moment_is_survived(
    kind, account, alice, monkeypatch
):
    """Take as another worker did that had not seen the first one's claim."""
    type, parcel = kind(exclusive=True), make_parcel(account)
    start_job(type, parcel, by=alice)
    take_one("a")
    second = start_job(type, parcel, by=alice)
    looks = []

    def blind(queue, worker):
        looks.append(queue)
        if len(looks) <= blindness:
            begin_behind_its_back(second)
        return Claimed([], more=False)

    for name in ("take_in_turn", "take_at_once"):
        monkeypatch.setattr(claiming, name, blind)
    blindness = 1
    assert claim(QUEUE, "b") == ([], False)
    assert len(looks) == 2
    looks.clear()
    blindness = 99
    assert claim(QUEUE, "b") == ([], True)  # whoever rings next has another look
    assert len(looks) == 3
    assert reread(second).status == "queued"


def begin_behind_its_back(job):
    begun = reread(job).created_at + HOUR
    change(job, status="running", worker="b", lease_until=Now(), started_at=begun)


def test_the_database_itself_refuses_a_second_run_of_a_key(kind, account, alice):
    type, parcel = kind(exclusive=True), make_parcel(account)
    start_job(type, parcel, by=alice)
    take_one()
    second = start_job(type, parcel, by=alice)
    with pytest.raises(IntegrityError):
        begin_behind_its_back(second)
