"""A workflow declares what an account may change; the account's form shows it."""

import pytest

from workflows.core.forms import AccountForm
from workflows.core.preferences import REGISTRY, Preference, register

pytestmark = pytest.mark.django_db

HOURS = Preference("kit.hours", "Hours", "How long.", default=24, minimum=1, maximum=48)
LOUD = Preference("kit.loud", "Loud", "Rings.", default=True)
NAMES = Preference("kit.names", "Names", "One a line.", default=("Eve",))


@pytest.fixture(autouse=True)
def only_these(monkeypatch):
    for key in list(REGISTRY):
        monkeypatch.delitem(REGISTRY, key)
    for preference in (HOURS, LOUD, NAMES):
        monkeypatch.setitem(REGISTRY, preference.key, preference)


def form_of(account, **over):
    data = {"name": "Acme", "time_zone": "UTC", "kit__hours": "24", "kit__loud": "on"}
    data["kit__names"] = "Eve"
    return AccountForm({**data, **over}, instance=account)


def test_a_key_is_declared_once(monkeypatch):
    other = Preference("kit.other", "Other", "", default=0)
    assert register(other) is REGISTRY["kit.other"]
    with pytest.raises(ValueError, match=r"kit\.other is declared twice"):
        register(Preference("kit.other", "Another", "", default=1))
    assert REGISTRY["kit.other"] is other
    monkeypatch.delitem(REGISTRY, "kit.other")


def test_an_account_that_chose_nothing_has_the_defaults(account):
    assert account.preference(HOURS) == 24
    assert account.preference(LOUD) is True
    form = AccountForm(instance=account)
    assert form.initial["kit__hours"] == 24
    assert form.initial["kit__loud"] is True
    assert form.fields["kit__hours"].help_text == "How long."


def test_what_an_account_chose_is_kept_and_shown_again(account):
    form = form_of(account, name="Acme Ltd", kit__hours="36", kit__loud="")
    assert form.is_valid(), form.errors
    form.save()
    account = type(account).objects.get()
    assert account.name == "Acme Ltd"
    # What nobody touched follows its default, also when that changes.
    assert account.settings == {"kit.hours": 36, "kit.loud": False}
    assert account.preference(HOURS) == 36
    assert account.preference(LOUD) is False
    assert AccountForm(instance=account).initial["kit__hours"] == 36


def test_settings_of_a_workflow_that_is_not_installed_are_kept(account):
    account.settings = {"gone.since": 7}
    form = form_of(account)
    assert form.is_valid()
    assert form.save().settings["gone.since"] == 7


@pytest.mark.parametrize("hours", ["0", "49", "-1", "1.5", "many", ""])
def test_a_number_out_of_bounds_is_refused(account, hours):
    form = form_of(account, kit__hours=hours)
    assert list(form.errors) == ["kit__hours"]


def test_a_time_zone_is_chosen_from_the_list(account):
    assert list(form_of(account, time_zone="Berlin").errors) == ["time_zone"]
    assert form_of(account, time_zone="Europe/Berlin").is_valid()


def test_a_list_is_typed_one_entry_a_line(account):
    assert account.preference(NAMES) == ("Eve",)
    assert AccountForm(instance=account)["kit__names"].value() == "Eve"
    form = form_of(account, kit__names=" Eve\n\nMallory\r\nEve ")
    assert form.is_valid()
    form.save()
    account = type(account).objects.get()
    assert account.preference(NAMES) == ("Eve", "Mallory")
    assert AccountForm(instance=account)["kit__names"].value() == "Eve\nMallory"
    empty = form_of(account, kit__names="")
    assert empty.is_valid()
    assert empty.save().preference(NAMES) == ()
