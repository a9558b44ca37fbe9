"""A job is started in the caller's transaction: whose it is, its steps, its keys."""

from __future__ import annotations

import pytest
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from jobs.actions import starting
from jobs.actions.kinds import (
    KINDS,
    UnknownKind,
    job_kind,
    kind_of,
    label_of,
    queues,
)
from jobs.actions.running import drain, execute
from jobs.actions.starting import start_job
from jobs.actions.statements import one_statement
from jobs.actions.stopping import cancel_job
from jobs.models import Job, JobEvent, JobStep
from jobs.tests.engine import (
    HOUR,
    QUEUE,
    make_due,
    reread,
    statuses,
    steps_of,
    take,
    take_one,
    told,
)
from tests.conftest import make_account, make_user
from tests.kit.make import make_parcel
from workflows.core.errors import Temporary

pytestmark = pytest.mark.django_db


@pytest.fixture
def parcel(account, alice):
    return make_parcel(account, by=alice)


def test_a_job_says_who_wants_what_of_which_thing(kind, parcel, alice):
    parent = start_job(kind(type="kit.parent"), None, by=alice)
    type = kind(steps=("one", "two"), retries=4, exclusive=True)
    job = reread(
        start_job(type, parcel, by=alice, metadata={"full": True}, parent=parent)
    )
    assert (job.type, job.created_by, job.account) == (type, alice, alice.account)
    assert (job.subject, job.metadata, job.parent_job) == (
        parcel,
        {"full": True},
        parent,
    )
    assert (job.status, job.queue, job.attempt, job.max_attempts) == (
        "queued",
        QUEUE,
        0,
        5,
    )
    assert job.exclusive_key == str(parcel.pk)
    assert job.started_at is job.completed_at is job.failure_reason is None
    assert abs(job.created_at - timezone.now()) < HOUR
    assert told(job) == [(0, "queued", "")]
    names = job.steps.order_by("position").values_list("position", "step_type")
    assert list(names) == [(1, "one"), (2, "two")]
    assert job.is_new


def test_steps_may_be_chosen_for_one_job(kind, alice):
    type = kind(steps=("one", "two"))
    assert steps_of(start_job(type, None, by=alice, steps=())) == []
    assert steps_of(start_job(type, None, by=alice, steps=["one"])) == ["queued"]


def test_whose_a_job_is(kind, parcel, alice, charlie):
    type = kind()
    given = make_account("given")
    operator = make_user(None, "root", is_superuser=True)
    assert start_job(type, parcel, by=charlie, account=given).account == given
    assert start_job(type, parcel, by=charlie).account == parcel.account
    assert start_job(type, charlie.account, by=alice).account == alice.account
    assert start_job(type, None, by=charlie).account == charlie.account
    assert start_job(type, None, by=operator).account is None
    own = start_job(type, None, by=None)
    assert own.account is own.created_by is None
    assert own not in Job.objects.visible_to(alice)
    assert own in Job.objects.visible_to(operator)


def test_the_products_own_kinds_do_not_mind_a_subject_without_an_account(kind):
    operator = make_user(None, "root", is_superuser=True)
    assert start_job(kind(), operator, by=None).account is None


def test_a_rollback_leaves_nothing(kind, alice):
    def fail():
        with transaction.atomic():
            start_job(type, None, by=alice)
            raise ZeroDivisionError

    type = kind(steps=("one",))
    with pytest.raises(ZeroDivisionError):
        fail()
    for model in (Job, JobStep, JobEvent):
        assert not model.objects.exists()


def test_an_unknown_kind_is_refused(alice):
    with pytest.raises(UnknownKind):
        start_job("kit.nobody_knows", None, by=alice)
    assert not Job.objects.exists()


def test_a_job_may_wait_for_its_time(kind, alice):
    later = timezone.now() + HOUR
    job = start_job(kind(), None, by=alice, run_after=later)
    assert abs(reread(job).run_after - later).total_seconds() < 1
    assert take() == []
    make_due(job)
    assert take_one().job == job


# --- unique ---------------------------------------------------------------------------
def test_a_second_request_finds_the_job_that_waits_or_runs(kind, alice, mona):
    type = kind()
    first = start_job(type, None, by=alice, unique="k")
    again = start_job(type, None, by=mona, unique="k")
    assert (again, again.is_new) == (first, False)
    take_one()
    again = start_job(type, None, by=mona, unique="k")
    assert (again, again.is_new) == (first, False)
    assert statuses(first) == [(0, "queued"), (0, "running")]
    assert Job.objects.count() == 1


def test_a_job_that_ended_stands_in_nobodys_way(kind, alice):
    type = kind()
    ended = start_job(type, None, by=alice, unique="k")
    cancel_job(ended, by=alice)
    fresh = start_job(type, None, by=alice, unique="k")
    assert fresh.is_new
    assert fresh != ended


def test_a_job_that_waits_for_its_retry_is_found(kind, alice):
    def work(run):
        raise Temporary("Busy.")

    type = kind(work)
    first = start_job(type, None, by=alice, unique="k")
    drain(QUEUE)
    again = start_job(type, None, by=alice, unique="k")
    assert (again, again.is_new) == (first, False)


def test_a_job_that_ends_between_two_looks_leaves_room(kind, alice, monkeypatch):
    """It stood in the way, and has ended when somebody looks who it was."""

    def write_and(job, steps, event):
        written = write(job, steps, event)
        if not written:
            cancel_job(first, by=alice)
        return written

    type = kind(steps=("one",))
    first = start_job(type, None, by=alice, unique="k")
    name = "write_at_once" if one_statement() else "write_in_turn"
    write = getattr(starting, name)
    monkeypatch.setattr(starting, name, write_and)
    fresh = start_job(type, None, by=alice, unique="k")
    assert (fresh.is_new, fresh == first) == (True, False)
    assert statuses(fresh) == [(0, "queued")]
    assert steps_of(fresh) == ["queued"]


def test_other_keys_and_no_keys_do_not_meet(kind, alice):
    type = kind()
    keys = ("a", "b", None, None)
    jobs = {start_job(type, None, by=alice, unique=key).pk for key in keys}
    assert len(jobs) == 4


def test_the_callers_transaction_survives_the_second_request(kind, account, alice):
    type = kind()
    start_job(type, None, by=alice, unique="k")
    with transaction.atomic():
        account.name = "Renamed"
        account.save()
        start_job(type, None, by=alice, unique="k")
    account.refresh_from_db()
    assert account.name == "Renamed"


def test_another_broken_rule_is_not_taken_for_a_second_request(kind, alice, parcel):
    start_job(kind(), None, by=alice, unique="k")
    type = kind(type="budget_sync") if "budget_sync" not in KINDS else "budget_sync"
    noted = {"note": "unique_key uq_job_one_unended"}  # PostgreSQL quotes the row
    with (
        pytest.raises(IntegrityError, match="ck_job_budget_types"),
        transaction.atomic(),
    ):
        start_job(type, None, by=alice, unique="k2", metadata=noted)
    job = start_job(type, parcel, by=alice)
    assert reread(job).budget_id == parcel.pk


@pytest.mark.postgres
def test_a_key_that_is_too_long_is_refused_and_not_cut(kind, alice):
    """Cut, two keys could become one."""
    type = kind()
    with pytest.raises(DataError), transaction.atomic():
        start_job(type, None, by=alice, unique="k" * 201)
    long = kind(type="kit." + "x" * 60)
    with pytest.raises(DataError), transaction.atomic():
        start_job(long, None, by=alice)


# --- kinds ----------------------------------------------------------------------------
def test_a_kind_is_registered_once(kind):
    kind()
    with pytest.raises(ValueError, match=r"kit\.job is registered twice"):
        kind()


@pytest.mark.parametrize("type", ["", "kit.a,b", "kit job", "kit.{a}", 'kit."a"'])
def test_a_kind_has_a_plain_name(kind, type):
    with pytest.raises(ValueError, match="a type is letters"):
        kind(type=type)


def test_what_is_brief_ends_soon(kind):
    with pytest.raises(ValueError, match="brief"):
        kind(brief=True, timeout=HOUR)


def test_a_kind_that_is_gone_keeps_its_name(kind):
    kind(type="kit.labelled")
    assert label_of("kit.labelled") == "kit.labelled"
    assert label_of("kit.gone") == "kit.gone"
    with pytest.raises(UnknownKind):
        kind_of("kit.gone")


def test_a_kind_keeps_its_work_callable(kind):
    def work(run):
        return {"said": run}

    register = job_kind("kit.plain", label="Plain", timeout=HOUR)
    assert register(work) is work
    assert kind_of("kit.plain").work is work
    KINDS.pop("kit.plain")


def test_workers_serve_the_queues_of_all_kinds(kind):
    kind(queue="kit-other")
    assert {"default", "kit-other"} <= set(queues())
    assert queues() == sorted(queues())


def test_what_a_job_shows(kind, alice, mona, nora):
    job = start_job(kind(), None, by=alice)
    assert str(job.pk) in job.get_absolute_url()
    assert [job.concerns(person) for person in (alice, mona, nora)] == [
        True,
        True,
        False,
    ]
    assert job.percent is None
    job.done, job.total = 1, 3
    assert job.percent == 33
    job.done = 9
    assert job.percent == 100
    assert not job.stopping
    run = take_one()
    cancel_job(job, by=alice)
    assert reread(job).stopping
    execute(run)
    assert not reread(job).stopping
