"""Two managers have the account's settings open: neither undoes what the other did."""

from __future__ import annotations

import pytest

from tests.conftest import make_user, signed_in
from workflows.core.tests.make import allow_hosts
from workflows.core.tests.test_machine_races import at_once
from workflows.core.tests.test_own_pages import sent_by, settings_form

pytestmark = pytest.mark.django_db
HOSTS, HOURS = "jira__hosts", "l1walk__abandon_after_hours"
LEFT = "old.example.com"


@pytest.fixture
def first(mona):
    return signed_in(mona)


@pytest.fixture
def second(account):
    return signed_in(make_user(account, "max", "manager"))


def save(client, page, **typed):
    return client.post("/account/", page | typed)


def test_a_host_that_was_removed_stays_removed(account, first, second):
    allow_hosts(account, "jira.example.com", LEFT)
    opened = settings_form(second)
    assert save(first, settings_form(first), **{HOSTS: "jira.example.com"})
    assert save(second, opened, time_zone="Europe/Berlin").status_code == 303
    account.refresh_from_db()
    assert account.settings["jira.hosts"] == ["jira.example.com"]
    assert account.time_zone == "Europe/Berlin"
    assert settings_form(second)[HOSTS] == "jira.example.com"


def test_what_was_ticked_and_written_meanwhile_stays(account, first, second):
    opened = settings_form(second)
    changed = settings_form(first) | {HOURS: "48", "name": "Acme Ltd"}
    del changed["l1walk__notify_engineers"]
    assert first.post("/account/", changed).status_code == 303
    assert save(second, opened, **{HOSTS: "jira.example.com"}).status_code == 303
    account.refresh_from_db()
    assert account.name == "Acme Ltd"
    assert account.settings == {
        "l1walk.abandon_after_hours": 48,
        "l1walk.notify_engineers": False,
        "jira.hosts": ["jira.example.com"],
    }


@pytest.mark.parametrize(
    ("field", "theirs", "mine", "shown"),
    [
        (HOSTS, "new.example.com\r\n*.example.org", LEFT, "new.example.com, *.exa"),
        (HOSTS, "", "jira.example.com", "empty"),
        (HOURS, "48", "72", "48"),
        ("name", "Acme <Ltd>", "Acme GmbH", "Acme &lt;Ltd&gt;"),
        ("time_zone", "Europe/Berlin", "Europe/Paris", "Europe/Berlin"),
    ],
)
def test_what_both_changed_is_asked_again(
    account, first, second, field, theirs, mine, shown
):
    allow_hosts(account, "jira.example.com", LEFT)
    opened = settings_form(second)
    assert save(first, settings_form(first), **{field: theirs}).status_code == 303
    account.refresh_from_db()
    before = (account.name, account.time_zone, account.settings)

    refused = save(second, opened, **{field: mine})
    assert refused.status_code == 422
    assert f"changed this meanwhile. It is now: {shown}" in refused.text
    again = sent_by(refused)
    assert again[field] == mine
    account.refresh_from_db()
    assert (account.name, account.time_zone, account.settings) == before

    assert second.post("/account/", again).status_code == 303
    assert settings_form(second)[field] == mine


def test_both_may_do_the_same(account, first, second):
    opened = settings_form(second)
    for client, page in ((first, settings_form(first)), (second, opened)):
        response = save(client, page, **{HOSTS: " jira.example.com\r\n"})
        assert response.status_code == 303
    account.refresh_from_db()
    assert account.settings["jira.hosts"] == ["jira.example.com"]


@pytest.mark.django_db(transaction=True)
def test_at_the_same_moment_too(account, first, second):
    typed = [
        (first, settings_form(first) | {HOSTS: "jira.example.com"}),
        (second, settings_form(second) | {HOURS: "48", "name": "Acme Ltd"}),
    ]
    saved = at_once(typed, lambda one: one[0].post("/account/", one[1]).status_code)
    assert saved == [303, 303]
    account.refresh_from_db()
    assert account.name == "Acme Ltd"
    assert account.settings == {
        "jira.hosts": ["jira.example.com"],
        "l1walk.abandon_after_hours": 48,
    }
