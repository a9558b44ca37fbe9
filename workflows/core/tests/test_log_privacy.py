"""A log says which rule was broken and where, never by which row."""

import logging
import sys

import pytest
from django.conf import settings
from django.db import DatabaseError, transaction

from workflows.core.accounts import User
from workflows.core.logs import NoRowsFilter


def logged(error: Exception) -> str:
    """Return what the console of this installation would show of the error."""
    try:
        raise error
    except type(error):
        record = logging.LogRecord("x", 40, "x", 1, "broke", None, sys.exc_info())
    assert NoRowsFilter().filter(record)
    return logging.Formatter("%(message)s").format(record)


def test_the_row_is_left_out_and_the_trace_stays():
    text = logged(DatabaseError('violates "ck_x"\nDETAIL:  Failing row (Ann Field).\n'))
    assert "Ann Field" not in text
    assert 'violates "ck_x"\nDETAIL: left out' in text
    assert "Traceback (most recent call last)" in text


def test_a_line_without_an_exception_is_left_alone():
    record = logging.LogRecord("x", 20, "x", 1, "DETAIL: mine", None, None)
    assert NoRowsFilter().filter(record)
    assert record.getMessage() == "DETAIL: mine"


def test_the_console_has_it():
    assert "no_rows" in settings.LOGGING["handlers"]["console"]["filters"]


@pytest.mark.postgres
@pytest.mark.django_db
def test_what_the_database_really_says(alice):
    User.objects.filter(pk=alice.pk).update(first_name="Ali\nce")
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        User.objects.filter(pk=alice.pk).update(account=None)
    assert "alice@example.com" in str(caught.value)
    text = logged(caught.value)
    assert "ck_user_account_unless_operator" in text
    for typed in ("alice@example.com", "Ali", "Failing row"):
        assert typed not in text
