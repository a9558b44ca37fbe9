import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.budgets.engine import (
    CategoryEngine,
    Correction,
    Example,
    Method,
    Transaction,
)

DAY = dt.date(2025, 1, 1)
NOON = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)


def make_example(payee, category, day=0, **over):
    date = DAY + dt.timedelta(days=day)
    return Example(
        **{"date": date, "payee": payee, "amount": -100, "category": category} | over
    )


def make_examples(payee, *categories):
    return [make_example(payee, c, day) for day, c in enumerate(categories)]


def asked(payee, **over):
    date = DAY + dt.timedelta(days=400)
    return Transaction(**{"date": date, "payee": payee, "amount": -100} | over)


def suggest(examples, payee, corrections=(), **over):
    return CategoryEngine().fit(examples, corrections).suggest(asked(payee, **over))


HABITS = [
    *make_examples("Shell", *["fuel"] * 15),
    *make_examples("Rewe", *["food"] * 9),
    *make_examples("City Cinema", *["fun"] * 4),
]


def test_an_engine_that_learned_nothing_abstains():
    assert CategoryEngine().suggest(asked("Shell")) is None
    assert suggest([], "Shell") is None


def test_one_example_is_no_certainty():
    proposal = suggest(make_examples("Shell", "fuel"), "Shell")
    assert proposal is None or proposal.confidence < 0.85


def test_a_payee_goes_where_it_went():
    proposal = suggest(HABITS, "SHELL 4471 BERLIN")
    assert proposal.value == "fuel"
    assert proposal.method is Method.PAYEE_HISTORY
    assert (proposal.evidence.n, proposal.evidence.total) == (15, 15)
    assert proposal.evidence.payee == "Shell"
    assert proposal.confidence > 0.9


@pytest.mark.parametrize("rows", [1, 2])
def test_too_few_rows_are_no_history(rows):
    examples = [*HABITS, *make_examples("Zara", *["clothes"] * rows)]
    proposal = suggest(examples, "Zara")
    assert proposal is None or proposal.method is Method.TEXT_MODEL


def test_a_divided_payee_is_stated_with_doubt():
    proposal = suggest(
        [*HABITS, *make_examples("Amazon", *["books", "home"] * 8)], "Amazon"
    )
    assert proposal is None or proposal.confidence < 0.7


def test_more_rows_of_the_same_state_more():
    stated = [
        suggest(make_examples("Shell", *["fuel"] * n), "Shell").confidence
        for n in (3, 6, 12, 24, 48)
    ]
    assert stated == sorted(stated)


def test_a_payee_that_has_moved_is_stated_with_less():
    before = suggest(make_examples("Shell", *["fuel"] * 30), "Shell")
    after = suggest(make_examples("Shell", *["fuel"] * 26, *["car"] * 4), "Shell")
    assert after is None or after.confidence < before.confidence - 0.1


def test_a_new_payee_is_read_by_its_text():
    examples = [
        make_example(f"{name} pizza", "meals", day)
        for day, name in enumerate(
            ["Blue", "Royal", "Roma", "Corner", "Napoli", "Sole"]
        )
    ]
    examples += make_examples("Shell", *["fuel"] * 6)
    proposal = suggest(examples, "Vesuvio Pizza")
    assert proposal.value == "meals"
    assert proposal.method is Method.TEXT_MODEL
    assert proposal.evidence.total == 0


def test_a_payee_unlike_any_other_is_left_open():
    assert suggest(HABITS, "Zyx Qwv") is None


@pytest.mark.parametrize("payee", ["", "   "])
def test_a_transaction_without_payee_is_left_open(payee):
    assert suggest([*HABITS, *make_examples("", *["fuel"] * 9)], payee) is None


def test_equal_claims_are_settled_by_name_not_by_order():
    examples = make_examples("Kiosk", "b", "a", "a", "b")
    for shuffled in (examples, examples[::-1]):
        proposal = suggest(shuffled, "Kiosk")
        assert proposal is None or proposal.value == "a"


# Transfers


@pytest.mark.parametrize("payee", ["Payment - Thank You", "Internal transfer"])
def test_a_transfer_by_its_text_is_never_categorised(payee):
    assert suggest([*HABITS, *make_examples(payee, *["fuel"] * 20)], payee) is None


def test_a_flagged_transfer_is_never_categorised():
    corrected = [Correction(payee="Shell", category="fuel", at=NOON)]
    assert suggest(HABITS, "Shell", corrected, transfer=True) is None


def test_a_payee_that_is_mostly_transfers_is_left_open():
    moves = [make_example("ACME Bank", "", day, transfer=True) for day in range(9)]
    assert suggest([*HABITS, *moves], "ACME Bank") is None


# Corrections


def test_a_correction_wins_at_once():
    proposal = suggest(
        HABITS, "SHELL 12", [Correction(payee="Shell", category="car", at=NOON)]
    )
    assert proposal.value == "car"
    assert proposal.method is Method.CORRECTIONS
    assert proposal.confidence > 0.8
    assert proposal.evidence.corrected_on == NOON.date()


def test_the_newest_correction_wins_in_any_order():
    older = Correction(payee="Shell", category="car", at=NOON)
    newer = Correction(payee="shell", category="fun", at=NOON + dt.timedelta(hours=1))
    for order in ([older, newer], [newer, older]):
        assert suggest(HABITS, "Shell", order).value == "fun"


def test_a_payee_that_somebody_set_aside_is_left_open():
    aside = Correction(payee="Shell", category=None, at=NOON)
    assert suggest(HABITS, "Shell", [aside]) is None


def test_what_people_do_later_overrules_a_correction():
    later = [make_example("Shell", "fuel", 200 + day) for day in range(9)]
    wrong = Correction(payee="Shell", category="fun", at=NOON)
    proposal = suggest([*HABITS, *later], "Shell", [wrong])
    assert (proposal.value, proposal.method) == ("fuel", Method.PAYEE_HISTORY)


# Properties

PAYEES = ["Shell", "SQ *Blue Bottle 12", "Café Zoë", "Пятёрочка", "7-11", "Amazon", ""]
histories = st.lists(
    st.builds(
        make_example,
        st.sampled_from(PAYEES) | st.text(max_size=12),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 300),
        amount=st.integers(-99999, 99999),
        transfer=st.booleans(),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(histories, st.sampled_from(PAYEES) | st.text(max_size=12))
def test_a_proposal_is_a_known_category_with_a_share_for_confidence(examples, payee):
    proposal = suggest(examples, payee)
    if proposal:
        assert proposal.value in {e.category for e in examples if not e.transfer}
        assert 0 < proposal.confidence < 1
        assert 0 <= proposal.evidence.n <= proposal.evidence.total


@settings(max_examples=40, deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(examples, chance):
    shuffled = list(examples)
    chance.shuffle(shuffled)
    for payee in PAYEES:
        assert suggest(examples, payee) == suggest(shuffled, payee)


def test_the_order_of_the_questions_changes_nothing():
    engine = CategoryEngine().fit(HABITS)
    payees = ["SHELL 1", "Shell", "Rewe", "Nobody", "Rewe 12"]
    first = {p: engine.suggest(asked(p)) for p in payees}
    again = CategoryEngine().fit(HABITS)
    assert {p: again.suggest(asked(p)) for p in reversed(payees)} == first
