"""What goes into the engine and what comes out, in plain values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """Who made a proposal; the value is stored, so it never changes."""

    CORRECTIONS = "corrections"
    PAYEE_HISTORY = "payee_history"
    TEXT_MODEL = "text_model"
    KNOWN_PAYEE = "known_payee"
    NORMALISATION = "normalisation"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One line of an account; `payee` is the imported text, the best that is known."""

    date: dt.date
    payee: str
    amount: int  # cents; spending is negative
    account: str = ""
    notes: str = ""
    transfer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Transaction):
    """A transaction of the past and the category that a person left it in."""

    category: str = ""  # an opaque id; "" only for a transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A person said where this payee belongs; the newest one wins."""

    payee: str
    category: str | None  # None: leave this payee alone
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """An imported text and the payee that a person keeps it under."""

    imported: str
    payee: str
    date: dt.date
    by_hand: bool = False  # somebody corrected it: the newest of these wins


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a proposal was made: `n` of `total` rows of `payee` went where it says.

    Of a rule (known payee, normalisation) they are the new texts it was right for.
    """

    payee: str
    n: int = 0
    total: int = 0
    corrected_on: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A value (category id, or payee) and how often such a proposal proves right."""

    value: str
    confidence: float  # in (0, 1): a share of right answers, never a score
    method: Method
    evidence: Evidence
