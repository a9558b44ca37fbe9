"""What clients send, read a piece at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tests.jira.records import Asked, Refused

PIECE = 64 * 1024


class Body:
    """What is left of a request's body; a client that goes away breaks the request."""

    def __init__(
        self, file: Any, length: int, asked: Asked, midway: Callable[[], None]
    ) -> None:
        self._file = file
        self.left = length
        self._asked = asked
        self._half = length // 2
        self._midway = midway

    def read(self, most: int) -> bytes:
        wanted = min(most, self.left)
        found: bytes = self._file.read(wanted)
        self.left -= len(found)
        self._asked.size += len(found)
        if len(found) < wanted:
            raise ConnectionAbortedError
        if found and self.left <= self._half < self.left + len(found):
            self._midway()
        return found

    def skip(self) -> None:
        while self.left:
            self.read(PIECE)


def read_file(body: Body, content_type: str) -> tuple[str, int, str]:
    """Return name, size and digest of the one file, read a piece at a time."""
    boundary = re.fullmatch(
        r"multipart/form-data; boundary=([0-9A-Za-z'()+_,./:=?-]{1,70})", content_type
    )
    if not boundary:
        raise Refused(415, "Unsupported Media Type")
    delimiter = f"\r\n--{boundary[1]}".encode()
    opening, window = delimiter[2:] + b"\r\n", body.read(PIECE)
    head, end_of_head, window = window.partition(b"\r\n\r\n")
    name = re.search(
        rb'^Content-Disposition: form-data; name="file"; filename="([^"\r\n]*)"\r\n',
        head.removeprefix(opening),
    )
    if not head.startswith(opening) or not end_of_head or not name:
        raise Refused(400, "There is no part of the name file")
    digest, size, overlap = sha256(), 0, len(delimiter) - 1
    while (end := window.find(delimiter)) < 0:
        done, window = window[:-overlap], window[-overlap:]
        digest.update(done)
        size += len(done)
        if not body.left:
            raise Refused(400, "The last part does not end")
        window += body.read(PIECE)
    digest.update(window[:end])
    if window[end + len(delimiter) :] + body.read(PIECE) != b"--\r\n":
        raise Refused(400, "There is more than one file")
    return name[1].decode(), size + end, digest.hexdigest()
