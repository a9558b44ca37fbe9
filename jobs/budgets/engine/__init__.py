"""The default engine of suggestions: offline, explains itself, abstains when unsure.

Plain values in, plain values out: no models, no I/O, nothing but the standard library.
Only `rationale`, which words the evidence, speaks through Django's translations.
"""

from jobs.budgets.engine.categories import CategoryEngine
from jobs.budgets.engine.payee_names import PayeeEngine
from jobs.budgets.engine.payees import looks_like_transfer, payee_key, tidy
from jobs.budgets.engine.proposals import (
    Correction,
    Evidence,
    Example,
    Method,
    Proposal,
    Renaming,
    Transaction,
)

__all__ = [
    "CategoryEngine",
    "Correction",
    "Evidence",
    "Example",
    "Method",
    "PayeeEngine",
    "Proposal",
    "Renaming",
    "Transaction",
    "looks_like_transfer",
    "payee_key",
    "tidy",
]
