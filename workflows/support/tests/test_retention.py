"""Archives stay for two weeks, cases for three months, and nothing is left behind."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from workflows.core.migrating import taking_along
from workflows.core.moves import Move
from workflows.support import retention
from workflows.support.actions.archives import incoming, listing
from workflows.support.models import (
    Artifact,
    Host,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)
from workflows.support.retention import CHILDREN, kept_until, old_archives, old_cases
from workflows.support.tests.make import (
    jira_of,
    make_archive,
    make_case,
    packed,
    report_of,
    start_attaching,
)
from workflows.support.tests.storages import (  # noqa: F401
    files_in,
    memory,
    own_storage,
    silent,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]


def days(number):
    return timedelta(days=number)


@pytest.fixture
def run(django_capture_on_commit_callbacks):
    """Run one rule of the purge; return how much it says has gone."""

    def purge(rule, *arguments):
        out = StringIO()
        with django_capture_on_commit_callbacks(execute=True):
            call_command("purge", f"--only={rule}", *arguments, stdout=out)
        name, count = out.getvalue().split()[-3:-1]
        assert name == rule
        return int(count.replace(",", ""))

    return purge


def old_archive(case, age, **over):
    """Return an archive of the case that came so long ago."""
    artifact = make_archive(case, **over)
    Artifact.objects.filter(pk=artifact.pk).update(created_at=timezone.now() - age)
    artifact.refresh_from_db()
    return artifact


def old_case(by, age, *, at="sos_report", **over):
    """Return a case that nobody has touched for so long; its archives are gone."""
    case = make_case(by, at=at, **over)
    case.artifacts.update(deleted_at=timezone.now() - age, file="")
    touched(case, age)
    return case


def touched(case, age):
    rows = WorkflowSession.objects.filter(pk=case.pk)
    rows.update(updated_at=timezone.now() - age)


def kept():
    return set(Artifact.objects.filter(deleted_at__isnull=True))


# --- archives -------------------------------------------------------------------------
def test_day_13_stays_and_of_day_15_the_row_alone(alice, storage, run):
    case = make_case(alice)
    old, young = old_archive(case, days(15)), old_archive(case, days(13))
    listing(old)
    assert run("archives") == 1
    assert kept() == {young}
    assert [file.name for file in files_in(storage)] == [young.file.split("/")[-1]]
    row = Artifact.objects.get(pk=old.pk)
    assert (row.file, row.size, row.filename) == ("", old.size, old.filename)
    assert timezone.now() - row.deleted_at < timedelta(minutes=1)
    assert run("archives") == 0


def test_pages_can_say_until_when(alice):
    young = old_archive(make_case(alice), days(13))
    left = kept_until(young) - timezone.now()
    assert timedelta(hours=23) < left < timedelta(hours=25)


def test_a_dry_run_counts_alone(alice, storage, run):
    case = make_case(alice)
    old_archive(case, days(15))
    sent = old_archive(make_case(alice), days(15))
    start_attaching(sent.session)
    before = list(Artifact.objects.order_by("pk").values())
    assert run("archives", "--dry-run") == 1
    assert list(Artifact.objects.order_by("pk").values()) == before
    assert len(files_in(storage)) == 2


def test_another_age_may_be_asked_for(alice, run):
    case = make_case(alice)
    old, young = old_archive(case, days(5)), old_archive(case, days(3))
    assert run("archives", "--older-than=4d") == 1
    assert old
    assert kept() == {young}


def test_what_is_on_its_way_to_jira_goes_when_it_is_there(alice, run):
    case = make_case(alice)
    before, sent = old_archive(case, days(16)), old_archive(case, days(15))
    start_attaching(case)
    assert run("archives") == 1
    assert before
    assert kept() == {sent}
    with JiraAttachmentState.moving(jira_of(case).pk, by=None) as row:
        row.attached("10001", "https://jira.example.com/browse/ABC-1")
    assert run("archives") == 1
    assert kept() == set()


def test_many_go_in_small_batches(alice, storage, run, monkeypatch):
    monkeypatch.setattr(retention, "FILES", 2)
    cases = [make_case(alice) for _ in "ab"]
    old = [old_archive(case, days(15)) for case in cases for _ in range(3)]
    start_attaching(cases[0])
    young = old_archive(cases[0], days(1))
    sent = report_of(cases[0]).artifact
    assert sent == young
    counts = list(old_archives.run(timezone.now() - days(14), False))
    assert counts == [2, 2, 2]
    assert kept() == {young}
    assert len(old) == 6


@pytest.mark.usefixtures("away")
def test_a_storage_that_is_away_is_asked_again(alice, run):
    case = make_case(alice)
    values = {"filename": "sosreport-a.tar", "size": 1, "sha256": "0" * 64}
    artifact = Artifact.objects.create(
        account=case.account, session=case, origin="uploaded", file="x", **values
    )
    Artifact.objects.update(created_at=timezone.now() - days(15))
    assert run("archives") == 1
    artifact.refresh_from_db()
    assert artifact.file == ""


# --- cases ----------------------------------------------------------------------------
STEPS = ["select_product", "sos_report", "jira_attach", "completed", "failed"]


@pytest.mark.parametrize("at", STEPS)
def test_day_89_stays_and_day_91_goes_with_all_that_belongs_to_it(alice, run, at):
    young, old = old_case(alice, days(89), at=at), old_case(alice, days(91), at=at)
    make_archive(young)
    touched(young, days(89))
    report, jira = report_of(old), jira_of(old)
    moves = Move.objects.count()
    assert run("cases", "--dry-run") == 1
    assert WorkflowSession.objects.count() == 2
    assert run("cases") == 1
    assert list(WorkflowSession.objects.all()) == [young]
    for model, _column in CHILDREN:
        assert set(model.objects.values_list("session_id", flat=True)) == {young.pk}
    assert Move.objects.count() == moves
    for subject in (old, report, jira):
        assert subject.moves().exists()
    assert Host.objects.exists() is (at != "select_product")
    assert run("cases") == 0


def test_as_long_as_an_archive_is_there_so_is_its_case(alice, run):
    case = make_case(alice)
    make_archive(case)
    touched(case, days(91))
    assert run("cases") == 0
    Artifact.objects.update(deleted_at=timezone.now(), file="")
    assert run("cases") == 1


def test_what_runs_is_never_old(alice, run):
    cases = [old_case(alice, days(91)) for _ in range(3)]
    generating, fetching, attaching = cases
    for case in (generating, fetching):
        with SosReportState.moving(report_of(case).pk, by=None) as report:
            report.consented_by, report.consented_at = alice, timezone.now()
            report.generate()
            if case == fetching:
                report.generated(uuid4().hex, "sosreport-a.tar", 1, "0" * 64)
                report.fetch()
    start_attaching(attaching)
    assert run("cases") == 0
    for case in (generating, fetching):
        with SosReportState.moving(report_of(case).pk, by=None) as report:
            (report.not_fetched if case == fetching else report.not_generated)()
    with JiraAttachmentState.moving(jira_of(attaching).pk, by=None) as jira:
        jira.not_attached()
    assert run("cases") == 3


def test_what_was_just_touched_stays_whatever_age_is_asked_for(alice, run):
    old_case(alice, timedelta(minutes=5))
    assert run("cases", "--older-than=0d") == 0
    old_case(alice, timedelta(hours=2))
    assert run("cases", "--older-than=0d") == 1


def test_archives_and_cases_go_in_one_night(alice, storage, run):
    case = make_case(alice, at="completed")
    Artifact.objects.update(created_at=timezone.now() - days(91))
    touched(case, days(91))
    run("archives")
    assert run("cases") == 1
    assert Artifact.objects.count() == len(files_in(storage)) == 0


# A schema editor that is not entered writes into the test's own transaction.
def test_what_belongs_to_a_case_goes_along(alice):
    if connection.vendor != "postgresql":
        return  # there the purge takes the children first
    editor = connection.schema_editor()
    for model, column in CHILDREN:
        operation = taking_along(model._meta.db_table, column)
        operation.reverse_code(apps, editor)
        operation.code(apps, editor)
    old_case(alice, days(91), at="completed")
    with CaptureQueriesContext(connection) as seen:
        assert sum(old_cases.run(timezone.now() - days(90), False)) == 1
    deleted = [q["sql"] for q in seen if q["sql"].startswith("DELETE")]
    assert len(deleted) == 1
    assert not any(model.objects.exists() for model, _column in CHILDREN)


# --- left over ------------------------------------------------------------------------
def put(storage, case, age, name="stray"):
    """Put a file beside the case's archives, which nobody ever noted."""
    path = storage / "support" / str(case.pk) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    made_old(path, age)
    return path


def made_old(path, age):
    os.utime(path, (time.time() - age.total_seconds(),) * 2)


def test_files_that_no_archive_names_go_after_a_day(alice, storage, run):
    case, other = make_case(alice), make_case(alice)
    artifact = make_archive(case)
    named = storage / artifact.file
    made_old(named, days(3))
    old, young = put(storage, case, days(2)), put(storage, case, days(0.9), "young")
    theirs = put(storage, other, days(2))
    assert run("leftovers", "--dry-run") == 2
    assert old.exists()
    assert run("leftovers") == 2
    assert {named, young} == set(files_in(storage))
    assert not theirs.exists()
    assert run("leftovers", "--older-than=0d") == 0
    assert young.exists()


def test_what_a_crash_left_between_row_and_file_goes(alice, storage, run):
    artifact = make_archive(make_case(alice))
    made_old(storage / artifact.file, days(2))
    Artifact.objects.update(deleted_at=timezone.now(), file="")
    assert run("leftovers") == 1
    assert files_in(storage) == []


def test_folders_go_with_their_case(alice, storage, run):
    gone, there, busy = (make_case(alice) for _ in range(3))
    for case in (gone, there):
        put(storage, case, days(2))
    put(storage, busy, days(0.5))
    for case in (gone, busy):
        touched(case, days(91))
    run("cases")
    (storage / "support" / "not-ours").mkdir()
    assert run("leftovers") == 2
    left = {path.name for path in (storage / "support").iterdir()}
    assert left == {str(there.pk), str(busy.pk), "not-ours"}


def test_parts_of_what_never_arrived_go_after_a_day(run):
    incoming().mkdir()
    old, young = incoming() / "a.1.part", incoming() / "b.1.part"
    for path, age in ((old, days(2)), (young, days(0.5))):
        path.touch()
        made_old(path, age)
    assert run("leftovers", "--dry-run") == 1
    assert old.exists()
    assert run("leftovers") == 1
    assert files_in(incoming()) == [young]


def test_another_purge_may_be_faster(alice, storage, run, monkeypatch):
    case = make_case(alice)
    put(storage, case, days(2))
    real = FileSystemStorage.listdir

    def and_what_is_gone(self, folder):
        folders, names = real(self, folder)
        return [*folders, *([str(uuid4())] if folders else [])], [*names, "gone"]

    monkeypatch.setattr(FileSystemStorage, "listdir", and_what_is_gone)
    assert run("leftovers") == 1
    assert files_in(storage) == []


@pytest.mark.usefixtures("in_memory")
def test_a_storage_without_paths_is_swept_too(alice, run, monkeypatch):
    monkeypatch.setattr(retention, "UNNAMED_FOR", timedelta(0))
    monkeypatch.setattr(retention, "FOLDERS", 1)
    case, gone = make_case(alice), make_case(alice)
    artifact = make_archive(case)
    for each in (case, gone):
        default_storage.save(f"support/{each.pk}/stray", ContentFile(b"x"))
    touched(gone, days(91))
    run("cases")
    assert run("leftovers", "--older-than=0d") == 2
    assert default_storage.listdir("support")[0] == [str(case.pk)]
    with default_storage.open(artifact.file) as file:
        assert file.read() == packed()


def test_nothing_was_ever_stored(run):
    assert run("leftovers") == 0
