"""From a score to a share of right answers.

A calibrator is a logistic curve over a few features, fitted to proposals that were made
without seeing the answer. It starts from what holds in most histories and moves as far
as this history's outcomes justify (the Gaussian prior of Bayesian logistic regression);
what is still uncertain is subtracted, so that a small history states less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, pi, sqrt

Features = tuple[float, ...]
MOST = 0.99  # nothing is stated as more certain than this


def sigmoid(x: float) -> float:
    """The logistic function, safe at both ends."""
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


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
        prior, size = self.prior, len(self.prior.weights)
        w = list(prior.weights)
        for _ in range(25):
            gradient = [
                prior.precision[i] * (prior.weights[i] - w[i]) for i in range(size)
            ]
            hessian = [
                [prior.precision[i] if i == j else 0.0 for j in range(size)]
                for i in range(size)
            ]
            for outcome in outcomes:
                x = outcome.features
                p = sigmoid(sum(a * b for a, b in zip(w, x, strict=True)))
                error, curvature = outcome.right - p, p * (1 - p)
                for i in range(size):
                    gradient[i] += error * x[i]
                    for j in range(size):
                        hessian[i][j] += curvature * x[i] * x[j]
            covariance = inverse(hessian)
            step = [
                sum(r * g for r, g in zip(row, gradient, strict=True))
                for row in covariance
            ]
            longest = max(1.0, max(map(abs, step)) / 2)  # no leap leaves the basin
            w = [a + b / longest for a, b in zip(w, step, strict=True)]
            if max(map(abs, step)) < 1e-6:
                break
        self.weights, self.covariance = w, covariance
        return self

    def confidence(self, features: Features) -> float:
        """The share of such proposals that prove right, uncertainty of the curve included."""
        mean = sum(a * b for a, b in zip(self.weights, features, strict=True))
        variance = sum(
            a * sum(c * b for c, b in zip(row, features, strict=True))
            for a, row in zip(features, self.covariance, strict=True)
        )
        # MacKay's approximation of the average over all plausible curves.
        return min(sigmoid(mean / sqrt(1 + pi * variance / 8)), MOST)


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
