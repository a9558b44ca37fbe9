"""A host that is reached by ssh.

asyncssh rather than paramiko: typed, no dependency besides cryptography, and one
connection needs no thread. Its loop runs only while one of our calls waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import stat
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar, cast

import asyncssh
from django.utils.translation import gettext as _

from workflows.core.secrets import Secret
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
CLOSE_SECONDS = 5.0
DROP_SECONDS = 1.0
FAILURES = (asyncssh.Error, OSError, TimeoutError)
T = TypeVar("T")


class SshShell:
    """One user's connection to a host with a confirmed key; made when first needed.

    Close it. It is for one thread, without a running event loop.
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
            self._loop = asyncio.new_event_loop()
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
        self._disconnect()
        self._loop.close()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.close()
        with suppress(*FAILURES):
            self.await_(connection.wait_closed(), CLOSE_SECONDS)

    def await_(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, seconds))

    def connected(self) -> asyncssh.SSHClientConnection:
        """Return the connection, made anew when it was lost. Raises ReportProblem."""
        if self._connection is not None:
            # Hear of what came while nobody waited: that it was closed, for one.
            self.await_(asyncio.sleep(0.01), CLOSE_SECONDS)
            if self._connection.is_closed():
                self._disconnect()
        if self._connection is None:
            try:
                self._connection = self.await_(self._connect(), LOGIN_SECONDS)
            except FAILURES as error:
                problem = self.explain(error)
            else:
                return self._connection
            raise problem
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
            process = self.await_(self._start(connection, argv), LOGIN_SECONDS)
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
            return self.await_(self._open(connection, path), LOGIN_SECONDS)
        except asyncssh.SFTPNoSuchFile:
            problem: ReportProblem = ArchiveNotFound()
        except FAILURES as error:
            log.warning("a file cannot be opened: %s", type(error).__name__)
            problem = ReadFailed()
        raise problem

    async def _open(
        self, connection: asyncssh.SSHClientConnection, path: str
    ) -> SshSource:
        client = await connection.start_sftp_client()
        try:
            found = await client.lstat(path)
            if not stat.S_ISREG(found.permissions or 0):
                raise PathUnsafe
            return SshSource(self, client, await client.open(path, "rb"))
        except BaseException:
            client.exit()
            raise


class SshRunning:
    """A command on the other side, which stops when it loses its standard input."""

    def __init__(
        self, shell: SshShell, process: asyncssh.SSHClientProcess[bytes]
    ) -> None:
        self.shell, self.process = shell, process
        self._reading: asyncio.Task[bytes] | None = None

    def read(self, seconds: float) -> bytes | None:
        try:
            return self.shell.await_(self._read(seconds), seconds + LOGIN_SECONDS)
        except FAILURES as error:
            problem = self.shell.explain(error)
        raise problem

    async def _read(self, seconds: float) -> bytes | None:
        # Kept from call to call: to cancel a read could lose what it has read.
        if self._reading is None:
            self._reading = asyncio.ensure_future(self.process.stdout.read(BLOCK))
        done, _waiting = await asyncio.wait({self._reading}, timeout=seconds)
        if not done:
            return None
        reading, self._reading = self._reading, None
        return reading.result()

    def wait(self, seconds: float) -> int | None:
        with suppress(TimeoutError):
            self.shell.await_(self.process.wait_closed(), seconds)
            if self.process.returncode is None:  # the connection ended before it did
                raise HostUnreachable
        return self.process.returncode

    def let_go(self) -> None:
        with suppress(*FAILURES):
            self.process.stdin.write_eof()

    def drop(self) -> None:
        self.process.close()
        with suppress(*FAILURES):
            self.shell.await_(self.process.wait_closed(), DROP_SECONDS)


class SshSource:
    """An open file on the other side."""

    def __init__(
        self,
        shell: SshShell,
        client: asyncssh.SFTPClient,
        file: asyncssh.SFTPClientFile,
    ) -> None:
        self.shell, self.client, self.file = shell, client, file

    def read(self, size: int) -> bytes:
        try:
            block = self.shell.await_(self.file.read(size), READ_SECONDS)
        except FAILURES as error:
            log.warning("a file cannot be read: %s", type(error).__name__)
        else:
            return cast("bytes", block)  # of a file that was opened as such
        raise ReadFailed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        with suppress(*FAILURES):
            self.shell.await_(self.file.close(), CLOSE_SECONDS)
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
    loop = asyncio.new_event_loop()
    try:
        asking = asyncssh.get_server_host_key(address, port, config=None)
        found = loop.run_until_complete(asyncio.wait_for(asking, LOGIN_SECONDS))
    except FAILURES as error:
        log.warning("a host shows no key: %s", type(error).__name__)
        found = None
    finally:
        loop.close()
    if found is None:
        raise HostUnreachable
    kind, key = found.export_public_key().decode().split()[:2]
    return f"{kind} {key}"


def fingerprint(host_key: str) -> str:
    """Return the short form of a key that people compare, as ssh itself shows it."""
    return asyncssh.import_public_key(host_key).get_fingerprint()
