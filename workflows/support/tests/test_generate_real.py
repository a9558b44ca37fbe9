"""The real sos by real jobs: on this machine, over ssh, and as a user with one rule."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import Thread

import pytest

from jobs.actions.run import CANCELED
from jobs.actions.running import execute
from jobs.models import Job
from jobs.tests.engine import make_due, outcomes, take_one
from tests.services import free_port
from workflows.support.actions import archives
from workflows.support.actions.cases import go_on_to_jira
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.actions.reporting import (
    FETCH,
    prerequisites,
    running_job,
)
from workflows.support.collecting.options import ReportOptions
from workflows.support.models import Artifact, Host
from workflows.support.tests.conftest import until
from workflows.support.tests.make import (
    HOST_KEY,
    ask,
    failure,
    finish,
    make_case,
    make_host,
    report_of,
    reread,
)
from workflows.support.tests.test_collecting_ssh import (  # noqa: F401
    cut,
    own_server,
    server,
)
from workflows.support.tests.test_wrapper_real import (  # noqa: F401
    PLACES,
    SHIPPED,
    USER,
    nothing_left,
    user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
QUICK = ReportOptions(only=("host", "login", "networking"), label="quick")
QUEUE = "support"


def over_ssh(account, server, **values):  # noqa: F811
    """Return the host that listens there."""
    given = {
        "address": server.address,
        "port": server.port,
        "username": "root",
        "host_key": server.host_key,
        "private_key": server.private_key,
    }
    return make_host(account, **given | values)


def members():
    return [entry.name for entry in archives.listing(Artifact.objects.get()).entries]


# --- the whole way --------------------------------------------------------------------
def test_a_real_report_gets_from_a_host_to_a_case(alice, install, record_property):
    copy = install(None)
    case = make_case(alice)
    assert prerequisites(case).problems == ()
    assert prerequisites(case).sos_version[0] == "4"
    job = ask(case, options=QUICK)
    assert running_job(case.pk) == job
    run, shown = take_one(queue=QUEUE), []
    progress = run.progress
    run.progress = lambda *now: (shown.append(now), progress(*now))
    execute(run)
    assert {total for _done, total, phase in shown if phase == "Collecting"} == {3}
    fetch = running_job(case.pk)
    assert fetch.type == FETCH
    assert finish(fetch).status == "succeeded"
    assert running_job(case.pk) is None
    assert list(Job.objects.filter(subject_id=case.pk).order_by("-id")) == [fetch, job]
    assert "-quick-" in Artifact.objects.get().filename
    assert any("sos_commands/host" in name for name in members())
    assert copy.clean()
    go_on_to_jira(case, by=alice)
    assert reread(case).current_step == "jira_attach"


def test_masked_names_stay_masked(alice, install):
    install(None)
    finish(ask(make_case(alice), options=ReportOptions(only=QUICK.only, clean=True)))
    assert "obfuscated" in Artifact.objects.get().filename
    assert not any("private_map" in name for name in members())


def test_a_plugin_that_sos_does_not_have_is_named(alice, install):
    copy = install(None)
    case = make_case(alice)
    finish(ask(case, options=ReportOptions(only=("host", "no-such-plugin"))))
    assert failure(case)[1] == "validation_error"
    assert "plugin that sos does not have" in failure(case)[2]
    assert copy.clean()


def test_a_real_report_that_is_canceled_leaves_nothing(alice, install):
    copy = install(None)
    case = make_case(alice)
    job = ask(case, options=ReportOptions())
    run = take_one(queue=QUEUE)
    progress = run.progress

    def show(done, total, phase):
        if total:
            run.tell(CANCELED)
        progress(done, total, phase)

    run.progress = show
    execute(run)
    assert Job.objects.get(pk=job.pk).status == "canceled"
    assert failure(case)[:2] == ("sos_report", "canceled")
    assert copy.clean()


# --- over ssh -------------------------------------------------------------------------
def test_a_report_comes_over_ssh(alice, account, server, install):  # noqa: F811
    copy = install(None)
    case = make_case(alice, host=over_ssh(account, server))
    assert prerequisites(case).problems == ()
    assert finish(ask(case, options=QUICK)).status == "succeeded"
    assert reread(case).sosreport.fetch_status == "succeeded"
    assert any("sos_commands/host" in name for name in members())
    assert copy.clean()


def test_a_cancel_reaches_the_other_side(alice, account, server, install):  # noqa: F811
    copy = install("endless")
    case = make_case(alice, host=over_ssh(account, server))
    ask(case, options=QUICK)
    run = take_one(queue=QUEUE)
    thread = Thread(target=lambda: (until(copy.under_way), run.tell(CANCELED)))
    thread.start()
    execute(run)
    thread.join()
    assert failure(case)[1] == "canceled"
    assert copy.clean()


def test_a_fetch_over_ssh_that_is_canceled_leaves_nothing(
    alice,
    account,
    server,  # noqa: F811
    install,
):
    copy = install("big")
    case = make_case(alice, host=over_ssh(account, server))
    ask(case, options=QUICK)
    execute(take_one(queue=QUEUE))
    run = take_one(queue=QUEUE)
    progress = run.progress

    def show(done, total, phase):
        if done:
            run.tell(CANCELED)
        progress(done, total, phase)

    run.progress = show
    execute(run)
    assert failure(case)[1] == "canceled"
    assert not archives.arriving()
    assert not Artifact.objects.exists()
    assert copy.folder(report_of(case).fetch_reference).exists()
    assert finish(fetch_sosreport(case, by=alice)).status == "succeeded"
    assert copy.clean()


def test_a_lost_connection_is_a_delay(alice, account, own_server, install):  # noqa: F811
    copy = install("endless")
    case = make_case(alice, host=over_ssh(account, own_server))
    job = ask(case, options=QUICK)
    run = take_one(queue=QUEUE)
    thread = Thread(target=lambda: (until(copy.under_way), cut(own_server)))
    thread.start()
    execute(run)
    thread.join()
    assert until(copy.clean)
    assert Job.objects.get(pk=job.pk).status == "queued"
    assert outcomes(job) == ["failed"]
    assert reread(case).current_step == "sos_report"
    install("good")
    make_due(job)
    assert finish(job).status == "succeeded"
    assert Artifact.objects.count() == 1


def test_another_key_of_the_host_is_not_trusted(alice, account, server):  # noqa: F811
    host = over_ssh(account, server, host_key=HOST_KEY)
    case = make_case(alice, host=host)
    job = finish(ask(case, options=QUICK))
    assert (job.status, job.attempt) == ("failed", 1)
    assert failure(case)[:2] == ("sos_report", "host_key_changed")
    assert [p.code for p in prerequisites(case).problems] == ["host_key_changed"]


def test_a_fetch_waits_for_a_host_that_is_away(alice, account, server, install):  # noqa: F811
    install("good")
    case = make_case(alice, host=over_ssh(account, server))
    ask(case, options=QUICK)
    execute(take_one(queue=QUEUE))
    Host.objects.update(port=free_port())
    job = Job.objects.get(subject_id=case.pk, type=FETCH)
    for _ in range(4):
        job = finish(job)
        make_due(job)
    assert outcomes(job) == ["failed"] * 4
    assert failure(case)[:2] == ("sos_report", "host_unreachable")
    Host.objects.update(port=server.port)
    assert finish(fetch_sosreport(case, by=alice)).status == "succeeded"


# --- a user who has nothing but the rule for sudo -------------------------------------
def test_who_may_not_is_told_what_to_have_installed(
    alice,
    account,
    server,  # noqa: F811
    user,  # noqa: F811
):
    case = make_case(alice, host=over_ssh(account, server, username=USER))
    [problem] = prerequisites(case).problems
    assert problem.code == "privilege_required"
    finish(ask(case, options=QUICK))
    assert failure(case) == ("sos_report", "privilege_required", str(problem))
    assert f"install.sh {USER}" in failure(case)[2]
    subprocess.run(["sh", SHIPPED / "install.sh", user], check=True)  # noqa: S603, S607
    assert prerequisites(case).problems == ()
    assert finish(ask(case, options=QUICK)).status == "succeeded"
    assert reread(case).sosreport.fetch_status == "succeeded"
    assert any("sos_commands/host" in name for name in members())
    assert nothing_left()
    job = ask(case, options=ReportOptions())
    run = take_one(queue=QUEUE)
    thread = Thread(target=lambda: (until(at_work), run.tell(CANCELED)))
    thread.start()
    execute(run)
    thread.join()
    assert Job.objects.get(pk=job.pk).status == "canceled"
    assert until(nothing_left)


def at_work():
    return any((folder / "work").exists() for folder in Path(PLACES.spool).iterdir())
