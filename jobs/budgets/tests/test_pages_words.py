"""Amounts, counts and confidences as the pages say them."""

from __future__ import annotations

import pytest

from jobs.budgets.actions.rationale import odds, proposal_of
from jobs.budgets.forms import ScheduleForm
from jobs.budgets.templatetags.budgets import as_percent, money, signed
from jobs.budgets.views.saying import counted

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("cents", "words"),
    [
        (None, ""),
        (0, "0.00"),
        (5, "+0.05"),
        (-5, f"{MINUS}0.05"),
        (-123456, f"{MINUS}1,234.56"),
        (250000, "+2,500.00"),
        (-(10**17) - 1, f"{MINUS}1,000,000,000,000,000.01"),
    ],
)
def test_money_is_exact_and_has_a_sign(cents, words):
    assert money(cents) == words


def test_a_difference_has_a_sign():
    assert [signed(n) for n in (3, 0, -1200)] == ["+3", "±0", f"{MINUS}1,200"]


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        (None, ""),
        (0.99, "right about 99 times in 100"),
        (0.959, "right about 95 times in 100"),
        (0.95, "right about 95 times in 100"),
        (0.949, "right about 9 times in 10"),
        (0.87, "right about 9 times in 10"),
        (0.84, "right about 8 times in 10"),
        (0.1, "right about 1 time in 10"),
        (0.04, "seldom right"),
    ],
)
def test_a_confidence_never_says_more_than_it_is(confidence, words):
    assert odds(confidence) == words


def test_percent_is_rounded_down():
    shares = (None, 0.999, 0.95, 0.1)
    assert [as_percent(n) for n in shares] == ["", "99 %", "95 %", "10 %"]


def test_what_an_older_or_newer_engine_said_breaks_no_page():
    assert proposal_of("x", {}) is None
    assert proposal_of("x", {"method": "crystal_ball", "payee": "Shell"}) is None
    found = proposal_of("x", {"method": "payee_history", "payee": "S", "moon": "full"})
    assert found is not None
    assert found.evidence.payee == "S"


def test_counts_of_a_newer_ledger_keep_their_own_name():
    said = counted({"tags": 2, "payees": 1, "transactions": 3})
    assert said == [("transactions", 3), ("payees", 1), ("tags", 2)]


@pytest.mark.parametrize(
    ("cron", "when"),
    [
        ("", "none"),
        ("0 2 * * *", "nightly"),
        ("30 6 * * 1-5", "mornings"),
        ("*/5 * * * *", "cron"),
        ("0 2 1 * *", "cron"),
        ("0 2 * * * *", "cron"),
    ],
)
def test_a_schedule_is_shown_as_it_was_chosen(cron, when):
    assert ScheduleForm.initial_of(cron)["when"] == when
