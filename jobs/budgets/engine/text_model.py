"""A character n-gram naive Bayes: what a payee never seen before looks like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import exp, log
from typing import Protocol, Self

from jobs.budgets.engine.payees import payee_key
from jobs.budgets.engine.proposals import Example, Transaction

SHORTEST, LONGEST = 3, 5
SMOOTHING = 0.3
TEMPER = 0.1  # overlapping n-grams repeat each other's evidence


class TextModel(Protocol):
    """Scores categories for a transaction; a score is not a confidence."""

    def fit(self, examples: Sequence[Example]) -> Self: ...

    def scores(self, transaction: Transaction) -> Mapping[str, float]:
        """Share of the score per category, summing to 1; empty without examples."""
        ...


@lru_cache(maxsize=65536)
def grams(payee: str) -> tuple[str, ...]:
    """The distinct n-grams of a payee's key, words marked off, and its words."""
    found: dict[str, None] = {}
    for word in payee_key(payee).split():
        padded = f" {word} "
        found[f"w:{word}"] = None
        for size in range(SHORTEST, LONGEST + 1):
            for start in range(len(padded) - size + 1):
                found[padded[start : start + size]] = None
    return tuple(found)


class NaiveBayes:
    """Counts n-grams per category; each spelling of a payee counts by its logarithm."""

    def __init__(self) -> None:
        self._gram: dict[str, dict[str, float]] = {}
        self._size: dict[str, float] = {}
        self._prior: dict[str, float] = {}

    def fit(self, examples: Sequence[Example]) -> Self:
        rows: Counter[tuple[tuple[str, ...], str]] = Counter()
        for example in examples:
            rows[features(example), example.category] += 1
        counts: defaultdict[str, defaultdict[str, float]] = defaultdict(
            lambda: defaultdict(float)
        )
        size: defaultdict[str, float] = defaultdict(float)
        prior: Counter[str] = Counter()
        for (tokens, category), times in sorted(rows.items()):
            weight = 1 + log(times)
            prior[category] += times
            for token in tokens:
                counts[token][category] += weight
                size[category] += weight
        vocabulary = len(counts) + 1
        total = sum(prior.values())
        self._size = {c: log(s + SMOOTHING * vocabulary) for c, s in size.items()}
        self._prior = {c: log(n / total) for c, n in sorted(prior.items())}
        self._gram = {
            token: {c: log(n / SMOOTHING + 1) for c, n in per.items()}
            for token, per in counts.items()
        }
        return self

    def familiarity(self, transaction: Transaction) -> float:
        return familiar_share(transaction, self._gram)

    def scores(self, transaction: Transaction) -> Mapping[str, float]:
        known = [g for g in features(transaction) if g in self._gram]
        total = {
            c: p - len(known) * (self._size[c] - log(SMOOTHING))
            for c, p in self._prior.items()
        }
        for gram in known:
            for category, gain in self._gram[gram].items():
                total[category] += gain
        return softmax({c: TEMPER * score for c, score in total.items()})


def familiar_share(transaction: Transaction, known: Mapping[str, object]) -> float:
    """Which share of a payee's n-grams was met before."""
    found = grams(transaction.payee)
    return sum(g in known for g in found) / len(found) if found else 0.0


def features(transaction: Transaction) -> tuple[str, ...]:
    return grams(transaction.payee)


def softmax(scores: Mapping[str, float]) -> dict[str, float]:
    """Exponentials of scores as shares of their sum."""
    if not scores:
        return {}
    top = max(scores.values())
    raised = {c: exp(s - top) for c, s in scores.items()}
    total = sum(raised.values())
    return {c: r / total for c, r in raised.items()}


def regression() -> type[TextModel] | None:
    """The text model of the optional extra, or None where it is not installed."""
    return None
