"""What happens on the walk screen: begin, answer, undo, resolve, escalate, leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from l1walk.actions.tickets import gateway_for
from l1walk.models import Flow, FlowVersion, L1WalkSession, WalkStep
from l1walk.models.preferences import ABANDON_AFTER_HOURS
from workflows.core.accounts import ENGINEER, TECHNICIAN, Account, User
from workflows.core.ids import uuid7

Status = L1WalkSession.Status
ADHOC = "adhoc"  # the node type of a step without a flow


class FlowNotWalkable(Exception):
    """The flow has no version in use: it was archived or never published."""


class Moved(Exception):
    """The walk is not where the form thought; ``walk`` is how it stands now."""

    def __init__(self, walk: L1WalkSession) -> None:
        super().__init__(f"walk {walk.pk} is at version {walk.version}")
        self.walk = walk


class AlreadyDone(Moved):
    """The same submission arrived before: there is nothing left to do."""


class Ended(Moved):
    """The walk is over; nothing can be answered any more."""


class NoSuchAnswer(Exception):
    """The answer is not one of the question's own."""


class NothingToUndo(Exception):
    """The walk is at its first question."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What is known when a walk begins."""

    ticket_kind: str
    ticket_id: str
    problem_text: str = ""
    caller_name: str = ""
    caller_contact: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it stood on the screen, with the answer given and its target."""

    node_id: str
    node_type: str
    text: str
    answer_key: str
    label: str
    to: str | None


@dataclass(frozen=True, slots=True)
class Submission:
    """What makes a form safe to repeat: where it was made, and its own key."""

    version: int
    key: UUID


def begin_walk(
    account: Account,
    *,
    by: User,
    intake: Intake,
    flow: Flow | None,
    start_key: UUID,
    resumed_from: L1WalkSession | None = None,
    now: datetime | None = None,
) -> L1WalkSession:
    """Begin a walk, ad hoc when ``flow`` is None.

    The same ``start_key`` again returns the walk it began. Raises FlowNotWalkable.
    """
    version: FlowVersion | None = None
    if flow is not None:
        if flow.state != Flow.State.PUBLISHED or flow.current_version is None:
            raise FlowNotWalkable(flow.title)
        version = flow.current_version
    at = now or timezone.now()
    kinds = L1WalkSession.Kind
    try:
        with transaction.atomic():
            return L1WalkSession.begin(
                by=by,
                at=at,
                account=account,
                created_by_user=by,
                acting_as=acting_as(by),
                start_key=start_key,
                resumed_from=resumed_from,
                ticket_id=intake.ticket_id,
                ticket_kind=intake.ticket_kind,
                caller_name=intake.caller_name,
                caller_contact=intake.caller_contact,
                category=intake.category or (flow.category if flow else "") or None,
                problem_text=intake.problem_text or None,
                session_kind=kinds.FLOW if flow else kinds.ADHOC,
                flow=flow,
                flow_version=version,
                current_node_id=version.definition["root"] if version else None,
                started_at=at,
                last_step_at=at,
            )
    except IntegrityError:
        known = L1WalkSession.objects.filter(account=account, start_key=start_key)
        walk: L1WalkSession | None = known.first()
        if walk is not None:
            return walk
        raise


def acting_as(user: User) -> str | None:
    """Return how the user walks: None for a technician, else covering for one."""
    if user.holds(ENGINEER) and not user.holds(TECHNICIAN):
        return L1WalkSession.ActingAs.L1_COVERAGE
    return None


def answer_node(
    walk: L1WalkSession,
    *,
    by: User,
    node_id: str,
    answer_key: str,
    submission: Submission,
    note: str = "",
    now: datetime | None = None,
) -> WalkStep:
    """Record the answer and go to where it leads; ``walk`` is brought up to date.

    Raises NoSuchAnswer, AlreadyDone (the same key again), Ended, or Moved when
    another tab or person was faster.
    """
    graph = walk.definition
    node = graph.node(node_id) if graph else None
    answer = (
        next((a for a in node.answers if a.key == answer_key), None) if node else None
    )
    if node is None or answer is None:
        if submission.version != walk.version:
            raise _why_not(walk, submission.key)
        raise NoSuchAnswer(answer_key)
    asked = Asked(node.id, node.type, node.text, answer.key, answer.label, answer.to)
    return _take_step(walk, by, asked, submission, note, now or timezone.now())


def record_finding(
    walk: L1WalkSession,
    *,
    by: User,
    question: str,
    finding: str,
    submission: Submission,
    note: str = "",
    now: datetime | None = None,
) -> WalkStep:
    """Record a step of an ad-hoc walk: what was checked and what came out.

    Raises AlreadyDone, Ended or Moved as ``answer_node`` does.
    """
    asked = Asked(f"adhoc-{walk.last_seq + 1}", ADHOC, question, "", finding, None)
    return _take_step(walk, by, asked, submission, note, now or timezone.now())


def _take_step(
    walk: L1WalkSession,
    by: User,
    asked: Asked,
    submission: Submission,
    note: str,
    at: datetime,
) -> WalkStep:
    if submission.version != walk.version:
        raise _why_not(walk, submission.key)
    at = max(at, walk.last_step_at)  # a clock that was set back breaks no constraint
    step = WalkStep(
        session=walk,
        seq=walk.last_seq + 1,
        node_id=asked.node_id,
        node_type=asked.node_type,
        question_text=asked.text,
        answer_key=asked.answer_key,
        answer_label=asked.label,
        note=note,
        actor=by,
        shown_at=walk.last_step_at,
        answered_at=at,
        idempotency_key=submission.key,
    )
    here = None if asked.node_type == ADHOC else asked.node_id
    try:
        with transaction.atomic():
            # Who changes the version first has won: the row count says who.
            won = _at_version(walk, submission.version, here).update(
                current_node_id=asked.to,
                version=submission.version + 1,
                last_seq=step.seq,
                last_step_at=at,
            )
            if not won:
                raise _why_not(walk, submission.key)
            step.save(force_insert=True)
    except IntegrityError:
        if known_step(walk, submission.key) is None:
            raise
        raise _why_not(walk, submission.key) from None
    walk.current_node_id, walk.version = asked.to, submission.version + 1
    walk.last_seq, walk.last_step_at = step.seq, at
    return step


def _at_version(
    walk: L1WalkSession, version: int, node_id: str | None
) -> QuerySet[L1WalkSession]:
    return L1WalkSession.objects.filter(
        pk=walk.pk, status=Status.ACTIVE, version=version, current_node_id=node_id
    )


def known_step(walk: L1WalkSession, key: UUID) -> WalkStep | None:
    """Return the step that a submission key already made."""
    return WalkStep.objects.filter(session=walk, idempotency_key=key).first()


def _why_not(walk: L1WalkSession, key: UUID) -> Moved:
    now = L1WalkSession.objects.get(pk=walk.pk)
    if known_step(walk, key) is not None:
        return AlreadyDone(now)
    return Ended(now) if now.status != Status.ACTIVE else Moved(now)


def undo_step(
    walk: L1WalkSession, *, by: User, version: int, now: datetime | None = None
) -> WalkStep:
    """Take the last answer back: the step stays, marked; ``walk`` is up to date.

    Raises NothingToUndo, Ended or Moved.
    """
    live = walk.steps.filter(undone_at__isnull=True)
    step = live.order_by("-seq").first()
    if step is None:
        raise NothingToUndo
    at = max(now or timezone.now(), step.answered_at)
    back_to = None if walk.flow_version_id is None else step.node_id
    with transaction.atomic():
        won = _at_version(walk, version, walk.current_node_id).update(
            current_node_id=back_to, version=version + 1, last_step_at=at
        )
        if not won:
            raise _why_not(walk, uuid7())
        live.filter(pk=step.pk).update(undone_at=at, undone_by=by)
    walk.current_node_id, walk.version, walk.last_step_at = back_to, version + 1, at
    return step


def resolve_walk(
    walk: L1WalkSession,
    *,
    by: User,
    version: int,
    notes: str = "",
    helpful: bool | None = None,
    now: datetime | None = None,
) -> L1WalkSession:
    """End the walk as solved and close its ticket. Raises Ended or Moved."""
    at = now or timezone.now()
    with L1WalkSession.moving(walk.pk, by=by, at=at) as row:
        check_at(row, version)
        row.resolve(notes=notes, helpful=helpful, at=at)
        tickets = gateway_for(row, by=by, at=at)
        text = "\n\n".join(part for part in (notes, summary(row)) if part)
        tickets.add_note(row.ticket_id, text, "internal", is_resolution=True)
        tickets.close(row.ticket_id)
    return row


def check_at(row: L1WalkSession, version: int) -> None:
    if row.status != Status.ACTIVE:
        raise Ended(row)
    if row.version != version:
        raise Moved(row)


def abandon_walk(
    walk: L1WalkSession, *, by: User | None, version: int, now: datetime | None = None
) -> L1WalkSession:
    """End the walk without an outcome. Raises Ended or Moved."""
    with L1WalkSession.moving(walk.pk, by=by, at=now) as row:
        check_at(row, version)
        row.abandon()
    return row


def abandon_idle_walks(*, now: datetime | None = None) -> int:
    """Abandon what nobody answered for the account's time; return how many.

    Each walk is looked at again under its lock, so that a live answer wins.
    """
    at, ended = now or timezone.now(), 0
    for account in Account.objects.all():
        limit = at - timedelta(hours=account.preference(ABANDON_AFTER_HOURS))
        idle = L1WalkSession.objects.filter(
            account=account, status=Status.ACTIVE, last_step_at__lt=limit
        )
        note = _("Nobody answered for %(hours)s hours.") % {
            "hours": account.preference(ABANDON_AFTER_HOURS)
        }
        for pk in idle.order_by("last_step_at").values_list("pk", flat=True):
            with L1WalkSession.moving(pk, by=None, note=note, at=at) as row:
                if row.status == Status.ACTIVE and row.last_step_at < limit:
                    row.abandon()
                    ended += 1
    return ended


def summary(walk: L1WalkSession) -> str:
    """Return the walk as plain text, for a ticket of any system."""
    steps = walk.live_steps()
    lines = [walk.problem_text or _("No problem text"), ""]
    for number, step in enumerate(steps, start=1):
        lines.append(f"{number}. {step.question_text} → {step.answer_label}")
        if step.note:
            lines.append(f"   {step.note}")
    if not steps:
        lines.append(_("No step was answered."))
    if walk.escalation_reason_category:
        category = walk.get_escalation_reason_category_display()
        lines += ["", _("Escalated: %(category)s") % {"category": category}]
        if walk.escalation_reason:
            lines.append(walk.escalation_reason)
    return "\n".join(lines)
