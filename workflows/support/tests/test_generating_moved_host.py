"""A host that was moved since its case chose it: its key has to be confirmed first."""

from __future__ import annotations

import pytest

from jobs.actions.stopping import NotNow, retry_job
from jobs.models import Job
from jobs.tests.engine import make_due
from tests.conftest import signed_in
from tests.services import free_port
from workflows.support.actions.hosts import change_host, confirm_key
from workflows.support.problems import HostNotReady
from workflows.support.tests.make import (
    HOST_KEY,
    ask,
    failure,
    finish,
    make_case,
    make_host,
    report_of,
)
from workflows.support.tests.pages import send, text

pytestmark = pytest.mark.django_db


def moved(host, by, **over):
    """Have the host at another address, where nobody has confirmed its key yet."""
    now = {name: getattr(host, name) for name in ("name", "port", "username")}
    return change_host(host, by=by, **now | {"address": "192.0.2.77"} | over)


def test_a_host_whose_key_is_to_be_confirmed_makes_no_report(alice, egon, account):
    host = make_host(account)
    case = make_case(alice, host=host)
    moved(host, egon)
    form = {"consent": "on", "mask": "on"}
    response = send(signed_in(alice), case, "report", "generate", **form)
    assert response.status_code == 422
    assert "nobody has confirmed its key. Nothing was started." in text(response)
    assert "private key" not in text(response)
    assert not Job.objects.exists()
    assert failure(case) == ("sos_report", "validation_error", str(HostNotReady()))
    report = report_of(case)
    assert (report.generation_status, report.consented_by) == ("pending", None)
    confirm_key(moved(host, egon), by=egon, host_key=HOST_KEY)
    assert ask(case).is_new


def test_a_job_of_such_a_host_is_not_tried_again(alice, egon, account):
    host = make_host(account, address="127.0.0.1", port=free_port())
    case = make_case(alice, host=host)
    job = finish(ask(case))
    make_due(job)
    job = finish(job)
    assert job.status == "failed"
    moved(host, egon)
    with pytest.raises(NotNow, match="nobody has confirmed its key"):
        retry_job(job, by=alice)
    assert Job.objects.count() == 1


def test_a_host_that_is_moved_while_a_report_waits_is_named(alice, egon, account):
    host = make_host(account)
    case = make_case(alice, host=host)
    job = ask(case)
    moved(host, egon)
    job = finish(job)
    assert (job.status, job.attempt) == ("failed", 1)
    assert failure(case) == ("sos_report", "validation_error", str(HostNotReady()))
