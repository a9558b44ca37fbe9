"""Looks through an archive that anybody may have made. Nothing is ever unpacked.

Python's tarfile would read a header of any length into memory, and takes an archive
that breaks off for one that ends: so this reads the few fields that matter by itself.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from workflows.support.collecting.collector import ARCHIVE, LONGEST_NAME
from workflows.support.collecting.problems import ArchiveDamaged, NoArchive

LOOKED_AT = 64 * 1024**2  # bytes of an upload
LONGEST_SHOWN = 500  # characters of a name
LONGEST_HEADER = 64 * 1024  # bytes of a long name, or of a member's properties
# Headers that are no members, and properties in them: none is shown, and each takes a
# while to read. What sos writes has two to four for each member.
MOST_EXTENSIONS = 500_000
# What a packed stream counts for beside its content, which may be nothing: parallel
# packers write 64 KiB and more into each.
STREAM = 4096  # bytes
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
LENGTH = re.compile(rb"([0-9]{1,6}) ")
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
    """There is more of it than may be read."""


def list_archive(file: BinaryIO, *, most: int, unpacked: int) -> Listing:
    """Return the members in their order. Raises ArchiveDamaged.

    Takes time in proportion to what is ``unpacked``, at most so many bytes, whatever
    the size of the file.
    """
    entries: list[Entry] = []
    try:
        for entry in members(Limited(file, unpacked)):
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
    if not ARCHIVE.fullmatch(name) or len(name) > LONGEST_NAME:
        raise NoArchive
    found = False
    try:
        for _entry in members(Limited(file, LOOKED_AT)):
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


def unpacking(file: BinaryIO, most: int) -> Reader:
    """Return a reader of what is packed, by how the file begins."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return Streams(file, most, Gzip)
    if start.startswith(b"BZh"):
        return Streams(file, most, bz2.BZ2Decompressor)
    if start == b"\xfd7zXZ\0":
        return Streams(file, most, xz)
    return file


def xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


class Gzip:
    """One stream of gzip, in the shape of the others."""

    def __init__(self) -> None:
        self.stream = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self.stream.decompress(self.stream.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self.stream.eof

    @property
    def needs_input(self) -> bool:
        return not self.stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self.stream.unused_data


class Streams:
    """Unpacks one stream after the other, as parallel packers write them.

    The standard library's own readers do that too, but let xz take any memory, and
    read on without end where nothing comes out. What is packed is never larger than
    what comes out, but for a few bytes: so it may be no more than ``most`` either.
    """

    def __init__(
        self, file: BinaryIO, most: int, new: Callable[[], Decompressor]
    ) -> None:
        self.file, self.left, self.new = file, most, new
        self.decompressor = new()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, b"" at the end. Raises TooMuch."""
        block = b""
        while not block:
            data = b""
            if self.decompressor.eof:
                if not (data := self.next_stream()):
                    return b""
                self.decompressor = self.new()
            elif self.decompressor.needs_input and not (data := self.packed()):
                raise EOFError
            block = self.decompressor.decompress(data, size)
        return block

    def next_stream(self) -> bytes:
        """Return how another stream begins, if one does; xz pads with zeros."""
        self.left -= STREAM
        data = self.decompressor.unused_data.lstrip(b"\0")
        while not data and (piece := self.packed()):
            data = piece.lstrip(b"\0")
        return data

    def packed(self) -> bytes:
        if self.left <= 0:
            raise TooMuch
        data = self.file.read(PIECE)
        self.left -= len(data)
        return data


class Limited:
    """Reads what is unpacked, and no more of it than it may."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.reader, self.left = unpacking(file, most), most
        self.pending, self.at = b"", 0

    def take(self, size: int) -> bytes:
        """Return so many bytes. Raises Broken, TooMuch."""
        while len(self.pending) - self.at < size:
            self.pending, self.at = self.pending[self.at :] + self.more(), 0
        self.at += size
        return self.pending[self.at - size : self.at]

    def skip(self, size: int) -> None:
        self.at += size
        while self.at > len(self.pending):
            self.at -= len(self.pending)
            self.pending = self.more()

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
    left = MOST_EXTENSIONS
    while (header := source.take(BLOCK)).strip(b"\0"):
        check(header)
        kind, stored = header[156:157], number(header[124:136])
        if kind in {b"L", b"K", b"x", b"g"}:
            text, left = extended(source, stored), left - 1
            if left <= 0:
                raise TooMuch
            if kind == b"L":
                name = shown(text)
            elif kind == b"x":
                count, properties = pax(text)
                left -= count
                if b"path" in properties:
                    name = shown(properties[b"path"])
                if b"size" in properties:
                    size = decimal(properties[b"size"])
            continue
        more = header[482] if kind == b"S" else 0  # the map of a sparse file goes on
        while more:
            more = source.take(BLOCK)[504]
        stored = stored if size is None else size
        plain, prefix = shown(header[:100]), shown(header[345:500])
        if header[257:263] == b"ustar\0" and prefix:
            plain = f"{prefix}/{plain}"
        if kind in EMPTY:
            stored = 0
        yield Entry((name or plain)[:LONGEST_SHOWN], stored, KINDS.get(kind, "other"))
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


def pax(text: bytes) -> tuple[int, dict[bytes, bytes]]:
    """Read lines such as ``20 path=some/name``, which begin with their own length.

    Returns how many there are, and what they say.
    """
    found: dict[bytes, bytes] = {}
    count = at = 0
    while at < len(text):
        length = LENGTH.match(text, at)
        end = at + int(length[1]) if length else 0
        if not length or not at + 5 <= end <= len(text):
            raise Broken
        name, equals, value = text[length.end() : end - 1].partition(b"=")
        if not equals or text[end - 1 : end] != b"\n":
            raise Broken
        found[name] = value
        count, at = count + 1, end
    return count, found


def shown(name: bytes) -> str:
    """Return a name that can be displayed, whatever its bytes are.

    It ends at a zero, as tar pads it; what is longer than anybody reads is cut.
    """
    text = name.partition(b"\0")[0][: 4 * LONGEST_SHOWN].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
