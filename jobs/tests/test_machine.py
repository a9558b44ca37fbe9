"""Every state and every transition of jobs and steps, and the events they leave."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django_fsm import TransitionNotAllowed, can_proceed

from jobs.actions.claiming import claim
from jobs.actions.run import HANDED_BACK
from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job
from jobs.models import Job, JobAttempt, JobEvent, JobStep, lent
from jobs.models.tracked import Status
from jobs.tests.engine import QUEUE, change, reread, statuses, steps_of, take_one
from tests.kit.make import make_parcel
from workflows.core.errors import UserFixable
from workflows.core.machine import NotLent
from workflows.core.migrating import install, remove

Q, R, S, F, C = Status
MOVES = {
    "begin": {Q},
    "succeed": {R},
    "fail": {R},
    "cancel": {Q, R},
    "requeue": {R},
}
TARGETS = {"begin": R, "succeed": S, "fail": F, "cancel": C, "requeue": Q}
ARGUMENTS = {"fail": ("It broke.",)}
CASES = [
    pytest.param(model, state, move, id=f"{model.__name__}-{state}-{move}")
    for model in (Job, JobStep)
    for state in Status
    for move in MOVES
]


@pytest.mark.parametrize(("model", "state", "move"), CASES)
def test_each_move_from_each_state(model, state, move):
    row = model(status=state)
    assert can_proceed(getattr(row, move)) is (state in MOVES[move])


@pytest.mark.parametrize("model", [Job, JobStep])
def test_the_tables_above_name_every_transition_and_its_target(model):
    found = model().get_all_status_transitions()
    assert {(t.name, t.source, t.target) for t in found} == {
        (move, source, TARGETS[move])
        for move, sources in MOVES.items()
        for source in sources
    }


@pytest.mark.parametrize("model", [Job, JobStep])
def test_nothing_leads_out_of_the_seeds_terminal_states(model):
    for state in (S, F, C):
        assert list(model(status=state).get_available_status_transitions()) == []
        assert model(status=state).ended
    assert not model(status=Q).ended
    assert not model(status=R).ended


@pytest.mark.parametrize(("model", "state", "move"), CASES)
def test_no_transition_outside_lent(model, state, move):
    row = model(status=state)
    expected = NotLent if state in MOVES[move] else TransitionNotAllowed
    with pytest.raises(expected):
        getattr(row, move)(*ARGUMENTS.get(move, ()))
    assert row.status == state
    assert row.failure_reason is None


@pytest.mark.parametrize(("model", "state", "move"), CASES)
def test_a_lent_row_moves_and_says_so(model, state, move):
    row = model(status=state)
    with lent(row) as said:
        if state in MOVES[move]:
            getattr(row, move)(*ARGUMENTS.get(move, ()))
        else:
            with pytest.raises(TransitionNotAllowed):
                getattr(row, move)(*ARGUMENTS.get(move, ()))
    if state in MOVES[move]:
        message = "It broke." if move == "fail" else ""
        assert said == [(row, TARGETS[move], message)]
        assert row.status == TARGETS[move]
    else:
        assert said == []
        assert row.status == state
    assert row.said is None


@pytest.mark.parametrize(("move", "state"), [("cancel", Q), ("requeue", R)])
def test_words_of_a_move_are_said_once(move, state):
    row, other = Job(status=state), Job(status=R)
    with lent(row, other) as said:
        getattr(row, move)("Because.")
        other.succeed()
    assert [change.message for change in said] == ["Because.", ""]


def test_a_status_is_not_assigned():
    with pytest.raises(AttributeError):
        Job().status = R


def test_a_row_is_given_back_when_the_block_fails():
    row = Job()

    def fail():
        with lent(row):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(NotLent):
        row.begin()


# --- in the database ------------------------------------------------------------------
pytestmark = pytest.mark.django_db


@pytest.fixture
def job(kind, alice):
    return start_job(kind(steps=("one", "two")), None, by=alice)


def test_a_status_does_not_move_behind_the_events_back(job):
    for rows in (Job.objects.filter(pk=job.pk), job.steps, JobStep.objects.all()):
        with pytest.raises(NotLent):
            rows.update(status=Status.SUCCEEDED)
    step = JobStep(pk=job.steps.first().pk, status=Status.SUCCEEDED)
    with pytest.raises(NotLent), transaction.atomic():
        JobStep.objects.bulk_update([step], ["status"])
    assert reread(job).status == Status.QUEUED
    assert Job.objects.filter(pk=job.pk).update(phase="Reading") == 1


def test_a_row_that_is_there_is_not_saved(job):
    for row in (reread(job), job.steps.first()):
        with pytest.raises(NotLent):
            row.save()
        with pytest.raises(NotLent):
            row.save(update_fields=["started_at"])


def test_each_change_of_status_has_one_event(job, mona):
    assert statuses(job) == [(0, Q)]
    run = take_one()
    assert statuses(job) == [(0, Q), (0, R), (1, R)]
    run.complete()
    assert statuses(job)[3:] == [(1, S), (2, R)]
    run.complete()
    assert statuses(job)[5:] == [(2, S), (0, S)]
    assert reread(job).status == S


def test_each_change_of_status_has_one_event_when_it_fails(kind, alice):
    def work(run):
        raise UserFixable("Another password, please.")

    job = start_job(kind(work, steps=("one", "two")), None, by=alice)
    execute(take_one())
    assert statuses(job) == [(0, Q), (0, R), (1, R), (1, F), (2, C), (0, F)]
    assert steps_of(job) == [F, C]


def test_each_change_of_status_has_one_event_when_it_goes_back(job):
    run = take_one()
    run.tell(HANDED_BACK)
    execute(run)
    assert statuses(job)[3:] == [(1, Q), (0, Q)]
    take_one()
    assert statuses(job)[5:] == [(0, R), (1, R)]


def test_each_change_of_status_has_one_event_when_it_is_canceled(job, mona):
    cancel_job(job, by=mona)
    assert statuses(job) == [(0, Q), (1, C), (2, C), (0, C)]


def test_a_rollback_takes_back_the_status_and_its_event(job, mona):
    def roll_back(verb):
        with transaction.atomic():
            verb()
            raise ZeroDivisionError

    before = statuses(job)
    for verb in (take_one, lambda: cancel_job(job, by=mona)):
        with pytest.raises(ZeroDivisionError):
            roll_back(verb)
        assert (reread(job).status, steps_of(job)) == (Q, [Q, Q])
        assert statuses(job) == before
    run = take_one()
    before = statuses(job)
    with pytest.raises(ZeroDivisionError):
        roll_back(run.complete)
    assert (reread(job).status, steps_of(job)) == (R, [R, Q])
    assert statuses(job) == before


@pytest.fixture
def deaf(job):
    """The table of events takes no more rows."""
    install(connection.schema_editor(), "jobs_jobevent", ["INSERT"])
    yield
    remove(connection.schema_editor(), "jobs_jobevent", ["INSERT"])


def test_no_status_moves_without_its_event(job, mona, kind, alice, deaf):
    assert claim(QUEUE, "a").jobs == []
    with pytest.raises(IntegrityError), transaction.atomic():
        cancel_job(job, by=mona)
    with pytest.raises(IntegrityError), transaction.atomic():
        start_job("kit.job", None, by=alice)
    assert Job.objects.count() == 1
    assert (reread(job).status, steps_of(job)) == (Q, [Q, Q])


def test_events_and_attempts_are_never_changed(job):
    run = take_one()
    run.complete()
    run.complete()
    event, attempt = JobEvent.objects.first(), JobAttempt.objects.get()
    for row, columns in (
        (event, {"status": F}),
        (event, {"message": "It never was."}),
        (attempt, {"outcome": "failed"}),
        (attempt, {"traceback": ""}),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change(row, **columns)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE jobs_jobevent SET status = 'failed'")
    event.status = F
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        event.save()


def test_a_job_is_deleted_with_all_it_had(job):
    run = take_one()
    run.complete()
    run.complete()
    reread(job).delete()
    for model in (Job, JobStep, JobEvent, JobAttempt):
        assert not model.objects.exists()


def test_rows_say_what_they_are(job):
    run = take_one()
    run.complete()
    run.complete()
    assert str(job) == f"kit.job {job.pk}"
    assert [str(step) for step in job.steps.order_by("position")] == [
        "1. one",
        "2. two",
    ]
    assert str(JobAttempt.objects.get()) == "1: succeeded"
    assert str(JobEvent(status="queued")).startswith("queued at ")


def test_other_machines_move_by_their_own_rules(job, account, alice):
    parcel = make_parcel(account, by=alice)
    with lent(job), type(parcel).moving(parcel.pk, by=alice) as row:
        row.send()
    assert [move.name for move in parcel.moves()] == ["begin", "send"]
    assert statuses(job) == [(0, Q)]
