"""Which payee an imported text means, from how people named others before."""

from __future__ import annotations

import datetime as dt
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from jobs.budgets.engine.calibration import Calibrator, Outcome, smoothed
from jobs.budgets.engine.categories import (
    CORRECTION_WEIGHT,
    HISTORY_PRIOR,
    LEAST_PURITY,
    LEAST_ROWS,
    RECENT,
    history_features,
    top,
)
from jobs.budgets.engine.payees import folded, looks_like_transfer, payee_key, tidy
from jobs.budgets.engine.proposals import Evidence, Method, Proposal, Renaming

LEAST_TRIALS = 5  # new texts on which a rule must have been tried in this budget


@dataclass(slots=True)
class Record:
    """How often a rule was tried on a new text, and led to what people chose."""

    right: int = 0
    tried: int = 0

    def add(self, guess: str, payee: str) -> None:
        self.right += folded(guess) == folded(payee)
        self.tried += 1

    @property
    def holds(self) -> bool:
        return self.tried >= LEAST_TRIALS and self.right >= LEAST_PURITY * self.tried


@dataclass(slots=True)
class Kept:
    """The payees that people keep one imported text under."""

    counts: Counter[str] = field(default_factory=Counter)
    latest: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT))
    corrected_on: dt.date | None = None

    def add(self, renaming: Renaming) -> None:
        if renaming.by_hand:  # what was done before no longer counts
            self.counts = Counter({renaming.payee: CORRECTION_WEIGHT - 1})
            self.latest.clear()
            self.corrected_on = renaming.date
        self.counts[renaming.payee] += 1
        self.latest.append(renaming.payee)

    def usual(self) -> tuple[str, int, int] | None:
        """The payee, its rows and all rows, where there are enough and they agree."""
        payee, n = top(self.counts)
        total = self.counts.total()
        enough = n >= LEAST_ROWS and n >= LEAST_PURITY * total
        return (payee, n, total) if enough else None


class PayeeEngine:
    """Proposes a clean payee, or None.

    A name that nobody keeps is proposed only where tidying texts has, in this very
    budget, led to the names that people chose; how often it did is the confidence.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._known: dict[str, Counter[str]] = {}
        self._calibrator = Calibrator(HISTORY_PRIOR)
        self._by_name = Record()  # a text that begins with a known payee's name
        self._by_tidying = Record()

    def fit(self, renamings: Iterable[Renaming]) -> Self:
        """Learn from the past, once, trying each rule on a text before learning it."""
        outcomes: list[Outcome] = []
        for renaming in sorted(
            renamings, key=lambda r: (r.date, r.by_hand, r.imported, r.payee)
        ):
            key, payee = payee_key(renaming.imported), renaming.payee
            kept = self._kept.setdefault(key, Kept())
            if not kept.counts:
                if guess := self._beginning(renaming.imported):
                    self._by_name.add(guess, payee)
                self._by_tidying.add(tidy(renaming.imported), payee)
            elif usual := kept.usual():
                features = history_features(*usual, kept.latest, 0.0)
                outcomes.append(Outcome(features, usual[0] == payee))
            kept.add(renaming)
            self._known.setdefault(payee_key(payee), Counter())[payee] += 1
        self._calibrator.fit(outcomes)
        return self

    def _beginning(self, imported: str) -> str:
        """The known payee with whose name the text begins, the longest such; or ""."""
        words = payee_key(imported).split()
        for length in range(len(words), 0, -1):
            if known := self._known.get(" ".join(words[:length])):
                return top(known)[0]
        return ""

    def suggest(self, imported: str) -> Proposal | None:
        """Propose a payee for an imported text, or None: unsure, or a transfer."""
        if looks_like_transfer(imported) or not payee_key(imported):
            return None
        kept = self._kept.get(payee_key(imported))
        if kept is None:
            return self._from_rules(imported)
        usual = kept.usual()
        if usual is None:
            return None
        payee, n, total = usual
        features = history_features(payee, n, total, kept.latest, 0.0)
        return Proposal(
            value=payee,
            confidence=self._calibrator.confidence(features),
            method=Method.CORRECTIONS if kept.corrected_on else Method.PAYEE_HISTORY,
            evidence=Evidence(
                payee=imported, n=n, total=total, corrected_on=kept.corrected_on
            ),
        )

    def _from_rules(self, imported: str) -> Proposal | None:
        """A text that is new: the known payee it begins with, else its tidy name."""
        for guess, record, method in (
            (self._beginning(imported), self._by_name, Method.KNOWN_PAYEE),
            (tidy(imported), self._by_tidying, Method.NORMALISATION),
        ):
            if guess and record.holds:
                return Proposal(
                    value=guess,
                    confidence=smoothed(record.right, record.tried),
                    method=method,
                    evidence=Evidence(
                        payee=imported, n=record.right, total=record.tried
                    ),
                )
        return None
