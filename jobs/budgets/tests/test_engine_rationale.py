import datetime as dt

import pytest

from jobs.budgets.engine import Evidence, Method, Proposal
from jobs.budgets.engine.rationale import category_rationale, payee_rationale

NAMES = {"id-1": "Fuel"}
DAY = dt.date(2025, 6, 1)


def make_proposal(method, value="id-1", **evidence):
    return Proposal(
        value=value,
        confidence=0.9,
        method=method,
        evidence=Evidence(**{"payee": "Shell"} | evidence),
    )


@pytest.mark.parametrize(
    ("proposal", "text"),
    [
        (
            make_proposal(Method.PAYEE_HISTORY, n=14, total=15),
            "14 of 15 'Shell' went to Fuel",
        ),
        (make_proposal(Method.TEXT_MODEL, n=1, total=2), "1 of 2 'Shell' went to Fuel"),
        (
            make_proposal(Method.TEXT_MODEL),
            "'Shell' is new; it reads like payees in Fuel",
        ),
        (
            make_proposal(Method.CORRECTIONS, corrected_on=DAY),
            "Somebody moved 'Shell' to Fuel on June 1, 2025",
        ),
        (
            make_proposal(Method.PROVIDER, payee="100 % Shell"),
            "The language model reads '100 % Shell' as Fuel",
        ),
        (
            make_proposal(Method.PROVIDER, n=4, total=5),
            "The language model reads 'Shell' as Fuel; people agreed with it on 4 of 5 "
            "payees here",
        ),
    ],
)
def test_a_category_says_what_it_rests_on(proposal, text):
    assert category_rationale(proposal, NAMES) == text


def test_a_category_without_name_is_shown_by_its_id():
    proposal = make_proposal(Method.PAYEE_HISTORY, value="id-9", n=3, total=3)
    assert category_rationale(proposal, NAMES) == "3 of 3 'Shell' went to id-9"


@pytest.mark.parametrize(
    ("proposal", "text"),
    [
        (
            make_proposal(Method.PAYEE_HISTORY, "Shell", payee="SHELL 1", n=4, total=5),
            "4 of 5 'SHELL 1' are kept as Shell",
        ),
        (
            make_proposal(Method.KNOWN_PAYEE, "Shell", payee="SHELL WEST"),
            "'SHELL WEST' begins like Shell, which is known",
        ),
        (
            make_proposal(Method.NORMALISATION, "Shell", n=8, total=9),
            "Tidied text: right for 8 of 9 new payees so far",
        ),
        (
            make_proposal(Method.CORRECTIONS, "Shell", payee="SHELL", corrected_on=DAY),
            "Somebody named 'SHELL' Shell on June 1, 2025",
        ),
    ],
)
def test_a_payee_says_what_it_rests_on(proposal, text):
    assert payee_rationale(proposal) == text
