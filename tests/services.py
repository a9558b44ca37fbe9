"""A real PostgreSQL and a real Redis of one's own, for tests and benchmarks.

    with postgres() as database_url, redis() as redis_url: ...

Each listens on a free port of 127.0.0.1, keeps its files in a temporary folder, and
ends with the block, with Ctrl-C, with SIGTERM, and with the death of its parent.
"""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psycopg
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

READY_WITHIN = 30.0  # seconds
STOPPED_WITHIN = 20.0  # seconds
PR_SET_PDEATHSIG = 1

# Nothing in a test database is worth a disk flush.
FLEETING = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class ServiceMissing(RuntimeError):
    """The machine lacks a server; the message says how to install it."""


class ServiceFailed(RuntimeError):
    """A server is installed but did not start; the message ends with its log."""


@contextmanager
def postgres(
    *, durable: bool = False, options: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Lend the URL of an empty PostgreSQL; `durable` keeps its real flush settings."""
    programs = _postgres_programs()
    port = free_port()
    with folder_for("postgres") as folder:
        account = _unprivileged_account(folder)
        data = folder / "data"
        initdb = subprocess.run(
            [
                programs / "initdb",
                f"--pgdata={data}",
                "--username=handrail",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            cwd=folder,
            user=account,
            capture_output=True,
            text=True,
            check=False,
        )
        if initdb.returncode:
            raise ServiceFailed(f"initdb failed:\n{initdb.stdout}{initdb.stderr}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "max_connections": "200",
            **({} if durable else FLEETING),
            **(options or {}),
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        server = f"postgres://handrail@127.0.0.1:{port}"

        def ready() -> bool:
            try:
                psycopg.connect(f"{server}/postgres", connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        # SIGINT is PostgreSQL's "fast" stop: it ends its clients instead of waiting.
        with running(command, folder, ready, user=account, stop=signal.SIGINT):
            with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE handrail")
            yield f"{server}/handrail"


@contextmanager
def redis(*, port: int | None = None) -> Iterator[str]:
    """Lend the URL of an empty Redis that keeps nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        raise ServiceMissing("Redis is not installed: apt-get install redis-server")
    port = port or free_port()
    url = f"redis://127.0.0.1:{port}/0"
    command = [program, "--bind", "127.0.0.1", "--port", str(port)]
    command += ["--save", "", "--appendonly", "no", "--databases", "64"]

    def ready() -> bool:
        with Redis.from_url(url, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except RedisConnectionError:
                return False

    with folder_for("redis") as folder, running(command, folder, ready):
        yield url


def _postgres_programs() -> Path:
    """Debian keeps the server's programs off the PATH, one folder a version."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(debian, key=lambda path: float(path.parts[-3]), default=None)
    found = newest or shutil.which("initdb")
    if found is None:
        raise ServiceMissing(
            "PostgreSQL is not installed: apt-get install postgresql",
        )
    return Path(found).resolve().parent


def _unprivileged_account(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: name who runs it, who then owns `folder`."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    account = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, account)
    return account


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def folder_for(name: str) -> Iterator[Path]:
    # Servers run as users who may not pass through the TMPDIR of whoever runs tests.
    with tempfile.TemporaryDirectory(
        prefix=f"handrail-{name}-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    ready: Callable[[], bool],
    *,
    user: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, however it ends."""
    log = folder / "log"
    with _sigterm_unwinds():
        with log.open("wb") as output:
            server = subprocess.Popen(
                command,
                cwd=folder,
                user=user,
                env=None if environment is None else {**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal is for the parent, which stops us in order.
                start_new_session=True,
                # After `user` took effect: a change of user clears the death signal.
                preexec_fn=_die_with_parent(stop),
            )
        try:
            _wait_until(ready, server, log, name=Path(command[0]).name)
            yield server
        finally:
            server.send_signal(stop)
            try:
                server.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until(
    ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path, *, name: str
) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not ready():
        if server.poll() is not None:
            problem = f"stopped with code {server.returncode}"
        elif time.monotonic() > deadline:
            problem = f"did not answer within {READY_WITHIN:.0f} seconds"
        else:
            time.sleep(0.02)
            continue
        raise ServiceFailed(f"{name} {problem}:\n{log.read_text(errors='replace')}")


def _die_with_parent(stop: signal.Signals) -> Callable[[], None] | None:
    """Have Linux send `stop` to the child when this process dies, even by SIGKILL."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, int(stop), 0, 0, 0)
        if os.getppid() != parent:  # it died before the request was made
            os.kill(os.getpid(), stop)

    return in_child


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM leave through the `finally` blocks, as Ctrl-C does."""
    untouched = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not untouched or threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
