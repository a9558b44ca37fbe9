"""The first page is made of sections; each workflow adds its own, for its people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workflows.core.accounts import User


@dataclass(frozen=True, slots=True)
class Section:
    """A template and what it shows, which it finds as ``section``."""

    template: str
    context: dict[str, Any]


Maker = Callable[[User], Section | None]
MAKERS: list[Maker] = []


def home_section(make: Maker) -> Maker:
    """Register what makes a section for a person, None where they need none."""
    MAKERS.append(make)
    return make


def sections_for(user: User) -> list[Section]:
    return [found for make in MAKERS if (found := make(user))]
