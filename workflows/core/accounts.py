"""Who may see what: accounts, their people, and the one filter that separates them."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any, Self, cast

from django.contrib.auth.models import (
    AbstractUser,
    Group,
    Permission,
    UserManager,
)
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflows.core.ids import uuid7
from workflows.core.preferences import Preference, Value

if TYPE_CHECKING:
    from django.db.models.sql.compiler import SQLCompiler

TECHNICIAN, ENGINEER, BOOKKEEPER, MANAGER = ROLES = (
    "technician",
    "engineer",
    "bookkeeper",
    "manager",
)
# A changed set of a role's rights reaches every process within this time; a changed
# role of a user is seen at once.
ROLE_CACHE_SECONDS = 30


class TenantQuerySet(models.QuerySet[Any]):
    """Rows of an account. Every query of a page starts at ``visible_to``."""

    def visible_to(self, user: User) -> Self:
        """Return what the user may see: their account's rows, and all for operators."""
        if user.account_id:
            return self.filter(account_id=user.account_id)
        return self if user.is_superuser else self.none()


def check_time_zone(name: str) -> None:
    """Raise ValidationError for a name that the time zone database lacks."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            _("“%(name)s” is not a time zone. Write it like “Europe/Berlin”."),
            params={"name": name},
        )


class AccountQuerySet(models.QuerySet["Account"]):
    """Accounts have no account: the user's own is the visible one."""

    def visible_to(self, user: User) -> Self:
        if user.account_id:
            return self.filter(pk=user.account_id)
        return self if user.is_superuser else self.none()


class Account(models.Model):
    """One team that uses Handrail. Nothing of it is ever shown to another."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(unique=True)
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[check_time_zone]
    )
    settings = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def preference(self, declared: Preference[Value]) -> Value:
        """Return the account's value of a declared setting, or its default."""
        value = self.settings.get(declared.key, declared.default)
        # JSON has lists alone.
        return cast(Value, tuple(value) if isinstance(value, list) else value)


class GroupIds(models.Aggregate):
    """The ids of a user's groups as text, so that one query loads user and roles."""

    function = "GROUP_CONCAT"
    output_field = models.TextField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: Any, **extra: Any
    ) -> tuple[str, Any]:
        return self.as_sql(
            compiler,
            connection,
            function="STRING_AGG",
            template="%(function)s(%(expressions)s::text, ',')",
            **extra,
        )


class AccountUserManager(UserManager["User"]):
    """Adds what loading a signed-in user needs, and the tenancy filter."""

    def visible_to(self, user: User) -> models.QuerySet[User]:
        rows = self.get_queryset()
        if user.account_id:
            return rows.filter(account_id=user.account_id)
        return rows if user.is_superuser else rows.none()

    def with_roles(self) -> models.QuerySet[User]:
        """Return users with their account and ``group_ids`` in a single query."""
        groups = (
            User.groups.through.objects.filter(user_id=models.OuterRef("pk"))
            .order_by()
            .values("user_id")
            .annotate(ids=GroupIds("group_id"))
            .values("ids")  # type: ignore[misc]
        )
        return self.select_related("account").annotate(
            group_ids=models.Subquery(groups)
        )


class User(AbstractUser):
    """A person with a role in one account, or an operator (superuser) of them all."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, null=True, blank=True, related_name="users"
    )
    key_shortcuts = models.BooleanField(
        _("single-key shortcuts"),
        default=True,
        help_text=_("Answer with 1 to 9, U, N, R, E on the walk screen."),
    )

    objects = AccountUserManager()  # type: ignore[misc]
    rights: set[str] | None = None  # of the loaded object: a request asks many times

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(account__isnull=False) | Q(is_superuser=True),
                name="ck_user_account_unless_operator",
                violation_error_message=_(
                    "Choose an account: only operators work without one."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def holds(self, role: str) -> bool:
        """Tell whether the user has a role (one of ROLES)."""
        return role in role_names(self)


def groups_of(user: User) -> list[int]:
    """Return the ids of the user's groups; no query if RoleBackend loaded the user."""
    person: Any = user  # with_roles() adds group_ids; else they are read here, once
    if not hasattr(person, "group_ids"):
        pks = user.groups.order_by("pk").values_list("pk", flat=True)
        person.group_ids = ",".join(map(str, pks))
    return [int(pk) for pk in (person.group_ids or "").split(",") if pk]


def role(group_id: int) -> tuple[str, frozenset[str]]:
    """Return a group's name and rights, cached for ROLE_CACHE_SECONDS."""
    key = f"role:{group_id}"
    found: tuple[str, frozenset[str]] | None = cache.get(key)
    if found is None:
        name = Group.objects.values_list("name", flat=True).filter(pk=group_id).first()
        rights = Permission.objects.filter(group=group_id).values_list(
            "content_type__app_label", "codename"
        )
        found = name or "", frozenset(f"{app}.{code}" for app, code in rights)
        cache.set(key, found, ROLE_CACHE_SECONDS)
    return found


def role_names(user: User) -> set[str]:
    return {role(pk)[0] for pk in groups_of(user)}
