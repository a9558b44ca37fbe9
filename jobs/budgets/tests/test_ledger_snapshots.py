"""Copies of a server's budget, new budgets made of them, and Actual's own engine."""

from __future__ import annotations

import io
import zipfile

import pytest
from actual.queries import get_category, get_transactions

from jobs.budgets.ledger import (
    Change,
    Fate,
    Server,
    list_files,
    open_file,
    open_server,
    restore_to_server,
    snapshot,
)
from tests.actual import engine
from workflows.core.secrets import Secret

pytestmark = pytest.mark.actual


def categorise(ledger, note="1", to="Fuel"):
    row = next(row for row in ledger.transactions() if row.notes == note)
    to = next(c.id for c in ledger.categories() if c.name == to)
    (outcome,) = ledger.apply([Change(row.id, category_id=to)])
    return outcome.category.fate


def somebody_else(actual, file_id, note, name, **options):
    with actual.client(file_id, **options) as other:
        rows = {row.notes: row for row in get_transactions(other.session)}
        rows[note].category_id = get_category(other.session, name).id
        other.commit()


def test_a_snapshot_holds_what_came_after_the_upload(actual, budget, tmp_path):
    """The file that the server stores does not: changes are kept beside it."""
    somebody_else(actual, budget.file_id, "1", "Coffee")
    with actual.client(budget.file_id) as other:
        stored = other.download_user_file(budget.file_id)
    assert b"db.sqlite" in stored
    facts = snapshot(budget, tmp_path / "snapshot.zip")
    assert facts.counts["uncategorised"] == 9
    with open_file(tmp_path / "snapshot.zip", tmp_path / "s") as ledger:
        assert ledger.counts() == facts.counts
        names = {row.notes: row.category_name for row in ledger.transactions()}
    assert names["1"] == "Coffee"
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        (tmp_path / "stored").mkdir()
        archive.extractall(tmp_path / "stored")
    # And taking it harmed neither the server nor who else works there.
    with open_server(budget, tmp_path / "run", fresh=True) as ledger:
        assert categorise(ledger, "2") == Fate.APPLIED
    assert actual.categories(budget.file_id)["1"] == "Coffee"


@pytest.mark.parametrize("password", [None, "battery staple"])
def test_a_snapshot_becomes_a_new_budget_of_the_server(
    actual, budget, tmp_path, password
):
    with open_server(budget, tmp_path / "run", fresh=True) as ledger:
        categorise(ledger, "1")
        facts = snapshot(ledger, tmp_path / "snapshot.zip")
    uploads = []

    def note(answer):
        uploads.append(answer)
        return answer

    secret = Secret(password) if password else None
    with actual.altering("/sync/upload-user-file", note):
        made = restore_to_server(
            tmp_path / "snapshot.zip",
            actual.url,
            budget.password,
            "Haus & Höhle 100 %",
            encryption_password=secret,
        )
    assert (made.name, made.encrypted) == ("Haus & Höhle 100 %", password is not None)
    assert made.file_id != budget.file_id
    copy = Server(actual.url, budget.password, made.file_id, secret)
    with open_server(copy, tmp_path / "copy", fresh=True) as ledger:
        assert ledger.counts() == facts.counts
        assert categorise(ledger, "2") == Fate.APPLIED
    options = {"encryption_password": password} if password else {}
    assert actual.categories(made.file_id, **options)["2"] == "Fuel"
    assert actual.categories(budget.file_id)["2"] is None
    ids = [file.file_id for file in list_files(actual.url, budget.password)]
    assert {budget.file_id, made.file_id} <= set(ids)


def test_actuals_own_engine_and_we_see_each_others_changes(actual, budget, tmp_path):
    with open_server(budget, tmp_path, fresh=True) as ledger:
        rows = {row.notes: row for row in ledger.transactions()}
        names = {c.name: c.id for c in ledger.categories()}
        change = Change(
            rows["1"].id,
            category_id=names["Fuel"],
            payee_name="Corner Shop",
            expected_payee_id=rows["1"].payee_id,
        )
        assert ledger.apply([change])[0].done
        group = ledger.client.file.group_id
    seen = engine(
        """
        await api.downloadBudget(given[0]);
        const {data: [row]} = await api.aqlQuery(
            api.q('transactions').filter({id: given[1]})
                .select(['category.name', 'payee.name']));
        await api.updateTransaction(given[2], {category: given[3]});
        await api.sync();
        return row;
        """,
        group,
        rows["1"].id,
        rows["2"].id,
        names["Coffee"],
        server=actual,
    )
    assert seen == {
        "id": rows["1"].id,
        "category.name": "Fuel",
        "payee.name": "Corner Shop",
    }
    with open_server(budget, tmp_path, fresh=False) as ledger:
        assert categorise(ledger, "2", "Fuel") == Fate.DRIFTED
        now = {row.notes: row.category_name for row in ledger.transactions()}
    assert (now["1"], now["2"]) == ("Fuel", "Coffee")
