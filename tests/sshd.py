"""A real sshd of one's own on the loopback, for tests.

    with sshd() as server, connect(server) as shell: ...

It is an ordinary process with its own keys in a temporary folder, and dies with its
parent. Its one client key opens every user of this machine that sshd may log in.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.services import ServiceMissing, free_port, running
from workflows.core.secrets import Secret
from workflows.support.collecting.ssh import SshShell

SETTINGS = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
Subsystem sftp internal-sftp
LogLevel ERROR
"""


@dataclass(frozen=True)
class Sshd:
    """Where it listens, and what its clients need."""

    address: str
    port: int
    host_key: str
    private_key: Secret
    pid: int


@contextmanager
def sshd(*, kind: str = "ed25519", settings: str = "") -> Iterator[Sshd]:
    """Lend a server; `kind` is its key's. Raises ServiceMissing."""
    program = find_sshd()
    port = free_port()
    # It reads authorized_keys as whoever logs in, who may not pass through TMPDIR.
    with tempfile.TemporaryDirectory(
        prefix="handrail-sshd-",
        dir="/tmp",
        ignore_cleanup_errors=True,
    ) as name:
        folder = Path(name)
        folder.chmod(0o755)
        for name, type_ in (("host", kind), ("client", "ed25519")):
            make = ["ssh-keygen", "-q", "-t", type_, "-N", "", "-C", "", "-f"]
            subprocess.run([*make, folder / name], check=True)
        shutil.copy(folder / "client.pub", folder / "authorized_keys")
        config = folder / "sshd_config"
        config.write_text(settings + SETTINGS.format(port=port, folder=folder))
        if os.geteuid() == 0:  # made by the system's own service, which may not run
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

        def ready() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", port), 2) as connection:
                    return connection.recv(4) == b"SSH-"
            except OSError:
                return False

        command = [str(program), "-D", "-e", "-f", str(config)]
        with running(command, folder, ready) as server:
            yield Sshd(
                "127.0.0.1",
                port,
                (folder / "host.pub").read_text().strip(),
                Secret((folder / "client").read_text()),
                server.pid,
            )


def find_sshd() -> Path:
    """Return the program, which wants to be called by its whole path."""
    found = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None or shutil.which("ssh-keygen") is None:
        raise ServiceMissing("sshd is not installed: apt-get install openssh-server")
    return Path(found)


def lent() -> Iterator[Sshd]:
    """Lend a server to a fixture, where there can be one."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    try:
        with sshd() as server:
            yield server
    except ServiceMissing as missing:
        pytest.skip(str(missing))


def connect(
    server: Sshd,
    *,
    user: str = "root",
    host_key: str | None = None,
    private_key: Secret | None = None,
) -> SshShell:
    """Return a shell on it, with its own keys or others."""
    return SshShell(
        server.address,
        server.port,
        user,
        host_key=host_key or server.host_key,
        private_key=private_key or server.private_key,
    )


def connections_to(server: Sshd) -> int:
    """Return how many connections this process has to it."""
    open_ = psutil.Process().net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.port == server.port for one in open_)


def cut(server: Sshd) -> None:
    """Kill every connection of the server; it takes new ones."""
    sessions = psutil.Process(server.pid).children(recursive=False)
    assert sessions
    for session in sessions:
        session.kill()
