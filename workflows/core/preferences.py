"""The settings an account may change. Each workflow declares its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.utils.functional import Promise

Value = TypeVar("Value", bound=int | tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Preference(Generic[Value]):
    """One setting of an account; its type is the type of its default.

    A tuple is a list that is typed one entry a line. ``spell`` returns an entry's one
    spelling, and raises ValueError with what is wrong with it in words.
    """

    key: str
    label: str | Promise
    help_text: str | Promise
    default: Value
    minimum: int = 0
    maximum: int = 0
    spell: Callable[[str], str] = str.strip


REGISTRY: dict[str, Preference[Any]] = {}


def register(preference: Preference[Value]) -> Preference[Value]:
    """Declare a setting. Raises ValueError when its key is taken."""
    if preference.key in REGISTRY:
        raise ValueError(f"the setting {preference.key} is declared twice")
    REGISTRY[preference.key] = preference
    return preference
