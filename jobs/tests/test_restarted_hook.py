"""A kind hears when a person tries one of its jobs again, and may refuse."""

from __future__ import annotations

import pytest
from django.contrib.messages import constants, get_messages
from django.db import IntegrityError, OperationalError, transaction
from django.urls import reverse

from jobs.actions.running import drain
from jobs.actions.starting import start_job
from jobs.actions.stopping import NotNow, cancel_job, retry_job
from jobs.models import Job, JobEvent
from jobs.tests.ending import breaks_a_rule, deadlock
from jobs.tests.engine import QUEUE, reread, steps_of, told
from jobs.tests.test_running import effect, effects, fails_late
from l1walk.tests.test_concurrency import at_once
from tests.conftest import signed_in
from workflows.core.errors import UserFixable

pytestmark = pytest.mark.django_db
WORDS = "The report was canceled. Ask for a new one."


@pytest.fixture
def failed(kind, alice):
    """Return a job that failed, of a kind with this hook."""

    def make(restarted, **options):
        work = fails_late(UserFixable("No."))
        type = kind(work, steps=("one", "two"), restarted=restarted)
        job = start_job(type, None, by=alice, **options)
        drain(QUEUE)
        return reread(job)

    return make


class Heard:
    """A hook that notes its jobs, leaves an effect, and raises what it was told to."""

    def __init__(self, error=None):
        self.error = error
        self.jobs = []

    def __call__(self, job):
        assert reread(job).status == "queued"
        assert steps_of(job) == ["queued", "queued"]
        self.jobs.append(job)
        effect(f"kit {len(self.jobs)}")
        if self.error:
            raise self.error


def test_it_hears_of_the_new_job_once(failed, mona):
    heard = Heard()
    job = failed(heard)
    assert heard.jobs == []
    again = retry_job(job, by=mona)
    assert heard.jobs == [again]
    assert (heard.jobs[0].retry_of, heard.jobs[0].created_by) == (job, mona)
    assert retry_job(job, by=mona) == again
    assert (len(heard.jobs), effects()) == (1, [("kit 1",)])


def test_what_was_canceled_is_heard_of_as_well(kind, alice, mona):
    heard = Heard()
    job = start_job(kind(steps=("one", "two"), restarted=heard), None, by=alice)
    again = retry_job(cancel_job(job, by=alice), by=mona)
    assert heard.jobs == [again]


def test_a_job_that_runs_for_the_same_is_not_heard_of(failed, alice, mona):
    heard = Heard()
    job = failed(heard, unique="k")
    start_job(job.type, None, by=alice, unique="k")
    assert not retry_job(job, by=mona).is_new
    assert heard.jobs == []


def test_a_kind_that_refuses_makes_no_job(
    failed, mona, broker, django_capture_on_commit_callbacks
):
    heard = Heard(NotNow(WORDS))
    job = failed(heard)
    events, history = JobEvent.objects.count(), told(job)
    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(NotNow, match="Ask for a new one"),
    ):
        retry_job(job, by=mona)
    assert Job.objects.get() == job
    assert (JobEvent.objects.count(), told(job)) == (events, history)
    assert (effects(), broker.rung()) == ([], 0)
    heard.error = None
    assert retry_job(job, by=mona).is_new


@pytest.mark.parametrize(
    "error", [ValueError("a slip"), OperationalError("gone"), "a rule of the database"]
)
def test_a_hook_that_fails_makes_no_job(failed, mona, error):
    def restarted(job):
        effect("kit")
        raise error if isinstance(error, Exception) else breaks_a_rule()

    job = failed(restarted)
    expected = type(error) if isinstance(error, Exception) else IntegrityError
    with pytest.raises(expected):
        retry_job(job, by=mona)
    assert Job.objects.get() == job
    assert effects() == []


def test_a_rollback_takes_back_both(failed, mona):
    def roll_back():
        with transaction.atomic():
            retry_job(job, by=mona)
            raise ZeroDivisionError

    job = failed(Heard())
    with pytest.raises(ZeroDivisionError):
        roll_back()
    assert Job.objects.get() == job
    assert effects() == []


def test_who_meets_a_deadlock_is_told_to_look_again(failed, mona):
    job = failed(Heard(deadlock()))
    with pytest.raises(NotNow, match="Look at it again"):
        retry_job(job, by=mona)
    assert Job.objects.get() == job
    assert effects() == []


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_heard_of(failed, alice):
    heard = Heard()
    job = failed(heard)
    made = at_once([lambda: retry_job(job, by=alice)] * 4)
    assert len({again.pk for again in made}) == 1
    assert effects() == [("kit 1",)]


# --- what people are told -------------------------------------------------------------
@pytest.fixture
def refused(failed):
    return failed(Heard(NotNow(WORDS)))


def test_the_page_says_why(refused, alice):
    client = signed_in(alice)
    response = client.post(reverse("jobs:retry", args=[refused.pk]))
    assert (response.status_code, response.url) == (303, refused.get_absolute_url())
    [message] = get_messages(response.wsgi_request)
    assert (message.level, str(message)) == (constants.WARNING, WORDS)
    assert WORDS in client.get(response.url).text
    assert Job.objects.get() == refused


def test_scripts_are_told_why(refused, alice):
    response = signed_in(alice).post(reverse("jobs:api_retry", args=[refused.pk]))
    assert response.status_code == 409
    assert response.json() == {"error": "conflict", "message": WORDS}
    assert Job.objects.get() == refused


def test_the_admin_says_why(refused, mona):
    data = {"action": "try_again", "_selected_action": [refused.pk]}
    path = reverse("admin:jobs_job_changelist")
    response = signed_in(mona).post(path, data)
    assert response.status_code == 302
    [message] = get_messages(response.wsgi_request)
    assert message.level == constants.WARNING
    assert str(message) == f"{refused}: {WORDS}"
    assert Job.objects.get() == refused
