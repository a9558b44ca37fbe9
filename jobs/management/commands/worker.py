"""A worker with the options that jobs need; Celery does the rest."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.actions.kinds import queues

ALL = "all"


def command_line(names: str, concurrency: int, *more: str) -> list[str]:
    """Return Celery's command for a worker of these queues.

    The embedded broker loses a pool one of whose processes was killed at the wrong
    moment: there a worker is a single process, and more of them are started.
    """
    served = queues() if names == ALL else names.split(",")
    line = [sys.executable, "-m", "celery", "--app", "config", "--quiet", "worker"]
    line += ["--loglevel", "warning", "--without-mingle", "--without-gossip"]
    line += ["--queues", ",".join(served)]
    if settings.REDIS_URL:
        return [*line, "--concurrency", str(concurrency), *more]
    return [*line, "--pool", "solo", "--without-heartbeat", *more]


class Command(BaseCommand):
    help = "Run jobs until SIGTERM: then finish or hand back, and end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queues", default=ALL, help="names, separated by commas, or “all”"
        )
        parser.add_argument(
            "--concurrency", type=int, default=2, help="jobs at once (with Redis)"
        )
        parser.add_argument("--name", default="", help="of the worker, one a machine")

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["queues"]
        known = {ALL, *queues()}
        if unknown := [name for name in names.split(",") if name not in known]:
            raise CommandError(
                f"There is no queue {', '.join(unknown)}. "
                f"Queues: {', '.join(sorted(known))}."
            )
        more = ["--hostname", f"{options['name']}@%h"] if options["name"] else []
        line = command_line(names, options["concurrency"], *more)
        # Celery in its own right: its signals and its process name are what an
        # operator knows.
        os.execv(line[0], line)  # noqa: S606
