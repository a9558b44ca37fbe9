"""Going on in another walk: where an ended one stopped, or again from the start."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from l1walk.actions.tickets import gateway_for
from l1walk.actions.walks import Intake, Moved, acting_as, begin_walk, check_at
from l1walk.models import Flow, L1WalkSession, WalkStep
from workflows.core.accounts import User
from workflows.core.ids import uuid7


def resume_walk(
    walk: L1WalkSession, *, by: User, start_key: UUID, now: datetime | None = None
) -> L1WalkSession:
    """Begin a new walk where an ended one stopped, with its path and notes.

    It stays on the version of the old one: the path means something there. The same
    ``start_key`` again returns the walk it began. Raises Moved for a running walk.
    """
    at = now or timezone.now()
    with transaction.atomic():
        old = L1WalkSession.objects.select_for_update().get(pk=walk.pk)
        if old.status == L1WalkSession.Status.ACTIVE:
            raise Moved(old)
        known = L1WalkSession.objects.filter(
            account=old.account_id, start_key=start_key
        )
        made: L1WalkSession | None = known.first()
        if made is not None:
            return made
        steps = old.live_steps()
        new = L1WalkSession.begin(
            by=by,
            at=at,
            note=_("Resumed from an earlier walk."),
            account_id=old.account_id,
            created_by_user=by,
            acting_as=acting_as(by),
            start_key=start_key,
            resumed_from=old,
            last_seq=len(steps),
            started_at=at,
            last_step_at=at,
            **{name: getattr(old, name) for name in KEPT_ON_RESUME},
        )
        WalkStep.objects.bulk_create(
            [_copy(step, new, seq) for seq, step in enumerate(steps, start=1)]
        )
        gateway_for(new, by=by, at=at).reopen(new.ticket_id)
        return new


KEPT_ON_RESUME = (
    "ticket_id",
    "ticket_kind",
    "caller_name",
    "caller_contact",
    "session_kind",
    "category",
    "problem_text",
    "flow_id",
    "flow_version_id",
    "flow_proposal_id",
    "current_node_id",
)
COPIED_WITH_STEP = (
    "node_id",
    "node_type",
    "question_text",
    "answer_key",
    "answer_label",
    "note",
    "actor_id",
    "shown_at",
    "answered_at",
)


def _copy(step: WalkStep, walk: L1WalkSession, seq: int) -> WalkStep:
    kept = {name: getattr(step, name) for name in COPIED_WITH_STEP}
    return WalkStep(session=walk, seq=seq, idempotency_key=uuid7(), **kept)


def restart_walk(
    walk: L1WalkSession,
    *,
    by: User,
    flow: Flow,
    start_key: UUID,
) -> L1WalkSession:
    """Leave the walk and begin on a flow's version in use, with the same ticket.

    Raises Ended or FlowNotWalkable; then nothing has changed.
    """
    with transaction.atomic():
        # Whoever was faster with the same key is waited for here, and then found.
        L1WalkSession.objects.select_for_update().get(pk=walk.pk)
        known = L1WalkSession.objects.filter(
            account=walk.account_id, start_key=start_key
        )
        made: L1WalkSession | None = known.first()
        if made is not None:
            return made
        note = _("Started again on “%(flow)s”.") % {"flow": flow.title}
        with L1WalkSession.moving(walk.pk, by=by, note=note) as row:
            check_at(row, row.version)
            row.abandon()
        intake = Intake(
            ticket_kind=row.ticket_kind,
            ticket_id=row.ticket_id,
            problem_text=row.problem_text or "",
            caller_name=row.caller_name,
            caller_contact=row.caller_contact,
        )
        return begin_walk(
            row.account,
            by=by,
            intake=intake,
            flow=flow,
            start_key=start_key,
            resumed_from=row,
        )
