"""What every page of budgets begins with: may this person, and is it theirs?"""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http.request import QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from jobs.budgets.actions.reading import visible_budgets
from jobs.budgets.models import Budget, Snapshot
from workflows.core.accounts import Account
from workflows.core.http import UserRequest

KEEP, CONNECT = "budgets.keep_budget", "budgets.connect_budget"
can_keep = permission_required(KEEP, raise_exception=True)
can_connect = permission_required(CONNECT, raise_exception=True)


def find_budget(request: UserRequest, pk: UUID) -> Budget:
    """Return a budget of the user's account, or answer 404."""
    return get_object_or_404(visible_budgets(request.user), pk=pk)


def find_snapshot(request: UserRequest, pk: UUID, snapshot: UUID) -> Snapshot:
    budget = find_budget(request, pk)
    rows = budget.snapshots.select_related("budget", "created_by")
    return get_object_or_404(rows, pk=snapshot)


def own_account(request: UserRequest) -> Account:
    """Return whose a new budget will be; operators without an account have none."""
    if request.user.account is None:
        raise PermissionDenied(
            _("A budget belongs to an account: sign in as somebody of that account.")
        )
    return request.user.account


def posted(request: UserRequest) -> QueryDict | None:
    """Return what was sent, for a form; None where nothing was, so that it is fresh."""
    return request.POST if request.method == "POST" else None
