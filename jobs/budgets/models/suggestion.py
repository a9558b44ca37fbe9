"""A suggestion for one transaction: its payee and its category, each on its own."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from jobs.budgets.models.budget import Budget
from workflows.core.machine import Machine


class PartStatus(models.TextChoices):
    """How a part of a suggestion stands."""

    PENDING = "pending", _("To review")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    APPLIED = "applied", _("Applied")
    SKIPPED = "skipped", _("Skipped")


S = PartStatus


class NothingChosen(ValueError):
    """There is no proposal to approve: a person has to choose first."""


class Suggestion(Machine):
    """What the engine proposes for a transaction, and what people said of it.

    The transaction's own columns are as they were when it was proposed: what apply
    expects to find. Amounts are in cents; spending is negative.
    """

    Part = PartStatus

    budget = models.ForeignKey(Budget, models.CASCADE, related_name="suggestions")
    transaction_id = models.CharField(max_length=64)
    date = models.DateField()
    amount = models.BigIntegerField()
    account_name = models.CharField(max_length=200, blank=True)
    imported_payee = models.CharField(max_length=500, blank=True)
    notes = models.TextField(blank=True)
    # What bulk decisions go by: the payee's text without numbers and towns.
    payee_key = models.CharField(max_length=200, blank=True)
    present_payee = models.CharField(max_length=200, blank=True)
    present_payee_id = models.CharField(max_length=64, blank=True)
    present_category_id = models.CharField(max_length=64, blank=True)

    payee_status = FSMField(choices=S, default=S.PENDING, max_length=10, protected=True)
    payee = models.CharField(max_length=200, blank=True)  # what would be applied
    payee_proposal = models.CharField(max_length=200, blank=True)
    payee_confidence = models.FloatField(null=True, blank=True)
    payee_evidence = models.JSONField(default=dict, blank=True)

    category_status = FSMField(
        choices=S, default=S.PENDING, max_length=10, protected=True
    )
    category_id = models.CharField(max_length=64, blank=True)  # a ledger id
    category_proposal_id = models.CharField(max_length=64, blank=True)
    category_confidence = models.FloatField(null=True, blank=True)
    category_evidence = models.JSONField(default=dict, blank=True)

    # Why apply left it alone, for people.
    remark = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "transaction_id"], name="uq_suggestion_transaction"
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{part}_status__in": S.values}),
                    name=f"ck_suggestion_{part}_status",
                )
                for part in ("payee", "category")
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{part}_confidence__isnull": True})
                    | Q(
                        **{
                            f"{part}_confidence__gt": 0,
                            f"{part}_confidence__lte": 1,
                        }
                    ),
                    name=f"ck_suggestion_{part}_confidence",
                )
                for part in ("payee", "category")
            ),
            models.CheckConstraint(
                condition=~Q(payee_status__in=[S.APPROVED, S.APPLIED]) | ~Q(payee=""),
                name="ck_suggestion_payee_chosen",
            ),
            models.CheckConstraint(
                condition=~Q(category_status__in=[S.APPROVED, S.APPLIED])
                | ~Q(category_id=""),
                name="ck_suggestion_category_chosen",
            ),
        ]
        indexes = [
            models.Index(
                fields=["budget", "category_status", "-id"],
                name="ix_suggestion_category",
            ),
            models.Index(
                fields=["budget", "payee_status", "-id"], name="ix_suggestion_payee"
            ),
            models.Index(fields=["budget", "payee_key"], name="ix_suggestion_key"),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.imported_payee or self.present_payee}"

    @property
    def status(self) -> str:
        """Return the combined status: what is still to be done comes first."""
        parts = {self.payee_status, self.category_status}
        order = (S.PENDING, S.APPROVED, S.APPLIED, S.REJECTED, S.SKIPPED)
        return next(status for status in order if status in parts)

    # --- the payee --------------------------------------------------------------------
    @transition(payee_status, source=[S.PENDING, S.REJECTED], target=S.APPROVED)
    def approve_payee(self, payee: str = "") -> None:
        """A person vouches for the payee, or names another one."""
        self.payee = payee or self.payee or self.payee_proposal
        if not self.payee:
            raise NothingChosen

    @transition(payee_status, source=[S.PENDING, S.APPROVED], target=S.REJECTED)
    def reject_payee(self) -> None:
        """The payee stays as it is."""

    @transition(payee_status, source=[S.APPROVED, S.REJECTED], target=S.PENDING)
    def reopen_payee(self) -> None:
        """A decision is taken back."""
        self.payee = ""

    @transition(payee_status, source=S.APPROVED, target=S.APPLIED)
    def apply_payee(self) -> None:
        """The ledger has it."""

    @transition(payee_status, source=[S.PENDING, S.APPROVED], target=S.SKIPPED)
    def skip_payee(self) -> None:
        """Nothing is to be done, or the ledger moved on meanwhile."""

    @transition(payee_status, source=[S.APPLIED, S.SKIPPED], target=S.PENDING)
    def renew_payee(self) -> None:
        """The transaction is open again, with a new proposal."""

    # --- the category -----------------------------------------------------------------
    @transition(category_status, source=[S.PENDING, S.REJECTED], target=S.APPROVED)
    def approve_category(self, category_id: str = "") -> None:
        """A person vouches for the category, or chooses another one."""
        self.category_id = category_id or self.category_id or self.category_proposal_id
        if not self.category_id:
            raise NothingChosen

    @transition(category_status, source=[S.PENDING, S.APPROVED], target=S.REJECTED)
    def reject_category(self) -> None:
        """The transaction stays without this category."""

    @transition(category_status, source=[S.APPROVED, S.REJECTED], target=S.PENDING)
    def reopen_category(self) -> None:
        """A decision is taken back."""
        self.category_id = ""

    @transition(category_status, source=S.APPROVED, target=S.APPLIED)
    def apply_category(self) -> None:
        """The ledger has it."""

    @transition(category_status, source=[S.PENDING, S.APPROVED], target=S.SKIPPED)
    def skip_category(self) -> None:
        """Nothing is to be done, or the ledger moved on meanwhile."""

    @transition(category_status, source=[S.APPLIED, S.SKIPPED], target=S.PENDING)
    def renew_category(self) -> None:
        """The transaction is open again, with a new proposal."""
