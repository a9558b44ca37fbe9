"""Walks, flows and tickets for managers: looked at here, moved by the pages' verbs."""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from l1walk.actions import escalations, flows, walks
from l1walk.actions.reports import versions_of
from l1walk.graphs.definition import DefinitionError
from l1walk.models import (
    Flow,
    FlowVersion,
    L1WalkSession,
    Ticket,
    TicketNote,
    WalkStep,
)
from workflows.core.accounts import User
from workflows.core.admin import MachineAdmin, MoveInline, Part, ReadOnly, TenantAdmin
from workflows.core.adminactions import Refusals, apply

DRAFTS = ("draft", "draft_notes", "search_text")
FLOW_DRAFTS = tuple(f"flow__{name}" for name in DRAFTS)

# What any verb may meet when somebody else works on the same row.
NOT_NOW: Refusals = {
    L1WalkSession.DoesNotExist: gettext_lazy("it is gone"),
    Flow.DoesNotExist: gettext_lazy("it is gone"),
    TransitionNotAllowed: gettext_lazy("not in its present state"),
    ConcurrentTransition: gettext_lazy("somebody changed it in the meantime"),
}


class StepInline(Part):
    """The path of a walk, with what was taken back."""

    model = WalkStep
    verbose_name_plural = gettext_lazy("steps")
    fields = (
        "seq",
        "question_text",
        "answer_label",
        "note",
        "actor",
        "answered_at",
        "undone_at",
        "undone_by",
    )
    readonly_fields = fields
    ordering = ("seq",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WalkStep]:
        return super().get_queryset(request).select_related("actor", "undone_by")


@admin.register(L1WalkSession)
class WalkAdmin(MachineAdmin):
    """Walks, newest first."""

    list_display = (
        "started_at",
        "ticket_id",
        "status",
        "session_kind",
        "of_flow",
        "created_by_user",
        "last_step_at",
    )
    list_display_links = ("started_at", "ticket_id")
    list_filter = ("status", "session_kind", "handoff", "ticket_kind")
    list_select_related = ("flow", "created_by_user")
    # What an index can order; by another column a click would sort a million rows.
    sortable_by = ("started_at",)
    search_fields = ("ticket_id__exact",)
    search_help_text = gettext_lazy("The ticket's number, whole")
    inlines = (StepInline, MoveInline)  # type: ignore[assignment]
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "status",
                    "session_kind",
                    "flow",
                    "flow_version",
                    "current_node_id",
                    "created_by_user",
                    "acting_as",
                    "resumed_from",
                )
            },
        ),
        (
            gettext_lazy("Ticket"),
            {
                "fields": (
                    "ticket_kind",
                    "ticket_id",
                    "caller_name",
                    "caller_contact",
                    "category",
                    "problem_text",
                )
            },
        ),
        (
            gettext_lazy("Outcome"),
            {
                "fields": (
                    "started_at",
                    "last_step_at",
                    "resolved_at",
                    "resolution_notes",
                    "helpful",
                    "escalated_at",
                    "escalation_reason_category",
                    "escalation_reason",
                )
            },
        ),
        (
            gettext_lazy("Escalation"),
            {
                "fields": (
                    "handoff",
                    "claimed_by",
                    "claimed_at",
                    "handoff_outcome",
                    "handoff_notes",
                    "handoff_closed_at",
                )
            },
        ),
    )
    actions = ("abandon", "release")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*FLOW_DRAFTS)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().removeprefix("#")
        rows, doubled = super().get_search_results(request, queryset, term)
        if term:  # the index on tickets begins with their kind
            rows = rows.filter(ticket_kind__in=L1WalkSession.TicketKind.values)
        return rows, doubled

    @admin.display(description=gettext_lazy("flow"))
    def of_flow(self, obj: L1WalkSession) -> str:
        return obj.flow.title if obj.flow else ""  # unlike a relation, it may wrap

    def view_on_site(self, obj: L1WalkSession) -> str:
        return reverse("l1walk:walk", args=[obj.pk])

    def has_reassign_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("l1walk.reassign_escalation")

    @admin.action(
        description=gettext_lazy("Close without an outcome"), permissions=["reassign"]
    )
    def abandon(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Close walks that nobody goes on with, as the walk screen does."""
        refusals: Refusals = {
            walks.Ended: _("it has ended already"),
            walks.Moved: _("somebody answered it just now"),
            **NOT_NOW,
        }

        def verb(walk: L1WalkSession, user: User) -> None:
            walks.abandon_walk(walk, by=user, version=walk.version)

        apply(request, queryset, verb, refusals)

    @admin.action(
        description=gettext_lazy("Give escalations back to the queue"),
        permissions=["reassign"],
    )
    def release(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Take escalations from their engineers, as the handoff page does."""
        refusals = {
            escalations.NotYours: _("another engineer holds it"),
            **NOT_NOW,
            TransitionNotAllowed: _("no engineer has claimed it"),
        }

        def verb(walk: L1WalkSession, user: User) -> None:
            escalations.release_walk(walk, by=user)

        apply(request, queryset, verb, refusals)


class VersionInline(Part):
    """The versions of a flow, newest first; their graphs are on their own pages."""

    model = FlowVersion
    verbose_name_plural = gettext_lazy("versions")
    fields = ("number", "published_at", "published_by", "sha256")
    readonly_fields = fields
    ordering = ("-number",)
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[FlowVersion]:
        rows = super().get_queryset(request)
        return rows.select_related("published_by", "flow").defer("definition")


@admin.register(Flow)
class FlowAdmin(MachineAdmin):
    """Flows with their versions."""

    list_display = ("title", "category", "state", "in_use", "updated_at")
    list_filter = ("state",)
    list_select_related = ("current_version",)
    search_fields = ("title",)
    ordering = ("title",)
    inlines = (VersionInline, MoveInline)  # type: ignore[assignment]
    actions = ("publish", "archive")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super().get_queryset(request).defer(*DRAFTS, "current_version__definition")
        )

    @admin.display(description=gettext_lazy("version in use"))
    def in_use(self, obj: Flow) -> str:
        return f"v{obj.current_version.number}" if obj.current_version else ""

    def view_on_site(self, obj: Flow) -> str:
        return reverse("l1walk:flow", args=[obj.pk])

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("l1walk.publish_flow")

    @admin.action(description=gettext_lazy("Publish"), permissions=["publish"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Publish drafts that have no errors, as the editor does."""
        refusals: Refusals = {
            flows.HasErrors: error_count,
            flows.NothingToPublish: _("its draft does not differ from what is in use"),
            DefinitionError: _("its draft cannot be read"),
            **NOT_NOW,
            TransitionNotAllowed: _("it is archived: reopen it first"),
        }

        def verb(flow: Flow, user: User) -> None:
            flows.publish_flow(flow, by=user)

        apply(request, queryset, verb, refusals)

    @admin.action(description=gettext_lazy("Archive"), permissions=["publish"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Take flows out of use; their walks go on."""
        refusals = {**NOT_NOW, TransitionNotAllowed: _("it is archived already")}

        def verb(flow: Flow, user: User) -> None:
            flows.archive_flow(flow, by=user)

        apply(request, queryset, verb, refusals)


def error_count(refused: flows.HasErrors) -> str:
    count = len(refused.problems)
    return ngettext("its draft has one error", "its draft has %(n)s errors", count) % {
        "n": count
    }


@admin.register(FlowVersion)
class FlowVersionAdmin(ReadOnly, TenantAdmin):
    """Published graphs, as they are stored."""

    list_display = ("flow", "number", "published_at", "published_by")
    list_display_links = ("flow", "number")
    list_select_related = ("flow", "published_by")
    sortable_by = ()
    fields = ("flow", "number", "published_at", "published_by", "sha256", "graph")

    @admin.display(description=gettext_lazy("graph"))
    def graph(self, obj: FlowVersion) -> str:
        text = json.dumps(obj.definition, indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # A version has no account of its own: its flow has.
        return versions_of(cast(User, request.user)).order_by("-pk")

    def view_on_site(self, obj: FlowVersion) -> str:
        return reverse("l1walk:report_version", args=[obj.flow.slug, obj.number])


class NoteInline(Part):
    """What was written on a ticket."""

    model = TicketNote
    verbose_name_plural = gettext_lazy("notes")
    fields = ("at", "author", "text", "visibility", "is_resolution")
    readonly_fields = fields
    ordering = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TicketNote]:
        return super().get_queryset(request).select_related("author")


@admin.register(Ticket)
class TicketAdmin(MachineAdmin):
    """Handrail's own tickets, newest first."""

    list_display = ("number", "title", "requester", "status", "created_at")
    list_display_links = ("number", "title")
    list_filter = ("status",)
    sortable_by = ("number",)
    search_fields = ("title", "requester")
    search_help_text = gettext_lazy("Number, or words of title and requester")
    inlines = (NoteInline, MoveInline)  # type: ignore[assignment]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        number = search_term.strip().removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) <= 8:
            return queryset.filter(number=int(number)), False
        return super().get_search_results(request, queryset, search_term)

    def view_on_site(self, obj: Ticket) -> str:
        return reverse("l1walk:ticket", args=[obj.pk])
