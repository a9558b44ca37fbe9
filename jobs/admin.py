"""Jobs for those who look after them: looked at here, moved by the pages' verbs."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.actions.kinds import UnknownKind, label_of, queues
from jobs.actions.stopping import Ended, NotFailed, NotNow, cancel_job, retry_job
from jobs.forms import kind_choices
from jobs.models import Job, JobAttempt, JobEvent, JobStep, LeaseLost, Schedule, Worker
from workflows.core.accounts import User
from workflows.core.admin import Part, ReadOnly, TenantAdmin
from workflows.core.adminactions import Refusals, apply


class RetriedAlready(Exception):
    """Somebody was faster: the job that tries it again is there."""


class StepInline(Part):
    """The steps of a job, in order."""

    model = JobStep
    verbose_name_plural = gettext_lazy("steps")
    fields = (
        "position",
        "step_type",
        "status",
        "started_at",
        "completed_at",
        "failure_reason",
    )
    readonly_fields = fields
    ordering = ("position",)


class EventInline(Part):
    """The history of a job."""

    model = JobEvent
    verbose_name_plural = gettext_lazy("history")
    fields = ("created_at", "step", "status", "message")
    readonly_fields = fields
    ordering = ("created_at", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobEvent]:
        return super().get_queryset(request).select_related("step")


class AttemptInline(Part):
    """How each run ended, with what only staff may read."""

    model = JobAttempt
    verbose_name_plural = gettext_lazy("runs")
    fields = (
        "number",
        "worker",
        "started_at",
        "ended_at",
        "outcome",
        "category",
        "reason",
        "trace",
    )
    readonly_fields = fields
    ordering = ("number",)

    @admin.display(description=gettext_lazy("traceback"))
    def trace(self, obj: JobAttempt) -> str:
        return format_html("<pre>{}</pre>", obj.traceback) if obj.traceback else ""


class KindFilter(admin.SimpleListFilter):
    """The registered kinds: asking the table for its types would read all of it."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return kind_choices()

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class QueueFilter(admin.SimpleListFilter):
    """The queues that kinds name."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in queues()]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(queue=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(ReadOnly, TenantAdmin):
    """Jobs, newest first."""

    list_display = (
        "created_at",
        "kind",
        "status",
        "queue",
        "attempt",
        "created_by",
        "completed_at",
    )
    list_display_links = ("created_at", "kind")
    list_filter = ("status", KindFilter, QueueFilter)
    list_select_related = ("created_by",)
    sortable_by = ()  # a click would sort a million rows
    search_fields = ("id",)
    search_help_text = gettext_lazy("Id of a job, or of what it works on, whole")
    inlines = (StepInline, EventInline, AttemptInline)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "kind",
                    "type",
                    "status",
                    "failure_reason",
                    "created_by",
                    "parent_job_id",
                    "retry_of_id",
                    "metadata",
                    "result",
                )
            },
        ),
        (
            gettext_lazy("Times"),
            {"fields": ("created_at", "run_after", "started_at", "completed_at")},
        ),
        (
            gettext_lazy("Run"),
            {
                "fields": (
                    "queue",
                    "attempt",
                    "max_attempts",
                    "worker",
                    "lease_until",
                    "cancel_requested_at",
                    "cancel_requested_by",
                    "done",
                    "total",
                    "phase",
                )
            },
        ),
        (
            gettext_lazy("Subject"),
            {
                "fields": (
                    "subject_type",
                    "subject_id",
                    "budget_id",
                    "exclusive_key",
                    "unique_key",
                )
            },
        ),
    )
    actions = ("cancel", "try_again")

    @admin.display(description=gettext_lazy("kind"))
    def kind(self, obj: Job) -> str:
        return label_of(obj.type)

    def view_on_site(self, obj: Job) -> str:
        return obj.get_absolute_url()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        try:
            pk = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return queryset.filter(Q(pk=pk) | Q(subject_id=pk)), False

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.manage_job")

    @admin.action(description=gettext_lazy("Cancel"), permissions=["manage"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Cancel jobs, as their pages do."""
        refusals: Refusals = {
            Ended: _("it has ended already"),
            LeaseLost: _("it changed in this moment"),
            Job.DoesNotExist: _("it is gone"),
        }

        def verb(job: Job, user: User) -> None:
            cancel_job(job, by=user)

        apply(request, queryset, verb, refusals)

    @admin.action(description=gettext_lazy("Try again"), permissions=["manage"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Start jobs again that failed or were canceled, as their pages do."""
        refusals: Refusals = {
            NotFailed: _("it has not failed"),
            NotNow: str,
            RetriedAlready: _("it was tried again already"),
            UnknownKind: _("Handrail no longer has this kind of job"),
        }

        def verb(job: Job, user: User) -> None:
            if not retry_job(job, by=user).is_new:
                raise RetriedAlready(str(job.pk))

        apply(request, queryset, verb, refusals)


@admin.register(Schedule)
class ScheduleAdmin(TenantAdmin):
    """What starts by the clock. Operators change when; what it starts is code's."""

    list_display = ("name", "starts", "often", "enabled", "next_at", "last_at")
    list_filter = ("enabled",)
    search_fields = ("name",)
    ordering = ("name",)
    shown = ("name", "starts", "account", "subject_type", "subject_id")
    times = ("next_at", "last_at")
    fields = (*shown, "interval", "cron", "time_zone", "enabled", *times)
    readonly_fields = (*shown, *times)

    @admin.display(description=gettext_lazy("starts"))
    def starts(self, obj: Schedule) -> str:
        return label_of(obj.type)

    @admin.display(description=gettext_lazy("how often"))
    def often(self, obj: Schedule) -> str:
        return str(obj.interval or obj.cron)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return cast(User, request.user).is_superuser

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Write what was changed, and count the next time from now."""
        if form.changed_data:
            obj.next_at = obj.after(timezone.now())
            obj.save(update_fields=[*form.changed_data, "next_at"])


@admin.register(Worker)
class WorkerAdmin(ReadOnly, TenantAdmin):
    """Processes that run jobs; they belong to no account."""

    list_display = ("name", "host", "pid", "seen_at", "started_at", "jobs_done")
    sortable_by = ()
    fields = list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        return Worker.objects.order_by("-seen_at")
