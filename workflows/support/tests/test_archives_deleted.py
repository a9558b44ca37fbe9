"""Archives are deleted once, and not while Jira gets them."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache
from django.db import connection, connections, transaction
from django.utils import timezone

from workflows.support.actions.archives import (
    InUse,
    delete_artifact,
    listing,
    listing_key,
    open_archive,
)
from workflows.support.models import Artifact, JiraAttachmentState, WorkflowSession
from workflows.support.problems import MissingArtifact
from workflows.support.tests.make import (
    ARCHIVE,
    jira_of,
    make_archive,
    make_case,
    packed,
    start_attaching,
)
from workflows.support.tests.storages import (  # noqa: F401
    files_in,
    keep_it,
    own_storage,
    read,
    silent,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]
PATIENCE = 30  # seconds


@pytest.fixture
def case(alice):
    return make_case(alice)


def test_it_is_deleted_when_the_row_says_so(
    case, storage, caplog, django_capture_on_commit_callbacks
):
    artifact = make_archive(case)
    listing(artifact)
    caplog.set_level(logging.INFO, "handrail.support")
    with django_capture_on_commit_callbacks(execute=True):
        delete_artifact(artifact, by=case.created_by)
        assert files_in(storage)
    assert files_in(storage) == []
    row = Artifact.objects.get(pk=artifact.pk)
    assert (row.file, row.filename, row.size) == ("", ARCHIVE, artifact.size)
    assert timezone.now() - row.deleted_at < timezone.timedelta(minutes=1)
    assert cache.get(listing_key(artifact.pk)) is None
    for ask in (open_archive, listing):
        with pytest.raises(MissingArtifact):
            ask(row)
    [line] = caplog.messages
    assert str(artifact.pk) in line
    assert "sosreport" not in line
    assert case.created_by.username not in line


def test_a_second_click_changes_nothing(case, mona):
    artifact = make_archive(case)
    delete_artifact(artifact, by=case.created_by)
    before = Artifact.objects.values().get(pk=artifact.pk)
    delete_artifact(artifact, by=mona)
    assert Artifact.objects.values().get(pk=artifact.pk) == before


def test_a_transaction_that_fails_deletes_nothing(case):
    artifact = make_archive(case)
    with transaction.atomic():
        delete_artifact(artifact, by=case.created_by)
        transaction.set_rollback(True)
    artifact.refresh_from_db()
    assert read(artifact) == packed()


@pytest.mark.usefixtures("away")
def test_a_storage_that_is_away_keeps_no_row(case, django_capture_on_commit_callbacks):
    artifact = keep_it(case, "support/1/2")
    with django_capture_on_commit_callbacks(execute=True):
        delete_artifact(artifact, by=case.created_by)
    assert Artifact.objects.get(pk=artifact.pk).file == ""


def test_what_is_on_its_way_stays_but_not_what_came_before(case):
    before, now = make_archive(case), make_archive(case)
    start_attaching(case)
    with pytest.raises(InUse):
        delete_artifact(now, by=case.created_by)
    delete_artifact(before, by=case.created_by)
    kept = Artifact.objects.filter(deleted_at__isnull=True)
    assert list(kept) == [now]
    assert read(now) == packed()


def test_when_it_has_arrived_it_may_go(case):
    artifact = make_archive(case)
    start_attaching(case)
    with JiraAttachmentState.moving(jira_of(case).pk, by=None) as row:
        row.not_attached()
    delete_artifact(artifact, by=case.created_by)
    assert not Artifact.objects.filter(deleted_at__isnull=True).exists()


@pytest.mark.django_db(transaction=True)
def test_who_deletes_waits_for_who_is_about_to_attach(case):
    artifact = make_archive(case)

    def delete():
        try:
            delete_artifact(artifact, by=case.created_by)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with WorkflowSession.moving(case.pk, by=None):
            deleting = pool.submit(delete)
            if connection.vendor == "postgresql":
                wait_for_a_lock()
            start_attaching(case)
        with pytest.raises(InUse):
            deleting.result(timeout=PATIENCE)
    assert read(artifact) == packed()


def wait_for_a_lock():
    deadline = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        waiting = 0
        while not waiting:
            assert time.monotonic() < deadline
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            (waiting,) = cursor.fetchone()
