"""Which category a transaction belongs to: corrections, history, text, or nothing."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from jobs.budgets.engine.calibration import (
    Calibrator,
    Features,
    Outcome,
    Prior,
    logit,
    smoothed,
)
from jobs.budgets.engine.payees import looks_like_transfer, payee_key
from jobs.budgets.engine.proposals import (
    Correction,
    Evidence,
    Example,
    Method,
    Proposal,
    Transaction,
)
from jobs.budgets.engine.text_model import NaiveBayes, TextModel

RECENT = 5  # rows of a payee that tell whether its category has changed
LEAST_ROWS = 3
LEAST_PURITY = 0.8
CORRECTION_WEIGHT = 5  # rows of history that one correction is worth
ABSTAIN_BELOW = 0.0
TRANSFER = "\0transfer"  # how own-account movements are told to the models

HISTORY_PRIOR = Prior(weights=(-0.2, 0.6, 0.6), precision=(2.0, 20.0, 20.0))
TEXT_PRIOR = Prior(
    weights=(-1.5, 0.3, 1.0, 0.3, 1.0), precision=(2.0, 30.0, 4.0, 1.5, 20.0)
)
MODEL_WEIGHT = 1.0  # rows of history that the text model's opinion is worth
CUTS = (1 / 3, 1 / 2, 3 / 4, 1)


class History:
    """How often each payee went to each category."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.latest: defaultdict[str, deque[str]] = defaultdict(
            lambda: deque(maxlen=RECENT)
        )
        self.spelling: dict[str, str] = {}
        for example in examples:
            key = payee_key(example.payee)
            self.counts[key][example.category] += 1
            self.latest[key].append(example.category)
            self.spelling[key] = example.payee

    def top(self, payee: str) -> tuple[str, int, int]:
        """The payee's usual category, its rows and all rows; ("", 0, 0) if unknown."""
        counts = self.counts.get(payee_key(payee))
        if not counts:
            return "", 0, 0
        category, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
        return category, n, counts.total()


class Judgement:
    """A category as one method sees it, with what its calibrator needs to know."""

    __slots__ = ("category", "evidence", "features", "method")

    def __init__(
        self, category: str, method: Method, features: Features, evidence: Evidence
    ) -> None:
        self.category = category
        self.method = method
        self.features = features
        self.evidence = evidence


class Fitted:
    """History and text model of one stretch of time."""

    def __init__(self, examples: Sequence[Example], model: TextModel) -> None:
        self.history = History(examples)
        self.model = model.fit(examples)

    def judge(self, transaction: Transaction) -> Judgement | None:
        """The cascade without corrections: pure payee history, else the text model."""
        category, n, total = self.history.top(transaction.payee)
        if n >= LEAST_ROWS and n >= LEAST_PURITY * total:
            key = payee_key(transaction.payee)
            evidence = Evidence(payee=self.history.spelling[key], n=n, total=total)
            latest = self.history.latest[key]
            recent = smoothed(latest.count(category), len(latest))
            features = (1.0, logit(smoothed(n, total)), logit(recent))
            return Judgement(category, Method.PAYEE_HISTORY, features, evidence)
        scores = self.model.scores(transaction)
        if not scores:
            return None
        seen = self.history.counts.get(payee_key(transaction.payee), Counter[str]())
        total = seen.total()
        blend = {
            c: (seen[c] + MODEL_WEIGHT * score)
            / (total + MODEL_WEIGHT + bool(total) / 2)
            for c, score in scores.items()
        }
        best = min(blend, key=lambda c: (-blend[c], c))
        n = seen[best]
        score = logit(blend[best])
        familiar = self.model.familiarity(transaction)
        features = (
            (0.0, 0.0, 0.0, 1.0, score) if total else (1.0, score, familiar, 0.0, 0.0)
        )
        evidence = Evidence(payee=transaction.payee, n=n, total=total)
        return Judgement(best, Method.TEXT_MODEL, features, evidence)


class CategoryEngine:
    """Proposes a category with an honest confidence, or None to abstain."""

    def __init__(self, model: type[TextModel] = NaiveBayes) -> None:
        self._model = model
        self._fitted = Fitted((), model())
        self._calibrators = fresh_calibrators()
        self._corrections: dict[str, Correction] = {}
        self._since: dict[str, Counter[str]] = {}

    def fit(
        self,
        examples: Iterable[Example],
        corrections: Iterable[Correction] = (),
        *,
        seed: int = 0,
    ) -> Self:
        """Learn from the past; equal input in any order gives an equal engine."""
        known = sorted(map(as_class, examples), key=in_time)
        self._calibrators = calibrated(known, self._model)
        self._fitted = Fitted(known, self._model())
        self._correct(known, corrections)
        return self

    def _correct(
        self, examples: Sequence[Example], corrections: Iterable[Correction]
    ) -> None:
        newest = sorted(corrections, key=lambda c: (c.at, c.category or ""))
        self._corrections = {payee_key(c.payee): c for c in newest}
        self._since = {key: Counter() for key in self._corrections}
        for example in examples:
            key = payee_key(example.payee)
            correction = self._corrections.get(key)
            if correction and example.date > correction.at.date():
                self._since[key][example.category] += 1

    def suggest(self, transaction: Transaction) -> Proposal | None:
        """Propose a category, or None: unsure, a transfer, or told to leave it."""
        if transaction.transfer:
            return None
        judgement = self._corrected(transaction)
        if judgement is None:
            if self._left_alone(transaction) or looks_like_transfer(transaction.payee):
                return None
            judgement = self._fitted.judge(transaction)
        if judgement is None or judgement.category == TRANSFER:
            return None
        calibrator = self._calibrators[judgement.method]
        confidence = calibrator.confidence(judgement.features)
        if confidence < ABSTAIN_BELOW:
            return None
        return Proposal(
            value=judgement.category,
            confidence=confidence,
            method=judgement.method,
            evidence=judgement.evidence,
        )

    def _left_alone(self, transaction: Transaction) -> bool:
        correction = self._corrections.get(payee_key(transaction.payee))
        return correction is not None and correction.category is None

    def _corrected(self, transaction: Transaction) -> Judgement | None:
        """What a person said of this payee, unless later rows tell otherwise."""
        key = payee_key(transaction.payee)
        correction = self._corrections.get(key)
        if correction is None or correction.category is None:
            return None
        since = self._since[key]
        n = since[correction.category] + CORRECTION_WEIGHT
        total = since.total() + CORRECTION_WEIGHT
        if n < LEAST_PURITY * total:
            return None
        evidence = Evidence(
            payee=correction.payee,
            n=since[correction.category],
            total=since.total(),
            corrected_on=correction.at.date(),
        )
        return Judgement(
            correction.category,
            Method.CORRECTIONS,
            (1.0, logit(smoothed(n, total)), logit(smoothed(n, total))),
            evidence,
        )


def in_time(example: Example) -> tuple[object, ...]:
    """A total order, so that equal histories are equal in whatever order they come."""
    e = example
    return (e.date, e.payee, e.amount, e.account, e.category, e.notes)


def as_class(example: Example) -> Example:
    """A transfer teaches the models too: that it has no category."""
    if not example.transfer:
        return example
    return Example(
        date=example.date,
        payee=example.payee,
        amount=example.amount,
        account=example.account,
        notes=example.notes,
        category=TRANSFER,
        transfer=True,
    )


def fresh_calibrators() -> dict[Method, Calibrator]:
    history = Calibrator(HISTORY_PRIOR)
    return {
        Method.CORRECTIONS: history,
        Method.PAYEE_HISTORY: history,
        Method.TEXT_MODEL: Calibrator(TEXT_PRIOR),
    }


def calibrated(
    examples: Sequence[Example], model: type[TextModel]
) -> Mapping[Method, Calibrator]:
    """Judge each stretch of the past from what came before it, and learn from that."""
    outcomes: dict[Method, list[Outcome]] = defaultdict(list)
    for start, end in zip(CUTS, CUTS[1:], strict=False):
        begin, stop = int(len(examples) * start), int(len(examples) * end)
        if not begin:
            continue
        past = Fitted(examples[:begin], model())
        for example in examples[begin:stop]:
            judgement = past.judge(example)
            if judgement and judgement.category != TRANSFER and not example.transfer:
                right = judgement.category == example.category
                outcomes[judgement.method].append(Outcome(judgement.features, right))
    calibrators = fresh_calibrators()
    calibrators[Method.PAYEE_HISTORY].fit(outcomes[Method.PAYEE_HISTORY])
    calibrators[Method.TEXT_MODEL].fit(outcomes[Method.TEXT_MODEL])
    return calibrators
