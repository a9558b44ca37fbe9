"""Looks through an archive that anybody may have made. Nothing is ever unpacked.

Python's tarfile would read a header of any length into memory, and takes an archive
that breaks off for one that ends: so this reads the few fields that matter by itself.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from workflows.support.collecting.problems import ArchiveDamaged, NoArchive

NAME = re.compile(r"sosreport-[^/\x00-\x1f\x7f]+\.tar(\.[^/\x00-\x1f\x7f]+)?")
MOST_MEMBERS = 20_000
MOST_UNPACKED = 16 * 1024**3  # bytes of a listing
LOOKED_AT = 64 * 1024**2  # bytes of an upload
LONGEST_NAME = 500  # characters of it that are shown
LONGEST_HEADER = 64 * 1024  # bytes of a long name, or of a member's properties
MOST_MEMORY = 256 * 1024**2  # bytes that xz may take; its own best takes 65 MiB
BLOCK = 512  # bytes, tar's unit
PIECE = 256 * 1024  # bytes read at a time

Kind = Literal["file", "folder", "link", "other"]
KINDS: dict[bytes, Kind] = {
    b"\0": "file",
    b"0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "link",
    b"2": "link",
    b"5": "folder",
}
# What follows these is no content, whatever size they claim.
EMPTY = {b"1", b"2", b"3", b"4", b"5", b"6"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One member, as it is shown to people."""

    name: str
    size: int  # bytes
    kind: Kind


@dataclass(frozen=True, slots=True)
class Listing:
    """What an archive holds; ``truncated`` where a limit was met before its end."""

    entries: tuple[Entry, ...]
    truncated: bool


class Broken(Exception):
    """This is no archive, or not a whole one."""


class TooMuch(Exception):
    """More comes out of it than may be read."""


def list_archive(
    file: BinaryIO, *, most: int = MOST_MEMBERS, unpacked: int = MOST_UNPACKED
) -> Listing:
    """Return the members in their order. Raises ArchiveDamaged.

    Takes time in proportion to what is ``unpacked``, at most so many bytes.
    """
    entries: list[Entry] = []
    try:
        for entry in members(Limited(unpacking(file), unpacked)):
            if len(entries) == most:
                return Listing(tuple(entries), True)
            entries.append(entry)
    except TooMuch:
        return Listing(tuple(entries), True)
    except Broken:
        raise ArchiveDamaged from None
    return Listing(tuple(entries), False)


def check_upload(file: BinaryIO, name: str) -> None:
    """Raise NoArchive unless this is what sos writes, judged by how it begins.

    A small archive is read to its end. The file is left where reading stopped.
    """
    if not NAME.fullmatch(name) or len(name) > 255:
        raise NoArchive
    found = False
    try:
        for _entry in members(Limited(unpacking(file), LOOKED_AT)):
            found = True
    except TooMuch:
        pass
    except Broken:
        raise NoArchive from None
    if not found:
        raise NoArchive


# --- unpacking ------------------------------------------------------------------------
class Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Decompressor(Protocol):
    """What bz2 and lzma have in common."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def unpacking(file: BinaryIO) -> Reader:
    """Return a reader of what is packed, by how the file begins."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return Streams(file, bz2.BZ2Decompressor)
    if start == b"\xfd7zXZ\0":
        return Streams(file, xz)
    return file


def xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


class Streams:
    """Unpacks one stream after the other, as parallel packers write them.

    The standard library's own readers do that too, but let xz take any memory.
    """

    def __init__(self, file: BinaryIO, new: Callable[[], Decompressor]) -> None:
        self.file, self.new = file, new
        self.decompressor = new()

    def read(self, size: int, /) -> bytes:
        block = b""
        while not block:
            data = b""
            if self.decompressor.eof:
                if not (data := self.next_stream()):
                    return b""
                self.decompressor = self.new()
            elif self.decompressor.needs_input and not (data := self.file.read(PIECE)):
                raise EOFError
            block = self.decompressor.decompress(data, size)
        return block

    def next_stream(self) -> bytes:
        """Return how another stream begins, if one does; xz pads with zeros."""
        data = self.decompressor.unused_data.lstrip(b"\0")
        while not data and (piece := self.file.read(PIECE)):
            data = piece.lstrip(b"\0")
        return data


class Limited:
    """Reads whole blocks, and no more of them than it may."""

    def __init__(self, reader: Reader, most: int) -> None:
        self.reader, self.left = reader, most
        self.pending = b""

    def take(self, size: int) -> bytes:
        """Return so many bytes. Raises Broken, TooMuch."""
        while len(self.pending) < size:
            self.pending += self.more()
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    def skip(self, size: int) -> None:
        while size > len(self.pending):
            size -= len(self.pending)
            self.pending = self.more()
        self.pending = self.pending[size:]

    def more(self) -> bytes:
        if self.left <= 0:
            raise TooMuch
        try:
            block = self.reader.read(min(PIECE, self.left))
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            raise Broken from None
        if not block:
            raise Broken
        self.left -= len(block)
        return block


# --- tar ------------------------------------------------------------------------------
def members(source: Limited) -> Iterator[Entry]:
    """Yield each member up to the mark at the end. Raises Broken, TooMuch."""
    name: str | None = None
    size: int | None = None
    while (header := source.take(BLOCK)).strip(b"\0"):
        check(header)
        kind, stored = header[156:157], number(header[124:136])
        if kind in {b"L", b"K", b"x", b"g"}:
            text = extended(source, stored)
            if kind == b"L":
                name = shown(text.split(b"\0")[0])
            elif kind == b"x":
                properties = pax(text)
                if b"path" in properties:
                    name = shown(properties[b"path"])
                if b"size" in properties:
                    size = decimal(properties[b"size"])
            continue
        more = header[482] if kind == b"S" else 0  # the map of a sparse file goes on
        while more:
            more = source.take(BLOCK)[504]
        stored = stored if size is None else size
        plain = shown(header[:100].split(b"\0")[0])
        prefix = shown(header[345:500].split(b"\0")[0])
        if header[257:263] == b"ustar\0" and prefix:
            plain = f"{prefix}/{plain}"
        if kind in EMPTY:
            stored = 0
        yield Entry((name or plain)[:LONGEST_NAME], stored, KINDS.get(kind, "other"))
        source.skip(padded(stored))
        name = size = None


def check(header: bytes) -> None:
    """Raise Broken unless the block is a header, by its own sum."""
    blank = header[:148] + b" " * 8 + header[156:]
    if number(header[148:156]) != sum(blank):
        raise Broken


def number(field: bytes) -> int:
    """Read tar's octal digits, or the plain bytes of a large number."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise Broken
    return int(digits or b"0", 8)


def decimal(digits: bytes) -> int:
    if not re.fullmatch(rb"[0-9]{1,19}", digits):
        raise Broken
    return int(digits)


def padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def extended(source: Limited, size: int) -> bytes:
    """Return what stands before a member, if it is of a sensible length."""
    if size > LONGEST_HEADER:
        raise Broken
    return source.take(padded(size))[:size]


def pax(text: bytes) -> dict[bytes, bytes]:
    """Read lines such as ``20 path=some/name``, which begin with their own length."""
    found = {}
    while text:
        length, space, _rest = text.partition(b" ")
        if not space or not length.isdigit() or not 5 <= int(length) <= len(text):
            raise Broken
        record, text = text[: int(length)], text[int(length) :]
        name, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if not equals or not record.endswith(b"\n"):
            raise Broken
        found[name] = value
    return found


def shown(name: bytes) -> str:
    """Return a name that can be displayed, whatever its bytes are."""
    text = name.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
