"""The product in processes of its own, and a browser that keeps every answer."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.faults.ground import Ground
from tests.program import ROOT
from tests.services import free_port

PASSWORD = "correct horse"
STATE = re.compile(r'name="state" value="([^"]*)"')
# All loggers of all parts, as the settings beside this file have them.
LOUD = {"DJANGO_SETTINGS_MODULE": "tests.secrecy.settings", "PYTHONUNBUFFERED": "1"}
WEB = ("--worker-class", "gthread", "--threads", "4", "--access-logfile", "-")
WORKER = ("--queues", "default,support", "--loglevel", "debug")
PEOPLE = """
from tests.conftest import make_account, make_user
account = make_account("acme", settings={{"jira.hosts": ["localhost"]}})
make_user(account, "alice", "manager", first_name="{name}", is_staff=True)
make_user(None, "olga", is_superuser=True, is_staff=True)
"""


class Product(Ground):
    """Web, worker and scheduler, on servers of their own or on a folder."""

    def __init__(self, folder: Path, place: str | Path, **environment: str) -> None:
        super().__init__(folder, place, **LOUD, **environment)
        self.port = free_port()
        self.answers: list[bytes] = []
        self.clients: list[httpx.Client] = []
        self.manage("migrate", "--verbosity=0")

    def close(self) -> None:
        for client in self.clients:
            client.close()
        super().close()

    def manage(self, *arguments: str, **environment: str) -> int:
        """Run manage.py to its end; what it says is kept with the logs."""
        with (self.folder / "manage.log").open("ab") as log:
            done = subprocess.run(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        return done.returncode

    def people(self, name: str) -> None:
        """Make Alice, whose first name is given, and Olga, who sees all accounts."""
        assert self.manage("shell", "-c", PEOPLE.format(name=name)) == 0

    def web(self) -> None:
        place = f"127.0.0.1:{self.port}"
        line = ("-m", "gunicorn", "config.wsgi", "--bind", place, "--log-level=debug")
        self.spawn("web", *line, *WEB)
        self.wait("pages", self.served)

    def served(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").is_success
        except httpx.TransportError:
            return False

    def work(self) -> None:
        """Start a worker and the scheduler; Celery too says all that it can."""
        line = ("-m", "celery", "--app", "config", "worker", *WORKER)
        pool = () if "REDIS_URL" in self.environment else ("--pool", "solo")
        self.spawn("worker", *line, *pool)
        self.scheduler()

    # --- its data ---------------------------------------------------------------------
    def change(self, sql: str) -> None:
        """Have something happen to the database that no verb does."""
        if isinstance(self.place, str):
            with psycopg.connect(self.place, autocommit=True) as connection:
                connection.execute(sql)
            return
        with closing(sqlite3.connect(self.place, timeout=20)) as file, file:
            file.execute(sql)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        return self.ledger.rows(sql, *values)

    def one(self, sql: str, *values: Any) -> Any:
        return self.ledger.one(sql, *values)

    def logs(self) -> bytes:
        return b"\n".join(path.read_bytes() for path in self.folder.glob("*.log"))

    @property
    def data(self) -> Path:
        return Path(self.environment["DATA_DIR"])


class Browser:
    """Somebody at the product, signed in."""

    def __init__(self, product: Product, name: str) -> None:
        self.product = product
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{product.port}",
            event_hooks={"response": [self.keep]},
            timeout=30,
        )
        product.clients.append(self.client)
        self.get("/login/")
        self.post("/login/", 302, username=name, password=PASSWORD)

    def keep(self, response: httpx.Response) -> None:
        """Keep the answer with its head; cookies are in there as they came."""
        head = [
            str(response.status_code).encode(),
            *map(b": ".join, response.headers.raw),
        ]
        self.product.answers.append(b"\n".join([*head, response.read()]))

    def get(self, path: str, status: int = 200, **headers: str) -> httpx.Response:
        answer = self.client.get(path, headers=headers, follow_redirects=True)
        return self.checked(answer, status)

    def post(
        self, path: str, status: int = 303, accept: str = "", **data: Any
    ) -> httpx.Response:
        """Send a form; a tuple is a file."""
        files = {name: it for name, it in data.items() if isinstance(it, tuple)}
        text = {name: it for name, it in data.items() if name not in files}
        text["csrfmiddlewaretoken"] = self.client.cookies["csrftoken"]
        headers = {"Accept": accept} if accept else {}
        answer = self.client.post(path, data=text, files=files or None, headers=headers)
        return self.checked(answer, status)

    def checked(self, answer: httpx.Response, status: int) -> httpx.Response:
        words = f"{answer.status_code} {answer.request.url}"
        assert answer.status_code == status, f"{words}\n{plain(answer.text)}"
        return answer

    def state(self, page: str) -> str:
        """Return what the forms of the page say of the state that they are for."""
        found = STATE.search(self.get(page).text)
        assert found, f"{page} has no form"
        return found[1]

    def send(
        self, page: str, do: str, status: int = 303, **data: Any
    ) -> httpx.Response:
        """Send a form of a wizard's page as the page is now."""
        return self.post(page, status, state=self.state(page), do=do, **data)


def plain(page: str) -> str:
    """Return the words of a page, for whoever reads why a test failed."""
    main = page.partition("<main")[2].partition("</main>")[0] or page
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())[:2000]
