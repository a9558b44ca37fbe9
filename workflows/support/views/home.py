"""What the first page shows of cases."""

from __future__ import annotations

from workflows.core.accounts import User
from workflows.core.home import Section, home_section
from workflows.support.models import WorkflowSession
from workflows.support.views.finding import RUN, visible_cases

SHOWN_ON_HOME = 8


@home_section
def on_home(user: User) -> Section | None:
    """One's own cases that are not completed, the failed ones among them."""
    if not user.has_perm(RUN):
        return None
    mine = visible_cases(user).filter(created_by=user)
    open_ones = mine.exclude(current_step=WorkflowSession.Step.COMPLETED)
    rows = list(open_ones.order_by("-id")[:SHOWN_ON_HOME])
    return Section("support/_home.html", {"rows": rows}) if rows else None
