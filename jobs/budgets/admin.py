"""Budgets for managers: looked at here; the pages' verbs change them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy

from jobs.budgets.actions.reading import visible_budgets
from jobs.budgets.models import Budget, Lesson, Snapshot, Suggestion
from jobs.budgets.templatetags.budgets import money
from workflows.core.accounts import User
from workflows.core.admin import MachineAdmin, ReadOnly, TenantAdmin

SEALED = ("password", "encryption_password")


class OfBudget(ReadOnly, TenantAdmin):
    """Rows without an account of their own: their budget has one."""

    list_select_related = ("budget",)
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        budgets = visible_budgets(cast(User, request.user))
        rows: QuerySet[Any] = self.model._default_manager.filter(budget__in=budgets)
        return rows.order_by("-pk")


@admin.register(Budget)
class BudgetAdmin(ReadOnly, TenantAdmin):
    """Budgets; of their passwords not even the sealed text."""

    list_display = ("name", "kind", "server_url", "synced_at")
    list_filter = ("kind",)
    search_fields = ("name",)
    ordering = ("name",)
    # Named one by one: what is not here is not shown, the sealed passwords above all.
    fields = (
        "name",
        "account",
        "kind",
        "server_url",
        "file_id",
        "file",
        "counts",
        "created_at",
        "created_by",
        "synced_at",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*SEALED)

    def view_on_site(self, obj: Budget) -> str:
        return obj.get_absolute_url()


@admin.register(Suggestion)
class SuggestionAdmin(MachineAdmin):
    """Suggestions with the history of who decided what."""

    list_display = (
        "date",
        "text",
        "cents",
        "category_status",
        "payee_status",
        "budget",
    )
    list_display_links = ("date", "text")
    list_filter = ("category_status", "payee_status")
    list_select_related = ("budget",)
    # What an index can order; by another column a click would sort them all.
    sortable_by = ()
    search_fields = ("transaction_id__exact",)
    search_help_text = gettext_lazy("The transaction's id in Actual, whole")
    readonly_fields = ("cents",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "budget",
                    "transaction_id",
                    "date",
                    "cents",
                    "account_name",
                    "imported_payee",
                    "notes",
                    "payee_key",
                )
            },
        ),
        (
            gettext_lazy("Category"),
            {
                "fields": (
                    "category_status",
                    "category_id",
                    "category_proposal_id",
                    "category_confidence",
                    "category_evidence",
                    "present_category_id",
                )
            },
        ),
        (
            gettext_lazy("Payee"),
            {
                "fields": (
                    "payee_status",
                    "payee",
                    "payee_proposal",
                    "payee_confidence",
                    "payee_evidence",
                    "present_payee",
                    "present_payee_id",
                )
            },
        ),
        (
            gettext_lazy("Outcome"),
            {"fields": ("remark", "created_at", "applied_at")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        deferred = (f"budget__{name}" for name in SEALED)
        return super().get_queryset(request).defer(*deferred)

    @admin.display(description=gettext_lazy("text"))
    def text(self, obj: Suggestion) -> str:
        return obj.imported_payee or obj.present_payee or str(obj.pk)

    @admin.display(description=gettext_lazy("amount"))
    def cents(self, obj: Suggestion) -> str:
        return money(obj.amount)

    def view_on_site(self, obj: Suggestion) -> str:
        return reverse("budgets:review", args=[obj.budget_id])


@admin.register(Snapshot)
class SnapshotAdmin(OfBudget):
    """Snapshots, newest first; the pages hand their files out."""

    list_display = ("created_at", "budget", "origin", "size", "sha256")
    list_filter = ("origin",)
    readonly_fields = ("created_at", "job_id")

    def view_on_site(self, obj: Snapshot) -> str:
        return reverse("budgets:snapshots", args=[obj.budget_id])


@admin.register(Lesson)
class LessonAdmin(OfBudget):
    """What the engine was taught, for whoever asks why it proposes something."""

    list_display = ("at", "budget", "kind", "imported_payee", "category_id", "payee")
    list_filter = ("kind",)
