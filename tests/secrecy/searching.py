"""The forms in which a secret can be written, and a search for all of them."""

from __future__ import annotations

import base64
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncssh
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

PIECE = 12  # bytes: a secret that was cut off is found by what is left of it
STEP = 3
# What django.core.signing makes: a payload, when, and the signature.
SIGNED = re.compile(rb"(\.?[A-Za-z0-9_-]{16,}):[A-Za-z0-9]{6}:[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Planted:
    """A secret, and the bytes that betray it in whatever form it was written."""

    name: str
    text: str = field(repr=False)
    needles: Mapping[bytes, str] = field(repr=False)


def planted(name: str, text: str) -> Planted:
    """Watch for a token. Its letters and digits are the same in all escapes of text."""
    found: dict[bytes, str] = {}
    for run in re.findall(r"[A-Za-z0-9]{12,}", text):
        found |= forms(run.encode(), "in clear")
        for piece in pieces(run.encode()):
            found[piece.decode().encode("utf-16-le")] = "in UTF-16"
    assert found, "nothing of this is long enough to be told from other words"
    return Planted(name, text, found)


def planted_key(name: str, pem: str) -> Planted:
    """Watch for the private half of an Ed25519 key, in whatever file format it is."""
    key: Any = load_ssh_private_key(pem.encode(), None)
    return Planted(name, pem, forms(key.private_bytes_raw(), "as bytes"))


def forms(secret: bytes, plain: str) -> dict[bytes, str]:
    found = {}
    for piece in pieces(secret):
        found[piece] = plain
        found[repr(piece)[2:-1].encode()] = plain
        found[piece.hex().encode()] = found[piece.hex().upper().encode()] = "in hex"
        for shift in range(3):
            for altchars in (b"+/", b"-_"):
                found[in_base64(piece, shift, altchars)] = "in base64"
    return found


def pieces(secret: bytes) -> list[bytes]:
    last = len(secret) - PIECE
    return [secret[at : at + PIECE] for at in range(0, last + 1, STEP)]


def in_base64(piece: bytes, shift: int, altchars: bytes) -> bytes:
    """Return what is sure to stand in the base64 of anything with the piece in it.

    ``shift``: how many bytes of the first group of three belong to what is before it.
    """
    whole = base64.b64encode(bytes(shift) + piece, altchars).rstrip(b"=")
    first = -(-shift * 8 // 6)
    return whole[first : (shift + len(piece)) * 8 // 6]


def new_token(prefix: str = "") -> str:
    """Return a token with all that a text could have to escape in it."""
    return f"{prefix}{letters(18)}+/{letters(18)}=&<'\"%\\{letters(18)}"


def new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def letters(count: int) -> str:
    alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(secrets.choice(alphabet) for _ in range(count))


# --- the search -----------------------------------------------------------------------
def hits(secret: Planted, places: Mapping[str, bytes]) -> list[str]:
    """Return where the secret stands, and how it is written there."""
    return [
        f"{secret.name}: {form} in {place}, at {at}"
        for place, content in places.items()
        for needle, form in secret.needles.items()
        if (at := content.find(needle)) >= 0
    ]


def opened(content: bytes) -> bytes:
    """Return the content with what is packed into signed values of it at its end."""
    return b"\n".join([content, *unpacked(SIGNED.findall(content))])


def unpacked(payloads: Iterable[bytes]) -> Iterator[bytes]:
    for payload in payloads:
        packed, text = payload.startswith(b"."), payload.lstrip(b".")
        try:
            value = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
            yield zlib.decompress(value) if packed else value
        except (ValueError, zlib.error):  # it only looked like one
            continue
