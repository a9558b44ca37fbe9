"""Why something is proposed, and how far to trust it, as a suggestion keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs.budgets.engine import Evidence, Method, Proposal
from jobs.budgets.engine.rationale import category_rationale, payee_rationale
from jobs.budgets.models import Suggestion

# From here on tenths are too coarse: 19 in 20 is not 9 in 10.
FINE = 0.95


def odds(confidence: float | None) -> str:
    """Say a confidence as people do: "right about 9 times in 10"."""
    if confidence is None:
        return ""
    if confidence >= FINE:
        times = int(confidence * 100 + 1e-9)
        return _("right about %(n)s times in 100") % {"n": times}
    times = int(confidence * 10 + 0.5)
    if not times:
        return _("seldom right")
    return ngettext(
        "right about %(n)s time in 10", "right about %(n)s times in 10", times
    ) % {"n": times}


def category_reason(row: Suggestion, names: Mapping[str, str]) -> str:
    """Say why the category is proposed: 14 of 15 “Shell” went to Fuel."""
    found = proposal_of(row.category_proposal_id, row.category_evidence)
    return category_rationale(found, names) if found else ""


def payee_reason(row: Suggestion) -> str:
    found = proposal_of(row.payee_proposal, row.payee_evidence)
    return payee_rationale(found) if found else ""


def proposal_of(value: str, evidence: Mapping[str, Any]) -> Proposal | None:
    """Return the engine's proposal again; None where its method is no longer known."""
    try:
        method = Method(evidence.get("method", ""))
    except ValueError:
        return None
    known = {field.name for field in fields(Evidence)}
    kept = {name: found for name, found in evidence.items() if name in known}
    if kept.get("corrected_on"):
        kept["corrected_on"] = date.fromisoformat(kept["corrected_on"])
    return Proposal(value=value, confidence=1, method=method, evidence=Evidence(**kept))
