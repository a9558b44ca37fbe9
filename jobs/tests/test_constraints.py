"""Each rule of the seed and each constraint, broken on purpose behind Django's back.

A constraint without a way to break it below fails: whoever adds one says here what it
refuses.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, transaction

from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job, retry_job
from jobs.models import Job, JobAttempt, JobEvent, JobStep, Schedule
from jobs.tests.engine import change, reread, take_one
from workflows.core.errors import UserFixable

pytestmark = pytest.mark.django_db
T = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER, LATER = T - timedelta(hours=1), T + timedelta(hours=1)


class Rows:
    """One job of each status, all of one kind with two steps."""

    def __init__(self, kind: Any, by: Any) -> None:
        def work(run):
            if run.job.metadata.get("fails"):
                raise UserFixable("Another password, please.")

        self.by = by
        self.type = kind(work, steps=("one", "two"))
        self.canceled = self.start()
        cancel_job(self.canceled, by=by)
        self.succeeded = self.start()
        execute(take_one())
        self.failed = self.start(fails=True)
        execute(take_one())
        self.running = self.start()
        take_one()
        self.queued = self.start()
        self.other = self.start()
        self.schedule = Schedule.objects.create(
            name="kit", type="kit.job", interval=timedelta(hours=1), next_at=LATER
        )

    def start(self, **metadata: Any) -> Job:
        return start_job(self.type, None, by=self.by, metadata=metadata)

    def row(self, name: str) -> Any:
        """Return a job, or the first of its steps ("running.step")."""
        job, _dot, step = name.partition(".")
        found: Any = getattr(self, job)
        return found.steps.earliest("position") if step else found


@pytest.fixture
def rows(kind, alice):
    return Rows(kind, alice)


# Constraint: ways to break it, each an UPDATE of a row. Where a row breaks several
# rules PostgreSQL names the first by name and SQLite the first made, so that each
# UPDATE leaves every other rule whole.
BREAKS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "ck_job_status": [
        ("running", {"status": "asleep", "lease_until": None}),
        ("running", {"status": "", "lease_until": None}),
    ],
    "ck_job_type": [("queued", {"type": ""})],
    "ck_job_started_after_created": [("running", {"started_at": EARLIER})],
    "ck_job_completed_after_started": [
        ("succeeded", {"created_at": EARLIER, "started_at": LATER, "completed_at": T}),
        ("failed", {"created_at": EARLIER, "started_at": LATER, "completed_at": T}),
    ],
    "ck_job_completed_after_created": [("canceled", {"completed_at": EARLIER})],
    "ck_job_completed_when_ended": [
        ("succeeded", {"completed_at": None}),
        ("failed", {"completed_at": None}),
        ("canceled", {"completed_at": None}),
        ("queued", {"completed_at": LATER + timedelta(days=9999)}),
        ("running", {"completed_at": LATER + timedelta(days=9999)}),
    ],
    "ck_job_started_when_running": [
        ("running", {"started_at": None}),
        ("succeeded", {"started_at": None}),
        ("failed", {"started_at": None}),
        ("queued", {"created_at": EARLIER, "started_at": T}),
    ],
    "ck_job_failed_has_reason": [
        ("failed", {"failure_reason": None}),
        ("failed", {"failure_reason": ""}),
        ("succeeded", {"status": "failed"}),
    ],
    "ck_job_budget_types": [
        ("queued", {"type": "budget_sync"}),
        ("queued", {"type": "scheduled_sync_and_suggest"}),
        ("queued", {"budget_id": uuid4()}),
    ],
    "ck_job_running_has_lease": [
        ("running", {"lease_until": None}),
        ("running", {"worker": ""}),
        ("queued", {"lease_until": T}),
        ("succeeded", {"lease_until": T}),
    ],
    "ck_job_subject": [
        ("queued", {"subject_id": uuid4()}),
        ("queued", {"subject_type": 1}),
    ],
    "ck_jobstep_status": [
        ("running.step", {"status": "asleep"}),
        ("running.step", {"status": ""}),
    ],
    "ck_jobstep_type": [("queued.step", {"step_type": ""})],
    "ck_jobstep_completed_after_started": [
        ("succeeded.step", {"started_at": LATER, "completed_at": T})
    ],
    "ck_jobstep_completed_when_ended": [
        ("succeeded.step", {"completed_at": None}),
        ("failed.step", {"completed_at": None}),
        ("canceled.step", {"completed_at": None}),
        ("running.step", {"completed_at": LATER + timedelta(days=9999)}),
    ],
    "ck_jobstep_started_when_running": [
        ("running.step", {"started_at": None}),
        ("succeeded.step", {"started_at": None}),
        ("queued.step", {"started_at": T}),
    ],
    "ck_jobstep_failed_has_reason": [
        ("failed.step", {"failure_reason": None}),
        ("failed.step", {"failure_reason": ""}),
    ],
    "ck_schedule_interval_or_cron": [
        ("schedule", {"cron": "15 3 * * *"}),
        ("schedule", {"interval": None}),
        ("schedule", {"interval": timedelta(0)}),
        ("schedule", {"interval": -timedelta(hours=1)}),
    ],
}


def of_constraint(name: str) -> Any:
    """Expect the constraint; SQLite names a unique one by its columns."""
    names = [name, UNIQUE[name][0]] if name in UNIQUE else [name]
    return pytest.raises(IntegrityError, match="|".join(names))


@pytest.mark.parametrize(
    ("name", "row", "columns"),
    [
        pytest.param(name, row, columns, id=f"{name}-{row}-{number}")
        for name, ways in BREAKS.items()
        for number, (row, columns) in enumerate(ways)
    ],
)
def test_a_row_that_contradicts_itself_is_refused(rows, name, row, columns):
    if "subject_type" in columns:
        columns = {"subject_type": ContentType.objects.get_for_model(Job)}
    with of_constraint(name), transaction.atomic():
        change(rows.row(row), **columns)


# --- what takes more than one UPDATE --------------------------------------------------
def two_under_one_exclusive_key(rows):
    change(rows.running, exclusive_key="k")
    change(rows.queued, exclusive_key="k")
    take = {"status": "running", "worker": "b", "started_at": T, "lease_until": T}
    change(rows.queued, **take, created_at=EARLIER)


def two_unended_under_one_unique_key(rows):
    change(rows.running, unique_key="k")
    change(rows.queued, unique_key="k")


def two_retries_of_one_job(rows):
    change(rows.running, retry_of=rows.failed)
    change(rows.queued, retry_of=rows.failed)


def two_steps_at_one_place(rows):
    change(rows.row("queued.step"), position=2)


def two_ends_of_one_attempt(rows):
    attempt = JobAttempt(job=rows.failed, number=1, worker="a", outcome="failed")
    attempt.save(force_insert=True)


UNIQUE: dict[str, Any] = {
    "uq_job_one_running": ("exclusive_key", two_under_one_exclusive_key),
    "uq_job_one_unended": ("unique_key", two_unended_under_one_unique_key),
    "uq_job_one_retry": ("retry_of", two_retries_of_one_job),
    "uq_jobstep_position": ("position", two_steps_at_one_place),
    "uq_jobattempt_number": ("number", two_ends_of_one_attempt),
}


@pytest.mark.parametrize("name", UNIQUE)
def test_what_there_is_one_of_is_there_once(rows, name):
    with of_constraint(name), transaction.atomic():
        UNIQUE[name][1](rows)


def test_an_event_has_a_known_status(rows):
    for status in ("asleep", ""):
        with of_constraint("ck_jobevent_status"), transaction.atomic():
            JobEvent.objects.create(job=rows.queued, status=status)


def test_an_attempt_has_a_known_outcome(rows):
    for outcome in ("won", ""):
        with of_constraint("ck_jobattempt_outcome"), transaction.atomic():
            JobAttempt.objects.create(
                job=rows.queued, number=1, worker="a", outcome=outcome
            )


INSERTED = {"ck_jobevent_status", "ck_jobattempt_outcome"}


def test_every_constraint_is_broken_above():
    found = {
        constraint.name
        for model in apps.get_app_config("jobs").get_models()
        for constraint in model._meta.constraints
    }
    assert found == BREAKS.keys() | UNIQUE.keys() | INSERTED


def test_the_database_has_every_constraint_and_index():
    for model in apps.get_app_config("jobs").get_models():
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(
                cursor, model._meta.db_table
            )
        wanted = {c.name for c in (*model._meta.constraints, *model._meta.indexes)}
        assert wanted <= found.keys()


# --- what is never missing ------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("queued", "type"),
        ("queued", "status"),
        ("queued", "created_at"),
        ("queued", "run_after"),
        ("queued", "queue"),
        ("queued", "unique_key"),
        ("queued", "exclusive_key"),
        ("running", "worker"),
        ("queued.step", "status"),
        ("queued.step", "step_type"),
        ("queued.step", "position"),
    ],
)
def test_what_a_row_must_say(rows, row, column):
    with pytest.raises(IntegrityError, match=column), transaction.atomic():
        change(rows.row(row), **{column: None})


def test_numbers_are_not_negative(rows):
    for column in ("attempt", "max_attempts", "done", "total"):
        with pytest.raises(IntegrityError, match=column), transaction.atomic():
            change(rows.queued, **{column: -1})


# --- what the rules must not refuse ---------------------------------------------------
def test_keys_are_free_again_when_their_job_has_ended(rows, alice):
    for job in (rows.succeeded, rows.failed, rows.canceled, rows.queued):
        change(job, unique_key="k", exclusive_key="k")
    change(rows.running, exclusive_key="k")
    for job in (rows.succeeded, rows.failed):
        change(job, retry_of=None)
    assert Job.objects.filter(exclusive_key="k").count() == 5


def test_the_empty_key_stands_in_nobodys_way(rows):
    take_one("b")
    assert Job.objects.filter(status="running", exclusive_key="").count() == 2


def test_two_jobs_may_have_steps_at_the_same_places(rows):
    assert JobStep.objects.filter(position=1).count() == Job.objects.count()


def test_a_budgets_job_names_its_budget(rows):
    change(rows.queued, type="snapshot_create", budget_id=uuid4())
    assert reread(rows.queued).budget_id


def test_a_link_outlives_the_job_that_it_points_at(rows, alice):
    again = retry_job(reread(rows.failed), by=alice)
    reread(rows.failed).delete()
    assert reread(again).retry_of_id == rows.failed.pk


def test_a_person_leaves_and_the_job_stays(rows, mona):
    job = start_job(rows.type, None, by=mona)
    mona.delete()
    assert reread(job).created_by is None


def test_an_account_goes_with_its_jobs(rows, account):
    account.delete()
    assert not Job.objects.exists()


def test_every_field_of_the_seed_is_there():
    def names(model):
        return {field.attname for field in model._meta.concrete_fields}

    assert {
        "id", "budget_id", "type", "status", "created_at", "started_at",
        "completed_at", "failure_reason", "parent_job_id", "metadata",
    } <= names(Job)  # fmt: skip
    assert {
        "id", "job_id", "step_type", "status", "position", "started_at",
        "completed_at", "failure_reason",
    } <= names(JobStep)  # fmt: skip
    assert {"id", "job_id", "status", "message", "created_at"} <= names(JobEvent)
    assert set(JobStep.StepType.values) == {"sync", "suggestions"}
