"""Support cases for managers: looked at here, moved by the pages' verbs."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.core.accounts import User
from workflows.core.admin import (
    AgeFilter,
    MachineAdmin,
    MoveInline,
    Part,
    ReadOnly,
    TenantAdmin,
)
from workflows.core.adminactions import Refusals, apply
from workflows.support.actions import archives, hosts
from workflows.support.explaining import label_of, labels
from workflows.support.models import (
    Artifact,
    Host,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)

# Not even the sealed texts are loaded.
KEY, TOKEN = "private_key", "connection__token"
REPORT = (
    "generation_status",
    "fetch_status",
    "options",
    "consented_by",
    "consented_at",
    "run_id",
    "fetch_reference",
    "archive_name",
    "archive_size",
    "archive_sha256",
)
JIRA = (
    "connection",
    "issue_key",
    "issue_summary",
    "issue_access_verified",
    "attachment_status",
    "upload_limit",
    "attachment_id",
    "issue_url",
)
ARCHIVE = (
    "filename",
    "size",
    "origin",
    "sha256",
    "created_at",
    "created_by",
    "deleted_at",
)


class StateInline(Part):
    """A part of a case that moves by itself: its own page has its history."""

    @admin.display(description=gettext_lazy("history"))
    def history(self, obj: SosReportState | JiraAttachmentState) -> str:
        name = f"admin:workflows_{obj._meta.model_name}_change"
        words = _("See its history")
        return format_html('<a href="{}">{}</a>', reverse(name, args=[obj.pk]), words)


class ReportInline(StateInline):
    """What was made on the host and fetched."""

    model = SosReportState
    verbose_name_plural = gettext_lazy("report")
    fields = (*REPORT, "history")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[SosReportState]:
        return super().get_queryset(request).select_related("consented_by")


class JiraInline(StateInline):
    """Where the archive goes."""

    model = JiraAttachmentState
    verbose_name_plural = gettext_lazy("Jira")
    fields = (*JIRA, "history")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[JiraAttachmentState]:
        return super().get_queryset(request).select_related("connection").defer(TOKEN)


class ArchiveInline(Part):
    """The case's archives, those that were deleted as well."""

    model = Artifact
    verbose_name_plural = gettext_lazy("archives")
    fields = ARCHIVE
    readonly_fields = fields
    ordering = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Artifact]:
        return super().get_queryset(request).select_related("created_by")


class CodeFilter(admin.SimpleListFilter):
    """Every code there is: asking the table for its own would read all of it."""

    title = gettext_lazy("failure")
    parameter_name = "code"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return labels()

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if code := self.value():
            # Both: the index is of rows that have a code, which SQLite wants to read.
            return queryset.filter(last_error_code=code).exclude(last_error_code="")
        return queryset


@admin.register(WorkflowSession)
class WorkflowSessionAdmin(MachineAdmin):
    """Cases, newest first."""

    list_display = (
        "created_at",
        "host",
        "current_step",
        "failure",
        "created_by",
    )
    list_display_links = ("created_at", "host")
    list_filter = ("current_step", CodeFilter, AgeFilter)
    list_select_related = ("host", "created_by")
    sortable_by = ()  # a click would sort a million rows
    inlines = (ReportInline, JiraInline, ArchiveInline, MoveInline)  # type: ignore[assignment]
    fields = (
        "current_step",
        "failed_step",
        "last_error_code",
        "last_error_text",
        "selected_product",
        "host",
        "created_by",
        "created_at",
        "updated_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("host", "created_by")
        return rows.defer(f"host__{KEY}")

    @admin.display(description=gettext_lazy("failure"))
    def failure(self, obj: WorkflowSession) -> str:
        return label_of(obj.last_error_code)

    def view_on_site(self, obj: WorkflowSession) -> str:
        return obj.get_absolute_url()


class PartOfCase(MachineAdmin):
    """A state of a case: found from there, and by its history."""

    list_display = ("__str__", "session", "id")
    list_select_related = ("session__host",)
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("session__host")
        return rows.defer(f"session__host__{KEY}")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False  # nobody looks for it by itself

    def view_on_site(self, obj: SosReportState | JiraAttachmentState) -> str:
        return obj.session.get_absolute_url()


@admin.register(SosReportState)
class SosReportStateAdmin(PartOfCase):
    """Reports with their history."""

    fields = ("session", *REPORT)


@admin.register(JiraAttachmentState)
class JiraAttachmentStateAdmin(PartOfCase):
    """Attachments with their history."""

    fields = ("session", *JIRA)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("connection").defer(TOKEN)


@admin.register(Artifact)
class ArtifactAdmin(ReadOnly, TenantAdmin):
    """Archives, newest first; where they lie in the storage is nobody's matter."""

    list_display = ("created_at", "filename", "size", "origin", "case", "deleted_at")
    list_display_links = ("created_at", "filename")
    list_filter = ("origin", AgeFilter)
    sortable_by = ()
    fields = ("case", *ARCHIVE)
    readonly_fields = fields
    actions = ("delete_archives",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        rows = rows.select_related("session__host", "created_by")
        return rows.defer(f"session__host__{KEY}")

    @admin.display(description=gettext_lazy("case"))
    def case(self, obj: Artifact) -> str:
        return str(obj.session)

    def view_on_site(self, obj: Artifact) -> str:
        return reverse("support:archive", args=[obj.session_id, obj.pk])

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workflows.run_support")

    @admin.action(description=gettext_lazy("Delete the archives"), permissions=["run"])
    def delete_archives(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete files, as the case's page does; who had which stays known."""
        refusals: Refusals = {
            archives.InUse: _("it is on its way to Jira"),
            Artifact.DoesNotExist: _("it is gone"),
        }

        def verb(archive: Artifact, user: User) -> None:
            archives.delete_artifact(archive, by=user)

        apply(request, queryset, verb, refusals)


class LocalHostForm(forms.ModelForm[Host]):
    """The machine that Handrail runs on, for an account."""

    # One choice: the others have pages of their own.
    transport = forms.ChoiceField(
        label=gettext_lazy("Transport"),
        choices=[(Host.Transport.LOCAL.value, Host.Transport.LOCAL.label)],
    )

    class Meta:
        model = Host
        fields = ("account", "name", "transport")
        help_texts = {
            "account": gettext_lazy(
                "Its people can then make reports of the machine that Handrail runs "
                "on. Among several, or in a container, add it over SSH instead."
            )
        }


@admin.register(Host)
class HostAdmin(ReadOnly, TenantAdmin):
    """Hosts. Operators add this machine; whatever else is done on the pages."""

    form = LocalHostForm
    list_display = ("name", "transport", "address", "port", "username", "retired_at")
    list_filter = ("transport",)
    sortable_by = ()
    # Named one by one: what is not here is not shown, the private key above all.
    shown = (
        "account",
        "name",
        "transport",
        "address",
        "port",
        "username",
        "host_key",
        "created_at",
        "created_by",
        "retired_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("account", "created_by")
        return rows.defer(KEY)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown if obj else LocalHostForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.shown if obj else ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return cast(User, request.user).is_superuser

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        made = hosts.add_local_host(
            obj.account, by=cast(User, request.user), name=obj.name
        )
        obj.pk = made.pk

    def view_on_site(self, obj: Host) -> str | None:
        if obj.transport == Host.Transport.UPLOAD:
            return None  # it has no page
        return reverse("support:host", args=[obj.pk])
