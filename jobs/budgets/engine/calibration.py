"""From a score to a share of right answers.

A calibrator is a logistic curve over a few features, fitted to proposals that were made
without seeing the answer. It starts from what holds in most histories and moves as far
as this history's outcomes justify (the Gaussian prior of Bayesian logistic regression);
what is still uncertain is subtracted, so that a small history states less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p, pi, sqrt

Features = tuple[float, ...]
Seen = tuple[Features, bool]
MOST = 0.99  # nothing is stated as more certain than this


def sigmoid(x: float) -> float:
    """The logistic function, safe at both ends."""
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def softplus(x: float) -> float:
    """log(1 + e^x), safe at both ends."""
    return max(x, 0.0) + log1p(exp(-abs(x)))


def logit(p: float, bound: float = 0.999) -> float:
    """Log odds of a share, kept finite."""
    p = min(max(p, 1 - bound), bound)
    return log(p / (1 - p))


def smoothed(n: int, total: int) -> float:
    """The expected share of right answers after n of total: (n + 0.5)/(N + 1)."""
    return (n + 0.5) / (total + 1)


@dataclass(frozen=True, slots=True)
class Prior:
    """What holds before a history has said anything: weights, and how firmly."""

    weights: Features
    precision: Features  # 1/variance of each weight


@dataclass(frozen=True, slots=True)
class Outcome:
    """A proposal made out of time, and whether it was right."""

    features: Features
    right: bool


class Calibrator:
    """The fitted curve; the same features always give the same confidence."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.weights = list(prior.weights)
        self.covariance = [
            [1 / p if i == j else 0.0 for j in range(len(prior.precision))]
            for i, p in enumerate(prior.precision)
        ]

    def fit(self, outcomes: Sequence[Outcome]) -> Calibrator:
        """Find the most probable weights (Newton's method) and their covariance."""
        seen = Counter((o.features, o.right) for o in outcomes)
        weights = list(self.prior.weights)
        for _ in range(50):
            gradient, hessian = self._slope(weights, seen)
            self.covariance = inverse(hessian)
            step = [dot(row, gradient) for row in self.covariance]
            gain = dot(step, gradient)  # twice what a full step promises
            if gain < 1e-9:
                break
            height, size = self._height(weights, seen), 1.0
            while size > 1e-6:  # a full step may leap over the top
                further = [w + size * s for w, s in zip(weights, step, strict=True)]
                if self._height(further, seen) >= height + size * gain / 4:
                    break
                size /= 2
            weights = further
        self.weights = weights
        return self

    def _height(self, weights: Sequence[float], seen: Counter[Seen]) -> float:
        """Log of how probable weights are, but for a constant."""
        prior = self.prior
        height = -sum(
            p * (w - m) ** 2 / 2
            for w, m, p in zip(weights, prior.weights, prior.precision, strict=True)
        )
        for (features, right), times in seen.items():
            x = dot(weights, features)
            height -= times * softplus(-x if right else x)
        return height

    def _slope(
        self, weights: Sequence[float], seen: Counter[Seen]
    ) -> tuple[list[float], list[list[float]]]:
        """The height's gradient, and the negative of its matrix of curvatures."""
        prior = self.prior
        places = range(len(weights))
        gradient = [
            prior.precision[i] * (prior.weights[i] - weights[i]) for i in places
        ]
        hessian = [[prior.precision[i] * (i == j) for j in places] for i in places]
        for (features, right), times in seen.items():
            p = sigmoid(dot(weights, features))
            for i in places:
                gradient[i] += times * (right - p) * features[i]
                for j in places:
                    hessian[i][j] += times * p * (1 - p) * features[i] * features[j]
        return gradient, hessian

    def confidence(self, features: Features) -> float:
        """The share of such proposals that prove right, doubt of the curve included."""
        mean = dot(self.weights, features)
        variance = dot(features, [dot(row, features) for row in self.covariance])
        # MacKay's approximation of the average over all plausible curves.
        return min(sigmoid(mean / sqrt(1 + pi * variance / 8)), MOST)


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Gauss-Jordan inverse of a small positive definite matrix."""
    size = len(matrix)
    rows = [
        [*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)
    ]
    for i in range(size):
        pivot = rows[i][i]
        rows[i] = [value / pivot for value in rows[i]]
        for j in range(size):
            if j != i:
                factor = rows[j][i]
                rows[j] = [
                    a - factor * b for a, b in zip(rows[j], rows[i], strict=True)
                ]
    return [row[size:] for row in rows]
