"""The seed's eight types against a real Actual server, seen through a fresh client."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from actual.queries import get_category, get_transactions
from django.core.files.storage import default_storage

from jobs.actions.running import drain
from jobs.actions.scheduling import start_due
from jobs.budgets.actions import asking, connecting, deciding, snapshots
from jobs.budgets.ledger.building import NewRow
from jobs.budgets.models import Budget, Lesson, Snapshot, Suggestion
from jobs.budgets.tests.make import reread
from jobs.models import Job, Schedule
from tests.actual import DAY
from workflows.core.secrets import Secret

pytestmark = [pytest.mark.django_db, pytest.mark.actual]


@pytest.fixture
def berta(berta, settings, tmp_path):
    """The bookkeeper, whose workers keep their copies in a folder of this test."""
    settings.DATA_DIR = tmp_path
    return berta


def household(builder):
    """Two payees with a past, and six purchases that nobody has looked at."""
    account = builder.account("Checking")
    categories = {name: builder.category(name, "Everyday") for name in ("Fuel", "Food")}
    for payee, category, texts in (
        ("Shell", "Fuel", "SHELL OIL 0{n}"),
        ("Corner Shop", "Food", "CORNER SHOP 11{n}"),
    ):
        key = builder.payee(payee)
        for n in range(12):
            builder.transaction(
                NewRow(
                    account,
                    DAY - timedelta(days=60 - n),
                    -2000 - n,
                    key,
                    imported_payee=texts.format(n=n),
                    notes=f"old {payee} {n}",
                    category=categories[category],
                )
            )
        for n in range(3):
            builder.transaction(
                NewRow(
                    account,
                    DAY + timedelta(days=n),
                    -1500 - n,
                    key,
                    imported_payee=texts.format(n=n),
                    notes=f"new {payee} {n}",
                )
            )


@pytest.fixture
def connected(actual, berta) -> Budget:
    """A budget on the server; its first sync is queued."""
    return connecting.connect_budget(
        berta.account,
        by=berta,
        name="Household",
        server_url=actual.url,
        password=Secret(actual.password),
        file_id=actual.create_budget(fill=household),
    )


@pytest.fixture
def synced(connected) -> Budget:
    run("sync_and_suggest")
    return Budget.objects.get(pk=connected.pk)


def run(type: str, *, to: str = "succeeded") -> Job:
    """Run what is queued; return the newest job of the type, which has to end so."""
    drain("budgets")
    job: Job = Job.objects.filter(type=type).latest("id")
    assert job.status == to, (job.failure_reason, job.attempts.values_list("traceback"))
    return job


def at_once(job: Job) -> None:
    """Do not wait for the next attempt."""
    Job.objects.filter(pk=job.pk).update(run_after=job.created_at)


def on_server(actual, budget):
    """Return the category of each transaction by its notes, as a fresh client sees."""
    return actual.categories(budget.file_id)


def approve_all(budget, by):
    return deciding.approve(budget.suggestions.all(), by=by)


def somebody_else(actual, budget, **categories):
    with actual.client(budget.file_id) as other:
        for row in get_transactions(other.session):
            if name := categories.get((row.notes or "").replace(" ", "_")):
                row.category_id = get_category(other.session, name).id
        other.commit()


def test_sync_and_suggest_is_two_steps(synced):
    job = Job.objects.get(type="sync_and_suggest")
    steps = job.steps.order_by("position")
    assert [(s.step_type, s.status) for s in steps] == [
        ("sync", "succeeded"),
        ("suggestions", "succeeded"),
    ]
    assert job.budget_id == synced.pk
    assert synced.counts["uncategorised"] == 6
    assert {c.name for c in synced.categories.all()} >= {"Fuel", "Food"}
    names = {c.ledger_id: c.name for c in synced.categories.all()}
    proposed = {
        (s.notes[4:-2], names[s.category_proposal_id]) for s in synced.suggestions.all()
    }
    assert proposed == {("Shell", "Fuel"), ("Corner Shop", "Food")}
    assert all(0.5 < s.category_confidence < 1 for s in synced.suggestions.all())


def test_budget_sync_sees_what_others_changed_and_a_full_one_starts_anew(
    actual, synced, berta
):
    somebody_else(actual, synced, new_Shell_0="Food")
    downloads = []
    with actual.altering(
        "/sync/download-user-file", lambda answer: downloads.append(1) or answer
    ):
        asking.request_sync(synced, by=berta)
        assert run("budget_sync").result["counts"]["uncategorised"] == 5
        assert downloads == []
        asking.request_sync(synced, by=berta, full=True)
        job = run("budget_sync")
        assert downloads == [1]
    assert (job.metadata, job.result["fullResync"]) == ({"fullResync": True}, True)
    assert Budget.objects.get(pk=synced.pk).counts["uncategorised"] == 5


def test_suggestions_generate_keeps_what_is_pending_and_drops_orphans(
    actual, synced, berta
):
    before = {s.transaction_id: s.pk for s in synced.suggestions.all()}
    gone = synced.suggestions.get(notes="new Shell 1")
    kept = synced.suggestions.get(notes="new Shell 2")
    deciding.approve(synced.suggestions.filter(pk=kept.pk), by=berta)
    somebody_else(actual, synced, new_Shell_1="Food", new_Shell_2="Food")
    asking.request_suggestions(synced, by=berta)
    job = run("suggestions_generate")
    assert (job.result["created"], job.result["dropped"]) == (0, 1)
    after = {s.transaction_id: s.pk for s in synced.suggestions.all()}
    del before[gone.transaction_id]
    assert after == before  # what somebody has decided stays, and is told at apply
    assert reread(kept).category_status == "approved"


def test_suggestions_retry_payee_keeps_the_ids(synced, berta):
    food = synced.categories.get(name="Food").ledger_id
    shell = synced.suggestions.filter(notes__startswith="new Shell")
    pks = set(shell.values_list("pk", flat=True))
    Lesson.objects.create(
        budget=synced,
        kind="correction",
        imported_payee="SHELL OIL 07",
        payee_key=shell.first().payee_key,
        category_id=food,
        by=berta,
    )
    asking.request_retry(synced, shell.first().payee_key, by=berta)
    assert run("suggestions_retry_payee").result["renewed"] == 3
    shell = synced.suggestions.filter(notes__startswith="new Shell")
    assert {s.pk for s in shell} == pks
    assert {s.category_proposal_id for s in shell} == {food}
    assert all(s.category_evidence["method"] == "corrections" for s in shell)
    other = synced.suggestions.filter(notes__startswith="new Corner")
    assert {s.category_evidence["method"] for s in other} == {"payee_history"}


def test_suggestions_apply_writes_once_and_keeps_others_edits(actual, synced, berta):
    somebody_else(actual, synced, new_Shell_0="Food")
    approve_all(synced, berta)
    asking.request_apply(synced, by=berta)
    job = run("suggestions_apply")
    assert (job.result["applied"], job.result["drifted"]) == (5, 1)
    assert job.result["left"][0]["why"].count("“Food”") == 1
    seen = on_server(actual, synced)
    assert seen["new Shell 0"] == "Food"
    assert (seen["new Shell 1"], seen["new Corner Shop 2"]) == ("Fuel", "Food")
    status = {s.notes: s.category_status for s in synced.suggestions.all()}
    assert status.pop("new Shell 0") == "skipped"
    assert set(status.values()) == {"applied"}


def test_an_apply_that_is_repeated_changes_nothing(actual, synced, berta):
    approve_all(synced, berta)
    first = asking.request_apply(synced, by=berta)
    run("suggestions_apply")
    pushes = []
    actual.on_push(lambda forward: pushes.append(1) or forward())
    # As if the run had died between the push and its mark.
    Suggestion._base_manager.filter(budget=synced).update(category_status="approved")
    asking.request(
        synced,
        "suggestions_apply",
        by=berta,
        suggestionIds=first.metadata["suggestionIds"],
    )
    job = run("suggestions_apply")
    assert (job.result["applied"], job.result["already"]) == (0, 6)
    assert pushes == []
    assert {s.category_status for s in synced.suggestions.all()} == {"applied"}


@pytest.mark.parametrize("arrives", [True, False])
def test_a_server_killed_in_mid_push_loses_and_doubles_nothing(
    actual, synced, berta, arrives
):
    approve_all(synced, berta)
    with actual.client(synced.file_id) as other:
        rows = len(get_transactions(other.session))

    def die(forward):
        if arrives:
            forward()
        actual.kill()

    actual.on_push(die)
    asked = asking.request_apply(synced, by=berta)
    waiting = run("suggestions_apply", to="queued")
    assert waiting.attempts.get().category == "temporary"
    assert {s.category_status for s in synced.suggestions.all()} == {"approved"}
    again = asking.request_apply(synced, by=berta)
    assert (again.pk, again.is_new) == (asked.pk, False)
    actual.restart()
    at_once(waiting)
    job = run("suggestions_apply")
    assert job.result["already" if arrives else "applied"] == 6
    seen = on_server(actual, synced)
    assert {seen[f"new Shell {n}"] for n in range(3)} == {"Fuel"}
    assert {seen[f"new Corner Shop {n}"] for n in range(3)} == {"Food"}
    with actual.client(synced.file_id) as other:
        assert len(get_transactions(other.session)) == rows


def test_a_push_whose_answer_is_lost_is_not_sent_twice(actual, synced, berta):
    approve_all(synced, berta)
    actual.on_push(lambda forward: forward() and None)
    asking.request_apply(synced, by=berta)
    at_once(run("suggestions_apply", to="queued"))
    assert run("suggestions_apply").result["already"] == 6


def test_snapshot_create_stores_a_whole_file_and_suggestions_survive(synced, berta):
    approve_all(synced, berta)
    asking.request_snapshot(synced, by=berta)
    job = run("snapshot_create")
    snapshot = Snapshot.objects.get(job_id=job.pk)
    with default_storage.open(snapshot.file, "rb") as archive:
        assert hashlib.file_digest(archive, "sha256").hexdigest() == snapshot.sha256
    assert snapshot.counts["transactions"] == 30
    assert (snapshot.difference, snapshot.created_by) == (None, berta)
    assert {s.category_status for s in synced.suggestions.all()} == {"approved"}
    restored = snapshots.restore(snapshot, by=berta, name="As it was")
    assert restored.counts["uncategorised"] == 6


def test_snapshot_redownload_says_what_has_changed_since(actual, synced, berta):
    asking.request_snapshot(synced, by=berta)
    run("snapshot_create")
    somebody_else(actual, synced, new_Shell_0="Fuel", new_Shell_1="Fuel")
    asking.request_snapshot(synced, by=berta, anew=True)
    job = run("snapshot_redownload")
    assert job.result["difference"] == {"uncategorised": -2}
    assert Snapshot.objects.get(job_id=job.pk).origin == "redownloaded"


def test_scheduled_sync_and_suggest_runs_by_the_clock_and_waits_longer_each_time(
    actual, synced, berta
):
    asking.set_schedule(synced, cron="0 6 * * *")
    schedule = Schedule.objects.get(subject_id=synced.pk)
    start_due(now=schedule.next_at + timedelta(minutes=1))
    start_due(now=schedule.next_at + timedelta(minutes=1))
    job = Job.objects.get(type="scheduled_sync_and_suggest")
    assert (job.created_by, job.budget_id) == (None, synced.pk)
    actual.kill()
    waits = []
    for _attempt in range(3):
        waiting = run("scheduled_sync_and_suggest", to="queued")
        ended = waiting.attempts.latest("number").ended_at
        waits.append((waiting.run_after - ended) / timedelta(minutes=1))
        at_once(waiting)
    for least, wait in zip((1, 5, 15), waits, strict=True):
        assert least - 0.1 < wait < least * 1.25
    actual.restart()
    done = run("scheduled_sync_and_suggest")
    assert (done.attempt, done.steps.filter(status="succeeded").count()) == (4, 2)


def test_one_job_a_budget_and_one_of_a_type(synced, berta):
    first = asking.request_sync(synced, by=berta)
    again = asking.request_sync(synced, by=berta, full=True)
    assert (again.pk, again.is_new) == (first.pk, False)
    other = asking.request_snapshot(synced, by=berta)
    assert other.is_new
    keys = Job.objects.filter(pk__in=[first.pk, other.pk]).values_list("exclusive_key")
    assert set(keys) == {(str(synced.pk),)}


def test_wrong_passwords_and_files_are_told_to_who_can_mend_them(actual, berta):
    for name, password, file_id, words in (
        ("One", "wrong", "none", "password"),
        ("Two", actual.password, "none", "no such budget"),
    ):
        connecting.connect_budget(
            berta.account,
            by=berta,
            name=name,
            server_url=actual.url,
            password=Secret(password),
            file_id=file_id,
        )
        job = run("sync_and_suggest", to="failed")
        assert job.attempts.get().category == "user_fixable"
        assert words in job.failure_reason
        assert "wrong" not in job.attempts.get().traceback.replace("wrong_", "")


def test_an_encrypted_budget_is_applied_too(actual, berta):
    budget = connecting.connect_budget(
        berta.account,
        by=berta,
        name="Secret",
        server_url=actual.url,
        password=Secret(actual.password),
        file_id=actual.create_budget(fill=household, encrypted=True),
        encryption_password=Secret(actual.encryption_password),
    )
    run("sync_and_suggest")
    approve_all(budget, berta)
    asking.request_apply(budget, by=berta)
    assert run("suggestions_apply").result["applied"] == 6
    seen = actual.categories(
        budget.file_id, encryption_password=actual.encryption_password
    )
    assert seen["new Shell 1"] == "Fuel"
