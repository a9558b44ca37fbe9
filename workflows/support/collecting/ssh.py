"""A host that is reached by ssh.

asyncssh rather than paramiko: typed, and no dependency besides cryptography. Its loop
has a thread of its own, since the caller's may have a running one already, and keeps
connections alive while nobody waits. Whatever asyncssh does, it does in that thread.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import stat
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Self, TypeVar, cast

import asyncssh
from django.utils.translation import gettext as _

from workflows.core.secrets import Secret
from workflows.support.collecting.loop import CLOSE_SECONDS, Loop
from workflows.support.collecting.problems import (
    ArchiveNotFound,
    HostKeyChanged,
    HostUnreachable,
    LoginRefused,
    PathUnsafe,
    ReadFailed,
    ReportProblem,
    ValidationFailed,
)
from workflows.support.collecting.shell import BLOCK

log = logging.getLogger("handrail.support")
# It would log every address, user and command.
logging.getLogger("asyncssh").setLevel(logging.WARNING)

HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
CONNECT_SECONDS = 10.0
LOGIN_SECONDS = 20.0
KEEPALIVE_SECONDS = 15.0
KEEPALIVES = 3  # without an answer, then the host counts as gone
READ_SECONDS = 60.0  # for one block of a file
DROP_SECONDS = 1.0
FAILURES = (asyncssh.Error, OSError, TimeoutError)
T = TypeVar("T")


class SshShell:
    """One user's connection to a host with a confirmed key; made when first needed.

    Close it, or its thread stays. It is for one caller at a time, in whatever thread.
    """

    local = False

    def __init__(
        self, address: str, port: int, user: str, *, host_key: str, private_key: Secret
    ) -> None:
        """``host_key`` as ``scan_host_key`` returns it. Raises ValidationFailed."""
        self.address, self.port, self.user = address, port, user
        try:
            self._host_key = asyncssh.import_public_key(host_key)
            self._key = asyncssh.import_private_key(private_key.reveal())
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            broken = ValidationFailed(
                _(
                    "A key of this host cannot be read. Nothing was sent. Enter the "
                    "private key again as OpenSSH writes it, without a passphrase, and "
                    "confirm the host's key."
                )
            )
        else:
            self._loop = Loop()
            self._connection: asyncssh.SSHClientConnection | None = None
            return
        raise broken  # outside the handler: nothing of a key is chained to it

    # --- the connection ---------------------------------------------------------------
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; commands on it lose their standard input."""
        try:
            if self._loop.begun:
                with suppress(*FAILURES):
                    self.await_(self._disconnect, CLOSE_SECONDS)
        finally:
            self._loop.close()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            await connection.wait_closed()

    def await_(self, work: Callable[[], Awaitable[T]], seconds: float) -> T:
        return self._loop.await_(work, seconds)

    def connected(self) -> asyncssh.SSHClientConnection:
        """Return the connection, made anew when it was lost. Raises ReportProblem."""
        try:
            return self.await_(self._connected, LOGIN_SECONDS)
        except FAILURES as error:
            problem = self.explain(error)
        raise problem

    async def _connected(self) -> asyncssh.SSHClientConnection:
        if self._connection is None or self._connection.is_closed():
            # Kept here, not by the caller: whoever is interrupted can still close it.
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        # Everything that asyncssh would look for by itself is turned off.
        return await asyncssh.connect(
            self.address,
            self.port,
            username=self.user,
            known_hosts=([self._host_key], [], []),
            server_host_key_algs=preferring(self._host_key),
            client_keys=[self._key],
            client_certs=(),
            agent_path=None,
            config=None,
            password=None,
            password_auth=False,
            kbdint_auth=False,
            gss_host=None,
            host_based_auth=False,
            public_key_auth=True,
            connect_timeout=CONNECT_SECONDS,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVES,
        )

    def explain(self, error: Exception) -> ReportProblem:
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return HostKeyChanged()
        if isinstance(error, asyncssh.PermissionDenied):
            line = self._key.export_public_key().decode().strip()
            return LoginRefused(self.user, line)
        log.warning("a host cannot be reached: %s", type(error).__name__)
        return HostUnreachable()

    # --- what is done with it ---------------------------------------------------------
    def start(self, argv: Sequence[str]) -> SshRunning:
        connection = self.connected()
        try:
            starting = partial(self._start, connection, argv)
            process = self.await_(starting, LOGIN_SECONDS)
        except FAILURES as error:
            problem = self.explain(error)
        else:
            return SshRunning(self, process)
        raise problem

    async def _start(
        self, connection: asyncssh.SSHClientConnection, argv: Sequence[str]
    ) -> asyncssh.SSHClientProcess[bytes]:
        return await connection.create_process(
            shlex.join(argv), stderr=asyncssh.STDOUT, encoding=None
        )

    def open(self, path: str) -> SshSource:
        connection = self.connected()
        try:
            opening = partial(self._open, connection, path)
            source = self.await_(opening, LOGIN_SECONDS)
        except asyncssh.SFTPNoSuchFile:
            problem: ReportProblem = ArchiveNotFound()
        except FAILURES as error:
            log.warning("a file cannot be opened: %s", type(error).__name__)
            problem = ReadFailed()
        else:
            if source is not None:
                return source
            problem = PathUnsafe()  # here, where the language is its reader's
        raise problem

    async def _open(
        self, connection: asyncssh.SSHClientConnection, path: str
    ) -> SshSource | None:
        client = await connection.start_sftp_client()
        try:
            found = await client.lstat(path)
            if stat.S_ISREG(found.permissions or 0):
                return SshSource(self, client, await client.open(path, "rb"))
        except BaseException:
            client.exit()
            raise
        client.exit()
        return None


class Arriving:
    """Waits for bytes in turns. To cancel a read could lose what it has read."""

    def __init__(self, shell: SshShell) -> None:
        self.shell = shell
        self._task: asyncio.Task[bytes] | None = None
        self.since = 0.0  # the clock's, when the read began

    def wait(
        self, begin: Callable[[], Coroutine[Any, Any, bytes]], seconds: float
    ) -> bytes | None:
        """Return what has arrived, ``None`` while that is nothing. Raises FAILURES."""
        arriving = partial(self._wait, begin, seconds)
        task = self.shell.await_(arriving, seconds + LOGIN_SECONDS)
        if task is None:
            return None
        self._task = None
        return task.result()

    async def _wait(
        self, begin: Callable[[], Coroutine[Any, Any, bytes]], seconds: float
    ) -> asyncio.Task[bytes] | None:
        if self._task is None:
            self._task, self.since = asyncio.create_task(begin()), time.monotonic()
            # Taken note of, or asyncio logs a failure that nobody asks for any more.
            self._task.add_done_callback(lambda it: it.cancelled() or it.exception())
        done, _waiting = await asyncio.wait({self._task}, timeout=seconds)
        return self._task if done else None


class SshRunning:
    """A command on the other side, which stops when it loses its standard input."""

    def __init__(
        self, shell: SshShell, process: asyncssh.SSHClientProcess[bytes]
    ) -> None:
        self.shell, self.process = shell, process
        self._output = Arriving(shell)

    def read(self, seconds: float) -> bytes | None:
        try:
            return self._output.wait(lambda: self.process.stdout.read(BLOCK), seconds)
        except FAILURES as error:
            problem = self.shell.explain(error)
        raise problem

    def wait(self, seconds: float) -> int | None:
        with suppress(TimeoutError):
            self.shell.await_(self.process.wait_closed, seconds)
            if self.process.returncode is None:  # the connection ended before it did
                raise HostUnreachable
        return self.process.returncode

    def let_go(self) -> None:
        with suppress(*FAILURES):
            self.shell.await_(self._let_go, CLOSE_SECONDS)

    async def _let_go(self) -> None:
        self.process.stdin.write_eof()

    def drop(self) -> None:
        with suppress(*FAILURES):
            self.shell.await_(self._drop, DROP_SECONDS)

    async def _drop(self) -> None:
        self.process.close()
        await self.process.wait_closed()


class SshSource:
    """An open file on the other side."""

    def __init__(
        self,
        shell: SshShell,
        client: asyncssh.SFTPClient,
        file: asyncssh.SFTPClientFile,
    ) -> None:
        self.shell, self.client, self.file = shell, client, file
        self._content = Arriving(shell)

    def read(self, size: int, seconds: float = READ_SECONDS) -> bytes | None:
        try:
            block = self._content.wait(lambda: self._read(size), seconds)
        except FAILURES as error:
            log.warning("a file cannot be read: %s", type(error).__name__)
        else:
            late = time.monotonic() - self._content.since >= READ_SECONDS
            if block is not None or not late:
                return block
            log.warning("a file cannot be read: nothing arrives")
        raise ReadFailed

    async def _read(self, size: int) -> bytes:
        return cast("bytes", await self.file.read(size))  # opened as such

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        with suppress(*FAILURES):
            self.shell.await_(self._close, CLOSE_SECONDS)

    async def _close(self) -> None:
        try:
            await self.file.close()
        finally:
            self.client.exit()


def preferring(host_key: asyncssh.SSHKey) -> list[str]:
    """Ask for the confirmed kind of key first, but for any other too.

    Otherwise a host that has lost that key hangs up, as if it could not be reached.
    """
    kind = host_key.get_algorithm().replace("ssh-rsa", "rsa-sha2")
    return sorted(HOST_KEYS, key=lambda name: not name.startswith(kind))


def scan_host_key(address: str, port: int) -> str:
    """Return the key that a host shows, for a person to compare and confirm.

    Raises HostUnreachable.
    """
    found = None
    try:
        with Loop() as loop:
            asking = partial(asyncssh.get_server_host_key, address, port, config=None)
            found = loop.await_(asking, LOGIN_SECONDS)
    except FAILURES as error:
        log.warning("a host shows no key: %s", type(error).__name__)
    if found is None:
        raise HostUnreachable
    kind, key = found.export_public_key().decode().split()[:2]
    return f"{kind} {key}"


def fingerprint(host_key: str) -> str:
    """Return the short form of a key that people compare, as ssh itself shows it."""
    return asyncssh.import_public_key(host_key).get_fingerprint()
