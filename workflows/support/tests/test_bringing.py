"""An archive that somebody brings along is checked, kept whole, and the case's own."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import connections
from django_fsm import TransitionNotAllowed

from workflows.core.moves import Move
from workflows.support.actions.archives import StorageFailed, incoming
from workflows.support.actions.bringing import (
    MadeByItself,
    UploadTooLarge,
    bring_archive,
)
from workflows.support.actions.cases import go_back, go_on_to_jira, select_product
from workflows.support.collecting.problems import NoArchive
from workflows.support.models import Artifact, Host, SosReportState, WorkflowSession
from workflows.support.problems import ProductFirst
from workflows.support.tests.make import (
    ARCHIVE,
    make_archive,
    make_case,
    make_host,
    packed,
    report_of,
    reread,
)
from workflows.support.tests.sending import said
from workflows.support.tests.storages import (  # noqa: F401
    files_in,
    own_storage,
    read,
    silent,
    use_folder,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]
PATIENCE = 30  # seconds


def upload_case(by, **over):
    host = make_host(by.account, transport=Host.Transport.UPLOAD)
    return make_case(by, host=host, **over)


@pytest.fixture
def case(alice):
    return upload_case(alice)


def bring(case, content=None, filename=ARCHIVE, *, by=None, upload=None):
    upload = upload or io.BytesIO(packed() if content is None else content)
    by = by or case.created_by
    return bring_archive(case, by=by, upload=upload, filename=filename)


def assert_nothing_kept(storage):
    assert not Artifact.objects.exists()
    assert files_in(storage) == files_in(incoming()) == []


# --- kept -----------------------------------------------------------------------------
def test_it_is_kept_as_if_it_had_been_fetched(case, egon, storage):
    artifact = bring(case, by=egon)
    assert read(artifact) == packed()
    assert artifact.sha256 == hashlib.sha256(packed()).hexdigest()
    assert (artifact.size, artifact.filename) == (len(packed()), ARCHIVE)
    assert (artifact.origin, artifact.created_by) == ("uploaded", egon)
    assert (artifact.session_id, artifact.account) == (case.pk, case.account)
    report = report_of(case)
    assert (report.generation_status, report.fetch_status) == ("succeeded",) * 2
    assert (report.archive_name, report.archive_size) == (ARCHIVE, len(packed()))
    assert (report.artifact, report.archive_sha256) == (artifact, artifact.sha256)
    assert report.fetch_reference
    assert report.consented_by is None  # nothing was made
    moves = Move.objects.filter(object_id=report.pk, actor=egon).order_by("id")
    assert list(moves.values_list("name", flat=True)) == ["bring", "fetch", "fetched"]
    [file] = files_in(storage)
    assert file.stat().st_mode & 0o777 == 0o600
    assert ARCHIVE not in str(file)
    assert files_in(incoming()) == []


def test_the_case_stays_until_the_person_goes_on(case, alice):
    bring(case)
    assert said(case) == ("sos_report", "", "")
    go_on_to_jira(case, by=alice)
    assert reread(case).current_step == "jira_attach"


def test_uploads_of_each_size_come_as_django_hands_them_over(case):
    content = packed(log=os.urandom(50_000))
    small = SimpleUploadedFile(ARCHIVE, content)
    with TemporaryUploadedFile(ARCHIVE, "", len(content), None) as large:
        large.write(content)
        for upload in (small, large):
            upload.seek(99)  # a form has looked into it
            assert read(bring(case, upload=upload)) == content


def test_after_a_failure_at_the_report_it_helps(alice, storage):
    case = upload_case(alice, at="failed")
    bring(case)
    assert said(case) == ("sos_report", "", "")


def test_a_later_one_replaces_it_and_both_are_kept(case):
    first, same = bring(case), bring(case)
    other = bring(case, packed(b=b"other"))
    assert report_of(case).artifact == other
    kept = Artifact.objects.filter(deleted_at__isnull=True)
    assert list(kept.order_by("id")) == [first, same, other]
    assert read(first) == read(same) == packed()
    assert len({row.file for row in kept}) == 3


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_are_two_archives_of_one_case(case):
    barrier = Barrier(2)

    def one(number):
        try:
            barrier.wait(timeout=PATIENCE)
            return bring(case, packed(a=b"%d" % number))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, range(2)))
    assert report_of(case).artifact in found
    assert [read(artifact) for artifact in found] == [packed(a=b"0"), packed(a=b"1")]


# --- not kept -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"", ARCHIVE),
        (b"\x7fELF, or anything", ARCHIVE),
        (packed(a=os.urandom(9000))[:5000], ARCHIVE),
        (packed(), "holiday.tar.xz"),
        (packed(), "../../etc/sosreport-a.tar.xz"),
        (packed(), "sosreport-/../../a.tar.xz"),
        (packed(), "sosreport-\0.tar.xz"),
        (packed(), f"sosreport-{'a' * 300}.tar.xz"),
        (packed(), ""),
    ],
    ids=["empty", "other", "cut off", *"abcdef"],
)
def test_what_is_no_archive_fails_the_case(case, storage, content, filename):
    with pytest.raises(NoArchive) as failure:
        bring(case, content, filename)
    assert said(case) == ("failed", "sos_report", "validation_error")
    assert reread(case).last_error_text == str(failure.value)
    assert_nothing_kept(storage)
    assert report_of(case).generation_status == "pending"
    bring(case)
    assert said(case) == ("sos_report", "", "")


def test_what_failed_leaves_the_one_before(case, alice):
    before = bring(case)
    with pytest.raises(NoArchive):
        bring(case, b"no archive")
    assert report_of(case).artifact == before
    go_on_to_jira(case, by=alice)


def test_what_is_too_large_is_told_in_sizes(case, settings, storage):
    settings.SUPPORT_LARGEST_MIB = 1
    content = packed(log=os.urandom(1_600_000))
    with pytest.raises(UploadTooLarge) as failure:
        bring(case, content)
    text = str(failure.value).replace("\xa0", " ")
    assert "has 1.5 MB, and Handrail takes at most 1.0 MB." in text
    assert said(case) == ("failed", "sos_report", "artifact_too_large")
    assert_nothing_kept(storage)


def test_as_large_as_may_be_is_not_too_large(case, settings):
    content = packed()
    settings.SUPPORT_LARGEST_MIB = len(content) / 1024**2
    assert bring(case, content).size == len(content)


@pytest.mark.usefixtures("away")
def test_a_storage_that_is_away_is_told(case):
    with pytest.raises(StorageFailed):
        bring(case)
    assert said(case) == ("failed", "sos_report", "copy_failed")
    assert not Artifact.objects.exists()
    assert files_in(incoming()) == []


def test_a_full_disk_is_told_and_not_where_it_is(case, settings, small_disk):
    settings.DATA_DIR = small_disk
    with pytest.raises(StorageFailed) as failure:
        bring(case, packed(log=os.urandom(800_000)))
    told = "".join(traceback.format_exception(failure.value))
    assert "No space" not in told
    assert said(case) == ("failed", "sos_report", "copy_failed")
    assert_nothing_kept(small_disk)


# --- out of order ---------------------------------------------------------------------
def test_a_host_that_makes_its_reports_is_sent_nothing(alice, storage):
    case = make_case(alice)
    with pytest.raises(MadeByItself, match="made on its host"):
        bring(case)
    assert said(case) == ("sos_report", "", "step_gate_select_product")
    assert "Nothing was kept" in reread(case).last_error_text
    assert_nothing_kept(storage)


def test_without_a_product_there_is_nothing_to_bring(alice, storage):
    case = make_case(alice, at="select_product")
    with pytest.raises(ProductFirst):
        bring(case)
    assert said(case) == ("select_product", "", "step_gate_select_product")
    assert_nothing_kept(storage)


def test_back_at_the_product_one_has_to_choose_again(case, alice):
    with WorkflowSession.moving(case.pk, by=alice) as row:
        row.choose_again()
    with pytest.raises(ProductFirst):
        bring(case)


@pytest.mark.parametrize("at", ["jira_attach", "completed"])
def test_past_the_report_it_is_too_late(alice, at):
    case = upload_case(alice, at=at)
    before = report_of(case).artifact
    with pytest.raises(TransitionNotAllowed):
        bring(case, b"no archive either")
    assert report_of(case).artifact == before
    assert said(case) == (at, "", "")


class Meanwhile(io.BytesIO):
    """An upload in the middle of which something happens."""

    def __init__(self, content, happens):
        super().__init__(content)
        self.happens = happens

    def read(self, *args):
        block = super().read(*args)
        if args == (1024**2,) and not block:
            self.happens()
        return block


def test_a_case_that_went_on_meanwhile_stays_as_it_is(case, alice, storage):
    before = bring(case)
    upload = Meanwhile(packed(b=b"late"), lambda: go_on_to_jira(case, by=alice))
    with pytest.raises(TransitionNotAllowed):
        bring(case, upload=upload)
    assert reread(case).current_step == "jira_attach"
    assert list(Artifact.objects.all()) == [before]
    assert len(files_in(storage)) == 1


class BreaksOff(Meanwhile):
    """And then it cannot be read on."""

    def read(self, *args):
        block = super().read(*args)
        if args == (1024**2,) and not block:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return block


def test_a_late_failure_says_nothing_about_a_case_that_went_on(case, alice, storage):
    bring(case)
    upload = BreaksOff(packed(b=b"late"), lambda: go_on_to_jira(case, by=alice))
    with pytest.raises(StorageFailed):
        bring(case, upload=upload)
    assert said(case) == ("jira_attach", "", "")


def test_a_late_failure_says_nothing_about_another_host(case, alice):
    def choose():
        go_back(case, by=alice, to="select_product")
        host = make_host(alice.account, transport=Host.Transport.LOCAL)
        select_product(case, by=alice, product="linux", host=host)

    with pytest.raises(StorageFailed):
        bring(case, upload=BreaksOff(packed(), choose))
    assert said(case) == ("sos_report", "", "")


def test_a_late_failure_does_not_fail_what_is_fetched(case):
    def fetch():
        make_archive(case)
        with SosReportState.moving(report_of(case).pk, by=None) as report:
            report.forget_fetch()
            report.fetch()

    with pytest.raises(StorageFailed):
        bring(case, upload=BreaksOff(packed(), fetch))
    assert said(case) == ("sos_report", "", "")


def test_another_host_that_was_chosen_meanwhile_is_told(case, alice, storage):
    def choose():
        host = make_host(alice.account, transport=Host.Transport.LOCAL)
        with WorkflowSession.moving(case.pk, by=alice) as row:
            row.choose_again()
            row.select("linux", host)

    with pytest.raises(MadeByItself):
        bring(case, upload=Meanwhile(packed(), choose))
    assert said(case) == ("sos_report", "", "step_gate_select_product")
    assert_nothing_kept(storage)


def test_while_a_report_is_fetched_nothing_is_brought(case, storage):
    make_archive(case)
    with SosReportState.moving(report_of(case).pk, by=None) as report:
        report.forget_fetch()
        report.fetch()
    before = Artifact.objects.count()
    with pytest.raises(TransitionNotAllowed):
        bring(case)
    assert Artifact.objects.count() == before == len(files_in(storage))


class Broken(io.BytesIO):
    def read(self, *args):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/var/lib/handrail/x")


def test_an_upload_that_cannot_be_read_is_told(case, caplog):
    with pytest.raises(StorageFailed):
        bring(case, upload=Broken())
    assert caplog.messages == ["an archive cannot be kept: Input/output error"]
