"""The audited base of every workflow: states that move under a lock, with an author."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.dispatch import receiver
from django.utils import timezone
from django_fsm import ConcurrentTransition, FSMFieldMixin
from django_fsm.signals import post_transition, pre_transition

from workflows.core.accounts import Account, TenantQuerySet, User
from workflows.core.ids import uuid7
from workflows.core.moves import Move

__all__ = ["Machine", "MachineQuerySet", "Move", "NotLent", "states"]


class NotLent(Exception):
    """A machine was changed outside ``begin()`` and ``moving()``: a slip in code."""


def states(model: type[models.Model]) -> tuple[FSMFieldMixin, ...]:
    """Return a model's FSM fields; the first one is its main state."""
    return tuple(f for f in model._meta.concrete_fields if isinstance(f, FSMFieldMixin))


class MachineQuerySet(TenantQuerySet):
    """Refuses what would move a machine behind the audit's back."""

    def update(self, **values: Any) -> int:
        if moved := values.keys() & {f.name for f in states(self.model)}:
            raise NotLent(f"{', '.join(moved)} moves only in moving()")
        return super().update(**values)

    def bulk_create(self, *args: Any, **kwargs: Any) -> Any:
        raise NotLent("a machine is made by begin(), which writes its first Move")


class Machine(models.Model):
    """A row with states. ``begin`` makes it, ``moving`` moves it; both write Moves."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")

    objects = MachineQuerySet.as_manager()
    _moves: list[Move] | None = None
    _lent_to: tuple[User | None, str, datetime]
    _lent_states: dict[str, str]

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._history("save")
        super().save(*args, **kwargs)

    @classmethod
    def begin(
        cls,
        *,
        by: User | None,
        note: str = "",
        at: datetime | None = None,
        **fields: Any,
    ) -> Self:
        """Create the row and its first Move: both, or neither."""
        with transaction.atomic():
            row = cls(**fields)
            row._moves, row._lent_to = [], (by, note, at or timezone.now())
            row._record("begin", "", getattr(row, states(cls)[0].name))
            row._save_with_moves(force_insert=True)
        return row

    @classmethod
    @contextmanager
    def moving(
        cls, pk: UUID, *, by: User | None, note: str = "", at: datetime | None = None
    ) -> Iterator[Self]:
        """Lend the locked row, then save it with its Moves, all in one transaction.

        ``by`` is None when the product itself acts. Raises the model's DoesNotExist.
        """
        with transaction.atomic():
            row: Self = cls._base_manager.select_for_update().get(pk=pk)
            row._moves, row._lent_to = [], (by, note, at or timezone.now())
            row._lent_states = {f.attname: getattr(row, f.attname) for f in states(cls)}
            try:
                yield row
                row._save_with_moves()
            finally:
                row._moves = None

    def moves(self) -> models.QuerySet[Move]:
        """Return the machine's history, oldest first."""
        return Move.objects.filter(object_id=self.pk).order_by("id")

    def _history(self, what: str) -> list[Move]:
        """Return where Moves gather while the row is lent. Raises NotLent else."""
        if self._moves is None:
            raise NotLent(f"{self._meta.label}: {what} outside begin() and moving()")
        return self._moves

    def _record(self, name: str, source: str, target: str) -> None:
        by, note, at = self._lent_to
        kind = ContentType.objects.get_for_model(type(self))
        move = Move(content_type=kind, object_id=self.pk, account_id=self.account_id)
        move.name, move.source, move.target, move.note = name, source, target, note
        move.actor, move.actor_name = by, str(by) if by else "Handrail"
        move.at = at
        self._history(name).append(move)

    def _save_with_moves(self, **options: Any) -> None:
        self.save(**options)
        Move.objects.bulk_create(self._history("save"))
        self._moves = None

    def _do_update(self, *args: Any, **kwargs: Any) -> Any:
        # Saved over the states that were lent, or not at all: where a database has
        # no row locks, this is what tells that somebody else was faster.
        rows, *rest = args
        updated = super()._do_update(rows.filter(**self._lent_states), *rest, **kwargs)
        if not updated:
            raise ConcurrentTransition(f"{self._meta.label} {self.pk} moved meanwhile")
        return updated


@receiver(pre_transition)
def _only_when_lent(instance: models.Model, name: str, **_kwargs: Any) -> None:
    if isinstance(instance, Machine):
        instance._history(name)


@receiver(post_transition)
def _record_move(
    instance: models.Model, name: str, source: str, target: str, **_kwargs: Any
) -> None:
    if isinstance(instance, Machine):
        instance._record(name, source, target)
