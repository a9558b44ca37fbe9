"""What fails in the middle leaves everything as it was, and nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import IntegrityError

from jobs.actions.running import drain
from jobs.budgets.actions import (
    applying,
    asking,
    connecting,
    deciding,
    opening,
    planning,
    reading,
    snapshots,
    uploads,
)
from jobs.budgets.ledger import Fate, Ledger, Outcome, Part
from jobs.budgets.models import Budget, Category, Snapshot
from jobs.budgets.tests.make import (
    FOOD,
    FUEL,
    make_budget,
    make_demo,
    make_suggestions,
    reread,
)
from jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    """A storage and a data folder of the test's own."""
    settings.DATA_DIR = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    return tmp_path / "files"


def archives(storage: Path) -> set[Path]:
    return set(storage.rglob("*.zip"))


def test_a_name_that_is_taken_leaves_no_file(account, berta, storage):
    connecting.demo_budget(account, by=berta, name="Demo")
    before = archives(storage)
    with pytest.raises(IntegrityError):
        connecting.demo_budget(account, by=None, name="Demo")
    assert archives(storage) == before


def test_nothing_approved_is_nothing_to_apply(account, berta):
    with pytest.raises(asking.NothingApproved):
        asking.request_apply(make_budget(account), by=berta)
    assert not Job.objects.exists()


def test_a_snapshot_that_cannot_be_noted_leaves_no_file(account, berta, storage):
    budget = make_demo(account, berta)
    job = asking.request_snapshot(budget, by=berta)
    Snapshot.objects.create(
        budget=budget, job_id=job.pk, origin="created", file="x", sha256="", size=1
    )
    before = archives(storage)
    drain("budgets")
    assert Job.objects.get(pk=job.pk).status == "failed"
    assert archives(storage) == before


def test_a_restore_under_a_name_that_is_taken_leaves_no_file(account, berta, storage):
    budget = make_demo(account, berta)
    asking.request_snapshot(budget, by=berta)
    drain("budgets")
    before = archives(storage)
    with pytest.raises(IntegrityError):
        snapshots.restore(Snapshot.objects.get(), by=berta, name=budget.name)
    assert archives(storage) == before


def test_an_apply_that_fails_at_its_end_keeps_the_file_before(account, berta, storage):
    budget = make_demo(account, berta)
    before = archives(storage)
    with opening.open_budget(budget) as ledger:
        lend = opening.kept(budget, ledger)
        with pytest.raises(ZeroDivisionError), lend as name:  # noqa: PT012
            assert default_storage.exists(name)
            raise ZeroDivisionError
    assert archives(storage) == before


def test_a_copy_that_another_run_put_there_stays(account, tmp_path):
    budget = make_budget(account)
    with opening.private_copy(budget) as mine:
        theirs = tmp_path / "budgets" / str(budget.pk)
        theirs.mkdir()
        (theirs / "db.sqlite").touch()
    assert not mine.exists()
    assert (theirs / "db.sqlite").exists()


def test_copies_of_killed_workers_go_after_a_day(account, tmp_path):
    budget = make_budget(account)
    old, young = (tmp_path / "budgets" / f"{budget.pk}.{n}" for n in "ab")
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    with opening.private_copy(budget):
        pass
    assert not old.exists()
    assert young.exists()


def test_uploads_that_nobody_came_back_for_go(tmp_path, monkeypatch):
    old, young = (uploads.keep_upload(ContentFile(b"x", name="x")) for _ in "ab")
    path = default_storage.path(f"{uploads.FOLDER}/{Path(old).name}")
    os.utime(path, (time.time() - 30 * 24 * 3600,) * 2)
    uploads.forget_old()
    left = default_storage.listdir(uploads.FOLDER)[1]
    assert left == [Path(young).name]
    real = FileSystemStorage.listdir

    def and_one_that_is_gone(self, folder):
        folders, names = real(self, folder)
        return folders, [*names, "gone"]

    monkeypatch.setattr(FileSystemStorage, "listdir", and_one_that_is_gone)
    uploads.forget_old()  # somebody else was faster
    assert real(default_storage, uploads.FOLDER)[1] == left


# --- parts on their own ---------------------------------------------------------------
def test_a_payee_alone_is_planned_applied_and_refused(account, berta):
    budget = make_budget(account)
    make_suggestions(budget, 3, payee_proposal="Shell", category_proposal_id="")
    rows = deciding.approve(budget.suggestions.order_by("pk"), by=berta)
    ((planned,), _more) = planning.plan_of(budget, {}, None)
    assert planned.key == "shell"
    gone = Part(Fate.MISSING)
    outcomes = [
        Outcome(rows[0].transaction_id, None, Part(Fate.APPLIED)),
        Outcome(rows[1].transaction_id, None, gone),
        Outcome(rows[2].transaction_id, None, Part(Fate.IMPOSSIBLE)),
    ]
    report = applying.mark(rows, outcomes)
    assert (report["applied"], report["missing"], report["impossible"]) == (1, 1, 1)
    assert [reread(row).payee_status for row in rows] == ["applied", *["skipped"] * 2]
    assert "no longer in the budget" in reread(rows[1]).remark
    assert "no longer has what was chosen" in reread(rows[2]).remark


def test_who_decides_anew_while_it_is_written_has_the_last_word(
    account, berta, monkeypatch
):
    """Three rows are approved and written; meanwhile two decisions are changed."""
    budget = make_demo(account, berta)
    open_ = budget.suggestions.filter(
        category_status="pending", category_proposal_id__gt="", present_category_id=""
    )
    rows = list(open_.order_by("pk")[:3])
    chosen = budget.suggestions.filter(pk__in=[row.pk for row in rows])
    deciding.approve(chosen, by=berta)
    other = (
        budget.categories.exclude(ledger_id=rows[1].category_proposal_id)
        .filter(hidden=False)
        .values_list("ledger_id", flat=True)[0]
    )
    real = Ledger.apply

    def meanwhile(self, changes):
        found = real(self, changes)
        one, two, _three = (budget.suggestions.filter(pk=row.pk) for row in rows)
        deciding.reopen(one, by=berta)
        deciding.correct(two, by=berta, category_id=other)
        return found

    job = asking.request_apply(budget, by=berta)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "apply", meanwhile)
        drain("budgets")
    job = Job.objects.get(pk=job.pk)
    assert job.status == "succeeded"
    assert len(job.result["left"]) == 2
    taken_back, corrected, applied = (reread(row) for row in rows)
    assert taken_back.category_status == "pending"
    assert taken_back.present_category_id == rows[0].category_proposal_id
    assert "had been written" in taken_back.remark
    assert (corrected.category_status, corrected.category_id) == ("approved", other)
    assert corrected.present_category_id == rows[1].category_proposal_id
    assert applied.category_status == "applied"
    # What was chosen later is written by the next apply, without a remark.
    asking.request_apply(budget, by=berta)
    drain("budgets")
    corrected = reread(corrected)
    assert (corrected.category_status, corrected.remark) == ("applied", "")
    with opening.open_budget(Budget.objects.get(pk=budget.pk)) as ledger:
        found = {row.id: row.category_id for row in ledger.transactions()}
    assert found[corrected.transaction_id] == other
    assert found[taken_back.transaction_id] == rows[0].category_proposal_id


def test_what_is_gone_or_kept_says_nothing_of_later_decisions(account, berta):
    budget = make_budget(account)
    rows = make_suggestions(budget, 3, payee_proposal="Shell")
    mine = budget.suggestions.all()
    deciding.approve(mine, by=berta)
    before = list(mine.order_by("pk"))
    deciding.reopen(mine, by=berta)
    fates = (
        Part(Fate.MISSING),
        Part(Fate.DRIFTED, FOOD, "Food"),
        Part(Fate.APPLIED, "p9", "Shell"),
    )
    pairs = zip(before, fates, strict=True)
    applying.mark(before, [Outcome(r.transaction_id, None, part) for r, part in pairs])
    gone, drifted, written = (reread(row) for row in rows)
    assert {gone.payee_status, drifted.payee_status, written.payee_status} == {
        "pending"
    }
    assert (gone.remark, drifted.remark) == ("", "")
    assert (gone.present_payee_id, drifted.present_payee_id) == ("", FOOD)
    assert (written.present_payee, written.present_payee_id) == ("Shell", "p9")


def test_a_name_that_is_so_already_is_no_correction(account, berta):
    budget = make_budget(account)
    (row,) = make_suggestions(budget)
    mine = budget.suggestions.filter(pk=row.pk)
    assert deciding.correct(mine, by=berta, payee=row.present_payee) == []
    assert len(deciding.correct(mine, by=berta, payee="Shell")) == 1
    assert deciding.correct(mine, by=berta, payee="Shell") == []
    assert len(deciding.correct(mine, by=berta, payee="Shell AG")) == 1
    assert reread(row).payee == "Shell AG"


def test_counts_and_choices(account, berta):
    budget = make_budget(account)
    make_suggestions(budget, payee_proposal="Shell")
    deciding.correct(budget.suggestions.all(), by=berta, category_id=FOOD)
    counts = reading.counts_of([budget.pk])[budget.pk]
    assert (counts.to_review, counts.approved) == (1, 1)
    Category.objects.filter(budget=budget, ledger_id=FUEL).update(hidden=True)
    ((_group, shown),) = reading.grouped(reading.categories_of(budget))
    assert FUEL not in {category.ledger_id for category in shown}
    assert Budget.objects.count() == 1
