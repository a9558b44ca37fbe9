"""Snapshots: taken, compared, handed out whole or not at all, restored."""

from __future__ import annotations

import hashlib
import io
import zipfile
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from jobs.actions.running import drain
from jobs.budgets.models import Budget, Snapshot
from jobs.budgets.tests.make import at_most, make_budget, make_demo, url
from jobs.models import Job
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db
CONTENT = b"PK an archive"


@pytest.fixture
def client(berta):
    return signed_in(berta)


@pytest.fixture
def budget(account):
    return make_budget(account)


def page(response):
    return response.content.decode()


def make_snapshot(budget, content=CONTENT, **over):
    name = default_storage.save(f"budgets/{uuid4().hex}.zip", ContentFile(content))
    values = {
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "counts": {"transactions": 2218, "accounts": 5},
        "origin": "created",
    }
    return Snapshot.objects.create(budget=budget, **values | over)


def test_the_list_says_what_is_in_each_and_what_changed(client, budget):
    make_snapshot(budget)
    row = make_snapshot(budget, difference={"transactions": -3, "payees": 2})
    same = make_snapshot(budget, difference={})
    shown = page(client.get(url("snapshots", budget)))
    for words in (
        "2,218 transactions",
        "\N{MINUS SIGN}3 transactions, +2 payees",
        "As many of everything",
        "nothing to compare with",
        row.sha256[:12],
        f'title="{same.sha256}"',
    ):
        assert words in shown
    assert shown.index("As many") < shown.index("nothing to compare")


def test_an_empty_list_says_what_they_are_for(client, budget):
    assert "No snapshot yet" in page(client.get(url("snapshots", budget)))


def test_the_list_is_paged_by_keyset(client, budget):
    name = make_snapshot(budget).file
    Snapshot.objects.bulk_create(
        Snapshot(budget=budget, file=name, sha256="0" * 64, size=1, origin="created")
        for _place in range(60)
    )
    client.get(url("snapshots", budget))
    with at_most(7):
        first = client.get(url("snapshots", budget))
    assert len(first.context["lines"]) == 50
    second = client.get(url("snapshots", budget) + first.context["list"].older_url)
    assert len(second.context["lines"]) == 11


@pytest.mark.parametrize(
    ("data", "type"), [({}, "snapshot_create"), ({"anew": "1"}, "snapshot_redownload")]
)
def test_a_button_takes_one_however_often(client, budget, data, type):
    for _again in range(2):
        response = client.post(url("snapshot_take", budget), data)
        assert (response.status_code, response.url) == (303, url("snapshots", budget))
    assert Job.objects.get().type == type
    assert "under way already" in page(client.get(url("snapshots", budget)))


def test_from_taking_to_restoring(client, account, berta):
    budget = make_demo(account, berta, name="Büro & Co.")
    for data in ({}, {"anew": "1"}):
        client.post(url("snapshot_take", budget), data)
        drain("budgets")
    newest, oldest = budget.snapshots.order_by("-id")
    assert (oldest.difference, newest.difference) == (None, {})
    response = client.get(url("snapshot_download", budget, newest.pk))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Type"] == "application/zip"
    day = timezone.localtime(newest.created_at).strftime("%Y-%m-%d-%H%M")
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="Buro-Co-{day}.zip"'
    )
    content = b"".join(response.streaming_content)
    assert hashlib.sha256(content).hexdigest() == newest.sha256
    assert "db.sqlite" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    restore = url("snapshot_restore", budget, newest.pk)
    assert "Büro &amp; Co., as of" in page(client.get(restore))
    assert client.post(restore, {"name": "Büro & Co."}).status_code == 422
    assert client.post(restore, {"name": ""}).status_code == 422
    response = client.post(restore, {"name": "Second"})
    copy = Budget.objects.get(name="Second")
    assert (response.status_code, response.url) == (303, copy.get_absolute_url())
    drain("budgets")
    copy = Budget.objects.get(pk=copy.pk)
    assert copy.counts == budget.counts
    assert copy.suggestions.count() == budget.suggestions.count()
    assert copy.file != budget.file


def test_a_damaged_or_missing_file_is_not_handed_out(client, budget):
    damaged = make_snapshot(budget, sha256="0" * 64)
    missing = make_snapshot(budget)
    default_storage.delete(missing.file)
    for row, words in ((damaged, "is damaged"), (missing, "is gone from the storage")):
        for response in (
            client.get(url("snapshot_download", budget, row.pk)),
            client.post(url("snapshot_restore", budget, row.pk), {"name": "New"}),
        ):
            assert response.status_code == 409
            assert words in page(response)
    assert Budget.objects.count() == 1


def test_what_is_no_budget_is_not_restored(client, budget):
    row = make_snapshot(budget)
    response = client.post(url("snapshot_restore", budget, row.pk), {"name": "New"})
    assert response.status_code == 422
    assert "not a budget" in page(response)
    assert Budget.objects.count() == 1


def test_deleting_takes_the_file_too(
    client, budget, django_capture_on_commit_callbacks
):
    row = make_snapshot(budget)
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(url("snapshot_delete", budget, row.pk))
    assert response.status_code == 303
    assert not default_storage.exists(row.file)
    assert client.post(url("snapshot_delete", budget, row.pk)).status_code == 404


def test_a_snapshot_of_another_budget_is_not_found(client, account, budget):
    row = make_snapshot(make_budget(account, name="Other"))
    for name in ("snapshot_download", "snapshot_restore"):
        assert client.get(url(name, budget, row.pk)).status_code == 404
    assert client.post(url("snapshot_delete", budget, row.pk)).status_code == 404
