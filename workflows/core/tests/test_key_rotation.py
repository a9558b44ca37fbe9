"""A new key takes over from an old one, and then the old one can be thrown away."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from workflows.core.secrets import Secret, rotate, seal, sealed_columns, unseal

pytestmark = pytest.mark.django_db

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture(autouse=True)
def old_key(settings):
    settings.SEAL_KEYS = [OLD]


def revealed():
    tokens = Parcel.objects.exclude(token="").values_list("token", flat=True)
    return sorted(unseal(token).reveal() for token in tokens)


def test_a_new_key_is_printed_and_usable(capsys, settings):
    call_command("seal_keys", "new")
    settings.SEAL_KEYS = [capsys.readouterr().out.strip()]
    assert unseal(seal(Secret("x"))).reveal() == "x"


def test_every_sealed_column_of_the_product_is_known():
    assert (Parcel, "token") in list(sealed_columns())


def test_after_a_rotation_the_old_key_can_be_dropped(account, settings, capsys):
    for token in (Secret("one"), Secret("two"), ""):
        make_parcel(account, token=token)
    settings.SEAL_KEYS = [NEW, OLD]
    assert revealed() == ["one", "two"]  # nothing has to wait for the rotation

    call_command("seal_keys", "rotate")
    assert "kit.Parcel.token: 2 sealed anew" in capsys.readouterr().out
    settings.SEAL_KEYS = [NEW]
    assert revealed() == ["one", "two"]

    call_command("seal_keys", "rotate")  # safe to repeat
    assert revealed() == ["one", "two"]


def test_a_value_that_somebody_replaces_meanwhile_wins(account, settings):
    parcel = make_parcel(account, token=Secret("before"))
    settings.SEAL_KEYS = [NEW, OLD]

    def replace_first(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not replaced:
            replaced.append(True)
            Parcel.objects.filter(pk=parcel.pk).update(token=Secret("after"))
        return execute(sql, params, many, context)

    replaced = []
    with connection.execute_wrapper(replace_first):
        assert rotate(Parcel, "token") == 0
    assert replaced
    assert revealed() == ["after"]


def test_a_value_that_no_key_opens_is_named(account, settings):
    parcel = make_parcel(account, token=Secret("lost"))
    settings.SEAL_KEYS = [NEW]
    with pytest.raises(CommandError, match="enter the secret again") as caught:
        call_command("seal_keys", "rotate")
    assert f"the token of kit.Parcel {parcel.pk}" in str(caught.value)
    assert Parcel.objects.get().token not in str(caught.value)


def test_without_keys_the_command_says_what_to_do(settings):
    settings.SEAL_KEYS = []
    with pytest.raises(CommandError, match="SEAL_KEYS is not set"):
        call_command("seal_keys", "rotate")
