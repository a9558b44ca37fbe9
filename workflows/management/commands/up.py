"""The whole product on one machine, under one parent that Ctrl-C ends."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.actions.watching import Watchdog
from workflows.core.accounts import Account
from workflows.management.processes import Crew, Gone

LOOK_SECONDS = 0.5
WORKERS = 2  # run as many jobs at once


class Command(BaseCommand):
    help = "Migrate, make demo data at the first start, serve pages and run jobs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=os.environ.get("PORT", "8000"))
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--no-demo", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        port = free_port(options["host"], options["port"])
        self.say("Preparing the database …")
        call_command("migrate", verbosity=0)
        if not settings.DEBUG:
            call_command("collectstatic", verbosity=0, interactive=False)
        if not options["no_demo"] and not Account.objects.exists():
            self.say("Making demo data …")
            call_command("demo", operator=True, verbosity=0)
            call_command("demo_budget", "demo", verbosity=0)
            call_command("demo_support", "demo", verbosity=0)
        crew = Crew({"PUBLIC_URL": f"http://localhost:{port}"} | os.environ)
        # SIGINT too: a shell starts what runs in the background with it ignored.
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, interrupt)
        try:
            crew.start("The web server", web(options["host"], port), vital=True)
            for number, command in enumerate(workers(), start=1):
                crew.start(f"Worker {number}", command)
            crew.start("The scheduler", [sys.executable, "manage.py", "scheduler"])
            wait_until_served(options["host"], port, crew)
            self.greet(port)
            self.watch(crew)
        except Gone as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.say("\nStopping …")
        finally:
            crew.stop()

    def watch(self, crew: Crew) -> None:
        """Return never; raises Gone when a part ended that cannot be started again."""
        dog = Watchdog(slots=WORKERS)
        while True:
            for name in crew.look():
                self.say(f"{name} ended and was started again.")
            if dog.barks():
                self.say("Work was waiting and nobody took it: new workers start.")
                crew.restart("Worker")
            time.sleep(LOOK_SECONDS)

    def say(self, text: str) -> None:
        """Show it at once, in a file or a pipe too, where Python would wait."""
        self.stdout.write(text)
        self.stdout.flush()

    def greet(self, port: int) -> None:
        self.say(f"\nHandrail runs at http://localhost:{port}/   Ctrl-C ends it.")
        if Account.objects.filter(slug="demo").exists():
            self.say(
                "Demo logins, password “handrail-demo” each:\n"
                "  tina   technician\n  egon   engineer\n"
                "  berta  bookkeeper\n  mona   manager\n"
                "  olga   operator (the admin of everything)\n"
            )


def interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def free_port(host: str, wanted: int) -> int:
    """Return the wanted port or the next free one. Raises CommandError."""
    for port in range(wanted, wanted + 20):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise CommandError(
        f"Ports {wanted} to {wanted + 19} are taken. Choose with --port."
    )


def web(host: str, port: int) -> list[str]:
    # SQLite has one writer: more threads only wait for it.
    sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    workers = 1 if sqlite else min(4, os.cpu_count() or 1)
    return [
        sys.executable,
        *("-m", "gunicorn", "config.wsgi", "--bind", f"{host}:{port}"),
        *("--worker-class", "gthread", "--threads", "4", "--workers", str(workers)),
        *("--graceful-timeout", "5", "--log-level", "warning"),
    ]


def workers() -> list[list[str]]:
    """Return the commands of the workers: one with a pool, or several without."""
    line = [sys.executable, "manage.py", "worker", "--concurrency", str(WORKERS)]
    if settings.REDIS_URL:
        return [line]
    return [[*line, "--name", f"worker{number}"] for number in range(WORKERS)]


def wait_until_served(host: str, port: int, crew: Crew) -> None:
    """Return when the port answers. Raises Gone when the web server ends first."""
    while True:
        crew.look()
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
