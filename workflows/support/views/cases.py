"""Cases: the list of them, the wizard, and the end of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from workflows.core.errors import Problem
from workflows.core.export import csv_response
from workflows.core.http import UserRequest, see_other
from workflows.core.intake import token_is_posted
from workflows.core.paging import slice_of
from workflows.core.wizard import WizardView
from workflows.support.actions.cases import begin_case
from workflows.support.actions.reporting import (
    earlier_archives,
    prerequisites,
    running_job,
)
from workflows.support.forms.filters import CaseFilter
from workflows.support.models import WorkflowSession
from workflows.support.pages import JiraPage, ProductPage, ReportPage
from workflows.support.pages.base import CasePage
from workflows.support.pages.story import story_of
from workflows.support.retention import kept_until
from workflows.support.views.finding import (
    RUN,
    can_run,
    find_case,
    visible_cases,
    whole_cases,
)

Step = WorkflowSession.Step
HEADER = (
    "id",
    "host",
    "product",
    "step",
    "failed_step",
    "last_error_code",
    "issue",
    "archive",
    "begun_by",
    "created_at",
    "updated_at",
)


# --- the list -------------------------------------------------------------------------
@require_safe
@can_run
def cases(request: UserRequest) -> HttpResponse:
    """Every case of the account, newest first."""
    form = CaseFilter(request.GET, user=request.user)
    form.offer_hosts()
    context = {
        "list": slice_of(request, form.narrow(visible_cases(request.user))),
        "form": form,
    }
    return render(request, "support/cases.html", context)


@require_safe
@can_run
def cases_csv(request: UserRequest) -> HttpResponseBase:
    """The same cases as a file."""
    form = CaseFilter(request.GET, user=request.user)
    found = form.narrow(visible_cases(request.user))
    return csv_response("cases.csv", HEADER, cells(found.order_by("-id")))


def cells(rows: QuerySet[Any]) -> Iterator[tuple[Any, ...]]:
    for case in rows.iterator(chunk_size=2000):
        yield (
            case.pk,
            str(case.host or ""),
            case.selected_product,
            case.current_step,
            case.failed_step,
            case.last_error_code,
            case.jira.issue_key,
            case.sosreport.archive_name,
            str(case.created_by),
            case.created_at.isoformat(),
            case.updated_at.isoformat(),
        )


@require_POST
@can_run
def start(request: UserRequest) -> HttpResponse:
    """Begin a case; a second click finds the one that the first click has begun."""
    if request.user.account is None:
        raise PermissionDenied(
            _("A case belongs to an account: sign in as somebody of that account.")
        )
    return see_other(begin_case(by=request.user))


# --- the wizard -----------------------------------------------------------------------
# An error report shows what was posted, unless it is told what to leave out.
@method_decorator(token_is_posted, name="dispatch")
class CaseWizard(WizardView):
    """The three steps of a case."""

    machine_class = WorkflowSession
    pages = (ProductPage, ReportPage, JiraPage)
    resume_url, page_url = "support:case", "support:page"
    finished_url = "support:done"
    permission = RUN
    machine: WorkflowSession

    def load(self) -> None:
        job = running_job(self.kwargs["pk"])
        super().load()
        for page in cast(list[CasePage], self.all_pages):
            page.job = job

    def queryset(self) -> QuerySet[Any]:
        return whole_cases(self.request.user)

    def state(self) -> str:
        # Two steps can fail: a form of the one is none of the other.
        return f"{super().state()}/{self.machine.failed_step}"


@require_safe
@can_run
def done(request: UserRequest, pk: UUID) -> HttpResponse:
    """What became of a case: where its archive is, and how it came there."""
    case = find_case(request, pk)
    if case.current_step != Step.COMPLETED:
        return see_other(case)
    archive = case.sosreport.artifact
    context = {
        "case": case,
        "jira": case.jira,
        "attached": archive,
        "archive": archive if archive and archive.file else None,
        "kept_until": kept_until(archive) if archive and archive.file else None,
        "earlier": earlier_archives(case),
        "story": story_of(case),
    }
    return render(request, "support/done.html", context)


# --- the host -------------------------------------------------------------------------
@require_safe
@can_run
def host_check(request: UserRequest, pk: UUID) -> HttpResponse:
    """What the case's host lacks for a report. It is asked, and nothing is changed."""
    case = find_case(request, pk)
    if case.host is None:
        messages.info(request, _("Choose a product and a host first."))
        return see_other(case)
    found = prerequisites(case)
    context = {
        "case": case,
        "found": found,
        "problems": [(remedied(problem), problem) for problem in found.problems],
    }
    template = "_host_check.html" if request.htmx else "host_check.html"
    return render(request, f"support/{template}", context)


def remedied(problem: Problem) -> tuple[str, str]:
    """Return what is wrong, and the line that mends it, "" where there is none."""
    remedy = getattr(problem, "command", "") or getattr(problem, "key", "")
    return str(problem).removesuffix(remedy).rstrip(), remedy
