"""Which payee an imported text means, from how people renamed others before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Self

from jobs.budgets.engine.calibration import smoothed
from jobs.budgets.engine.payees import payee_key
from jobs.budgets.engine.proposals import Evidence, Method, Proposal, Renaming

LEAST_ROWS = 3
LEAST_PURITY = 0.8
LEAST_TRIALS = 5  # payees, before tidying may be trusted in this budget


class PayeeEngine:
    """Proposes a clean payee, or None; a name nobody kept is never made up."""

    def __init__(self) -> None:
        self._history: dict[str, Counter[str]] = {}
        self._known: dict[str, Counter[str]] = {}

    def fit(self, renamings: Iterable[Renaming], *, seed: int = 0) -> Self:
        self._history = {}
        for r in sorted(renamings, key=lambda r: (r.date, r.imported, r.payee)):
            self._history.setdefault(payee_key(r.imported), Counter())[r.payee] += 1
        return self

    def suggest(self, imported: str) -> Proposal | None:
        counts = self._history.get(payee_key(imported))
        if not counts:
            return None
        payee, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
        total = counts.total()
        if n < LEAST_ROWS or n < LEAST_PURITY * total:
            return None
        return Proposal(
            value=payee,
            confidence=smoothed(n, total),
            method=Method.PAYEE_HISTORY,
            evidence=Evidence(payee=imported, n=n, total=total),
        )
