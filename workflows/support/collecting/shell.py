"""How a host is reached: commands run on it, and a file is read from it."""

from __future__ import annotations

import errno
import os
import pwd
import select
import stat
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from io import FileIO
from typing import Protocol

from workflows.support.collecting.problems import (
    ArchiveNotFound,
    PathUnsafe,
    ReadFailed,
)

BLOCK = 65536  # bytes
# Neither our settings nor our secrets are a matter for what runs as root.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
}


class ProgramMissing(Exception):
    """The command could not even be started."""


class Running(Protocol):
    """A command under way, with its standard input held open."""

    def read(self, seconds: float) -> bytes | None:
        """Return what it prints, b"" at its end, ``None`` when that is nothing yet.

        Raises HostUnreachable.
        """

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, ``None`` while it runs. Raises HostUnreachable."""

    def let_go(self) -> None:
        """Close its standard input, by which it knows that it has to stop."""

    def drop(self) -> None:
        """Be done with it on our side, whatever became of it."""


class Source(Protocol):
    """An open file of the host."""

    def read(self, size: int, seconds: float) -> bytes | None:
        """Return the next bytes, b"" at the end, ``None`` when that is nothing yet.

        Raises ReadFailed, also when nothing arrives for too long.
        """


class Shell(Protocol):
    """A host, seen by one of its users."""

    @property
    def user(self) -> str: ...

    @property
    def local(self) -> bool: ...

    def start(self, argv: Sequence[str]) -> Running:
        """Raises ProgramMissing, HostUnreachable, HostKeyChanged, LoginRefused."""

    def open(self, path: str) -> AbstractContextManager[Source]:
        """Open a plain file: no link and no device.

        Raises ArchiveNotFound, PathUnsafe, ReadFailed.
        """


class LocalShell:
    """The host that Handrail itself runs on."""

    local = True

    @property
    def user(self) -> str:
        uid = os.geteuid()
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:  # as containers have them
            return str(uid)

    def start(self, argv: Sequence[str]) -> LocalRunning:
        try:
            return LocalRunning(argv)
        except OSError:
            raise ProgramMissing from None

    def open(self, path: str) -> LocalSource:
        try:
            # Without O_NONBLOCK a pipe in its place would hold us for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise ArchiveNotFound from None
        except OSError as error:
            raise (PathUnsafe if error.errno == errno.ELOOP else ReadFailed) from None
        found = os.fstat(descriptor)
        # Its owner too: as root this reads whatever stands there.
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            os.close(descriptor)
            raise PathUnsafe
        return LocalSource(os.fdopen(descriptor, "rb", buffering=0))


class LocalRunning:
    """A process of ours, in a session of its own: Ctrl-C at our terminal is for us."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            bufsize=0,
            start_new_session=True,
        )

    def read(self, seconds: float) -> bytes | None:
        assert self.process.stdout is not None  # noqa: S101 - for the type alone
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return None
        return os.read(self.process.stdout.fileno(), BLOCK)

    def wait(self, seconds: float) -> int | None:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def let_go(self) -> None:
        assert self.process.stdin is not None  # noqa: S101 - for the type alone
        self.process.stdin.close()

    def drop(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - for the type alone
        self.process.stdout.close()
        # What runs as root may not be killed by us; it stops without its input.
        with suppress(PermissionError):
            self.process.kill()
        self.wait(1)


class LocalSource:
    """An open file of this machine."""

    def __init__(self, file: FileIO) -> None:
        self.file = file

    def read(self, size: int, seconds: float = 0) -> bytes | None:
        try:
            return self.file.read(size)
        except OSError:
            raise ReadFailed from None

    def __enter__(self) -> LocalSource:
        return self

    def __exit__(self, *details: object) -> None:
        self.file.close()
