"""How a signed-in person and their rights are loaded."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models

from workflows.core.accounts import User, groups_of, role


class RoleBackend(ModelBackend):
    """Rights come from roles alone, loaded with the user: no query for each check."""

    def get_user(self, user_id: UUID | str) -> User | None:
        user = User.objects.with_roles().filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None

    def get_all_permissions(
        self,
        user_obj: AbstractBaseUser | AnonymousUser,
        obj: models.Model | None = None,
    ) -> set[str]:
        if not isinstance(user_obj, User) or not user_obj.is_active or obj is not None:
            return set()
        if user_obj.is_superuser:
            return super().get_all_permissions(user_obj)
        if user_obj.rights is None:
            user_obj.rights = set().union(*(role(pk)[1] for pk in groups_of(user_obj)))
        return user_obj.rights
