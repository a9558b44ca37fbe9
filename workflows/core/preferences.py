"""The settings an account may change. Each workflow declares its own."""

from dataclasses import dataclass

from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class Preference:
    """One setting of an account; its type is the type of its default."""

    key: str
    label: str | Promise
    help_text: str | Promise
    default: int | bool
    minimum: int = 0
    maximum: int = 0


REGISTRY: dict[str, Preference] = {}


def register(preference: Preference) -> Preference:
    """Declare a setting. Raises ValueError when its key is taken."""
    if preference.key in REGISTRY:
        raise ValueError(f"the setting {preference.key} is declared twice")
    REGISTRY[preference.key] = preference
    return preference
