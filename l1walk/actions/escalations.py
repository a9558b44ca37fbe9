"""Handing over: escalate, claim, release, reassign, close, and telling engineers."""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.actions.starting import start_job
from l1walk.actions.tickets import gateway_for
from l1walk.actions.walks import Ended, Moved, summary
from l1walk.models import L1WalkSession
from l1walk.models.preferences import NOTIFY_ENGINEERS
from workflows.core.accounts import ENGINEER, User
from workflows.core.errors import Temporary

log = logging.getLogger(__name__)

NOTICE = "l1walk.notify_engineers"


class NotAnEngineer(Exception):
    """An escalation is given to engineers of the same account alone."""


class NotYours(Exception):
    """Another engineer holds the escalation; ``walk`` says who, since when."""

    def __init__(self, walk: L1WalkSession) -> None:
        super().__init__(f"walk {walk.pk} is held by somebody else")
        self.walk = walk


def escalate_walk(
    walk: L1WalkSession,
    *,
    by: User,
    version: int,
    category: str,
    reason: str = "",
    now: datetime | None = None,
) -> L1WalkSession:
    """End the walk by handing it over to the engineers. Raises Ended or Moved."""
    at = now or timezone.now()
    with L1WalkSession.moving(walk.pk, by=by, note=reason, at=at) as row:
        if row.status != L1WalkSession.Status.ACTIVE:
            raise Ended(row)
        if row.version != version:
            raise Moved(row)
        row.escalate(category=category, reason=reason, at=at)
        row.queue()
        if row.account.preference(NOTIFY_ENGINEERS):
            start_job(NOTICE, row, by=by)
        tickets = gateway_for(row, by=by, at=at)
        tickets.add_note(row.ticket_id, summary(row), "internal", is_resolution=False)
        tickets.escalate(row.ticket_id)
    return row


def claim_walk(
    walk: L1WalkSession, *, by: User, now: datetime | None = None
) -> L1WalkSession:
    """Take an escalation. Raises TransitionNotAllowed for everybody but the first."""
    at = now or timezone.now()
    with L1WalkSession.moving(walk.pk, by=by, at=at) as row:
        row.claim(engineer=by, at=at)
    return row


def release_walk(walk: L1WalkSession, *, by: User, note: str = "") -> L1WalkSession:
    """Give an escalation back to the queue. Raises NotYours or TransitionNotAllowed."""
    with L1WalkSession.moving(walk.pk, by=by, note=note) as row:
        _only_holder(row, by)
        row.release()
    return row


def _only_holder(row: L1WalkSession, by: User) -> None:
    held_by_other = row.claimed_by_id not in (None, by.pk)
    if held_by_other and not by.has_perm("l1walk.reassign_escalation"):
        raise NotYours(row)


def engineers_of(walk: L1WalkSession) -> list[User]:
    """Return the engineers who could take the walk over, by name."""
    rows = User.objects.filter(
        account=walk.account_id, is_active=True, groups__name=ENGINEER
    )
    return list(rows.order_by("first_name", "last_name", "username"))


def reassign_walk(
    walk: L1WalkSession, *, by: User, engineer: User, note: str = ""
) -> L1WalkSession:
    """Give an escalation to an engineer. Raises NotAnEngineer, TransitionNotAllowed."""
    if engineer not in engineers_of(walk):
        raise NotAnEngineer(engineer.pk)
    with L1WalkSession.moving(walk.pk, by=by, note=note) as row:
        row.reassign(engineer=engineer, at=timezone.now())
    return row


def close_escalation(
    walk: L1WalkSession,
    *,
    by: User,
    outcome: str,
    notes: str = "",
    now: datetime | None = None,
) -> L1WalkSession:
    """End an escalation with its outcome, on the ticket too.

    Raises NotYours or TransitionNotAllowed.
    """
    at = now or timezone.now()
    with L1WalkSession.moving(walk.pk, by=by, note=notes, at=at) as row:
        _only_holder(row, by)
        row.close(outcome=outcome, notes=notes, at=at)
        tickets = gateway_for(row, by=by, at=at)
        label = row.get_handoff_outcome_display()
        text = f"{label}\n\n{notes}".strip()
        tickets.add_note(row.ticket_id, text, "internal", is_resolution=True)
        tickets.close(row.ticket_id)
    return row


def send_notice(walk: L1WalkSession) -> int:
    """Send one mail, to all engineers as blind copies; return to how many.

    At least once: a worker that dies right after it sent is followed by another one.
    Raises Temporary when the mail server cannot be reached.
    """
    addresses = [user.email for user in engineers_of(walk) if user.email]
    if not addresses:
        return 0
    category = walk.get_escalation_reason_category_display()
    url = settings.PUBLIC_URL + reverse("l1walk:handoff", args=[walk.pk])
    message = EmailMessage(
        subject=_("Escalated: ticket %(ticket)s, %(category)s")
        # One line, whatever another system's number looks like.
        % {"ticket": " ".join(walk.ticket_id.split()), "category": category},
        body="\n\n".join([walk.problem_text or "", walk.escalation_reason or "", url]),
        to=[settings.DEFAULT_FROM_EMAIL],
        bcc=addresses,
    )
    try:
        message.send()
    except OSError as error:  # smtplib's exceptions are OSErrors
        log.warning("notice of an escalation not sent: %s", type(error).__name__)
        raise Temporary(
            _("The mail server did not take the e-mail. It is sent again later.")
        ) from error
    return len(addresses)
