"""The whole product on one machine, under one parent that Ctrl-C ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from workflows.core.accounts import Account

GRACE = 15  # seconds that a child gets to finish what it has begun


class Command(BaseCommand):
    help = "Migrate, make demo data at the first start, and serve: web and worker."

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
        environment = {"PUBLIC_URL": f"http://localhost:{port}"} | os.environ
        children = [
            subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
            for command in (web(options["host"], port), worker())
        ]
        # SIGINT too: a shell starts what runs in the background with it ignored.
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, interrupt)
        try:
            wait_until_served(options["host"], port, children)
            self.greet(port)
            watch(children)
        except KeyboardInterrupt:
            self.say("\nStopping …")
        finally:
            stop(children)

    def say(self, text: str) -> None:
        """Show it at once, in a file or a pipe too, where Python would wait."""
        self.stdout.write(text)
        self.stdout.flush()

    def greet(self, port: int) -> None:
        self.say(f"\nHandrail runs at http://localhost:{port}/   Ctrl-C ends it.")
        if Account.objects.filter(slug="demo").exists():
            self.say(
                "Demo logins, password “handrail-demo” each:\n"
                "  tina   technician\n  egon   engineer\n  mona   manager\n"
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


def worker() -> list[str]:
    return [
        sys.executable,
        *("-m", "celery", "--app", "config", "--quiet", "worker", "--beat"),
        *("--concurrency", "2", "--loglevel", "warning", "--without-mingle"),
        "--without-gossip",
    ]


def wait_until_served(
    host: str, port: int, children: list[subprocess.Popen[bytes]]
) -> None:
    """Return when the port answers. Raises CommandError when a child ends first."""
    while True:
        fail_if_ended(children)
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def fail_if_ended(children: list[subprocess.Popen[bytes]]) -> None:
    for name, child in zip(("The web server", "The worker"), children, strict=True):
        if child.poll() is not None:
            raise CommandError(
                f"{name} ended with exit code {child.returncode}; "
                "its last words stand above. Everything was stopped."
            )


def watch(children: list[subprocess.Popen[bytes]]) -> None:
    """Return never; raises CommandError when a child ends by itself."""
    while True:
        fail_if_ended(children)
        time.sleep(0.5)


def stop(children: list[subprocess.Popen[bytes]]) -> None:
    """End every child with all it started; whoever is impatient meanwhile waits."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + GRACE
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.1, deadline - time.monotonic()))
        with suppress(ProcessLookupError):  # none of its group is left
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
