"""Why a proposal was made, in words for the person who decides on it."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.formats import date_format
from django.utils.translation import gettext

from jobs.budgets.engine.proposals import Method, Proposal


def category_rationale(proposal: Proposal, names: Mapping[str, str]) -> str:
    """What a category rests on; `names` turns category ids into names."""
    evidence = proposal.evidence
    if proposal.method is Method.PROVIDER:
        text = gettext("The language model reads '%(payee)s' as %(value)s")
        if evidence.total:
            text = gettext(
                "The language model reads '%(payee)s' as %(value)s; people agreed with "
                "it on %(n)s of %(total)s payees here"
            )
    elif evidence.corrected_on:
        text = gettext("Somebody moved '%(payee)s' to %(value)s on %(day)s")
    elif evidence.n:
        text = gettext("%(n)s of %(total)s '%(payee)s' went to %(value)s")
    else:
        text = gettext("'%(payee)s' is new; it reads like payees in %(value)s")
    return _filled(text, proposal, names.get(proposal.value, proposal.value))


def payee_rationale(proposal: Proposal) -> str:
    """What a payee rests on."""
    if proposal.evidence.corrected_on:
        text = gettext("Somebody named '%(payee)s' %(value)s on %(day)s")
    elif proposal.method is Method.KNOWN_PAYEE:
        text = gettext("'%(payee)s' begins like %(value)s, which is known")
    elif proposal.method is Method.NORMALISATION:
        text = gettext("Tidied text: right for %(n)s of %(total)s new payees so far")
    else:
        text = gettext("%(n)s of %(total)s '%(payee)s' are kept as %(value)s")
    return _filled(text, proposal, proposal.value)


def _filled(text: str, proposal: Proposal, value: str) -> str:
    evidence = proposal.evidence
    day = evidence.corrected_on
    return text % {
        "n": evidence.n,
        "total": evidence.total,
        "payee": evidence.payee,
        "value": value,
        "day": date_format(day) if day else "",
    }
