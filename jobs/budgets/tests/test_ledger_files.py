"""A budget in a file of our own, without a server."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from datetime import timedelta

import pytest

from jobs.budgets.ledger import (
    Change,
    Fate,
    demo_file,
    files,
    open_file,
    restore_file,
    snapshot,
)
from jobs.budgets.ledger.building import NewRow, building
from tests.actual import DAY, engine
from workflows.core.errors import AdminRequired, UserFixable


@pytest.fixture
def ledger(demo_zip, tmp_path):
    with open_file(demo_zip, tmp_path / "run") as ledger:
        yield ledger


def edit(ledger, sql, *values):
    """Change the database as Actual would."""
    database = sqlite3.connect(ledger.reader.path)
    with database:
        database.execute(sql, values)
    database.close()


def uncategorised(ledger):
    return [row for row in ledger.transactions() if row.wants_category]


def only(outcomes):
    (outcome,) = outcomes
    return outcome


# --- the demo ---------------------------------------------------------------------


def test_the_demo_is_a_believable_budget(ledger):
    counts = ledger.counts()
    assert counts["accounts"] == 5
    assert 25 <= counts["categories"] <= 32
    assert 1900 <= counts["transactions"] <= 2400
    assert 100 <= counts["uncategorised"] <= 140
    assert counts["transfers"] > 100
    assert counts["splits"] > 10
    accounts = ledger.accounts()
    assert [a.name for a in accounts if a.off_budget] == ["Brokerage"]
    assert [a.name for a in accounts if a.closed] == ["Old Credit Union"]
    rows = list(ledger.transactions())
    assert rows[0].date == DAY - timedelta(days=730)
    assert max(row.date for row in rows) <= DAY
    assert any(row.imported_payee.startswith("SQ *BLUE BOTTLE") for row in rows)


def test_some_uncategorised_payees_were_never_seen_before(ledger):
    wanting = uncategorised(ledger)
    known = {row.payee_id for row in ledger.transactions() if row.category_id}
    assert 40 < sum(row.payee_id in known for row in wanting) < len(wanting) - 20
    assert min(row.date for row in wanting) > DAY - timedelta(days=40)


def test_the_same_day_gives_the_same_demo(tmp_path, demo_zip):
    demo_file(tmp_path / "again.zip", today=DAY)

    def rows(path, folder):
        with open_file(path, tmp_path / folder) as ledger:
            return list(ledger.transactions())

    assert rows(tmp_path / "again.zip", "a") == rows(demo_zip, "b")


def test_splits_add_up_and_transfers_cancel(ledger):
    rows = list(ledger.transactions())
    for parent in (row for row in rows if row.parent):
        children = [row for row in rows if row.parent_id == parent.id]
        assert parent.category_id is None
        assert all(child.child and child.category_id for child in children)
        assert sum(child.amount for child in children) == parent.amount
    assert sum(row.amount for row in rows if row.transfer) == 0
    assert not any(row.wants_category for row in rows if row.transfer or row.parent)


# --- reading ----------------------------------------------------------------------


def test_rows_from_a_day_on(ledger):
    since = DAY - timedelta(days=100)
    rows = list(ledger.transactions(since=since))
    assert rows == [row for row in ledger.transactions() if row.date >= since]
    assert rows[0].date >= since


def test_deleted_rows_and_children_of_deleted_splits_are_left_out(ledger):
    rows = list(ledger.transactions())
    parent = next(row for row in rows if row.parent)
    plain = next(row for row in rows if not (row.parent or row.child))
    for row in (parent, plain):
        edit(ledger, "UPDATE transactions SET tombstone = 1 WHERE id = ?", row.id)
    gone = {row.id for row in rows} - {row.id for row in ledger.transactions()}
    children = {row.id for row in rows if row.parent_id == parent.id}
    assert gone == {parent.id, plain.id} | children


def test_merged_payees_and_categories_are_followed(ledger):
    row = next(row for row in ledger.transactions() if row.payee_name == "Shell")
    chevron = next(p for p in ledger.payees() if p.name == "Chevron")
    edit(ledger, "UPDATE payees SET tombstone = 1 WHERE id = ?", row.payee_id)
    sql = "UPDATE payee_mapping SET targetId = ? WHERE id = ?"
    edit(ledger, sql, chevron.id, row.payee_id)
    coffee = next(c for c in ledger.categories() if c.name == "Coffee")
    edit(ledger, "UPDATE categories SET tombstone = 1 WHERE id = ?", row.category_id)
    sql = "UPDATE category_mapping SET transferId = ? WHERE id = ?"
    edit(ledger, sql, coffee.id, row.category_id)
    now = next(r for r in ledger.transactions() if r.id == row.id)
    assert (now.payee_id, now.payee_name) == (chevron.id, "Chevron")
    assert (now.category_id, now.category_name) == (coffee.id, "Coffee")


def test_a_half_read_list_keeps_no_writer_waiting(ledger):
    rows = ledger.transactions()
    next(rows)
    row = uncategorised(ledger)[0]
    fuel = next(c.id for c in ledger.categories() if c.name == "Fuel")
    assert only(ledger.apply([Change(row.id, category_id=fuel)])).done
    assert next(rows)


def test_a_budget_damaged_while_it_is_open_is_explained(ledger):
    ledger.reader.path.write_bytes(b"torn" * 5000)
    with pytest.raises(UserFixable, match="damaged"):
        ledger.transactions()


# --- applying ---------------------------------------------------------------------


def test_each_part_stands_for_itself(ledger):
    row, other, third = uncategorised(ledger)[:3]
    fuel, coffee = (
        next(c.id for c in ledger.categories() if c.name == name)
        for name in ("Fuel", "Coffee")
    )
    edit(ledger, "UPDATE transactions SET category = ? WHERE id = ?", coffee, third.id)
    edit(ledger, "UPDATE transactions SET tombstone = 1 WHERE id = ?", other.id)
    changes = [
        Change(
            row.id,
            category_id=fuel,
            payee_name="Corner Shop",
            expected_payee_id=row.payee_id,
        ),
        Change(other.id, category_id=fuel),
        Change(
            third.id,
            category_id=fuel,
            payee_name="Corner Shop",
            expected_payee_id=third.payee_id,
        ),
    ]
    first, second, last = ledger.apply(changes)
    assert first.done
    assert second.category.fate == Fate.MISSING
    assert second.payee is None
    assert last.category.fate == Fate.DRIFTED
    assert last.category.found_name == "Coffee"
    assert last.payee.fate == Fate.APPLIED
    assert last.payee.found_id == first.payee.found_id
    again = ledger.apply(changes)
    assert again[0].category.fate == again[0].payee.fate == Fate.ALREADY
    assert again[0].payee.found_name == "Corner Shop"


def test_a_payee_of_that_name_is_used_and_not_made_again(ledger):
    row = next(row for row in uncategorised(ledger) if row.payee_name != "Shell")
    (shell,) = [payee for payee in ledger.payees() if payee.name == "Shell"]
    change = Change(row.id, payee_name=" shell", expected_payee_id=row.payee_id)
    assert only(ledger.apply([change])).payee.found_id == shell.id


def test_a_payee_that_was_made_and_deleted_is_made_anew(ledger):
    first, second = uncategorised(ledger)[:2]

    def give(row):
        change = Change(row.id, payee_name="Fleeting", expected_payee_id=row.payee_id)
        return only(ledger.apply([change])).payee.found_id

    old = give(first)
    edit(ledger, "UPDATE payees SET tombstone = 1 WHERE id = ?", old)
    assert give(second) != old


def test_what_a_row_cannot_carry_is_refused(ledger):
    rows = list(ledger.transactions())
    fuel = next(c.id for c in ledger.categories() if c.name == "Fuel")
    transfer_payee = next(p for p in ledger.payees() if p.transfer_account_id)
    parent = next(row for row in rows if row.parent)
    moved = next(row for row in rows if row.transfer and not row.transfer_off_budget)
    outside = next(row for row in rows if row.off_budget and not row.transfer)
    plain = uncategorised(ledger)[0]
    outcomes = ledger.apply(
        [
            Change(parent.id, category_id=fuel),
            Change(moved.id, category_id=fuel),
            Change(outside.id, category_id=fuel),
            Change(plain.id, category_id="no such category"),
            Change(plain.id, payee_id="nobody", expected_payee_id=plain.payee_id),
            Change(
                plain.id,
                payee_id=transfer_payee.id,
                expected_payee_id=plain.payee_id,
            ),
            Change(moved.id, payee_name="Shell", expected_payee_id=moved.payee_id),
        ]
    )
    fates = {(part.fate) for o in outcomes for part in o.parts if part}
    assert fates == {Fate.IMPOSSIBLE}
    assert list(ledger.transactions()) == rows


def test_a_change_names_a_payee_one_way():
    with pytest.raises(ValueError, match="both"):
        Change("t", payee_id="p", payee_name="Shell")
    with pytest.raises(ValueError, match="name"):
        Change("t", payee_name=" ")


# --- copies -----------------------------------------------------------------------


def test_a_snapshot_is_restored_as_a_new_budget(ledger, tmp_path):
    facts = snapshot(ledger, tmp_path / "snapshot.zip")
    assert facts.size == (tmp_path / "snapshot.zip").stat().st_size
    assert facts.counts == ledger.counts()
    made = restore_file(tmp_path / "snapshot.zip", tmp_path / "new.zip", "Second, né")
    assert made.counts == facts.counts
    with open_file(tmp_path / "new.zip", tmp_path / "new") as restored:
        assert restored.name == "Second, né"
        assert restored.identity() != ledger.identity()
        assert list(restored.transactions()) == list(ledger.transactions())


def test_a_failed_export_leaves_the_old_file(ledger, tmp_path):
    target = tmp_path / "budget.zip"
    ledger.export(target)
    before = target.read_bytes()
    (ledger.folder / files.METADATA).unlink()
    with pytest.raises(Exception, match="files"):
        ledger.export(target)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["budget.zip", "run"]


@pytest.mark.actual
def test_actuals_own_engine_reads_what_we_wrote(installed, ledger, tmp_path):
    row = uncategorised(ledger)[0]
    fuel = next(c.id for c in ledger.categories() if c.name == "Fuel")
    change = Change(
        row.id,
        category_id=fuel,
        payee_name="Corner Shop",
        expected_payee_id=row.payee_id,
    )
    assert only(ledger.apply([change])).done
    archive = tmp_path / "export.zip"
    ledger.export(archive)
    found = engine(
        """
        const result = await engine(
            'import-budget', {filepath: given[0], type: 'actual'});
        if (result.error) return result;
        const {data} = await api.aqlQuery(
            api.q('transactions').options({splits: 'all'})
                .select(['id', 'amount', 'category.name', 'payee.name']));
        const {data: open} = await api.aqlQuery(
            api.q('transactions').filter({
                category: null, 'account.offbudget': false, 'account.closed': false,
                'payee.transfer_acct': null, is_parent: false}).select('id'));
        return {rows: data.length, open: open.length,
                total: data.reduce((sum, row) => sum + row.amount, 0),
                changed: data.find(row => row.id === given[1])};
        """,
        str(archive),
        row.id,
    )
    rows = list(ledger.transactions())
    assert found["rows"] == len(rows)
    assert found["total"] == sum(r.amount for r in rows)
    assert found["open"] == ledger.counts()["uncategorised"]
    assert found["changed"]["category.name"] == "Fuel"
    assert found["changed"]["payee.name"] == "Corner Shop"


# --- files of strangers -----------------------------------------------------------


def zipped(path, **entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return path


def parts(demo_zip):
    with zipfile.ZipFile(demo_zip) as archive:
        return archive.read("db.sqlite"), archive.read("metadata.json")


def refused(path, tmp_path, kind=UserFixable):
    with pytest.raises(kind) as caught, open_file(path, tmp_path / "hostile"):
        pass
    assert str(caught.value)
    return str(caught.value)


def test_a_budget_in_a_folder_of_the_archive_is_found(demo_zip, tmp_path):
    database, metadata = parts(demo_zip)
    path = tmp_path / "nested.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("My-Finances-1/db.sqlite", database)
        archive.writestr("My-Finances-1/metadata.json", metadata)
        archive.writestr("../../escape.txt", "no")
        archive.writestr("/etc/escape.txt", "no")
    with open_file(path, tmp_path / "nested") as ledger:
        assert ledger.counts()["accounts"] == 5
    names = sorted(path.name for path in (tmp_path / "nested").iterdir())
    assert names == ["db.sqlite", "metadata.json"]
    assert not list(tmp_path.rglob("escape.txt"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        b"PK\x03\x04" + b"\0" * 200,
        b"PK\x05\x06" + b"\0" * 18,
    ],
)
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "x.zip").write_bytes(content)
    assert "budget of Actual" in refused(tmp_path / "x.zip", tmp_path)


def test_a_bomb_is_refused_before_it_fills_the_disk(demo_zip, tmp_path):
    _database, metadata = parts(demo_zip)
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("db.sqlite", "w") as entry,
    ):
        for _ in range(100):
            entry.write(b"\0" * 1024**2)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metadata.json", metadata)
    assert "larger" in refused(path, tmp_path)
    assert not (tmp_path / "hostile" / "db.sqlite").exists()


def test_a_size_that_lies_is_no_help(demo_zip, tmp_path, monkeypatch):
    monkeypatch.setitem(files.MOST, "metadata.json", 10)
    assert "larger" in refused(demo_zip, tmp_path)


@pytest.mark.parametrize("metadata", [b"[]", b"{", b"[" * 100_000, b"\xff\xfe"])
def test_metadata_that_is_no_object_is_refused(metadata, demo_zip, tmp_path):
    database, _metadata = parts(demo_zip)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("db.sqlite", database)
        archive.writestr("metadata.json", metadata)
    refused(path, tmp_path)


def changed_database(demo_zip, tmp_path, *statements):
    database, metadata = parts(demo_zip)
    (tmp_path / "changed.sqlite").write_bytes(database)
    connection = sqlite3.connect(tmp_path / "changed.sqlite", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    path = tmp_path / "changed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "changed.sqlite", "db.sqlite")
        archive.writestr("metadata.json", metadata)
    return path


def test_another_programs_database_is_refused(demo_zip, tmp_path):
    tables = [
        "PRAGMA writable_schema = 1",
        "DELETE FROM sqlite_master WHERE name = 'transactions'",
    ]
    path = changed_database(demo_zip, tmp_path, *tables)
    assert "budget of Actual" in refused(path, tmp_path)


def test_a_database_with_triggers_is_refused(demo_zip, tmp_path):
    path = changed_database(
        demo_zip,
        tmp_path,
        "CREATE TRIGGER t AFTER UPDATE ON transactions BEGIN"
        " DELETE FROM transactions; END",
    )
    refused(path, tmp_path)


def test_a_damaged_database_is_refused(demo_zip, tmp_path):
    database, metadata = parts(demo_zip)
    broken = bytearray(database)
    broken[4096:12288] = b"\xa5" * 8192
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("db.sqlite", bytes(broken))
        archive.writestr("metadata.json", metadata)
    refused(path, tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO __migrations__ VALUES (9999999999999)",
        "ALTER TABLE transactions RENAME COLUMN category TO category_ids",
    ],
)
def test_a_budget_of_a_newer_actual_is_left_alone(demo_zip, tmp_path, statement):
    drop = [
        f"DROP VIEW {name}"
        for name in ("v_transactions", "v_transactions_internal_alive")
    ]
    path = changed_database(
        demo_zip, tmp_path, *drop, "DROP VIEW v_transactions_internal", statement
    )
    assert "Update Handrail" in refused(path, tmp_path, AdminRequired)


def test_a_deterministic_payee_does_not_wake_a_merged_one(tmp_path):
    with building(tmp_path / "b.zip", "B") as builder:
        account = builder.account("A")
        builder.transaction(NewRow(account, DAY, -1, notes="x"))
    with open_file(tmp_path / "b.zip", tmp_path / "b") as ledger:
        (row,) = ledger.transactions()
        made = only(ledger.apply([Change(row.id, payee_name="New")])).payee
        assert (made.fate, made.found_name) == (Fate.APPLIED, "New")


def test_metadata_of_an_export_is_readable(demo_zip):
    _database, metadata = parts(demo_zip)
    assert json.loads(io.BytesIO(metadata).read())["budgetName"] == "Casa Lindgren"
