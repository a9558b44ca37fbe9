"""A call becomes a walk, with the ticket that keeps it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db import transaction

from l1walk.actions.tickets import open_ticket
from l1walk.actions.walks import Intake, begin_walk
from l1walk.models import Flow, L1WalkSession
from workflows.core.accounts import Account, User


def begun_walk(account: Account, start_key: UUID) -> L1WalkSession | None:
    """Return the walk that a submission of the intake has begun already."""
    walks = L1WalkSession.objects.filter(account=account, start_key=start_key)
    return walks.first()


def take_call(
    account: Account,
    *,
    by: User,
    intake: Intake,
    flow: Flow | None,
    start_key: UUID,
) -> L1WalkSession:
    """Begin a walk, on a new ticket where the intake names none: both, or neither.

    The same ``start_key`` again returns the walk it began, and makes no ticket. Raises
    FlowNotWalkable.
    """
    with transaction.atomic():
        # Whoever was faster with the same key is waited for here, and then found.
        Account.objects.select_for_update().get(pk=account.pk)
        if (walk := begun_walk(account, start_key)) is not None:
            return walk
        if not intake.ticket_id:
            ticket = open_ticket(
                account,
                by=by,
                title=intake.problem_text.splitlines()[0].strip(),
                requester=intake.caller_name,
                contact=intake.caller_contact,
                problem=intake.problem_text,
            )
            intake = replace(intake, ticket_id=str(ticket.number))
        return begin_walk(account, by=by, intake=intake, flow=flow, start_key=start_key)
