import datetime as dt
import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.suggestions import ask, calibration_error, coverage
from jobs.budgets.engine import Example
from jobs.budgets.engine.calibration import MOST, Calibrator, Outcome, Prior, smoothed
from jobs.budgets.engine.categories import CUTS, HISTORY_PRIOR, TEXT_PRIOR

PRIOR = Prior(weights=(0.0, 1.0), precision=(2.0, 10.0))
scores = st.floats(-7, 7)


def test_without_outcomes_the_prior_speaks():
    assert Calibrator(PRIOR).confidence((1.0, 0.0)) == pytest.approx(0.5)


@given(scores, scores)
def test_a_higher_score_never_states_less(one, other):
    low, high = sorted([one, other])
    calibrator = Calibrator(Prior(weights=(0.0, 1.0), precision=(1e6, 1e6)))
    assert calibrator.confidence((1.0, low)) <= calibrator.confidence((1.0, high))


@given(st.lists(st.tuples(scores, st.booleans()), max_size=60), scores)
def test_a_confidence_is_a_share_whatever_was_seen(seen, score):
    outcomes = [Outcome((1.0, x), right) for x, right in seen]
    stated = Calibrator(PRIOR).fit(outcomes).confidence((1.0, score))
    assert 0 < stated <= MOST


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_many_outcomes_outweigh_the_prior(share):
    outcomes = [Outcome((1.0, 3.0), i < share * 500) for i in range(500)]
    stated = Calibrator(PRIOR).fit(outcomes).confidence((1.0, 3.0))
    assert stated == pytest.approx(share, abs=0.03)


def test_few_outcomes_move_it_a_little():
    before = Calibrator(PRIOR).confidence((1.0, 2.0))
    after = Calibrator(PRIOR).fit([Outcome((1.0, 2.0), False)]).confidence((1.0, 2.0))
    assert 0.5 < after < before


def test_no_proposal_is_ever_called_certain():
    outcomes = [Outcome((1.0, 7.0), True)] * 5000
    assert Calibrator(PRIOR).fit(outcomes).confidence((1.0, 7.0)) == MOST


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_smoothed_share_is_neither_none_nor_all(n, others):
    assert 0 < smoothed(n, n + others) < 1


def test_the_priors_fit_what_they_weigh():
    for prior in (HISTORY_PRIOR, TEXT_PRIOR):
        assert len(prior.weights) == len(prior.precision)
    assert list(CUTS) == sorted(CUTS)


# The whole engine, on histories that drift, divide, refund and misspell.

KINDS = {
    "food": ["market", "grocery", "foods", "mart"],
    "meals": ["pizza", "cafe", "grill", "bakery"],
    "fuel": ["oil", "petrol", "station"],
    "home": ["hardware", "garden", "furniture"],
    "fun": ["cinema", "games", "tickets"],
}
NAMES = ["Blue", "Roma", "Oak", "North", "Sun", "Kings", "Harbor", "Luna", "Maple"]


def make_history(seed, rows=300):
    """A made-up history: new payees, divided ones (Amazon), and some that move."""
    chance = random.Random(seed)  # noqa: S311
    divided, drifting = chance.uniform(0, 0.35), chance.uniform(0, 0.03)
    payees = [["Amazon", ["home", "fun", "food"]]]
    for row in range(rows):
        if chance.random() < 0.3 or row < 5:
            kind = chance.choice(sorted(KINDS))
            name = f"{chance.choice(NAMES)} {chance.choice(KINDS[kind])}"
            kinds = [kind]
            if chance.random() < divided:
                kinds.append(chance.choice(sorted(KINDS)))
            payees.append([name, kinds])
        weights = list(accumulate(1 / (i + 1) for i in range(len(payees))))
        payee = chance.choices(payees, cum_weights=weights)[0]
        if chance.random() < drifting:
            payee[1] = [chance.choice(sorted(KINDS))]
        text = chance.choice(["{} ", "SQ *{}", "POS {} #{:03}", "{} {:05} OAKLAND"])
        yield Example(
            date=dt.date(2024, 1, 1) + dt.timedelta(days=row),
            payee=text.format(payee[0].upper(), chance.randrange(1000)),
            amount=chance.choice([-1, -1, -1, 1]) * chance.randrange(100, 9999),
            category=chance.choice(payee[1]),
        )


def test_what_the_engine_states_holds_on_histories_it_has_never_seen():
    pooled = {}
    for seed in range(24):
        for name, given_ in ask(list(make_history(seed)), 0.7).items():
            pooled.setdefault(name, []).extend(given_)
    engine, majority = pooled["**engine**"], pooled["payee majority"]
    stated = [a for a in engine if a.confidence and a.confidence >= 0.85]
    assert len(stated) > 0.15 * len(engine)
    assert sum(a.right for a in stated) >= 0.88 * len(stated)
    assert calibration_error(engine) <= 0.08
    assert coverage(engine) >= coverage(majority)
    assert sum(a.right for a in engine) > sum(a.right for a in majority)
