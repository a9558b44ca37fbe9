"""docs/machines.md, made from the machines themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import models

from workflows.core.machine import states

HEAD = """# Machines

Made by `manage.py describe_machines`; a test fails when it is out of date. Each arrow
is a method of the model that runs under a lock and leaves a Move; of jobs and their
steps, which move under the fence of a worker, an event.
"""


class Command(BaseCommand):
    help = "Write docs/machines.md from the state machines of the product."

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "machines.md"
        path.write_text(describe())
        self.stdout.write(f"{path} is written")


def describe() -> str:
    """Return the page: a diagram for each state of each machine."""
    parts = [HEAD]
    for model in sorted(apps.get_models(), key=lambda model: model._meta.label):
        if states(model) and not model.__module__.startswith("tests."):
            parts += diagrams(model)
    return "\n".join(parts)


def diagrams(model: type[models.Model]) -> Iterator[str]:
    summary = (model.__doc__ or "").strip().partition("\n")[0]
    yield f"## {model._meta.label}\n\n{summary}\n"
    for field in states(model):
        default = str(field.default) or "none"
        yield f"### {field.name}\n\n```mermaid\nstateDiagram-v2\n    [*] --> {default}"
        arrows = {
            (str(t.source) or "none", str(t.target) or "none", t.name)
            for t in field.get_all_transitions(model)
        }
        for source, target, name in sorted(arrows):
            yield f"    {source} --> {target}: {name}"
        yield "```\n"
