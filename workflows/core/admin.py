"""What the admin of every workflow stands on: read-only, of one account, quick."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from urllib.parse import unquote

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.admin import GenericTabularInline
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.core.accounts import ROLES, Account, User
from workflows.core.adminactions import apply
from workflows.core.connecting import revoke_connection
from workflows.core.connections import JiraConnection
from workflows.core.ids import first_id_at
from workflows.core.machine import Move

# Beyond this many rows a list says "2000" and filters are the way on: counting a
# million rows costs more than showing any page of them.
COUNTED_ROWS = 2_000


class CappedPaginator(Paginator[Any]):
    """Counts up to COUNTED_ROWS and no further."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[:COUNTED_ROWS].count()


class NotFound:
    """Answers 404 for what is not there to see; Django would redirect to the index."""

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404


class TenantAdmin(NotFound, admin.ModelAdmin[Any]):
    """Shows the account's own rows, in lists that stay quick at a million of them."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every row for every choice
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        manager: Any = self.model._default_manager
        rows: QuerySet[Any] = manager.visible_to(request.user)
        return rows.order_by(*(self.get_ordering(request) or ["-pk"]))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        # PostgreSQL refuses even to look for a NUL; filters pass on what they get.
        if "\0" in unquote(request.META["QUERY_STRING"]):
            raise BadRequest
        return super().changelist_view(request, extra_context)


class ReadOnly:
    """Takes the three rights of change away, whatever the role holds."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Part(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows that belong to one shown above: whoever may look at that sees them."""

    template = "admin/rows_inline.html"
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class AgeFilter(admin.SimpleListFilter):
    """How long ago it was begun; ids are in the order of time."""

    title = gettext_lazy("age")
    parameter_name = "days"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("1", _("The last 24 hours")),
            ("7", _("The last 7 days")),
            ("30", _("The last 30 days")),
            ("-30", _("Older than 30 days")),
        ]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {value for value, _words in self.lookup_choices}:
            return queryset
        days = int(str(self.value()))
        edge = first_id_at(timezone.now() - timedelta(days=abs(days)))
        side = "pk__gte" if days > 0 else "pk__lt"
        return queryset.filter(**{side: edge})


class MoveInline(ReadOnly, GenericTabularInline):
    """The history of a machine on its admin page."""

    model = Move
    template = "admin/rows_inline.html"
    ct_field, ct_fk_field = "content_type", "object_id"
    fields = ("at", "name", "source", "target", "actor_name", "note")
    readonly_fields = fields
    ordering = ("id",)
    extra = 0
    verbose_name_plural = "history"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # whoever may look at the machine may look at its history


class MachineAdmin(ReadOnly, TenantAdmin):
    """A machine is looked at here; verbs, as pages or admin actions, move it."""

    inlines = (MoveInline,)


@admin.register(Move)
class MoveAdmin(ReadOnly, TenantAdmin):
    """Every change of state of the account, newest first."""

    list_display = ("at", "content_type", "name", "source", "target", "actor_name")
    list_select_related = ("content_type",)
    search_fields = ("=object_id",)
    search_help_text = "Id of the thing that moved"


class EndedAlready(Exception):
    """Somebody or something was faster."""


@admin.register(JiraConnection)
class JiraConnectionAdmin(MachineAdmin):
    """Who may speak to which Jira; of their tokens not even the sealed text."""

    list_display = ("user", "base_url", "status", "created_at", "expires_at")
    list_filter = ("status", AgeFilter)
    list_select_related = ("user",)
    sortable_by = ()
    # Named one by one: what is not here is not shown, the sealed token above all.
    fields = (
        "user",
        "account",
        "kind",
        "base_url",
        "email",
        "jira_user_id",
        "display_name",
        "status",
        "created_at",
        "expires_at",
    )
    readonly_fields = fields
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("token")

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workflows.end_jiraconnection")

    @admin.action(description=gettext_lazy("Revoke"), permissions=["end"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Take connections away from whoever has them."""

        def verb(connection: JiraConnection, user: User) -> None:
            if not revoke_connection(connection, by=user):
                raise EndedAlready

        apply(request, queryset, verb, {EndedAlready: _("it has ended already")})


@admin.register(Account)
class AccountAdmin(TenantAdmin):
    """Operators make accounts here; a manager's own settings have a page."""

    list_display = ("name", "slug", "time_zone", "created_at")
    search_fields = ("name", "slug")


@admin.register(User)
class UserAdmin(TenantAdmin, StockUserAdmin):  # type: ignore[type-arg]
    """A manager keeps the people of the account; operators keep everything."""

    ordering = ("username",)
    list_display = ("username", "first_name", "last_name", "email", "is_active")
    list_filter = ("is_active",)
    own_fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Rights", {"fields": ("is_active", "groups")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": (
                    "username",
                    "first_name",
                    "last_name",
                    "email",
                    "password1",
                    "password2",
                    "groups",
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows = super().get_queryset(request)
        if cast(User, request.user).is_superuser:
            return rows
        return rows.filter(is_superuser=False)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets: Any = self.own_fieldsets if obj else self.add_fieldsets
        if cast(User, request.user).is_superuser:
            operator = ("is_staff", "is_superuser", "account")
            return (*fieldsets, ("Operator", {"fields": operator}))
        return fieldsets

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        # The forms above show no other field of this kind than "groups".
        kwargs["queryset"] = Group.objects.filter(name__in=ROLES).order_by("name")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """A new person joins the account of whoever adds them."""
        if not change and obj.account_id is None:
            obj.account_id = cast(User, request.user).account_id
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """Managers enter the admin, the other roles do not."""
        super().save_related(request, form, formsets, change)
        user = cast(User, form.instance)
        if not user.is_superuser:
            user.is_staff = user.groups.filter(name="manager").exists()
            user.save(update_fields=["is_staff"])


admin.site.unregister(Group)
