"""A walk of a ticket through a flow, and its steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from l1walk.graphs.definition import Definition, EscalationCategory, Node
from l1walk.models.flow import Flow, FlowProposal, FlowVersion, definition_of
from workflows.core.accounts import User
from workflows.core.ids import uuid7
from workflows.core.machine import Machine

if TYPE_CHECKING:
    from l1walk.models.step import WalkStep

STALE_AFTER = timedelta(minutes=30)


class L1WalkSession(Machine):
    """A technician's session on one ticket; any technician may continue it.

    ``status`` is how the walk stands; ``handoff`` is how far the engineers are with
    an escalated one, and stays empty for every other.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", _("In progress")
        RESOLVED = "resolved", _("Resolved")
        ESCALATED = "escalated", _("Escalated")
        ABANDONED = "abandoned", _("Abandoned")

    class Handoff(models.TextChoices):
        NONE = "", _("Not handed over")
        WAITING = "waiting", _("Waiting")
        CLAIMED = "claimed", _("Claimed")
        CLOSED = "closed", _("Closed")

    class Outcome(models.TextChoices):
        FIXED = "fixed", _("Fixed")
        WORKAROUND = "workaround", _("Workaround in place")
        PASSED_ON = "passed_on", _("Passed on to another team")
        NOT_A_FAULT = "not_a_fault", _("Not a fault")

    class Kind(models.TextChoices):
        FLOW = "flow", _("Flow")
        PROPOSAL = "proposal", _("Proposal")
        ADHOC = "adhoc", _("Ad hoc")
        AI_BUILD = "ai_build", _("AI build")

    class TicketKind(models.TextChoices):
        PSA = "psa", _("Another system")
        INTERNAL = "internal", _("Handrail")

    class ActingAs(models.TextChoices):
        L1_COVERAGE = "l1_coverage", _("Engineer covering")

    created_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.RESTRICT, related_name="walks"
    )
    acting_as = models.CharField(max_length=30, choices=ActingAs, null=True, blank=True)
    # Makes a repeated submission of the intake form find the walk it made.
    start_key = models.UUIDField(default=uuid7, editable=False)
    resumed_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="resumed_as"
    )

    ticket_id = models.CharField(max_length=64)
    ticket_kind = models.CharField(max_length=10, choices=TicketKind)
    caller_name = models.CharField(max_length=120, blank=True)
    caller_contact = models.CharField(max_length=200, blank=True)

    session_kind = models.CharField(max_length=20, choices=Kind)
    category = models.CharField(max_length=100, null=True, blank=True)
    problem_text = models.TextField(null=True, blank=True)
    # The seed's SET NULL contradicts its own CHECK; flows are archived instead.
    flow = models.ForeignKey(
        Flow, models.RESTRICT, null=True, blank=True, related_name="walks"
    )
    # The report's index serves the key: with both, PostgreSQL takes the wrong one.
    flow_version = models.ForeignKey(
        FlowVersion,
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="walks",
        db_index=False,
    )
    flow_proposal = models.ForeignKey(
        FlowProposal, models.RESTRICT, null=True, blank=True, related_name="walks"
    )

    current_node_id = models.CharField(max_length=100, null=True, blank=True)
    pending_node = models.JSONField(null=True, blank=True)
    # Every change of position adds one; forms carry it, so that two tabs meet here.
    version = models.PositiveIntegerField(default=0)
    last_seq = models.PositiveIntegerField(default=0)

    status = FSMField(
        choices=Status,
        default=Status.ACTIVE,
        max_length=20,
        protected=True,
        db_index=True,
    )
    resolution_notes = models.TextField(null=True, blank=True)
    helpful = models.BooleanField(null=True, blank=True)
    escalation_reason = models.TextField(null=True, blank=True)
    escalation_reason_category = models.CharField(
        max_length=30, choices=EscalationCategory, null=True, blank=True
    )

    handoff = FSMField(
        choices=Handoff, default=Handoff.NONE, max_length=10, blank=True, protected=True
    )
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="claimed_walks",
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    handoff_outcome = models.CharField(max_length=20, choices=Outcome, blank=True)
    handoff_notes = models.TextField(blank=True)
    handoff_closed_at = models.DateTimeField(null=True, blank=True)

    started_at = models.DateTimeField(default=timezone.now)
    last_step_at = models.DateTimeField(default=timezone.now, db_index=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    escalated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "l1_walk_sessions"
        verbose_name = _("walk")
        permissions = [
            ("walk_ticket", "Can walk tickets"),
            ("take_escalation", "Can take over escalated walks"),
            ("reassign_escalation", "Can give escalated walks to an engineer"),
            ("view_reports", "Can see how flows do"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ticket_kind__in=["psa", "internal"]),
                name="ck_l1_walk_sessions_ticket_kind",
            ),
            models.CheckConstraint(
                condition=Q(session_kind__in=["flow", "proposal", "adhoc", "ai_build"]),
                name="ck_l1_walk_sessions_session_kind",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["active", "resolved", "escalated", "abandoned"]
                ),
                name="ck_l1_walk_sessions_status",
            ),
            models.CheckConstraint(
                condition=Q(
                    session_kind="flow", flow__isnull=False, flow_proposal__isnull=True
                )
                | Q(
                    session_kind="proposal",
                    flow_proposal__isnull=False,
                    flow__isnull=True,
                )
                | Q(
                    session_kind__in=["adhoc", "ai_build"],
                    flow__isnull=True,
                    flow_proposal__isnull=True,
                ),
                name="ck_l1_walk_sessions_target_consistency",
            ),
            models.CheckConstraint(
                condition=Q(flow__isnull=True, flow_version__isnull=True)
                | Q(flow__isnull=False, flow_version__isnull=False),
                name="ck_l1_walk_sessions_version_pinned",
            ),
            models.CheckConstraint(
                condition=Q(status="resolved", resolved_at__isnull=False)
                | ~Q(status="resolved") & Q(resolved_at__isnull=True),
                name="ck_l1_walk_sessions_resolved",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="escalated",
                    escalated_at__isnull=False,
                    escalation_reason_category__isnull=False,
                )
                | ~Q(status="escalated")
                & Q(escalated_at__isnull=True, escalation_reason_category__isnull=True),
                name="ck_l1_walk_sessions_escalated",
            ),
            models.CheckConstraint(
                condition=Q(escalation_reason_category__isnull=True)
                | Q(escalation_reason_category__in=EscalationCategory.values),
                name="ck_l1_walk_sessions_escalation_category",
            ),
            models.CheckConstraint(
                condition=~Q(escalation_reason_category="other")
                | Q(escalation_reason__isnull=False) & ~Q(escalation_reason=""),
                name="ck_l1_walk_sessions_other_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(pending_node__isnull=True) | Q(session_kind="ai_build"),
                name="ck_l1_walk_sessions_pending_node",
            ),
            models.CheckConstraint(
                condition=Q(acting_as__isnull=True) | Q(acting_as="l1_coverage"),
                name="ck_l1_walk_sessions_acting_as",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="escalated", handoff__in=["waiting", "claimed", "closed"]
                )
                | ~Q(status="escalated") & Q(handoff=""),
                name="ck_l1_walk_sessions_handoff",
            ),
            models.CheckConstraint(
                condition=Q(
                    handoff__in=["", "waiting"],
                    claimed_by__isnull=True,
                    claimed_at__isnull=True,
                )
                | Q(
                    handoff__in=["claimed", "closed"],
                    claimed_by__isnull=False,
                    claimed_at__isnull=False,
                ),
                name="ck_l1_walk_sessions_claimed",
            ),
            models.CheckConstraint(
                condition=Q(handoff="closed", handoff_closed_at__isnull=False)
                & ~Q(handoff_outcome="")
                | ~Q(handoff="closed")
                & Q(handoff_closed_at__isnull=True, handoff_outcome=""),
                name="ck_l1_walk_sessions_closed",
            ),
            models.UniqueConstraint(
                fields=["account", "start_key"], name="uq_l1_walk_sessions_start_key"
            ),
        ]
        indexes = [
            models.Index(
                F("account"),
                F("last_step_at").desc(),
                condition=Q(status="escalated"),
                name="ix_l1_walk_sessions_escalated",
            ),
            models.Index(
                fields=["account", "escalated_at"],
                condition=Q(handoff__in=["waiting", "claimed"]),
                name="ix_l1_walk_sessions_queue",
            ),
            models.Index(
                fields=["created_by_user", "-last_step_at"],
                condition=Q(status="active"),
                name="ix_l1_walk_sessions_open",
            ),
            models.Index(fields=["account", "-id"], name="ix_l1_walk_sessions_newest"),
            models.Index(
                fields=["account", "ticket_kind", "ticket_id"],
                name="ix_l1_walk_sessions_ticket",
            ),
            models.Index(
                fields=["flow_version", "started_at"], name="ix_l1_walk_sessions_report"
            ),
            models.Index(
                fields=["account", "started_at"], name="ix_l1_walk_sessions_started"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ticket_id}: {(self.problem_text or '')[:60]}"

    # --- moves ------------------------------------------------------------------------
    @transition(status, source=Status.ACTIVE, target=Status.RESOLVED)
    def resolve(self, *, notes: str, helpful: bool | None, at: datetime) -> None:
        """The caller can work again."""
        self.resolution_notes, self.helpful = notes, helpful
        self.resolved_at = self.last_step_at = at

    @transition(status, source=Status.ACTIVE, target=Status.ESCALATED)
    def escalate(self, *, category: str, reason: str, at: datetime) -> None:
        """An engineer is asked to take over."""
        self.escalation_reason_category, self.escalation_reason = category, reason
        self.escalated_at = self.last_step_at = at

    @transition(status, source=Status.ACTIVE, target=Status.ABANDONED)
    def abandon(self) -> None:
        """It ended without an outcome."""

    @transition(handoff, source=Handoff.NONE, target=Handoff.WAITING)
    def queue(self) -> None:
        """The walk waits for an engineer."""

    @transition(handoff, source=Handoff.WAITING, target=Handoff.CLAIMED)
    def claim(self, *, engineer: User, at: datetime) -> None:
        """An engineer takes it."""
        self.claimed_by, self.claimed_at = engineer, at

    @transition(handoff, source=Handoff.CLAIMED, target=Handoff.WAITING)
    def release(self) -> None:
        """The engineer gives it back to the queue."""
        self.claimed_by = self.claimed_at = None

    @transition(
        handoff, source=[Handoff.WAITING, Handoff.CLAIMED], target=Handoff.CLAIMED
    )
    def reassign(self, *, engineer: User, at: datetime) -> None:
        """A manager gives it to somebody."""
        self.claimed_by, self.claimed_at = engineer, at

    @transition(handoff, source=Handoff.CLAIMED, target=Handoff.CLOSED)
    def close(self, *, outcome: str, notes: str, at: datetime) -> None:
        """The engineer is done with it."""
        self.handoff_outcome, self.handoff_notes = outcome, notes
        self.handoff_closed_at = at

    # --- reading ----------------------------------------------------------------------
    @property
    def definition(self) -> Definition | None:
        """The pinned graph; None for a walk without a flow."""
        return definition_of(self.flow_version_id) if self.flow_version_id else None

    @property
    def current_node(self) -> Node | None:
        graph = self.definition
        return graph.node(self.current_node_id or "") if graph else None

    @property
    def stale(self) -> bool:
        """Whether nobody answered for STALE_AFTER."""
        idle = timezone.now() - self.last_step_at
        return self.status == self.Status.ACTIVE and idle > STALE_AFTER

    @property
    def place(self) -> str:
        """What people call the walk: its flow and its ticket."""
        flow = self.flow.title if self.flow else _("Without a flow")
        return f"{flow}, #{self.ticket_id}"

    @property
    def duration(self) -> timedelta:
        """From the first question to the end, or to the last answer so far."""
        end = self.resolved_at or self.escalated_at or self.last_step_at
        return end - self.started_at

    def live_steps(self) -> list[WalkStep]:
        """Return the path as it stands, oldest first: steps that were not undone."""
        return list(self.steps.filter(undone_at=None).select_related("actor"))

    @property
    def walked_path(self) -> list[dict[str, Any]]:
        """The path in the seed's shape, for export."""
        return [
            {
                "node_id": step.node_id,
                "node_type": step.node_type,
                "question": step.question_text,
                "answer": step.answer_label,
                "answered_at": step.answered_at.isoformat(),
            }
            for step in self.live_steps()
        ]

    @property
    def walk_notes(self) -> list[dict[str, Any]]:
        """The notes of the path in the seed's shape, for export."""
        return [
            {
                "node_id": step.node_id,
                "note": step.note,
                "at": step.answered_at.isoformat(),
            }
            for step in self.live_steps()
            if step.note
        ]
