"""A worker that was thought dead comes back: it changes nothing any more."""

from __future__ import annotations

import pytest

from jobs.actions.reaping import reap
from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.models import Job, JobEvent, LeaseLost
from jobs.tests.engine import expire, outcomes, reread, take_one
from jobs.tests.test_running import effect, effects, fails_late
from workflows.core.errors import Temporary, UserFixable

pytestmark = pytest.mark.django_db


def replaced(job, by="b"):
    """Return the run of a worker that was thought dead, and that of the next one."""
    first = take_one("a")
    expire(job)
    assert reap() == 1
    return first, take_one(by)


def everything(job):
    """Return all that the database holds of the job."""
    rows = [Job.objects.filter(pk=job.pk), job.steps, job.events, job.attempts]
    return [list(row.order_by("pk").values()) for row in rows]


@pytest.mark.parametrize("by", ["b", "a"])
@pytest.mark.parametrize("steps", [(), ("one",), ("one", "two")])
def test_a_late_finisher_changes_nothing(kind, alice, steps, by):
    job = start_job(kind(steps=steps), None, by=alice)
    late, second = replaced(job, by=by)
    before = everything(job)
    execute(late)
    assert everything(job) == before
    assert reread(job).fence == (by, 2)
    execute(second)
    assert reread(job).status == "succeeded"
    assert outcomes(job) == ["lost", "succeeded"]
    before = everything(job)
    execute(late)
    assert everything(job) == before


@pytest.mark.parametrize(
    "error",
    [
        Temporary("Busy."),
        UserFixable("Another password."),
        ValueError("a slip"),
        LeaseLost("elsewhere"),
    ],
)
def test_a_late_failure_changes_nothing(kind, alice, error):
    job = start_job(kind(fails_late(error), steps=("one",)), None, by=alice)
    late, _second = replaced(job)
    before = everything(job)
    execute(late)
    assert everything(job) == before


def test_a_late_runs_effects_do_not_happen(kind, alice):
    def work(run):
        with run.completing():
            effect("kit " + run.job.worker)

    job = start_job(kind(work), None, by=alice)
    late, second = replaced(job)
    execute(late)
    assert effects() == []
    execute(second)
    execute(late)
    assert effects() == [("kit b",)]


@pytest.mark.parametrize(
    "write",
    [
        lambda run: run.progress(1, 2, "Reading"),
        lambda run: run.note("I am late."),
        lambda run: run.remember(late=True),
        lambda run: run.complete(),
    ],
    ids=["progress", "note", "remember", "complete"],
)
def test_each_write_of_a_late_run_is_refused(kind, alice, write):
    job = start_job(kind(steps=("one",)), None, by=alice)
    late, _second = replaced(job)
    before = everything(job)
    with pytest.raises(LeaseLost):
        write(late)
    assert everything(job) == before


def test_what_a_run_remembers_is_there_for_the_next_one(kind, alice):
    job = start_job(kind(), None, by=alice, metadata={"about": "kits"})
    first = take_one("a")
    first.remember(seen=3, at="noon")
    first.remember(seen=4, at=None)
    expire(job)
    assert reap() == 1
    known = {"about": "kits", "seen": 4}
    assert take_one("b").job.metadata == first.job.metadata == known


def test_a_late_run_is_stopped_before_its_block(kind, alice):
    job = start_job(kind(), None, by=alice)
    late, _second = replaced(job)
    reached = []

    def enter():
        with late.completing():
            reached.append(True)

    with pytest.raises(LeaseLost):
        enter()
    assert reached == []


def test_the_run_of_a_job_that_was_deleted_meanwhile_ends(kind, account, alice):
    def work(run):
        if run.job.metadata.get("fails"):
            raise UserFixable("Another password.")

    type = kind(work)
    for fails in ({}, {"fails": True}):
        job = start_job(type, None, by=alice, metadata=fails)
        run = take_one()
        reread(job).delete()
        execute(run)
        assert not Job.objects.exists()
        assert not JobEvent.objects.exists()
