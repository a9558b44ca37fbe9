"""A secret is sealed at rest, and shows itself to nobody who does not ask for it."""

import copy
import json
import logging
import pickle

import pytest
from cryptography.fernet import Fernet
from django.db import connection, transaction
from django.views.debug import ExceptionReporter

from tests.kit.make import make_parcel
from tests.kit.models import Parcel
from workflows.core.secrets import SealedField, SealError, Secret, seal, unseal

PASSWORD = "hunter2-ünïcode-🔑"
NO_KEY = "planted-no-key"


def test_what_is_sealed_is_unreadable_and_comes_back_whole():
    sealed = seal(Secret(PASSWORD))
    assert "hunter2" not in sealed
    assert unseal(sealed).reveal() == PASSWORD
    assert seal(Secret(PASSWORD)) != sealed  # equal secrets do not look equal


@pytest.mark.parametrize("show", [str, repr, format, "{!r}".format, "%s".__mod__])
def test_a_secret_does_not_print(show):
    assert "hunter2" not in show(Secret(PASSWORD))


def test_a_secret_is_not_logged(caplog):
    logging.getLogger("kit").warning("sent %s", Secret(PASSWORD))
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_does_not_travel(carry):
    with pytest.raises(TypeError) as caught:
        carry(Secret(PASSWORD))
    assert "hunter2" not in str(caught.value)


def test_secrets_are_compared_by_value():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not hasattr(Secret("a"), "__dict__")


# --- keys -----------------------------------------------------------------------------
def test_without_a_key_nothing_is_sealed_or_read(settings):
    sealed = seal(Secret(PASSWORD))
    settings.SEAL_KEYS = []
    for act in (lambda: seal(Secret(PASSWORD)), lambda: unseal(sealed)):
        with pytest.raises(SealError, match=r"is not set.*seal_keys new"):
            act()


@pytest.mark.parametrize("key", ["short", "", "ß" * 44, "=" * 44])
def test_a_text_that_is_no_key_is_named_but_not_shown(settings, key):
    settings.SEAL_KEYS = [key]
    with pytest.raises(SealError, match="not a key") as caught:
        seal(Secret(PASSWORD))
    assert not key or key not in str(caught.value)


def test_what_stands_among_the_keys_is_on_no_debug_page(settings):
    settings.SEAL_KEYS = [Fernet.generate_key().decode(), NO_KEY]
    with pytest.raises(SealError) as caught:
        seal(Secret(PASSWORD))
    page = ExceptionReporter(
        None, caught.type, caught.value, caught.tb
    ).get_traceback_html()
    assert "SEAL_KEYS holds a text that is not a key" in page
    assert NO_KEY not in page


def test_another_key_does_not_open_it(settings):
    sealed = seal(Secret(PASSWORD))
    settings.SEAL_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SealError, match="Put the old key back behind the new one"):
        unseal(sealed)


def test_a_value_that_was_tampered_with_does_not_open():
    sealed = seal(Secret(PASSWORD))
    with pytest.raises(SealError):
        unseal(sealed[:-4] + "AAA=")


# --- the column -----------------------------------------------------------------------
def stored():
    """Return what the column really holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM kit_parcel")
        return cursor.fetchone()[0]


@pytest.mark.django_db
def test_only_the_sealed_text_reaches_the_database(account):
    parcel = make_parcel(account, token=Secret(PASSWORD))
    assert "hunter2" not in stored()
    assert unseal(stored()).reveal() == PASSWORD
    # The row hands out what it stored: before it is read again as well as after.
    assert parcel.token == stored() == Parcel.objects.get().token


@pytest.mark.django_db
def test_a_value_is_replaced_by_query_too(account):
    make_parcel(account, token=Secret("old"))
    Parcel.objects.update(token=Secret(PASSWORD))
    assert unseal(stored()).reveal() == PASSWORD
    Parcel.objects.update(token="")
    assert stored() == ""


@pytest.mark.django_db
@pytest.mark.parametrize("text", [PASSWORD, "x" * 120, "gAAAAA", "gAAAAA" + "!" * 100])
def test_text_that_is_not_sealed_is_refused_and_not_shown(account, text):
    with pytest.raises(SealError, match="token takes a Secret") as caught:
        make_parcel(account, token=text)
    assert text not in str(caught.value)
    make_parcel(account)
    with pytest.raises(SealError), transaction.atomic():
        Parcel.objects.update(token=text)
    assert stored() == ""


@pytest.mark.django_db
def test_a_row_is_listed_and_moved_without_the_key(account, settings):
    parcel = make_parcel(account, token=Secret(PASSWORD))
    sealed = stored()
    settings.SEAL_KEYS = []
    with Parcel.moving(parcel.pk, by=None) as row:
        row.send()
    assert [p.state for p in Parcel.objects.all()] == ["sent"]
    assert stored() == sealed


def test_an_unset_column_stays_unset():
    field = SealedField(null=True)
    assert field.get_prep_value(None) is None
    assert field.get_prep_value("") == ""
