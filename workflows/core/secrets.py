"""Values sealed at rest: read with a key of SEAL_KEYS, never shown, never logged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models

from workflows.core.errors import AdminRequired

# How Fernet writes: a version, a time before the year 2106, then at least 64 bytes.
SEALED = re.compile(r"gAAAAA[A-Za-z0-9_=-]{94,}")


class SealError(AdminRequired):
    """A sealed value cannot be made or read; the text says what an operator can do."""


class Secret:
    """A value that does not print: only ``reveal()`` gives it, where it is used."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret is not pickled: it would travel in the clear")


def keyring() -> MultiFernet:
    """Return the keys of SEAL_KEYS; the first one seals. Raises SealError."""
    if not settings.SEAL_KEYS:
        raise SealError(
            "SEAL_KEYS is not set, so secrets cannot be stored or read. Make a key "
            "with `manage.py seal_keys new` and set it."
        )
    try:
        return MultiFernet([Fernet(key) for key in settings.SEAL_KEYS])
    except ValueError:
        pass
    # Outside the handler: the cause holds the key, which debug pages would show.
    raise SealError(
        "SEAL_KEYS holds a text that is not a key. Make one with "
        "`manage.py seal_keys new`."
    )


def seal(secret: Secret) -> str:
    """Return the sealed text. Raises SealError without a usable key."""
    return keyring().encrypt(secret.reveal().encode()).decode()


def unseal(sealed: str) -> Secret:
    """Return the value. Raises SealError when no key of SEAL_KEYS opens it."""
    try:
        return Secret(keyring().decrypt(sealed.encode()).decode())
    except InvalidToken as error:
        raise SealError(
            "A stored secret was sealed with a key that SEAL_KEYS no longer holds. "
            "Put the old key back behind the new one, or enter the secret again."
        ) from error


class SealedField(models.TextField[Any, Any]):
    """Keeps the sealed text in its column and hands it out as that text.

    Assign a ``Secret``; read with ``unseal(row.field)`` at the place of use, so that a
    missing key breaks that use and not every list that loads the row.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        sealed = self.get_prep_value(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, sealed)
        return sealed

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Secret):
            return seal(value)
        # Told by its form, without a key: rows are saved for other reasons too.
        if value and not SEALED.fullmatch(value):
            raise SealError(f"{self.name} takes a Secret, never its text")
        return super().get_prep_value(value)


def sealed_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Yield every model and name of a sealed column, for rotation."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SealedField):
                yield model, field.attname


def rotate(model: type[models.Model], column: str) -> int:
    """Seal the column's values anew with the first key; return how many changed.

    Each row is a conditional UPDATE: a value that somebody replaces meanwhile wins.
    """
    ring, changed = keyring(), 0
    rows = model._base_manager.exclude(**{column: ""}).exclude(**{column: None})
    for pk, old in rows.values_list("pk", column).iterator(chunk_size=500):
        try:
            new = ring.rotate(old.encode()).decode()
        except InvalidToken as error:
            raise SealError(
                f"No key of SEAL_KEYS opens the {column} of {model._meta.label} {pk}. "
                "Add the key that sealed it, or enter the secret again."
            ) from error
        same = model._base_manager.filter(**{"pk": pk, column: old})
        changed += models.QuerySet.update(same, **{column: new})
    return changed
