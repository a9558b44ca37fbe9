import datetime as dt

import pytest

from jobs.budgets.engine import Method, PayeeEngine, Renaming

DAY = dt.date(2025, 1, 1)


def make_renamings(*pairs, start=0, by_hand=False):
    return [
        Renaming(
            imported=imported,
            payee=payee,
            date=DAY + dt.timedelta(days=start + day),
            by_hand=by_hand,
        )
        for day, (imported, payee) in enumerate(pairs)
    ]


TIDY = make_renamings(
    ("SQ *BLUE BOTTLE 0231 OAKLAND", "Blue Bottle"),
    ("POS SHELL 4471", "Shell"),
    ("REWE 11 BERLIN", "Rewe"),
    ("CITY CINEMA #2", "City Cinema"),
    ("TST* TACO CORNER", "Taco Corner"),
    ("OAK GARDEN 0001", "Oak Garden"),
)


def test_an_engine_that_learned_nothing_invents_nothing():
    assert PayeeEngine().suggest("SQ *BLUE BOTTLE 0231") is None


def test_a_text_is_named_as_it_was_named():
    engine = PayeeEngine().fit(
        make_renamings(*[(f"AMZN MKTP US*H2{i}8AX9", "Amazon") for i in range(9)])
    )
    proposal = engine.suggest("AMZN MKTP US*K11W82")
    assert proposal.value == "Amazon"
    assert proposal.method is Method.PAYEE_HISTORY
    assert (proposal.evidence.n, proposal.evidence.total) == (9, 9)
    assert proposal.confidence > 0.85


def test_a_text_with_several_names_is_left_open():
    pairs = [("PAYPAL 4411", name) for name in ("Ebay", "Steam", "Ebay", "Hulu")]
    assert PayeeEngine().fit(make_renamings(*pairs)).suggest("PAYPAL 4412") is None


def test_tidying_is_trusted_where_it_was_right():
    proposal = PayeeEngine().fit(TIDY).suggest("SQ *GOLDEN FORK 0099 LEEDS")
    assert proposal.value == "Golden Fork"
    assert proposal.method is Method.NORMALISATION
    assert proposal.confidence == pytest.approx(6.5 / 7)


def test_tidying_is_not_trusted_where_people_name_otherwise():
    pairs = [(r.imported, f"{r.payee} (family)") for r in TIDY]
    engine = PayeeEngine().fit(make_renamings(*pairs))
    assert engine.suggest("SQ *GOLDEN FORK 0099") is None


def test_tidying_is_not_trusted_before_it_was_tried():
    assert PayeeEngine().fit(TIDY[:3]).suggest("SQ *GOLDEN FORK 0099") is None


def test_a_text_that_begins_with_a_known_name_is_that_payee():
    pairs = [(f"{name.upper()}", name) for name in ("Shell", "Rewe", "Aldi")]
    pairs += [(f"{name.upper()} EXPRESS", name) for name in ("Shell", "Rewe", "Aldi")]
    pairs += [(f"{name.upper()} CITY WEST", name) for name in ("Shell", "Rewe")]
    proposal = PayeeEngine().fit(make_renamings(*pairs)).suggest("ALDI CITY NORTH")
    assert (proposal.value, proposal.method) == ("Aldi", Method.KNOWN_PAYEE)


def test_a_correction_replaces_what_was_done_before():
    before = make_renamings(*[("SHELL 1", "Shell Oil")] * 9)
    after = make_renamings(("SHELL 2", "Shell"), start=20, by_hand=True)
    proposal = PayeeEngine().fit([*after, *before]).suggest("SHELL 3")
    assert (proposal.value, proposal.method) == ("Shell", Method.CORRECTIONS)
    assert proposal.evidence.corrected_on == after[0].date


@pytest.mark.parametrize("text", ["", "Payment - Thank You", "Internal transfer"])
def test_transfers_and_blanks_are_left_alone(text):
    renamings = [*TIDY, *make_renamings(*[(text, "Shell")] * 9)]
    assert PayeeEngine().fit(renamings).suggest(text) is None


def test_the_order_of_the_input_changes_nothing():
    texts = [r.imported for r in TIDY] + ["SQ *GOLDEN FORK 0099", "SHELL WEST"]
    one, other = PayeeEngine().fit(TIDY), PayeeEngine().fit(TIDY[::-1])
    assert [one.suggest(t) for t in texts] == [other.suggest(t) for t in texts]
