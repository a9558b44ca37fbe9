"""Everybody sees their own account, and nobody another's."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tests.conftest import make_user
from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from workflows.core.accounts import Account, User
from workflows.core.moves import Move

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db):
    """The operator: of no account, for all of them."""
    return make_user(None, "olga", is_superuser=True, is_staff=True)


def test_people_see_the_rows_of_their_account_alone(account, alice, charlie, olga):
    ours, theirs = make_parcel(account), make_parcel(charlie.account)
    seen_by = {
        alice: ({ours}, {account}, {alice}),
        charlie: ({theirs}, {charlie.account}, {charlie}),
        olga: ({ours, theirs}, {account, charlie.account}, {alice, charlie, olga}),
        # Neither in an account nor an operator: the database has no such person.
        User(username="nobody"): (set(), set(), set()),
        # An operator who joins an account is one of its people.
        User(account=account, is_superuser=True): ({ours}, {account}, {alice}),
    }
    for user, (parcels, accounts, people) in seen_by.items():
        assert set(Parcel.objects.visible_to(user)) == parcels
        moves = Move.objects.visible_to(user)
        assert {move.object_id for move in moves} == {p.pk for p in parcels}
        assert set(Account.objects.visible_to(user)) == accounts
        assert set(User.objects.visible_to(user)) == people


def test_only_operators_are_without_an_account(alice, olga):
    for change in ({"account": None}, {"account": None, "is_superuser": False}):
        with (
            pytest.raises(IntegrityError, match="ck_user_account_unless_operator"),
            transaction.atomic(),
        ):
            User.objects.filter(pk=alice.pk).update(**change)
    with (
        pytest.raises(IntegrityError, match="ck_user_account_unless_operator"),
        transaction.atomic(),
    ):
        User.objects.filter(pk=olga.pk).update(is_superuser=False)
    with pytest.raises(ValidationError, match="Choose an account"):
        User(username="x", password="y").full_clean()


def test_the_short_name_of_an_account_is_taken_once(account):
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.create(name="Acme again", slug=account.slug)


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/New_York"])
def test_a_time_zone_of_the_database_is_taken(account, name):
    account.time_zone = name
    account.full_clean()


@pytest.mark.parametrize("name", ["Berlin", "", "europe/berlin", "../etc/passwd"])
def test_another_time_zone_is_refused_with_an_example(account, name):
    account.time_zone = name
    with pytest.raises(ValidationError) as caught:
        account.full_clean()
    [text] = caught.value.message_dict["time_zone"]
    assert not name or "Europe/Berlin" in text


def test_names_are_what_people_call_them(account, alice, egon):
    egon.first_name, egon.last_name = "", ""
    assert [str(account), str(alice), str(egon)] == ["Acme", "Alice", "egon"]
