"""What the benchmarks stand on: servers of their own, the product, a CPU meter.

Figures are ratios of things that were measured in turn within one run: a machine's
speed drifts, the ratio stays.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from tests.services import postgres, redis


@contextmanager
def product() -> Iterator[None]:
    """Set the product up as production is: PostgreSQL that flushes, Redis, no DEBUG."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres(durable=True) as database_url,
        redis() as redis_url,
    ):
        os.environ.update(
            DJANGO_SETTINGS_MODULE="config.settings",
            DATABASE_URL=database_url,
            REDIS_URL=redis_url,
            DATA_DIR=folder,
            DEBUG="0",
            HTTPS="0",
            SECRET_KEY="x" * 64,
            SEAL_KEYS=Fernet.generate_key().decode(),
            ALLOWED_HOSTS="localhost",
            LOG_LEVEL="WARNING",
        )
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        yield


class Meter:
    """CPU seconds of this process and of its database connection's backend."""

    def __init__(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        self.backend = Path(f"/proc/{pid}/schedstat")

    def read(self) -> tuple[float, float]:
        """Return seconds spent so far by the application and by the database."""
        return time.process_time(), int(self.backend.read_text().split()[0]) / 1e9


class Browser:
    """Speaks WSGI to the product without a network: what is left is its own work."""

    def __init__(self, application: Any, cookie: str, csrf: str) -> None:
        self.application = application
        self.cookie = cookie
        self.csrf = csrf

    def request(
        self,
        method: str,
        path: str,
        form: str = "",
        *,
        query: str = "",
        htmx: bool = False,
    ) -> tuple[str, dict[str, str], bytes]:
        """Return status, headers and body."""
        body = f"csrfmiddlewaretoken={self.csrf}&{form}".encode() if form else b""
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "HTTP_COOKIE": self.cookie,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "wsgi.errors": BytesIO(),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }
        if htmx:
            environ["HTTP_HX_REQUEST"] = "true"
        seen: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            seen["status"], seen["headers"] = status, dict(headers)

        response = self.application(environ, start)
        content = b"".join(response)
        response.close()
        return seen["status"], seen["headers"], content


def signed_in(application: Any, user: Any) -> Browser:
    """Return a browser with the user's session and a CSRF token."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.cached_db import SessionStore
    from django.middleware.csrf import _get_new_csrf_string

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "workflows.core.auth.RoleBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    csrf = _get_new_csrf_string()
    cookie = (
        f"{settings.SESSION_COOKIE_NAME}={session.session_key}; "
        f"{settings.CSRF_COOKIE_NAME}={csrf}"
    )
    return Browser(application, cookie, csrf)


Turn = Callable[[], None]


def in_turn(
    contenders: dict[str, Turn], *, rounds: int, each: int
) -> dict[str, tuple[float, float]]:
    """Let each contender run ``each`` times, in turn, for ``rounds`` rounds.

    Returns seconds of CPU for one run: of the application and of the database.
    """
    meter = Meter()
    sums = dict.fromkeys(contenders, (0.0, 0.0))
    for round_number in range(rounds + 1):
        for name, turn in contenders.items():
            before = meter.read()
            for _ in range(each):
                turn()
            after = meter.read()
            if round_number:  # the first round warms up
                app, database = sums[name]
                sums[name] = (
                    app + after[0] - before[0],
                    database + after[1] - before[1],
                )
    count = rounds * each
    return {name: (app / count, db / count) for name, (app, db) in sums.items()}
