"""What the search for secrets would find: else 0 hits say nothing."""

from __future__ import annotations

import base64
import html
import json
import pickle
from urllib.parse import quote

import pytest
from django.core import signing

from tests.secrecy.searching import (
    hits,
    new_key,
    new_token,
    opened,
    planted,
    planted_key,
)

WAYS = {
    "text": str.encode,
    "address": lambda text: quote(text).encode(),
    "page": lambda text: html.escape(text).encode(),
    "JSON": lambda text: json.dumps({"said": text}).encode(),
    "repr": lambda text: repr([text.encode()]).encode(),
    "pickle": pickle.dumps,
    "hex": lambda text: text.encode().hex().encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "login": lambda text: base64.b64encode(f"alice@example.com:{text}".encode()),
    "base64": lambda text: base64.urlsafe_b64encode(f"a {text}".encode()),
    "beginning": lambda text: text[:-20].encode(),
    "end": lambda text: text[20:].encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_search_finds_a_token(way):
    token = new_token()
    secret, other = planted("it", token), planted("another", new_token())
    content = b"before " + WAYS[way](token) + b" after"
    assert hits(secret, {"somewhere": content})
    assert not hits(other, {"somewhere": content})
    session = signing.dumps({"said": token * 3}, compress=True).encode()
    assert session.startswith(b".")
    assert hits(secret, {"session": opened(session)})


def test_the_search_finds_a_key():
    key = new_key()
    text, raw = key.export_private_key().decode(), key.pyca_key.private_bytes_raw()
    secret, public = planted_key("it", text), key.export_public_key()
    for written in (text.encode(), raw, key.export_private_key("pkcs8-pem"), repr(raw)):
        content = written if isinstance(written, bytes) else written.encode()
        assert hits(secret, {"somewhere": content})
    assert not hits(secret, {"somewhere": public})
