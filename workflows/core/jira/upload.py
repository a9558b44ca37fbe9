"""A file on its way: framed as multipart/form-data and never whole in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import BinaryIO

from workflows.core.jira.errors import FileUnreadable

CHUNK = 1024 * 1024
# Jira stores and scans a large file before it answers.
REPLY_SECONDS = 300
# The TLS socket copies what is left of a piece after each record of 16 KiB.
PIECE = 64 * 1024
# RFC 7578 leaves open how to escape these; browsers do it by percent. The backslash
# too: what it does to the next letter differs between versions of Jira's parser.
ESCAPES = {code: f"%{code:02X}" for code in (*range(0x20), 0x22, 0x5C, 0x7F)}


def escaped(name: str) -> str:
    """Return the file name as it is sent. Jira keeps it so.

    Other letters go out as UTF-8: on ``filename*`` Data Center answers with status 500.
    """
    return name.translate(ESCAPES).encode(errors="replace").decode()


class Upload:
    """The request's body. ``whole`` tells whether all of it has left this machine."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        name: str,
        size: int,
        progress: Callable[[int], None],
    ) -> None:
        boundary = secrets.token_hex(16)
        self._file = file
        self._size = size
        self._progress = progress
        self._head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{escaped(name)}"'
            "\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.whole = False
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + size + len(self._tail)),
            # Or else Jira takes it for a form that another site made a browser send.
            "X-Atlassian-Token": "no-check",
        }

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        sent = 0
        while sent < self._size:
            chunk = self._read(min(CHUNK, self._size - sent))
            if not chunk:
                raise FileUnreadable
            for start in range(0, len(chunk), PIECE):
                yield chunk[start : start + PIECE]
            sent += len(chunk)
            self._progress(sent)
        if self._read(1):
            raise FileUnreadable
        yield self._tail
        self.whole = True

    def _read(self, most: int) -> bytes:
        try:
            return self._file.read(most)
        except (OSError, ValueError):
            pass
        # Outside the handler: the cause names the file's place on this machine.
        raise FileUnreadable
