"""Why something is proposed, and how far to trust it, in words for people."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils import dateformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs.budgets.engine import Method

# From here on tenths are too coarse: 19 in 20 is not 9 in 10.
FINE = 0.95


def odds(confidence: float | None) -> str:
    """Say a confidence as people do: "right about 9 times in 10"."""
    if confidence is None:
        return ""
    if confidence >= FINE:
        times = int(confidence * 100)
        return _("right about %(n)s times in 100") % {"n": times}
    times = int(confidence * 10 + 0.5)
    if not times:
        return _("seldom right")
    return ngettext(
        "right about %(n)s time in 10", "right about %(n)s times in 10", times
    ) % {"n": times}


def category_reason(evidence: dict[str, Any], category: str) -> str:
    """Say why a category is proposed: 14 of 15 “Shell” went to Fuel."""
    found = words_of(evidence) | {"category": category}
    match evidence.get("method"):
        case Method.CORRECTIONS:
            text = _("A person chose %(category)s for “%(payee)s” on %(day)s.")
            if found["total"]:
                text += " " + _("Since then %(n)s of %(total)s went there.")
        case Method.PAYEE_HISTORY:
            text = _("%(n)s of %(total)s “%(payee)s” went to %(category)s.")
        case Method.TEXT_MODEL if found["n"]:
            text = _(
                "%(n)s of %(total)s “%(payee)s” went to %(category)s, and its words "
                "fit."
            )
        case Method.TEXT_MODEL if found["similar"]:
            text = _("Its text is like “%(similar)s”, which went to %(category)s.")
        case Method.TEXT_MODEL:
            text = _("Its words are like those of others in %(category)s.")
        case Method.PROVIDER:
            text = _("The language model found that %(category)s fits best.")
        case _other:
            return ""
    return text % found


def payee_reason(evidence: dict[str, Any], payee: str) -> str:
    """Say why a name is proposed: “14 of 15 like this are named Shell”."""
    found = words_of(evidence) | {"name": payee}
    match evidence.get("method"):
        case Method.CORRECTIONS:
            text = _("A person named “%(payee)s” so on %(day)s.")
        case Method.PAYEE_HISTORY:
            text = _("%(n)s of %(total)s like this are named %(name)s.")
        case Method.NORMALISATION:
            text = _("The text without its numbers and places.")
        case Method.PROVIDER:
            text = _("The language model found that this is who was paid.")
        case _other:
            return ""
    return text % found


def words_of(evidence: dict[str, Any]) -> dict[str, Any]:
    day = evidence.get("corrected_on")
    return {
        "payee": evidence.get("payee", ""),
        "n": evidence.get("n", 0),
        "total": evidence.get("total", 0),
        "similar": evidence.get("similar_to", ""),
        "day": dateformat.format(date.fromisoformat(day), "j M Y") if day else "",
    }
