"""An archive comes from its host into the storage, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from django_fsm import TransitionNotAllowed

from jobs.actions.reaping import reap
from jobs.actions.run import CANCELED, TIMED_OUT
from jobs.actions.running import execute
from jobs.actions.stopping import NotNow, cancel_job, retry_job
from jobs.models import Job
from jobs.tests.engine import change, expire, make_due, outcomes, take_one
from tests.conftest import signed_in
from workflows.support.actions import archives
from workflows.support.actions.cases import fail_case, go_back, go_on_to_jira
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.actions.reporting import FETCH
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import (
    ArchiveNotFound,
    CopyFailed,
    FetchCanceled,
    FetchTimedOut,
    NoRoomHere,
)
from workflows.support.models import Artifact, SosReportState
from workflows.support.problems import MissingFetchReference, ProductFirst
from workflows.support.tests.make import (
    ask,
    failure,
    finish,
    make_archive,
    make_case,
    report_of,
    reread,
    states,
)
from workflows.support.tests.pages import opened, text

pytestmark = pytest.mark.django_db
QUEUE = "support"


@pytest.fixture
def case(alice):
    return make_case(alice)


@pytest.fixture
def copy(install):
    return install("big")


def made(case, options=None):
    """Have the report made; return the fetch that is queued then."""
    ask(case, options=options)
    execute(take_one(queue=QUEUE))
    return Job.objects.get(subject_id=case.pk, type=FETCH)


def fetched_after(run, act):
    """Run it, and do something when the first bytes have arrived."""
    progress, acted = run.progress, []

    def show(done, total, words):
        progress(done, total, words)
        if done and not acted:
            acted.append(act())

    run.progress = show
    execute(run)
    assert acted


def waits_on(copy, case):
    """Is the archive still on its host?"""
    return copy.folder(report_of(case).fetch_reference).exists()


def arrived():
    return [path.name for path in archives.arriving()]


def stored_files(case):
    try:
        return default_storage.listdir(f"support/{case.pk}")[1]
    except FileNotFoundError:
        return []


def nothing_here(case):
    return not (Artifact.objects.exists() or arrived() or stored_files(case))


# --- it arrives -----------------------------------------------------------------------
def test_an_archive_is_fetched_and_removed_from_its_host(case, alice, copy):
    job = made(case)
    promised = report_of(case)
    run, shown = take_one(queue=QUEUE), []
    progress = run.progress
    run.progress = lambda *now: (shown.append(now), progress(*now))
    execute(run)
    assert Job.objects.get(pk=job.pk).status == "succeeded"
    assert states(case) == ("sos_report", "succeeded", "succeeded")
    report, archive = report_of(case), Artifact.objects.get()
    assert (report.artifact, report.run_id) == (archive, "")
    assert report.fetch_reference == promised.fetch_reference
    assert (archive.session, archive.account) == (case, case.account)
    assert (archive.origin, archive.created_by) == ("collected", alice)
    assert archive.filename == "sosreport-x.tar"
    with default_storage.open(archive.file) as file:
        content = file.read()
    assert archive.size == len(content) == promised.archive_size
    assert archive.sha256 == hashlib.sha256(content).hexdigest()
    assert archive.sha256 == promised.archive_sha256
    assert copy.clean()
    assert not arrived()
    assert shown[0] == (0, 3, "Fetching the archive (MiB)")
    assert shown[-1] == (3, 3, "Fetching the archive (MiB)")
    go_on_to_jira(case, by=alice)


def test_sos_was_given_what_was_agreed_to(case, install):
    install("good")
    made(case, ReportOptions(only=("host",), log_size=7, case_id="C_1"))
    execute(take_one(queue=QUEUE))
    with (
        archives.open_archive(Artifact.objects.get()) as file,
        tarfile.open(fileobj=file) as tar,
    ):
        arguments = tar.extractfile("in/arguments").read().decode().split()
    assert {"--only-plugins=host", "--log-size=7", "--case-id=C_1"} <= set(arguments)
    assert "--clean" not in arguments


def test_a_host_that_keeps_its_copy_keeps_nobody(case, copy):
    made(case)
    fetched_after(
        take_one(queue=QUEUE), lambda: Path(copy.wrapper).rename(f"{copy.wrapper}.old")
    )
    assert states(case) == ("sos_report", "succeeded", "succeeded")
    assert waits_on(copy, case)


def test_what_is_left_of_others_goes_in_a_day(case, copy):
    job = made(case)
    archives.incoming().mkdir(exist_ok=True)
    names = [f"{job.pk}.0.part", "other.1.part", "forgotten.1.part"]
    for name in names:
        (archives.incoming() / name).write_text("x")
    old = time.time() - 25 * 3600
    os.utime(archives.incoming() / "forgotten.1.part", (old, old))
    execute(take_one(queue=QUEUE))
    assert states(case)[2] == "succeeded"
    assert arrived() == ["other.1.part"]
    (archives.incoming() / "other.1.part").unlink()


def test_what_was_refused_meanwhile_is_not_said_any_more(case, alice, copy):
    ask(case)
    with pytest.raises(MissingFetchReference):
        fetch_sosreport(case, by=alice)
    execute(take_one(queue=QUEUE))
    execute(take_one(queue=QUEUE))
    assert states(case) == ("sos_report", "succeeded", "succeeded")
    assert reread(case).last_error_code == ""


def test_an_archive_of_a_failed_case_is_kept(case, alice, copy):
    made(case)
    fail_case(case.pk, "timeout", "It took too long.")
    execute(take_one(queue=QUEUE))
    assert states(case) == ("failed", "succeeded", "succeeded")
    assert failure(case)[1] == "timeout"
    go_on_to_jira(case, by=alice)


# --- it does not ----------------------------------------------------------------------
def test_an_archive_that_is_too_large_stays_where_it_is(case, copy, settings):
    made(case)
    settings.SUPPORT_LARGEST_MIB = 2
    finish(Job.objects.get(type=FETCH))
    step, code, text = failure(case)
    assert (step, code) == ("sos_report", "artifact_too_large")
    assert "2.9\xa0MB" in text
    assert "2.0\xa0MB" in text
    assert "fewer plugins or smaller logs" in text
    assert nothing_here(case)


def test_sizes_that_look_alike_are_told_exactly(case, copy, settings):
    made(case)
    size = 2 * 1024**2 + 1
    SosReportState.objects.update(archive_size=size)
    settings.SUPPORT_LARGEST_MIB = 2
    finish(Job.objects.get(type=FETCH))
    assert f"{size:,} bytes" in failure(case)[2]


def test_a_full_disk_of_ours_is_told_from_the_hosts(case, copy, settings, small_disk):
    job = made(case)
    settings.DATA_DIR = small_disk
    job = finish(job)
    assert (job.status, job.attempt) == ("failed", 1)
    assert failure(case) == ("sos_report", "disk_full", str(NoRoomHere()))
    assert "Handrail's own disk" in failure(case)[2]
    assert nothing_here(case)
    assert waits_on(copy, case)


def test_an_archive_that_is_gone_is_generated_again(case, alice, copy):
    job = made(case)
    shutil.rmtree(copy.folder(report_of(case).fetch_reference))
    finish(job)
    assert failure(case)[1:] == ("archive_not_found", str(ArchiveNotFound()))
    assert nothing_here(case)
    assert states(case) == ("failed", "succeeded", "pending")
    assert report_of(case).fetch_reference == ""
    page = text(opened(signed_in(alice), case))
    assert "Generate the report" in page
    assert not any(words in page for words in ("waits on the host", "Fetch again"))
    with pytest.raises(NotNow, match="moved on"):
        retry_job(Job.objects.get(pk=job.pk), by=alice)
    with pytest.raises(MissingFetchReference):
        fetch_sosreport(case, by=alice)
    assert finish(ask(case)).status == "succeeded"
    assert states(case) == ("sos_report", "succeeded", "succeeded")


def test_an_archive_that_changes_on_the_way_is_asked_for_again(case, copy):
    job = made(case)
    [path] = (copy.folder(report_of(case).fetch_reference) / "archive").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    job = finish(job)
    assert (job.status, job.attempt) == ("queued", 1)
    assert states(case) == ("sos_report", "succeeded", "running")
    assert nothing_here(case)
    path.write_bytes(content)
    make_due(job)
    assert finish(job).status == "succeeded"
    assert Artifact.objects.get().sha256 == hashlib.sha256(content).hexdigest()


def test_after_four_attempts_people_are_asked(case, copy):
    job = made(case)
    [path] = (copy.folder(report_of(case).fetch_reference) / "archive").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for _ in range(4):
        job = finish(job)
        make_due(job)
    assert outcomes(job) == ["failed"] * 4
    assert failure(case) == ("sos_report", "copy_failed", str(CopyFailed()))
    assert failure(case)[2].endswith("Fetch it again if it does not arrive by itself.")
    assert states(case) == ("failed", "succeeded", "failed")


def test_a_storage_that_takes_nothing_is_asked_again(case, copy):
    job = made(case)
    default_storage.save(f"support/{case.pk}", ContentFile(b"in the way"))
    job = finish(job)
    assert (job.status, job.attempt) == ("queued", 1)
    assert not Artifact.objects.exists()
    assert not arrived()
    default_storage.delete(f"support/{case.pk}")
    make_due(job)
    assert finish(job).status == "succeeded"


def test_whoever_has_lost_the_job_stores_nothing(case, copy):
    job = made(case)
    run = take_one(queue=QUEUE)
    run.progress = lambda *now: change(job, worker="another")
    execute(run)
    assert states(case) == ("sos_report", "succeeded", "running")
    assert nothing_here(case)
    assert waits_on(copy, case)


# --- stopped --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("why", "status", "problem"),
    [(CANCELED, "canceled", FetchCanceled), (TIMED_OUT, "failed", FetchTimedOut)],
)
def test_a_fetch_that_is_stopped_leaves_nothing(case, copy, why, status, problem):
    job = made(case)
    run = take_one(queue=QUEUE)
    fetched_after(run, lambda: run.tell(why))
    assert Job.objects.get(pk=job.pk).status == status
    assert failure(case) == ("sos_report", problem.code, str(problem()))
    assert nothing_here(case)
    assert waits_on(copy, case)


def test_a_fetch_is_canceled_before_it_begins(case, alice, copy):
    cancel_job(made(case), by=alice)
    assert failure(case)[1] == "canceled"
    assert states(case) == ("failed", "succeeded", "failed")
    job = fetch_sosreport(case, by=alice)
    assert finish(job).status == "succeeded"
    assert states(case) == ("sos_report", "succeeded", "succeeded")
    assert copy.clean()


def test_what_a_killed_worker_has_left_goes_with_its_job(
    case, alice, copy, django_capture_on_commit_callbacks
):
    job = made(case)
    take_one(queue=QUEUE)  # and that was the last of it
    archives.incoming().mkdir(exist_ok=True)
    other = archives.incoming() / "other.1.part"
    for path in (archives.incoming() / f"{job.pk}.1.part", other):
        path.write_text("x")
    cancel_job(job, by=alice)
    expire(job)
    with django_capture_on_commit_callbacks(execute=True):
        reap()
    assert failure(case)[1] == "canceled"
    assert arrived() == [other.name]
    other.unlink()


# --- asked for again ------------------------------------------------------------------
def test_there_has_to_be_something_to_fetch(case, alice):
    for at in ("select_product", "sos_report"):
        case = make_case(alice, at=at)
        with pytest.raises(MissingFetchReference):
            fetch_sosreport(case, by=alice)
        assert reread(case).last_error_code == "missing_fetch_reference"
        assert reread(case).current_step == at
    assert not Job.objects.exists()


def test_a_second_click_finds_the_job_of_the_first(case, alice, egon, copy):
    cancel_job(made(case), by=alice)
    first = fetch_sosreport(case, by=alice)
    assert first.is_new
    assert (first.subject, first.created_by) == (case, alice)
    second = fetch_sosreport(case, by=egon)
    assert (second, second.is_new) == (first, False)
    assert report_of(case).moves().last().actor == alice


def test_what_has_arrived_is_not_fetched_again(case, alice):
    make_archive(case)
    with pytest.raises(TransitionNotAllowed):
        fetch_sosreport(case, by=alice)
    go_on_to_jira(case, by=alice)
    with pytest.raises(TransitionNotAllowed):
        fetch_sosreport(case, by=alice)
    assert not Job.objects.exists()


def test_a_product_comes_first(case, alice, copy):
    cancel_job(made(case), by=alice)
    go_back(case, by=alice, to="select_product")
    with pytest.raises(ProductFirst):
        fetch_sosreport(case, by=alice)
    assert reread(case).last_error_code == "step_gate_select_product"


def test_a_job_that_is_gone_without_a_word_keeps_nobody(case, alice, copy):
    change(made(case), status="canceled", completed_at=timezone.now())
    job = fetch_sosreport(case, by=alice)
    assert job.is_new
    assert finish(job).status == "succeeded"


def test_a_job_that_is_tried_again_takes_its_case_along(case, alice, egon, copy):
    old = made(case)
    cancel_job(old, by=alice)
    job = retry_job(Job.objects.get(pk=old.pk), by=egon)
    assert states(case) == ("sos_report", "succeeded", "running")
    assert report_of(case).moves().last().actor == egon
    assert finish(job).status == "succeeded"
    assert states(case) == ("sos_report", "succeeded", "succeeded")


def test_a_job_whose_case_has_moved_on_is_not_tried_again(case, alice, copy):
    old = made(case)
    cancel_job(old, by=alice)
    old = Job.objects.get(pk=old.pk)
    ask(case)
    before = states(case)
    with pytest.raises(NotNow, match="moved on"):
        retry_job(old, by=alice)
    assert states(case) == before
