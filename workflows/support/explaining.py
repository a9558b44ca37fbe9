"""What the codes of failures stand for, in a few words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from workflows.core.jira import JiraProblem
from workflows.support.collecting.problems import ReportProblem
from workflows.support.problems import CaseProblem

# Where several problems have a code, and the words of one would mislead.
SHARED: dict[str, StrOrPromise] = {
    "canceled": _("Somebody canceled it."),
    "timeout": _("It took too long and was ended."),
    "privilege_required": _("Handrail may not log in, or make reports, on the host."),
}


def meaning_of(code: str) -> str:
    """Return what a code stands for; one that is gone stands for itself."""
    words = str(meanings().get(code, code))
    return words.partition(". ")[0].rstrip(".") + "." if " " in words else words


@cache
def meanings() -> dict[str, StrOrPromise]:
    """Return the words of every code that a case may keep."""
    found: dict[str, StrOrPromise] = dict(SHARED)
    for family in (ReportProblem, CaseProblem, JiraProblem):
        for problem in descendants(family):
            words = getattr(problem, "words", problem.code)
            # Those with gaps are filled where they happen.
            if problem.code not in found or "%(" in str(found[problem.code]):
                found[problem.code] = words
    return found


def descendants(family: Any) -> Iterator[Any]:
    for problem in family.__subclasses__():
        if hasattr(problem, "code"):
            yield problem
        yield from descendants(problem)
