"""Running jobs: steps in order and once, progress, and writes that are fenced off."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import InterfaceError, OperationalError, connection, transaction

from jobs.actions import run as run_module
from jobs.actions.guard import STOPPING, guard
from jobs.actions.reaping import reap
from jobs.actions.running import TURN_SECONDS, drain, execute
from jobs.actions.starting import start_job
from jobs.models import Job
from jobs.tests.engine import (
    QUEUE,
    expire,
    make_due,
    outcomes,
    reread,
    statuses,
    steps_of,
    take,
    take_one,
    told,
)
from tests.kit.make import make_parcel
from workflows.core.errors import Temporary, UserFixable

pytestmark = pytest.mark.django_db


class Work:
    """Notes each call, and fails where it was told to."""

    def __init__(self, **fails):
        self.calls = []
        self.fails = fails  # step type: the exceptions of its first calls

    def __call__(self, run):
        name = run.step.step_type if run.step else ""
        self.calls.append(name)
        if waiting := self.fails.get(name):
            raise waiting.pop(0)
        return {name or "done": len(self.calls)}


def effect(name):
    """Leave something in the database that can be counted."""
    Group.objects.create(name=name)


def effects():
    return list(Group.objects.filter(name__startswith="kit").values_list("name"))


def fails_late(error):
    def work(run):
        raise error

    return work


# --- steps ----------------------------------------------------------------------------
def test_a_job_without_steps_is_one_call(kind, alice):
    work = Work()
    job = start_job(kind(work), None, by=alice)
    assert drain(QUEUE) == 1
    row = reread(job)
    assert work.calls == [""]
    assert (row.status, row.result, row.lease_until) == ("succeeded", {"done": 1}, None)
    assert row.completed_at >= row.started_at >= row.created_at
    [attempt] = row.attempts.all()
    assert (attempt.number, attempt.outcome, attempt.reason) == (1, "succeeded", "")
    assert attempt.worker == guard().worker
    assert attempt.ended_at >= attempt.started_at


def test_steps_run_in_ascending_position(kind, alice):
    work = Work()
    job = start_job(kind(work, steps=("c", "a", "b")), None, by=alice)
    drain(QUEUE)
    assert work.calls == ["c", "a", "b"]
    assert reread(job).result == {"c": 1, "a": 2, "b": 3}
    done = [event for event in statuses(job) if event[1] == "succeeded"]
    assert done == [
        (1, "succeeded"),
        (2, "succeeded"),
        (3, "succeeded"),
        (0, "succeeded"),
    ]
    times = job.steps.order_by("position").values_list("started_at", "completed_at")
    flat = [at for pair in times for at in pair]
    assert flat == sorted(flat)


def test_a_step_begins_when_the_one_before_it_has_ended(kind, alice):
    seen = []
    job = start_job(
        kind(lambda run: seen.append(steps_of(job)), steps=("one", "two", "three")),
        None,
        by=alice,
    )
    drain(QUEUE)
    assert seen == [
        ["running", "queued", "queued"],
        ["succeeded", "running", "queued"],
        ["succeeded", "succeeded", "running"],
    ]


def test_the_next_attempt_goes_on_at_the_first_unfinished_step(kind, alice):
    work = Work(two=[Temporary("Busy."), Temporary("Busy.")])
    job = start_job(kind(work, steps=("one", "two", "three")), None, by=alice)
    for _ in range(3):
        drain(QUEUE)
        make_due(job)
    assert work.calls == ["one", "two", "two", "two", "three"]
    row = reread(job)
    assert (row.status, row.attempt) == ("succeeded", 3)
    assert row.result == {"one": 1, "two": 4, "three": 5}
    assert outcomes(job) == ["failed", "failed", "succeeded"]
    assert steps_of(job) == ["succeeded"] * 3


def test_a_finished_step_stays_finished_when_the_worker_is_lost(kind, alice):
    work = Work()
    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    run = take_one("a")
    run.complete()
    expire(job)
    reap()
    assert steps_of(job) == ["succeeded", "queued"]
    drain(QUEUE)
    assert work.calls == ["two"]
    assert reread(job).status == "succeeded"


# --- completing -----------------------------------------------------------------------
def test_an_effect_and_its_completion_are_one(kind, alice):
    def work(run):
        with run.completing():
            effect(f"kit {run.step.step_type}")
            run.result["seen"] = True
        return {"ignored": "by then the step is over"}

    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    drain(QUEUE)
    assert effects() == [("kit one",), ("kit two",)]
    assert steps_of(job) == ["succeeded", "succeeded"]
    assert reread(job).result == {"seen": True}


def test_an_effect_that_fails_is_no_completion(kind, alice):
    def work(run):
        with run.completing():
            effect("kit one")
            raise UserFixable("Another name, please.")

    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    drain(QUEUE)
    assert effects() == []
    assert steps_of(job) == ["failed", "canceled"]
    assert reread(job).status == "failed"


def test_a_completion_that_fails_is_no_effect(kind, alice):
    def work(run):
        with run.completing():
            effect("kit one")
            run.result["not"] = object()  # no JSON

    job = start_job(kind(work, steps=("one",)), None, by=alice)
    drain(QUEUE)
    assert effects() == []
    assert steps_of(job) == ["failed"]
    assert reread(job).status == "failed"
    assert "TypeError" in job.attempts.get().traceback


def test_a_result_that_is_no_json_fails_the_job(kind, alice):
    job = start_job(kind(lambda run: {"not": object()}), None, by=alice)
    drain(QUEUE)
    assert reread(job).status == "failed"
    assert reread(job).result == {}


# --- what a run says ------------------------------------------------------------------
@pytest.fixture
def clock(monkeypatch):
    """The run's clock: progress counts its seconds."""
    hands = [1000.0]
    monkeypatch.setattr(run_module.time, "monotonic", lambda: hands[0])
    return hands


def shown(job):
    row = reread(job)
    return row.done, row.total, row.phase


def test_progress_is_written_once_a_second(kind, alice, clock):
    job = start_job(kind(), None, by=alice)
    run = take_one()
    for done in range(1, 50):
        run.progress(done, 100)
        clock[0] += 0.01
    assert shown(job) == (1, 100, "")
    clock[0] += 1
    run.progress(50, 100)
    assert shown(job) == (50, 100, "")
    run.progress(51, 100)
    run.progress(52, 100, "Writing")
    assert shown(job) == (50, 100, "")
    assert run.unwritten  # the guard writes it when the second is over
    clock[0] += 1
    run.progress(54)
    assert not run.unwritten
    assert shown(job) == (54, None, "Writing")
    assert reread(job).percent is None
    run.progress(55)
    assert run.show()
    assert shown(job) == (55, None, "Writing")


def test_the_last_progress_is_written_with_the_end(kind, alice, clock):
    def work(run):
        run.progress(1, 3, "Reading")
        run.progress(3, 3)

    job = start_job(kind(work), None, by=alice)
    execute(take_one())
    assert shown(job) == (3, 3, "Reading")


def test_each_step_counts_anew(kind, alice, clock):
    seen = []

    def work(run):
        seen.append(shown(job))
        run.progress(5, 9, "x" * 300)

    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    execute(take_one())
    assert seen == [(0, None, ""), (0, None, "")]
    assert shown(job) == (5, 9, "x" * 200)


def test_a_note_is_a_line_of_the_history(kind, alice):
    def work(run):
        run.note(f"At {run.step.step_type}.")

    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    execute(take_one())
    notes = [line for line in told(job) if line[2]]
    assert notes == [(1, "running", "At one."), (2, "running", "At two.")]


def test_a_note_in_a_completion_goes_with_it(kind, alice):
    def work(run):
        with run.completing():
            run.note("Nearly.")
            raise UserFixable("No.")

    job = start_job(kind(work), None, by=alice)
    execute(take_one())
    assert "Nearly." not in [words for _position, _status, words in told(job)]


def test_the_work_finds_its_subject(kind, account, alice):
    seen = []
    parcel = make_parcel(account)
    start_job(kind(lambda run: seen.append(run.subject)), parcel, by=alice)
    drain(QUEUE)
    assert seen == [parcel]


# --- draining -------------------------------------------------------------------------
def test_a_bell_runs_all_that_is_due(kind, alice):
    type = kind(brief=True)
    for _ in range(11):
        start_job(type, None, by=alice)
    start_job(kind(type="kit.long"), None, by=alice)
    assert drain(QUEUE) == 12
    assert set(Job.objects.values_list("status", flat=True)) == {"succeeded"}
    assert drain(QUEUE) == 0


def test_more_work_than_one_takes_rings_for_another_worker(kind, alice, broker, clock):
    type = kind(lambda run: clock.__setitem__(0, clock[0] + 0.2))
    for _ in range(3):
        start_job(type, None, by=alice)
    drain(QUEUE)
    assert broker.rung() == 2  # the third one has nothing behind it
    start_job(type, None, by=alice)
    drain(QUEUE)
    assert broker.rung() == 0


def test_other_workers_are_sent_for_ten_times_a_second_at_most(
    kind, alice, broker, clock
):
    type = kind(lambda run: clock.__setitem__(0, clock[0] + 0.02))
    for _ in range(12):
        start_job(type, None, by=alice)
    drain(QUEUE)
    assert broker.rung() == 2


def test_queues_take_turns(kind, alice, broker, clock):
    """A bell whose turn is over gives its place to the next one."""

    def work(run):
        clock[0] += TURN_SECONDS * 0.6

    type = kind(work)
    for _ in range(4):
        start_job(type, None, by=alice)
    assert drain(QUEUE) == 2
    broker.rung()
    assert drain(QUEUE) == 2
    assert broker.rung() > 0


def test_a_worker_that_stops_takes_nothing_more(kind, alice, monkeypatch):
    def work(run):
        STOPPING.value = 1

    type = kind(work)
    for _ in range(3):
        start_job(type, None, by=alice)
    try:
        assert drain(QUEUE) == 1
        assert drain(QUEUE) == 0
    finally:
        STOPPING.value = 0
    assert Job.objects.filter(status="queued").count() == 2


def test_one_failure_of_a_batch_is_not_the_others(kind, alice):
    def work(run):
        if run.job.metadata.get("fails"):
            raise ValueError("a slip")

    type = kind(work, brief=True)
    jobs = [
        start_job(type, None, by=alice, metadata={"fails": number == 1})
        for number in range(3)
    ]
    assert drain(QUEUE) == 3
    ends = [reread(job).status for job in jobs]
    assert ends == ["succeeded", "failed", "succeeded"]


class Killed(BaseException):
    """Not an Exception: what SystemExit and KeyboardInterrupt are."""


def test_leases_end_with_a_drain_that_is_torn_away(kind, alice):
    """Else the guard would keep jobs alive that nobody runs."""

    def work(run):
        raise Killed

    type = kind(work, brief=True)
    for _ in range(3):
        start_job(type, None, by=alice)
    with pytest.raises(Killed):
        drain(QUEUE)
    assert guard()._runs == {}


def test_a_verdict_that_cannot_be_written_is_left_to_the_reaper(
    kind, alice, caplog, monkeypatch
):
    def settle(job, verdict):
        raise RuntimeError("nobody foresaw this")

    type = kind(fails_late(UserFixable("No.")), brief=True)
    jobs = [start_job(type, None, by=alice) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr("jobs.actions.running.settle", settle)
        assert drain(QUEUE) == 2
    assert "is left to the reaper" in caplog.text
    for job in jobs:
        expire(job)
    assert reap() == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_cut_connection_costs_one_bell(kind, alice):
    job = start_job(kind(), None, by=alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    finally:
        other.close()
    with pytest.raises((OperationalError, InterfaceError)):
        drain(QUEUE)
    assert drain(QUEUE) == 1
    assert reread(job).status == "succeeded"


def test_nothing_is_left_lent(kind, alice):
    job = start_job(kind(steps=("one",)), None, by=alice)
    with transaction.atomic():
        run = take_one()
    execute(run)
    assert run.job.said is None
    assert all(step.said is None for step in run.job.ordered)
    assert take() == []
    assert reread(job).ended
