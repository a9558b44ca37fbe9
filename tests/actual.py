"""A real Actual Budget server of one's own, for tests.

    with actual_server() as server:
        file_id = server.create_budget("Household")
        with server.client(file_id) as other: ...

It is the npm package that people run, and dies with its parent. Between it and its
clients stands a small proxy, with which a test can break off a push where it hurts.
"""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
from actual import Actual

from jobs.budgets.ledger.building import Builder, NewRow, building
from tests.services import ServiceMissing, folder_for, free_port, running

INSTALLED = Path(__file__).resolve().parent.parent / ".cache" / "actual"
MODULES = INSTALLED / "node_modules"
APP = MODULES / "@actual-app" / "sync-server" / "build" / "app.js"
NATIVE = MODULES / "better-sqlite3" / "build" / "Release" / "better_sqlite3.node"
PASSWORD = "correct horse"
ENCRYPTION_PASSWORD = "battery staple"
DAY = date(2026, 3, 14)

# A request goes to the server when the hook calls `forward`, and its answer to the
# client when the hook returns it; a hook that returns None cuts the connection.
Answer = tuple[int, list[tuple[str, str]], bytes]
Hook = Callable[[Callable[[], Answer]], Answer | None]


def node() -> Path:
    """Return the node that the server runs on. Raises ServiceMissing."""
    found = sorted(MODULES.glob("node-*/bin/node"))
    if not (found and APP.exists() and NATIVE.exists()):
        raise ServiceMissing(
            "The Actual server is not installed: it takes npm and a C++ compiler "
            "(apt-get install npm g++), then `make test` or "
            "`sh tests/actual/install.sh .cache/actual`"
        )
    return found[0]


class Proxy(ThreadingHTTPServer):
    """Passes everything on, but hands a push to whoever waits for one."""

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.target = target
        self.hook: Hook | None = None
        self.altered: dict[str, Callable[[Answer], Answer]] = {}
        self.sources = itertools.count()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def source(self) -> tuple[str, int] | None:
        """Return who asks: the server counts the requests of each address."""
        if sys.platform != "linux":
            return None
        number = next(self.sources) // 100 % 60_000
        return f"127.1.{number // 250}.{number % 250 + 1}", 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer goes out at once, not as head, pause, body
    disable_nagle_algorithm = True
    server: Proxy
    HOP: ClassVar = {"connection", "keep-alive", "transfer-encoding", "content-length"}

    def do_GET(self) -> None:
        self.pass_on()

    def do_POST(self) -> None:
        self.pass_on()

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hook = self.server.hook
        try:
            if hook is not None and is_push(self.path, body):
                self.server.hook = None
                answer = hook(lambda: self.forward(body))
            else:
                answer = self.forward(body)
        except OSError:
            answer = None  # the server is down: so are we
        if answer is None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, headers, content = answer
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def forward(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(
            "127.0.0.1",
            self.server.target,
            timeout=30,
            source_address=self.server.source(),
        )
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            kept = [
                (name, value)
                for name, value in response.getheaders()
                if name.lower() not in self.HOP
            ]
            answer = response.status, kept, response.read()
            alter = self.server.altered.get(self.path)
            return alter(answer) if alter else answer
        except http.client.HTTPException as error:
            raise ConnectionError from error
        finally:
            connection.close()

    def log_message(self, *args: object) -> None:
        """The tests say what went wrong."""


def is_push(path: str, body: bytes) -> bool:
    """Does the request bring messages? Each begins with its timestamp."""
    return path.endswith("/sync/sync") and body.startswith(b"\n")


@dataclass
class ActualServer:
    """What tests know of the server; ``url`` is the proxy's."""

    proxy: Proxy
    data: Path
    port: int
    password: str = PASSWORD
    encryption_password: str = ENCRYPTION_PASSWORD
    stack: ExitStack = field(default_factory=ExitStack)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.proxy.url

    def start(self) -> None:
        settings = {
            "ACTUAL_DATA_DIR": str(self.data),
            "ACTUAL_HOSTNAME": "127.0.0.1",
            "ACTUAL_PORT": str(self.port),
            "NODE_ENV": "production",
        }

        def ready() -> bool:
            try:
                url = f"http://127.0.0.1:{self.port}/health"
                return httpx.get(url, timeout=2).is_success
            except httpx.HTTPError:
                return False

        self.process = self.stack.enter_context(
            running([str(node()), str(APP)], self.data, ready, environment=settings)
        )

    def kill(self) -> None:
        """End it as a power cut would; ``restart`` finds its files as it left them."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.stack.close()
        self.start()

    def on_push(self, hook: Hook) -> None:
        """Hand the next push to the hook, once."""
        self.proxy.hook = hook

    @contextmanager
    def altering(self, path: str, alter: Callable[[Answer], Answer]) -> Iterator[None]:
        """Change what the server answers to requests of a path."""
        self.proxy.altered[path] = alter
        yield
        del self.proxy.altered[path]

    def be_somebody_else(self) -> None:
        """Come from an address whose requests the server has not counted yet."""
        self.proxy.sources = itertools.count(
            next(self.proxy.sources) // 100 * 100 + 100
        )

    def create_budget(
        self,
        name: str = "Household",
        *,
        encrypted: bool = False,
        fill: Callable[[Builder], None] | None = None,
    ) -> str:
        """Upload a small budget and return its file id."""
        file_id = str(uuid.uuid4())
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "budget.zip"
            with building(archive, name) as builder:
                (fill or small)(builder)
            with self.client(None) as client:
                client.upload_user_file(archive.read_bytes(), file_id, name)
        if encrypted:
            with self.client(file_id) as client:
                client.encrypt(self.encryption_password)
        return file_id

    def client(self, file_id: str | None, **options: Any) -> Any:
        """Lend another client: actualpy as others use it."""
        return another_client(self, file_id, options)

    def categories(self, file_id: str, **options: Any) -> dict[str, str | None]:
        """Return the category's name of each transaction, by its notes."""
        with self.client(file_id, **options) as client:
            from actual.queries import get_transactions

            return {
                row.notes or "": row.category.name if row.category else None
                for row in get_transactions(client.session)
            }


@contextmanager
def another_client(
    server: ActualServer, file_id: str | None, options: dict[str, Any]
) -> Iterator[Actual]:
    with (
        tempfile.TemporaryDirectory(prefix="handrail-other-") as folder,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        with Actual(
            server.url,
            password=server.password,
            file=file_id,
            data_dir=options.pop("data_dir", folder),
            **options,
        ) as client:
            yield client


def small(builder: Builder) -> None:
    """Ten purchases without a category, notes "0" to "9", and three categories."""
    account = builder.account("Checking")
    for name in ("Fuel", "Groceries", "Coffee"):
        builder.category(name, "Everyday")
    shell = builder.payee("Shell")
    for number in range(10):
        builder.transaction(
            NewRow(
                account,
                DAY,
                -1000 - number,
                shell,
                imported_payee=f"SHELL OIL {number}",
                notes=str(number),
            )
        )


@contextmanager
def actual_server() -> Iterator[ActualServer]:
    """Lend a server that nobody has used yet. Raises ServiceMissing, ServiceFailed."""
    node()
    with folder_for("actual") as data:
        port = free_port()
        with Proxy(port) as proxy:
            thread = threading.Thread(target=proxy.serve_forever, daemon=True)
            thread.start()
            server = ActualServer(proxy, data, port)
            try:
                server.start()
                answer = httpx.post(
                    f"{server.url}/account/bootstrap", json={"password": PASSWORD}
                )
                answer.raise_for_status()
                yield server
            finally:
                server.stack.close()
                proxy.shutdown()
                thread.join()


def engine(script: str, *arguments: str, server: ActualServer | None = None) -> Any:
    """Run a function of Actual's own engine and return what it answers.

    The script is the body of an async function of ``api``, ``engine`` (its send) and
    ``given``, the arguments.
    """
    options: dict[str, Any] = {"verbose": False}
    if server is not None:
        options |= {"serverURL": server.url, "password": server.password}
    program = f"""
        import * as api from '@actual-app/api';
        import {{mkdtempSync, rmSync}} from 'node:fs';
        import {{tmpdir}} from 'node:os';
        const folder = mkdtempSync(`${{tmpdir()}}/handrail-engine-`);
        const given = process.argv.slice(2);
        const options = {json.dumps(options)};
        const {{send: engine}} = await api.init({{dataDir: folder, ...options}});
        const answer = await (async () => {{ {script} }})();
        await api.shutdown();
        rmSync(folder, {{recursive: true}});
        process.stdout.write('\\nANSWER ' + JSON.stringify(answer ?? null));
    """
    with tempfile.NamedTemporaryFile(
        "w", suffix=".mjs", dir=INSTALLED, delete=False
    ) as file:
        file.write(program)
    try:
        result = subprocess.run(
            [node(), file.name, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        Path(file.name).unlink()
    assert "\nANSWER " in result.stdout, result.stdout + result.stderr
    return json.loads(result.stdout.rpartition("\nANSWER ")[2])


def missing() -> str:
    """Return why there is no server here, or nothing."""
    try:
        node()
    except ServiceMissing as error:
        return str(error)
    return ""
