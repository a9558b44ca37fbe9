"""The page of a job: what it shows, how it stays fresh, what one can do there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.actions.kinds import KINDS
from jobs.actions.running import execute
from jobs.actions.starting import start_job
from jobs.actions.stopping import cancel_job, retry_job
from jobs.models import Job, JobEvent, LeaseLost
from jobs.tests.engine import change, reread, take_one
from jobs.tests.make import (
    BROKEN,
    STEPS,
    begin,
    done,
    finish,
    make_job,
    register_kinds,
)
from l1walk.actions.tickets import open_ticket
from tests.conftest import signed_in
from workflows.core.errors import Temporary

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds(kind):
    register_kinds()


@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


def url(job: Job, name: str = "job") -> str:
    return reverse(f"jobs:{name}", args=[job.pk])


def page(client: Client, job: Job) -> str:
    response = client.get(url(job))
    assert response.status_code == 200
    return str(response.text)


def messages(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# --- what it shows --------------------------------------------------------------------
def test_a_running_job_says_how_far_it_is(client, account, alice):
    ticket = open_ticket(account, by=alice, title="Toner is low")
    job = begin(make_job(alice, STEPS, ticket, metadata={"fullResync": True}))
    change(job, done=12, total=40, phase="Reading the archive")
    shown = page(client, job)
    for words in (
        "12 of 40",
        'value="30"',
        "Reading the archive",
        "1 of 2",
        "1. Fetch pages",
        "2. Sync",
        "You can leave this page",
        "Toner is low",
        "Full resync",
        "Alice",
        url(job, "cancel"),
    ):
        assert words in shown, words
    assert url(job, "retry") not in shown


def test_a_job_that_ended_shows_result_and_history(client, alice):
    job = done(alice, STEPS)
    shown = page(client, job)
    for words in ("Result", "Fetch pages: Looked at fetch_pages", "Sync: Succeeded"):
        assert words in shown, words
    assert "hx-trigger" not in shown.split('id="jobs-live"')[1]
    assert url(job, "cancel") not in shown
    assert url(job, "retry") not in shown


def test_results_are_said_in_words(client, alice, kind):
    kind(
        lambda run: {
            "rowsRead": 3,
            "clean": True,
            "left_over": None,
            "names": [str(n) for n in range(12)],
            "by": {"new": False},
        },
        type="kit.words",
    )
    shown = page(client, done(alice, "kit.words"))
    for name, text in (
        ("Rows read", "3"),
        ("Clean", "Yes"),
        ("Left over", "\N{EN DASH}"),
        ("Names", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
        ("By", "New: No"),
    ):
        assert f"<dt>{name}</dt><dd>{text}</dd>" in shown


def test_a_failure_says_what_to_do_next(client, alice):
    job = done(alice, BROKEN)
    shown = page(client, job)
    assert "The password is wrong." in shown
    assert "Mend what it names, then try again." in shown
    assert "You can mend this" in shown
    assert url(job, "retry") in shown


def test_tracebacks_are_for_staff_alone(client, mona, alice):
    job = done(alice, BROKEN)
    assert "Traceback" in page(signed_in(mona), job)
    assert "Traceback" not in page(client, job)
    with CaptureQueriesContext(connection) as captured:
        page(client, job)
    assert not [query for query in captured if "traceback" in query["sql"]]


def test_a_job_that_waits_for_its_next_try_says_when(client, alice, kind):
    def busy(run: Any) -> None:
        raise Temporary("The other side is busy.", retry_after=timedelta(hours=1))

    kind(busy, type="kit.busy")
    job = done(alice, "kit.busy")
    assert job.status == "queued"
    shown = page(client, job)
    assert "Next try" in shown
    assert "The other side is busy." in shown
    assert "This passes by itself" in shown


def test_a_schedule_is_named_where_nobody_asked(client, account):
    metadata = {"trigger": "schedule", "schedule": "nightly sync"}
    job = make_job(None, account=account, metadata=metadata)
    shown = page(client, job)
    assert "Schedule “nightly sync”" in shown
    assert "Trigger" not in shown


def test_family_and_lineage_are_linked(client, alice):
    parent = begin(make_job(alice, STEPS))
    child = start_job(BROKEN, None, by=alice, parent=parent)
    finish(child)
    again = retry_job(reread(child), by=alice)
    assert url(child) in page(client, parent)
    assert url(parent) in page(client, child)
    assert url(again) in page(client, child)
    assert "It was tried again since." in page(client, child)
    assert url(child) in page(client, again)
    Job.objects.filter(pk__in=[parent.pk]).delete()
    assert "Part of" not in page(client, child)


def test_the_page_of_a_kind_that_is_gone(client, alice):
    job = done(alice, BROKEN)
    del KINDS[BROKEN]
    assert BROKEN in page(client, job)
    response = client.post(url(job, "retry"))
    assert response.status_code == 303
    assert "no longer has this kind" in messages(response)[0]


def test_it_costs_the_same_for_few_and_for_many_events(client, alice):
    job = begin(make_job(alice, STEPS))
    run = job.steps.first()

    def cost(path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        return len(captured)

    few = cost(url(job)), cost(url(job, "live"))
    JobEvent.objects.bulk_create(
        JobEvent(job=job, step=run, status="running", message=f"{n}")
        for n in range(300)
    )
    assert (cost(url(job)), cost(url(job, "live"))) == few
    assert few[0] <= 9
    assert "Only the last events are shown." in page(client, job)


# --- live -----------------------------------------------------------------------------
def live_url(response: Any) -> str:
    return str(response.context["live_url"])


def test_nothing_new_is_an_empty_answer(client, alice):
    job = begin(make_job(alice, STEPS))
    live = live_url(client.get(url(job)))
    assert client.get(live).status_code == 204
    with CaptureQueriesContext(connection) as captured:
        client.get(live)
    # Session, person, job, steps, the last event and those after it.
    assert len(captured) <= 6


def test_progress_changes_the_card_alone(client, alice):
    job = begin(make_job(alice, STEPS))
    live = live_url(client.get(url(job)))
    change(job, done=7, total=9)
    response = client.get(live)
    assert "7 of 9" in response.text
    assert 'id="job-state"' not in response.text
    assert 'id="announce"' not in response.text
    assert client.get(live_url(response)).status_code == 204


def test_only_new_events_come_and_are_announced(client, alice):
    make_job(alice, STEPS)
    run = take_one()
    live = live_url(client.get(url(run.job)))
    run.note("Page 3 is torn")
    response = client.get(live)
    assert len(response.context["events"]) == 1
    assert 'hx-swap-oob="beforeend"' in response.text
    announced = response.text.split('id="announce"')[1]
    assert "Page 3 is torn" in announced
    assert client.get(live_url(response)).status_code == 204


def test_the_end_brings_the_whole_page_up_to_date(client, alice):
    job = make_job(alice, STEPS)
    run = take_one()
    live = live_url(client.get(url(job)))
    execute(run)
    response = client.get(live)
    assert live_url(response) == ""
    assert 'id="job-head"' in response.text
    assert 'id="job-state"' in response.text
    assert len(response.context["events"]) == job.events.count()
    assert 'id="job-events" hx-swap-oob="innerHTML"' in response.text
    assert "hx-trigger" not in response.text


def test_stopping_is_shown_at_once(client, alice):
    job = begin(make_job(alice))
    live = live_url(client.get(url(job)))
    cancel_job(job, by=alice)
    response = client.get(live)
    assert "Stopping" in response.text
    assert url(job, "cancel") not in response.text


@pytest.mark.parametrize("after", ["rubbish", "\0", "1"])
def test_an_event_that_cannot_be_read_is_refused(client, alice, after):
    job = make_job(alice)
    assert client.get(url(job, "live"), {"after": after}).status_code == 400


# --- the card of other pages ----------------------------------------------------------
def test_the_card_keeps_itself_fresh_until_the_job_ends(client, alice):
    job = make_job(alice, STEPS)
    card = client.get(url(job, "progress"), headers={"HX-Request": "true"})
    assert 'hx-trigger="every' in card.text
    seen = {"seen": card.context["card"].version}
    assert client.get(url(job, "progress"), seen).status_code == 204
    finish(job)
    card = client.get(url(job, "progress"), seen)
    assert "job-ended" in card["HX-Trigger"]
    assert str(job.pk) in card["HX-Trigger"]
    assert "hx-trigger" not in card.text
    assert "HX-Refresh" not in card
    card = client.get(url(job, "progress"), seen | {"then": "reload"})
    assert card["HX-Refresh"] == "true"


def test_canceling_from_a_card_leads_back_to_its_page(client, alice):
    job = make_job(alice)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/tickets/"}
    card = client.get(url(job, "progress"), headers=headers)
    assert 'name="next" value="/tickets/"' in card.text
    response = client.post(url(job, "cancel"), {"next": "/tickets/"})
    assert response.status_code == 303
    assert response.url == "/tickets/"
    job = make_job(alice)
    response = client.post(url(job, "cancel"), {"next": "https://evil.example/"})
    assert response.url == url(job)


# --- cancel and try again -------------------------------------------------------------
def test_a_queued_job_is_canceled_at_once(client, alice):
    job = make_job(alice)
    response = client.post(url(job, "cancel"))
    assert (response.status_code, response.url) == (303, url(job))
    assert messages(response) == ["It is canceled."]
    assert reread(job).status == "canceled"
    assert "Canceled by Alice." in page(client, job)


def test_a_running_job_is_asked_to_stop_and_a_second_click_says_so(client, alice):
    job = begin(make_job(alice))
    assert "is asked to stop" in messages(client.post(url(job, "cancel")))[0]
    assert reread(job).stopping
    assert "asked to stop already" in messages(client.post(url(job, "cancel")))[-1]


def test_what_has_ended_cannot_be_canceled_and_that_is_no_error(client, alice):
    job = done(alice)
    response = client.post(url(job, "cancel"))
    assert (response.status_code, response.url) == (303, url(job))
    assert "ended already" in messages(response)[0]


def test_trying_again_leads_to_the_new_run_and_twice_to_the_same(client, alice):
    job = done(alice, BROKEN)
    response = client.post(url(job, "retry"))
    again = Job.objects.get(retry_of=job)
    assert (response.status_code, response.url) == (303, url(again))
    second = client.post(url(job, "retry"))
    assert second.url == url(again)
    assert "already" in messages(second)[-1]
    assert Job.objects.count() == 2


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_what_failed_is_tried_again(client, alice, state):
    job = make_job(alice)
    if state != "queued":
        job = begin(job) if state == "running" else finish(job)
    response = client.post(url(job, "retry"))
    assert (response.status_code, response.url) == (303, url(job))
    assert "Only what failed" in messages(response)[0]
    assert Job.objects.count() == 1


def test_who_may_stop_and_start_again(alice, egon, mona, nora, charlie, kind):
    for user, allowed in ((nora, False), (egon, True), (mona, True)):
        failed, queued = done(alice, BROKEN), make_job(alice)
        change(queued, run_after=Now() + timedelta(hours=1))
        shown = page(signed_in(user), failed)
        assert (url(failed, "retry") in shown) is allowed
        for job, name in ((queued, "cancel"), (failed, "retry")):
            status = signed_in(user).post(url(job, name)).status_code
            assert status == (303 if allowed else 403), (user, name)
            assert signed_in(charlie).post(url(job, name)).status_code == 404
    own = make_job(nora)
    assert signed_in(nora).post(url(own, "cancel")).status_code == 303


@pytest.mark.parametrize("name", ["job", "live", "progress"])
def test_a_job_that_is_not_there(client, charlie, alice, name):
    job = make_job(alice)
    assert signed_in(charlie).get(url(job, name)).status_code == 404
    assert client.get(reverse(f"jobs:{name}", args=[uuid4()])).status_code == 404
    assert client.post(url(job, name)).status_code == 405
    assert client.get(url(job, "cancel")).status_code == 405


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(LeaseLost("x"), 303, "this very moment"), (Job.DoesNotExist("x"), 404, "")],
)
def test_a_job_that_changes_or_goes_in_this_moment(
    client, alice, monkeypatch, error, status, words
):
    def too_late(job: Job, **over: Any) -> Job:
        raise error

    monkeypatch.setattr("jobs.views.job.cancel_job", too_late)
    response = client.post(url(make_job(alice), "cancel"))
    assert response.status_code == status
    assert words in "".join(messages(response))
