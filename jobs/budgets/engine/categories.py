"""Which category a transaction belongs to: corrections, history, text, or nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self, TypeVar

from jobs.budgets.engine.calibration import (
    Calibrator,
    Features,
    Outcome,
    Prior,
    logit,
    smoothed,
)
from jobs.budgets.engine.payees import looks_like_transfer, payee_key, tidy
from jobs.budgets.engine.proposals import (
    Correction,
    Evidence,
    Example,
    Method,
    Proposal,
    Transaction,
)
from jobs.budgets.engine.text_model import TextModel

LEAST_ROWS = 3
LEAST_PURITY = 0.8
RECENT = 5  # latest rows of a payee, which tell whether its category has changed
MODEL_WEIGHT = 1.0  # rows of history that the text model's opinion is worth
CORRECTION_WEIGHT = 5  # rows of history that a person's correction is worth
ABSTAIN_BELOW = 0.25  # wrong three times in four is worse than an empty field
TRANSFER = "\0transfer"  # the class of transfers, which the models learn and never say
# The past is judged in three stretches, each as long against what it is judged from as
# the time ahead is: a month late and a quarter late differ.
CUTS = (1 / 3, 1 / 2, 3 / 4, 1)
ENOUGH = 1000  # rows of a stretch to learn a handful of weights from

# What held in the histories that the engine was developed on, and how much it varied.
# History: constant, share of all rows, of the latest rows, how divided payees are here.
HISTORY_PRIOR = Prior(weights=(0.3, 0.5, 0.8, -1.5), precision=(2.0, 20.0, 20.0, 4.0))
# Text: constant, score, familiarity of a new payee; constant, score, how divided payees
# are of one whose few rows agree; constant, score, latest rows of one that is divided.
TEXT_PRIOR = Prior(
    weights=(-1.5, 0.4, 1.2, 1.6, 0.8, -2.0, 0.0, 0.5, 0.5),
    precision=(1.0, 30.0, 4.0, 1.5, 20.0, 2.0, 4.0, 20.0, 20.0),
)
Score = TypeVar("Score", int, float)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A category as one method sees it, with what its calibrator needs to know."""

    category: str
    method: Method
    features: Features
    n: int  # rows of the payee that went to the category
    total: int  # rows of the payee
    corrected_on: dt.date | None = None


class Past:
    """All that one stretch of time tells; the same payee is judged the same way."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._latest: defaultdict[str, deque[str]] = defaultdict(
            lambda: deque(maxlen=RECENT)
        )
        for example in examples:
            key = payee_key(example.payee)
            self._counts[key][example.category] += 1
            self._latest[key].append(example.category)
        self._model = TextModel((k, c) for k, per in self._counts.items() for c in per)
        self._disputed = disputed_share(self._counts.values())
        self._judged: dict[str, Judgement | None] = {}

    def judge(self, payee: str) -> Judgement | None:
        """The cascade without corrections: pure payee history, else the text model."""
        key = payee_key(payee)
        if key not in self._judged:
            self._judged[key] = self._from_history(key) or self._from_text(key)
        return self._judged[key]

    def _from_history(self, key: str) -> Judgement | None:
        counts = self._counts.get(key)
        if not counts:
            return None
        category, n = top(counts)
        total = counts.total()
        if n < LEAST_ROWS or n < LEAST_PURITY * total:
            return None
        return Judgement(
            category,
            Method.PAYEE_HISTORY,
            history_features(category, n, total, self._latest[key], self._disputed),
            n,
            total,
        )

    def _from_text(self, key: str) -> Judgement | None:
        scores = self._model.scores(key)
        if not scores:
            return None
        seen = self._counts.get(key, Counter())
        total = seen.total()
        if total:  # half a row is left to what was never seen, as in (n + 0.5)/(N + 1)
            whole = total + MODEL_WEIGHT + 0.5
            scores = {
                c: (seen[c] + MODEL_WEIGHT * s) / whole for c, s in scores.items()
            }
        category, score = top(scores)
        return Judgement(
            category,
            Method.TEXT_MODEL,
            self._text_features(key, category, logit(score)),
            seen[category],
            total,
        )

    def _text_features(self, key: str, category: str, score: float) -> Features:
        """Three kinds of payee, each with a line of its own: new, agreed, disputed."""
        if key not in self._counts:
            familiar = self._model.familiarity(key)
            return (1.0, score, familiar, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        if len(self._counts[key]) == 1:
            return (0.0, 0.0, 0.0, 1.0, score, self._disputed, 0.0, 0.0, 0.0)
        latest = self._latest[key]
        recent = logit(smoothed(latest.count(category), len(latest)))
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, score, recent)


def disputed_share(payees: Iterable[Counter[str]]) -> float:
    """Of the rows of payees met twice or more, how many are of divided payees.

    Half until shown otherwise: two rows of each kind are taken as given.
    """
    rows, disputed = 4, 2
    for counts in payees:
        if (total := counts.total()) > 1:
            rows += total
            disputed += total * (len(counts) > 1)
    return disputed / rows


def history_features(
    value: str, n: int, total: int, latest: Collection[str], disputed: float
) -> Features:
    """What a history's confidence rests on: all rows, the latest ones, the others."""
    recent = smoothed(sum(v == value for v in latest), len(latest))
    return (1.0, logit(smoothed(n, total)), logit(recent), disputed)


def top(scores: Mapping[str, Score]) -> tuple[str, Score]:
    """The highest of some scores; of equals the first in the alphabet."""
    return min(scores.items(), key=lambda item: (-item[1], item[0]))


class CategoryEngine:
    """Proposes a category with an honest confidence, or None to abstain."""

    def __init__(self) -> None:
        self._past = Past(())
        self._calibrators = calibrated(())
        self._corrections: dict[str, Correction] = {}
        self._since: dict[str, Counter[str]] = {}

    def fit(
        self, examples: Iterable[Example], corrections: Iterable[Correction] = ()
    ) -> Self:
        """Learn from the past; equal input in any order gives an equal engine."""
        known = sorted(map(as_class, examples), key=in_time)
        self._calibrators = calibrated(known)
        self._past = Past(known)
        self._corrections = {
            payee_key(correction.payee): correction
            for correction in sorted(
                corrections, key=lambda c: (c.at, c.category or "")
            )
        }
        self._since = {key: Counter() for key in self._corrections}
        for example in known:
            correction = self._corrections.get(payee_key(example.payee))
            if correction and example.date > correction.at.date():
                self._since[payee_key(example.payee)][example.category] += 1
        return self

    def suggest(self, transaction: Transaction) -> Proposal | None:
        """Propose a category, or None: unsure, a transfer, or told to leave it."""
        key = payee_key(transaction.payee)
        if transaction.transfer or not key:
            return None
        correction = self._corrections.get(key)
        if correction and correction.category is None:
            return None
        judgement = self._from_correction(correction) if correction else None
        if judgement is None and not looks_like_transfer(transaction.payee):
            judgement = self._past.judge(transaction.payee)
        if judgement is None or judgement.category == TRANSFER:
            return None
        confidence = self._calibrators[judgement.method].confidence(judgement.features)
        if confidence < ABSTAIN_BELOW:
            return None
        return Proposal(
            value=judgement.category,
            confidence=confidence,
            method=judgement.method,
            evidence=Evidence(
                payee=tidy(transaction.payee) or transaction.payee,
                n=judgement.n,
                total=judgement.total,
                corrected_on=judgement.corrected_on,
            ),
        )

    def _from_correction(self, correction: Correction) -> Judgement | None:
        """What a person said of a payee, unless what they did since tells otherwise."""
        category = correction.category
        if category is None:
            return None
        since = self._since[payee_key(correction.payee)]
        n = since[category] + CORRECTION_WEIGHT
        total = since.total() + CORRECTION_WEIGHT
        if n < LEAST_PURITY * total:
            return None
        return Judgement(
            category,
            Method.CORRECTIONS,
            history_features(category, n, total, [category], 0.0),
            since[category],
            since.total(),
            corrected_on=correction.at.date(),
        )


def in_time(example: Example) -> tuple[object, ...]:
    """A total order, so that equal histories are equal in whatever order they come."""
    e = example
    return (e.date, e.payee, e.category, e.amount, e.account, e.notes)


def as_class(example: Example) -> Example:
    """A transfer teaches the models too: that this payee has no category."""
    return replace(example, category=TRANSFER) if example.transfer else example


def calibrated(examples: Sequence[Example]) -> Mapping[Method, Calibrator]:
    """Judge each stretch of the past from what came before it, and learn from that."""
    outcomes: dict[Method, list[Outcome]] = defaultdict(list)
    for begin, end in pairwise(int(len(examples) * cut) for cut in CUTS):
        past = Past(examples[:begin])
        for example in examples[begin : end : (end - begin) // ENOUGH + 1]:
            judgement = past.judge(example.payee)
            if judgement and judgement.category != TRANSFER and not example.transfer:
                right = judgement.category == example.category
                outcomes[judgement.method].append(Outcome(judgement.features, right))
    history = Calibrator(HISTORY_PRIOR).fit(outcomes[Method.PAYEE_HISTORY])
    return {
        Method.CORRECTIONS: history,  # a correction counts as rows of history
        Method.PAYEE_HISTORY: history,
        Method.TEXT_MODEL: Calibrator(TEXT_PRIOR).fit(outcomes[Method.TEXT_MODEL]),
    }
