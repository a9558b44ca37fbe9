"""Jobs for scripts: the seed's names, and refusals that a script can read."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from jobs.models import Job
from jobs.tests.engine import reread, take_one
from jobs.tests.make import BROKEN, STEPS, begin, done, make_job, register_kinds
from tests.conftest import BACKEND, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds(kind):
    register_kinds()


@pytest.fixture
def client(alice) -> Client:
    return signed_in(alice)


def url(name: str, job: Job | None = None) -> str:
    return reverse(f"jobs:api_{name}", args=[job.pk] if job else [])


def refused(response: Any, status: int, error: str) -> str:
    """Assert that it is a refusal in JSON; return its message."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    said = response.json()
    assert set(said) == {"error", "message"}
    assert said["error"] == error
    assert said["message"]
    return str(said["message"])


def test_a_job_in_the_names_of_the_seed(client, alice):
    parent = begin(make_job(alice))
    job = done(alice, STEPS, metadata={"fullResync": True}, parent=parent)
    found = client.get(url("job", job)).json()
    assert found["id"] == str(job.pk)
    assert found["budgetId"] is None
    assert found["type"] == STEPS
    assert found["status"] == "succeeded"
    assert parse_datetime(found["createdAt"]) == job.created_at
    assert parse_datetime(found["startedAt"]) == job.started_at
    assert parse_datetime(found["completedAt"]) == job.completed_at
    assert found["failureReason"] is None
    assert found["parentJobId"] == str(parent.pk)
    assert found["metadata"] == {"fullResync": True}
    assert found["result"] == {"fetch_pages": "ok", "sync": "ok"}
    assert found["progress"] == {"done": 0, "total": None, "phase": ""}
    first = found["steps"][0]
    assert set(first) == {
        "id", "jobId", "stepType", "status", "position", "startedAt", "completedAt",
        "failureReason",
    }  # fmt: skip
    assert [step["stepType"] for step in found["steps"]] == ["fetch_pages", "sync"]
    assert [step["position"] for step in found["steps"]] == [1, 2]
    event = found["events"][0]
    assert {"id", "jobId", "status", "message", "createdAt"} <= set(event)
    assert len(found["events"]) == job.events.count()
    (attempt,) = found["attempts"]
    assert attempt["outcome"] == "succeeded"
    assert "traceback" not in attempt


def test_no_traceback_leaves_even_for_staff(mona, alice):
    job = done(alice, BROKEN)
    response = signed_in(mona).get(url("job", job))
    assert "Traceback" not in response.text
    found = response.json()
    assert found["failureReason"] == "The password is wrong."
    assert found["attempts"][0]["category"] == "user_fixable"


def test_the_list_has_the_filters_of_the_page_and_goes_on(client, alice, egon):
    jobs = [make_job(alice) for _ in range(52)]
    make_job(egon)
    first = client.get(url("jobs"), {"who": "me"}).json()
    assert [row["id"] for row in first["jobs"]] == [str(j.pk) for j in jobs[:1:-1]]
    rest = client.get(first["next"]).json()
    assert [row["id"] for row in rest["jobs"]] == [str(j.pk) for j in jobs[1::-1]]
    assert rest["next"] is None
    done(alice, BROKEN)
    failed = client.get(url("jobs"), {"status": "failed", "kind": BROKEN}).json()
    assert [row["status"] for row in failed["jobs"]] == ["failed"]


def test_a_filter_that_makes_no_sense_is_refused(client, alice):
    response = client.get(url("jobs"), {"status": "done", "subject": "x"})
    message = refused(response, 400, "bad_request")
    assert "status:" in message
    assert "subject:" in message


def test_events_go_on_where_a_reader_has_stopped(client, alice):
    make_job(alice)
    run = take_one()
    first = client.get(url("events", run.job)).json()
    assert [event["status"] for event in first["events"]] == ["queued", "running"]
    assert client.get(first["nextEvents"]).json() == {
        "status": "running",
        "events": [],
        "nextEvents": first["nextEvents"],
    }
    run.note("Half of it")
    found = client.get(first["nextEvents"]).json()
    assert [event["message"] for event in found["events"]] == ["Half of it"]
    assert found["nextEvents"] != first["nextEvents"]


@pytest.mark.parametrize("after", ["rubbish", "\0"])
def test_an_event_that_cannot_be_read_is_refused(client, alice, after):
    response = client.get(url("events", make_job(alice)), {"after": after})
    assert "event" in refused(response, 400, "bad_request")


def test_cancel_and_what_is_too_late(client, alice):
    queued = make_job(alice)
    response = client.post(url("cancel", queued))
    assert response.status_code == 200
    assert response.json()["status"] == "canceled"
    running = begin(make_job(alice))
    response = client.post(url("cancel", running))
    assert response.json()["status"] == "running"
    assert response.json()["cancelRequestedAt"]
    assert "ended" in refused(client.post(url("cancel", queued)), 409, "conflict")


def test_try_again_makes_one_new_job_however_often_it_is_asked(client, alice):
    job = done(alice, BROKEN)
    first = client.post(url("retry", job))
    assert first.status_code == 201
    assert first.json()["retryOfId"] == str(job.pk)
    assert first.json()["status"] == "queued"
    second = client.post(url("retry", job))
    assert second.status_code == 200
    assert second.json()["id"] == first.json()["id"]
    assert reread(job).status == "failed"
    good = client.post(url("retry", done(alice)))
    refused(good, 409, "conflict")


GETS, POSTS = ("job", "events"), ("cancel", "retry")


def test_a_stranger_is_told_and_not_sent_to_a_page(alice):
    job = make_job(alice)
    stranger = Client()
    refused(stranger.get(url("jobs")), 401, "unauthorized")
    for name in GETS:
        refused(stranger.get(url(name, job)), 401, "unauthorized")
    for name in POSTS:
        refused(stranger.post(url(name, job)), 401, "unauthorized")


def test_another_accounts_jobs_are_not_there(alice, charlie):
    job, client = make_job(alice), signed_in(charlie)
    assert client.get(url("jobs")).json() == {"jobs": [], "next": None}
    for name in GETS:
        refused(client.get(url(name, job)), 404, "not_found")
    for name in POSTS:
        refused(client.post(url(name, job)), 404, "not_found")
    path = reverse("jobs:api_job", args=[uuid4()])
    refused(client.get(path), 404, "not_found")


def test_only_those_whom_it_concerns(alice, nora):
    job, client = make_job(alice), signed_in(nora)
    assert client.get(url("job", job)).status_code == 200
    for name in POSTS:
        assert "Only who started it" in refused(
            client.post(url(name, job)), 403, "forbidden"
        )


def test_the_wrong_method(client, alice):
    job = make_job(alice)
    for name in GETS:
        response = client.post(url(name, job))
        refused(response, 405, "method_not_allowed")
        assert "GET" in response["Allow"]
    for name in POSTS:
        refused(client.get(url(name, job)), 405, "method_not_allowed")


def test_a_post_without_the_token_changes_nothing(alice):
    job = make_job(alice)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend=BACKEND)
    refused(client.post(url("cancel", job)), 403, "forbidden")
    assert reread(job).status == "queued"
