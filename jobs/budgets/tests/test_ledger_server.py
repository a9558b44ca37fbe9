"""A budget on a real Actual server, that others change at the same time."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from actual.protobuf_models import HULC_Client, Message, SyncRequest
from actual.queries import create_category, get_category, get_transactions

from jobs.budgets.ledger import (
    Change,
    Fate,
    Server,
    check,
    list_files,
    open_server,
    snapshot,
)
from workflows.core.errors import Temporary
from workflows.core.secrets import Secret

pytestmark = pytest.mark.actual


@contextmanager
def opened(budget, folder, *, fresh=False):
    with open_server(budget, folder, fresh=fresh) as ledger:
        yield ledger


def by_notes(ledger):
    return {row.notes: row for row in ledger.transactions()}


def category(ledger, name):
    return next(c.id for c in ledger.categories() if c.name == name)


def categorise(ledger, *notes, to="Fuel", **over):
    rows = by_notes(ledger)
    to = category(ledger, to)
    return ledger.apply(
        [Change(rows[note].id, category_id=to, **over) for note in notes]
    )


def fates(outcomes):
    return [outcome.category.fate for outcome in outcomes]


def somebody_else(actual, budget, note, name):
    """Another client gives a transaction a category."""
    with actual.client(budget.file_id) as other:
        rows = {row.notes: row for row in get_transactions(other.session)}
        rows[note].category_id = get_category(other.session, name).id
        other.commit()


def test_what_is_on_the_server_is_read(actual, budget, tmp_path):
    with opened(budget, tmp_path) as ledger:
        assert ledger.name == "Household"
        counts = ledger.counts()
        rows = by_notes(ledger)
    assert counts["transactions"] == counts["uncategorised"] == 10
    assert counts["accounts"] == 1
    assert rows["3"].amount == -1003
    assert rows["3"].imported_payee == "SHELL OIL 3"
    assert (rows["3"].payee_name, rows["3"].account_name) == ("Shell", "Checking")


def test_the_connect_form_lists_and_checks(actual, budget):
    files = list_files(actual.url, Secret(actual.password))
    (mine,) = [file for file in files if file.file_id == budget.file_id]
    assert (mine.name, mine.encrypted) == ("Household", False)
    facts = check(budget)
    assert facts.name == "Household"
    assert facts.version.startswith("26.")
    assert facts.counts["transactions"] == 10


def test_a_category_reaches_other_clients(actual, budget, tmp_path):
    with opened(budget, tmp_path) as ledger:
        assert fates(categorise(ledger, "1", "2")) == [Fate.APPLIED] * 2
        assert by_notes(ledger)["1"].category_name == "Fuel"
    assert actual.categories(budget.file_id)["1"] == "Fuel"
    assert actual.categories(budget.file_id)["3"] is None


def test_a_new_payee_reaches_other_clients(actual, budget, tmp_path):
    with opened(budget, tmp_path) as ledger:
        rows = by_notes(ledger)
        changes = [
            Change(rows[n].id, payee_name=name, expected_payee_id=rows[n].payee_id)
            for n, name in (("1", "Corner Shop"), ("2", "corner  shop"))
        ]
        first, second = ledger.apply(changes)
        assert first.payee.fate == second.payee.fate == Fate.APPLIED
        assert first.payee.found_id == second.payee.found_id
    with actual.client(budget.file_id) as other:
        payees = {r.notes: r.payee.name for r in get_transactions(other.session)}
    assert payees["1"] == payees["2"] == "Corner Shop"


def test_a_repeat_changes_nothing(actual, budget, tmp_path):
    with opened(budget, tmp_path) as ledger:
        categorise(ledger, "1")
    pushes = []
    actual.on_push(lambda forward: pushes.append(1) or forward())
    with opened(budget, tmp_path) as ledger:
        assert fates(categorise(ledger, "1")) == [Fate.ALREADY]
    assert not pushes


def test_what_somebody_else_wrote_is_kept(actual, budget, tmp_path):
    with opened(budget, tmp_path) as ledger:
        ledger.counts()
        somebody_else(actual, budget, "1", "Coffee")  # while ours is open
        first, second = categorise(ledger, "1", "2")
        assert first.category.fate == Fate.DRIFTED
        assert first.category.found_name == "Coffee"
        assert second.category.fate == Fate.APPLIED
    categories = actual.categories(budget.file_id)
    assert (categories["1"], categories["2"]) == ("Coffee", "Fuel")


def test_another_clients_change_is_seen_after_our_own(actual, budget, tmp_path):
    """actualpy's session does not see it: it asks for what came after its own."""
    with opened(budget, tmp_path) as ledger:
        somebody_else(actual, budget, "1", "Coffee")
        categorise(ledger, "2")
        assert by_notes(ledger)["1"].category_name == "Coffee"


def send_late(client, row_id, category_id, *, minutes):
    """Send what a phone noted down some time ago, before it had a network."""
    request = SyncRequest(
        {"fileId": client.file.file_id, "groupId": client.file.group_id}
    )
    request.set_null_timestamp()
    message = Message({"dataset": "transactions", "row": row_id, "column": "category"})
    message.set_value(category_id)
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    clock = HULC_Client()
    request.set_messages([message], clock)
    clock.ts = then.replace(tzinfo=None)
    (envelope,) = request.messages
    envelope.timestamp = str(clock)
    client.sync_sync(request)


def test_a_change_made_offline_and_sent_late_is_seen(actual, budget, tmp_path):
    """It is older than what we have seen already: a clock alone would miss it."""
    somebody_else(actual, budget, "1", "Groceries")
    with opened(budget, tmp_path) as ledger:
        rows, coffee = by_notes(ledger), category(ledger, "Coffee")
        assert rows["1"].category_name == "Groceries"
    with actual.client(budget.file_id) as phone:
        send_late(phone, rows["1"].id, coffee, minutes=30)
        send_late(phone, rows["2"].id, coffee, minutes=20)
    with opened(budget, tmp_path) as ledger:
        rows = by_notes(ledger)
        assert rows["1"].category_name == "Groceries"  # the later one has won
        assert rows["2"].category_name == "Coffee"
        categorise(ledger, "3")
    with actual.client(budget.file_id) as phone:
        send_late(phone, rows["4"].id, coffee, minutes=10)
    with opened(budget, tmp_path) as ledger:
        assert by_notes(ledger)["4"].category_name == "Coffee"


def test_two_clients_never_write_under_one_name(actual, budget, tmp_path):
    """The server drops the second of two messages with one timestamp and author."""
    somebody_else(actual, budget, "1", "Coffee")
    authors = set()
    for number in range(2):
        with opened(budget, tmp_path / str(number)) as ledger:
            authors.add(ledger.client._sync_client.client_id)
            categorise(ledger, str(2 + number))
    with actual.client(budget.file_id) as other:
        authors.add(other._hulc_client.client_id)
        last = other._hulc_client.client_id  # actualpy takes the last writer's
    assert last in authors
    assert len(authors) == 2
    with opened(budget, tmp_path / "0") as ledger:
        assert ledger.client._sync_client.client_id not in authors


@pytest.mark.parametrize("arrives", [True, False])
def test_a_push_cut_off_is_settled_by_the_repeat(actual, budget, tmp_path, arrives):
    """Whether or not the server has it: nothing is lost, nothing is done twice."""

    def cut(forward):
        if arrives:
            forward()

    with opened(budget, tmp_path) as ledger:
        actual.on_push(cut)
        with pytest.raises(Temporary):
            categorise(ledger, "1", "2")
    with opened(budget, tmp_path) as ledger:
        expected = Fate.ALREADY if arrives else Fate.APPLIED
        assert fates(categorise(ledger, "1", "2")) == [expected] * 2
    assert actual.categories(budget.file_id)["1"] == "Fuel"


@pytest.mark.parametrize("arrives", [True, False])
def test_a_server_killed_in_mid_push(actual, budget, tmp_path, arrives):
    def power_cut(forward):
        if arrives:
            forward()
        actual.kill()

    def new_payee(ledger):
        rows = by_notes(ledger)
        (outcome,) = ledger.apply(
            [
                Change(
                    rows["1"].id,
                    category_id=category(ledger, "Fuel"),
                    payee_name="Nobody Yet",
                    expected_payee_id=shell,
                )
            ]
        )
        return outcome

    with opened(budget, tmp_path) as ledger:
        shell = by_notes(ledger)["1"].payee_id
        actual.on_push(power_cut)
        with pytest.raises(Temporary):
            new_payee(ledger)
    with pytest.raises(Temporary), opened(budget, tmp_path):
        pass
    actual.restart()
    with opened(budget, tmp_path) as ledger:
        outcome = new_payee(ledger)
        expected = Fate.ALREADY if arrives else Fate.APPLIED
        assert (outcome.category.fate, outcome.payee.fate) == (expected, expected)
        names = [payee.name for payee in ledger.payees()]
        assert names.count("Nobody Yet") == 1


def test_a_change_between_our_look_and_our_push_has_an_order(actual, budget, tmp_path):
    """Who wrote last has the last word, for all clients alike, and we say which."""

    def meanwhile(forward):
        answer = forward()
        somebody_else(actual, budget, "1", "Coffee")
        return answer

    with opened(budget, tmp_path) as ledger:
        actual.on_push(meanwhile)
        (outcome,) = categorise(ledger, "1")
        assert outcome.category.fate == Fate.DRIFTED
        assert outcome.category.found_name == "Coffee"
        assert by_notes(ledger)["1"].category_name == "Coffee"


def test_a_category_made_elsewhere_can_be_used(actual, budget, tmp_path):
    with opened(budget, tmp_path) as ledger, actual.client(budget.file_id) as other:
        create_category(other.session, "Tolls", "Everyday")
        other.commit()
        ledger.refresh()
        assert fates(categorise(ledger, "1", to="Tolls")) == [Fate.APPLIED]


def test_an_encrypted_budget(actual, tmp_path):
    file_id = actual.create_budget("Sealed", encrypted=True)
    password = Secret(actual.encryption_password)
    sealed = Server(actual.url, Secret(actual.password), file_id, password)
    for fresh in (True, False):
        with opened(sealed, tmp_path / "copy", fresh=fresh) as ledger:
            note = "1" if fresh else "2"
            assert fates(categorise(ledger, note)) == [Fate.APPLIED]
    with actual.client(file_id, encryption_password=actual.encryption_password) as o:
        assert [r.category.name for r in get_transactions(o.session) if r.category] == [
            "Fuel",
            "Fuel",
        ]
    assert snapshot(sealed, tmp_path / "s.zip").counts["uncategorised"] == 8
