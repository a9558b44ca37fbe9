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

# Where several problems have a code, and the words of one would mislead; where they
# are too long, speak to whom it happened to, or are known only when it happens.
OWN: dict[str, StrOrPromise] = {
    "artifact_too_large": _("The archive is larger than Handrail or Jira takes."),
    "attach_failed": _("The archive was not attached, or is not seen on the issue."),
    "attachments_disabled": _("Attachments are switched off in Jira or the project."),
    "canceled": _("Somebody canceled it."),
    "captcha_required": _("Jira wants the account to log in with a browser first."),
    "connection_expired": _("The connection to Jira has expired."),
    "connection_revoked": _("The connection to Jira was revoked."),
    "connection_unknown": _("Whoever asked for it was not connected to Jira."),
    "connection_unreadable": _("The stored token for Jira cannot be read any more."),
    "copy_failed": _("The archive did not arrive whole, or could not be stored."),
    "disk_full": _(
        "There is too little free space: on the host, or where Handrail keeps its "
        "files."
    ),
    "forbidden": _("Jira refuses the account, or what was asked of it."),
    "host_key_changed": _("The host shows another key than the confirmed one."),
    "issue_access_denied": _("Jira no longer shows the issue to the account."),
    "path_unsafe": _("The place of the report on the host holds something else."),
    "privilege_required": _("Handrail may not log in, or make reports, on the host."),
    "read_failed": _("The archive could not be read: on the host, or here."),
    "step_gate_select_product": _(
        "No host was chosen yet, or it makes its reports itself."
    ),
    "timeout": _("It took too long and was ended."),
    "validation_error": _(
        "What was chosen cannot be used: the host, the options, or the archive that "
        "was brought."
    ),
}


def meaning_of(code: str) -> str:
    """Return what a code stands for; one that is gone stands for itself."""
    words = str(meanings().get(code, code))
    return words.partition(". ")[0].rstrip(".") + "." if " " in words else words


def label_of(code: str) -> str:
    """Return the same in the few words that a choice has room for."""
    return meaning_of(code).rstrip(".").partition(": ")[0]


def labels() -> list[tuple[str, str]]:
    """Return every code with its label, in the order of the labels."""
    found = ((code, label_of(code)) for code in meanings())
    return sorted(found, key=lambda pair: pair[1].casefold())


@cache
def meanings() -> dict[str, StrOrPromise]:
    """Return the words of every code that a case may keep."""
    found: dict[str, StrOrPromise] = dict(OWN)
    for family in (ReportProblem, CaseProblem, JiraProblem):
        for problem in descendants(family):
            found.setdefault(problem.code, getattr(problem, "words", problem.code))
    return found


def descendants(family: Any) -> Iterator[Any]:
    for problem in family.__subclasses__():
        if hasattr(problem, "code"):
            yield problem
        yield from descendants(problem)
