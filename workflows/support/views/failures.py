"""What cases fail of, for managers."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from workflows.core.http import UserRequest
from workflows.support.actions import counting
from workflows.support.actions.counting import PERIODS


@require_safe
@permission_required("workflows.view_workflowsession", raise_exception=True)
def failures(request: UserRequest) -> HttpResponse:
    """Failures by their code, each with the cases that stand failed of it."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, PERIODS) else PERIODS[1]
    context = {
        "periods": PERIODS,
        "days": days,
        "failures": counting.failures(request.user, days=days),
    }
    return render(request, "support/failures.html", context)
