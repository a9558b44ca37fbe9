"""A budget, and what is known of it between two syncs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from workflows.core.accounts import Account, TenantQuerySet
from workflows.core.ids import uuid7
from workflows.core.secrets import SealedField


class Budget(models.Model):
    """A file on an Actual Budget server, or one that Handrail keeps by itself."""

    class Kind(models.TextChoices):
        SERVER = "server", _("On an Actual server")
        EMBEDDED = "embedded", _("Kept by Handrail")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    server_url = models.URLField(_("address of the server"), blank=True)
    password = SealedField(_("password"), blank=True, default="")
    file_id = models.CharField(max_length=120, blank=True)
    encryption_password = SealedField(_("encryption password"), blank=True, default="")
    # The embedded budget's archive in the storage; each change makes a new one.
    file = models.CharField(max_length=200, blank=True, editable=False)
    counts = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "name"],
                name="uq_budget_name",
                violation_error_message=_("There is a budget of this name already."),
            ),
            models.CheckConstraint(
                condition=(
                    Q(kind="server", file="")
                    & ~Q(server_url="")
                    & ~Q(file_id="")
                    & ~Q(password="")
                )
                | (
                    Q(kind="embedded", server_url="", file_id="", password="")
                    & Q(encryption_password="")
                    & ~Q(file="")
                ),
                name="ck_budget_kind",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="ck_budget_name"),
        ]
        permissions = [
            ("keep_budget", _("Review suggestions, sync and apply budgets")),
            ("connect_budget", _("Connect, import, restore and remove budgets")),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("budgets:budget", args=[self.pk])

    @property
    def embedded(self) -> bool:
        return self.kind == self.Kind.EMBEDDED


class Category(models.Model):
    """A category of the ledger as the last sync saw it; for choices and names."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    budget = models.ForeignKey(
        Budget, models.CASCADE, related_name="categories", db_index=False
    )
    ledger_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    group = models.CharField(max_length=200, blank=True)
    hidden = models.BooleanField(default=False)
    is_income = models.BooleanField(default=False)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "ledger_id"], name="uq_budget_category"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Payee(models.Model):
    """A payee of the ledger as the last sync saw it; for choices and names."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    budget = models.ForeignKey(
        Budget, models.CASCADE, related_name="payees", db_index=False
    )
    ledger_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "ledger_id"], name="uq_budget_payee"
            )
        ]

    def __str__(self) -> str:
        return self.name
