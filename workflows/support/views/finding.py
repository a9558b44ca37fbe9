"""What every page of cases begins with: may this person, and is it theirs?"""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from workflows.core.accounts import User
from workflows.core.http import UserRequest
from workflows.support.models import Artifact, WorkflowSession

RUN = "workflows.run_support"
can_run = permission_required(RUN, raise_exception=True)


def visible_cases(user: User) -> QuerySet[WorkflowSession]:
    """Return the cases a person may see, with what a list shows of them."""
    rows: QuerySet[WorkflowSession] = WorkflowSession.objects.visible_to(user)
    rows = rows.select_related("host", "created_by", "sosreport", "jira")
    return rows.defer("host__private_key", "created_by__password")


def whole_cases(user: User) -> QuerySet[WorkflowSession]:
    """Return the same with what a case's own pages show besides."""
    rows = visible_cases(user)
    rows = rows.select_related("sosreport__artifact", "jira__connection__user")
    return rows.defer("jira__connection__token", "jira__connection__user__password")


def find_case(request: UserRequest, pk: UUID) -> WorkflowSession:
    """Return a case of the user's account, or answer 404."""
    return get_object_or_404(whole_cases(request.user), pk=pk)


def find_archive(request: UserRequest, pk: UUID, archive: UUID) -> Artifact:
    """Return an archive of such a case, deleted or not, or answer 404."""
    rows = Artifact.objects.visible_to(request.user).select_related(
        "session__host", "created_by"
    )
    found: Artifact
    found = get_object_or_404(
        rows.defer("session__host__private_key"), pk=archive, session=pk
    )
    return found
