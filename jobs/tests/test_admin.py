"""Jobs in the admin: looking is for managers, moving is what the pages do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.actions import stopping
from jobs.models import Job, LeaseLost, Schedule, Worker
from jobs.tests.engine import reread
from jobs.tests.kinds import QUEUE
from jobs.tests.make import (
    BROKEN,
    REPORT,
    STEPS,
    begin,
    done,
    make_job,
    past_job,
    register_kinds,
)
from l1walk.actions.tickets import open_ticket
from tests.conftest import make_user, signed_in
from workflows.core.accounts import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds(kind):
    register_kinds()


@pytest.fixture
def operator(db) -> User:
    return make_user(None, "root", is_superuser=True, is_staff=True)


@pytest.fixture
def schedule(account) -> Schedule:
    return Schedule.objects.create(
        name="nightly sync",
        account=account,
        type=REPORT,
        cron="15 3 * * *",
        next_at=timezone.now() + timedelta(hours=3),
    )


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:jobs_{model._meta.model_name}_{page}", args=args)


def run(user: User, action: str, *chosen: Job, **over: Any) -> list[str]:
    """Take an admin action as its page posts it; return what it says."""
    data = {"action": action, "_selected_action": [row.pk for row in chosen]} | over
    response = signed_in(user).post(url(Job, "changelist"), data)
    assert response.status_code == 302
    return [str(message) for message in get_messages(response.wsgi_request)]


# --- looking --------------------------------------------------------------------------
def test_managers_look_at_a_job_and_change_nothing(mona, alice):
    job, client = done(alice, BROKEN), signed_in(mona)
    page = client.get(url(Job, "changelist"))
    assert str(job.pk) in page.text
    assert client.get(url(Job, "add")).status_code == 403
    assert client.get(url(Job, "delete", job.pk)).status_code == 403
    detail = client.get(url(Job, "change", job.pk))
    assert 'name="_save"' not in detail.text
    assert "Traceback" in detail.text
    assert f'href="{job.get_absolute_url()}"' in detail.text
    assert client.post(url(Job, "change", job.pk), {"type": "x"}).status_code == 403


def test_steps_and_history_are_shown(mona, alice):
    page = signed_in(mona).get(url(Job, "change", done(alice, STEPS).pk)).text
    assert "fetch_pages" in page
    assert "Looked at sync" in page


def test_another_account_is_not_there(charlie, alice, schedule):
    job, client = make_job(alice), signed_in(charlie)
    for row in (job, schedule):
        assert str(row.pk) not in client.get(url(type(row), "changelist")).text
        assert client.get(url(type(row), "change", row.pk)).status_code == 404


@pytest.mark.parametrize("model", [Job, Schedule, Worker])
def test_the_other_roles_stay_outside(alice, egon, nora, model):
    for user in (alice, egon, nora):
        assert signed_in(user).get(url(model, "changelist")).status_code == 403


def test_filters_and_search(mona, account, alice):
    ticket = open_ticket(account, by=alice, title="Toner")
    failed, queued = done(alice, BROKEN), make_job(alice, subject=ticket)
    client = signed_in(mona)
    for asked, found in (
        ({}, {failed, queued}),
        ({"status__exact": "failed"}, {failed}),
        ({"kind": REPORT}, {queued}),
        ({"queue": QUEUE}, {failed, queued}),
        ({"queue": "default"}, set()),
        ({"q": str(failed.pk)}, {failed}),
        ({"q": f" {ticket.pk} "}, {queued}),
        ({"q": str(uuid4())}, set()),
        ({"q": "words"}, set()),
    ):
        response = client.get(url(Job, "changelist"), asked)
        assert set(response.context["cl"].result_list) == found, asked


# --- moving ---------------------------------------------------------------------------
def test_jobs_are_canceled_and_it_is_said_which_were_not(mona, alice):
    ended = done(alice)
    running = begin(make_job(alice))
    queued = make_job(alice)
    said = run(mona, "cancel", queued, running, ended)
    assert said == ["Done for 2 rows.", f"{ended}: it has ended already"]
    assert reread(queued).status == "canceled"
    assert reread(running).stopping
    assert reread(queued).cancel_requested_by == mona


def test_jobs_are_tried_again_once(mona, alice, kind):
    from jobs.actions.kinds import KINDS

    failed, good = done(alice, BROKEN), done(alice)
    gone = done(alice, kind(lambda run: 1 / 0, type="kit.gone"))
    del KINDS["kit.gone"]
    said = run(mona, "try_again", failed, good, gone)
    assert said == [
        "Done for one row.",
        f"{gone}: Handrail no longer has this kind of job",
        f"{good}: it has not failed",
    ]
    assert run(mona, "try_again", failed) == [f"{failed}: it was tried again already"]
    assert Job.objects.filter(retry_of=failed).count() == 1


def test_no_accident_of_one_row_stops_the_others(mona, alice, monkeypatch):
    first, second = make_job(alice), make_job(alice)

    def lost_for_one(job: Job, **over: Any) -> Job:
        if job.pk == second.pk:
            raise LeaseLost(str(job.pk))
        return stopping.cancel_job(job, **over)

    monkeypatch.setattr("jobs.admin.cancel_job", lost_for_one)
    said = run(mona, "cancel", first, second)
    assert said == ["Done for one row.", f"{second}: it changed in this moment"]


def test_actions_leave_other_accounts_alone(alice, charlie):
    job = make_job(alice)
    run(charlie, "cancel", job)
    run(charlie, "cancel", job, select_across="1")
    assert reread(job).status == "queued"


def test_actions_are_for_those_with_the_right(mona, alice):
    job = make_job(alice)
    mona.groups.first().permissions.filter(codename="manage_job").delete()
    data = {"action": "cancel", "_selected_action": [job.pk]}
    signed_in(mona).post(url(Job, "changelist"), data)
    assert reread(job).status == "queued"


# --- schedules ------------------------------------------------------------------------
def form(**over: Any) -> dict[str, Any]:
    fields = {"interval": "", "cron": "15 3 * * *", "time_zone": "UTC", "enabled": "on"}
    return {name: value for name, value in (fields | over).items() if value is not None}


def test_an_operator_changes_when_and_whether(operator, schedule):
    client, path = signed_in(operator), url(Schedule, "change", schedule.pk)
    response = client.post(path, form(cron="0 12 * * *", time_zone="Europe/Berlin"))
    assert response.status_code == 302
    row = Schedule.objects.get(pk=schedule.pk)
    assert row.next_at == row.after(timezone.now())
    assert row.next_at != schedule.next_at
    assert client.post(path, form(interval="00:10:00", cron="")).status_code == 302
    row = Schedule.objects.get(pk=schedule.pk)
    assert row.interval == timedelta(minutes=10)
    assert client.post(path, form(interval="00:10:00", cron="", enabled=None))
    assert not Schedule.objects.get(pk=schedule.pk).enabled


def test_saving_without_a_change_moves_nothing(operator, schedule):
    path = url(Schedule, "change", schedule.pk)
    assert signed_in(operator).post(path, form()).status_code == 302
    assert Schedule.objects.get(pk=schedule.pk).next_at == schedule.next_at


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"cron": "every night"}, "is not a cron expression"),
        ({"cron": "0 0 30 2 *"}, "is not a cron expression"),
        ({"interval": "00:10:00"}, "not both"),
        ({"cron": ""}, "Give an interval or a cron expression"),
        ({"cron": "", "interval": "-00:10:00"}, "Give an interval"),
        ({"time_zone": "Mars/Base"}, "is not a time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(operator, schedule, over, words):
    path = url(Schedule, "change", schedule.pk)
    response = signed_in(operator).post(path, form(**over))
    assert response.status_code == 200
    assert words in response.text
    assert Schedule.objects.get(pk=schedule.pk).cron == "15 3 * * *"


def test_managers_read_schedules_alone(mona, schedule):
    client, path = signed_in(mona), url(Schedule, "change", schedule.pk)
    page = client.get(path)
    assert page.status_code == 200
    assert 'name="_save"' not in page.text
    assert client.post(path, form(cron="0 12 * * *")).status_code == 403
    assert client.get(url(Schedule, "add")).status_code == 403
    assert client.get(url(Schedule, "delete", schedule.pk)).status_code == 403


def test_workers_are_listed(mona):
    Worker.objects.create(name="host:1:a", host="host", pid=1)
    client = signed_in(mona)
    assert "host:1:a" in client.get(url(Worker, "changelist")).text
    assert client.get(url(Worker, "add")).status_code == 403


# --- cost -----------------------------------------------------------------------------
def test_lists_cost_the_same_with_ten_times_the_rows(mona, alice, egon):
    client = signed_in(mona)

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url(Job, "changelist")).status_code == 200
        return len(captured)

    for user in (alice, egon):
        past_job(user, timezone.now())
    cost()
    few = cost()
    for user in (alice, egon) * 15:
        past_job(user, timezone.now())
    assert cost() == few <= 6
