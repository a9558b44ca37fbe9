"""Where Jira is and which issue is meant, made safe before anything is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

from workflows.core.jira.errors import InvalidBaseUrl, InvalidIssueKey

KEY = re.compile(r"[A-Z][A-Z0-9_]+-[1-9][0-9]*", re.ASCII)
LONGEST_KEY = 255
LONGEST_URL = 2000
PORTS = {"https": 443, "http": 80}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}$){LABEL}(?:\.{LABEL})*")
# No escapes: what they stand for would be read differently by every server on the way.
PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")


def clean_base_url(text: str, *, allowed: Sequence[str]) -> str:
    """Return Jira's address in its one spelling. Raises InvalidBaseUrl.

    ``allowed`` are hosts: ``jira.example.com``, or ``*.example.com`` for all below it.
    """
    text = text.strip()
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise InvalidBaseUrl(
            _(
                "Jira's address holds characters that an address cannot have. Nothing "
                "was sent. Type it in plain letters, as in https://jira.example.com."
            )
        )
    parts, host, port = split(text)
    if "@" in parts.netloc:
        raise InvalidBaseUrl(
            _(
                "Jira's address holds a name or a password. Nothing was sent. Leave "
                "them out, and enter the token in its own field."
            )
        )
    if "?" in text or "#" in text:
        raise InvalidBaseUrl(
            _(
                "Jira's address ends where its pages begin. Nothing was sent. Leave "
                "out what follows the question mark or the # sign."
            )
        )
    path = parts.path.rstrip("/")
    if not (host == "::1" or HOST.fullmatch(host)) or not PATH.fullmatch(path):
        raise InvalidBaseUrl
    listed = {entry.strip().lower() for entry in allowed}
    if parts.scheme != "https" and not (host in LOOPBACK and host in listed):
        raise InvalidBaseUrl(
            _(
                "Jira's address has to begin with https://, or else the token could be "
                "read on its way. Nothing was sent. Enter the https:// address."
            )
        )
    if not is_allowed(host, listed):
        raise InvalidBaseUrl(
            _(
                "This host is not on the list of allowed Jira servers. Nothing was "
                "sent. Check its name, or ask an administrator to allow it."
            )
        )
    return spelled(parts.scheme, host, port) + path


def split(text: str) -> tuple[SplitResult, str, int | None]:
    """Return the parts, the host and the port, None for the usual one."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = None, None, None
    if not parts or not host or port == 0 or len(text) > LONGEST_URL:
        raise InvalidBaseUrl
    if parts.scheme not in PORTS:
        raise InvalidBaseUrl
    return parts, host, None if port == PORTS[parts.scheme] else port


def spelled(scheme: str, host: str, port: int | None) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + (f":{port}" if port else "")


def is_allowed(host: str, listed: set[str]) -> bool:
    _first, dot, parent = host.partition(".")
    while dot:
        if f"*.{parent}" in listed:
            return True
        _first, dot, parent = parent.partition(".")
    return host in listed


def is_loopback(base_url: str) -> bool:
    return urlsplit(base_url).hostname in LOOPBACK


def check_key(text: str, *, base_url: str = "") -> str:
    """Return the issue's key. Raises InvalidIssueKey.

    With ``base_url`` it may be the address of the issue's page in that Jira too.
    """
    text = text.strip()
    if base_url and "://" in text:
        text = key_of_page(text, base_url)
    # Before upper(), which makes two letters of some that no key has.
    if not text.isascii() or len(text) > LONGEST_KEY:
        raise InvalidIssueKey
    key = text.upper()
    if not KEY.fullmatch(key):
        raise InvalidIssueKey
    return key


def key_of_page(text: str, base_url: str) -> str:
    try:
        parts, host, port = split(text)
    except InvalidBaseUrl:
        raise InvalidIssueKey from None
    page = spelled(parts.scheme, host, port) + parts.path
    if "@" in parts.netloc or not page.startswith(f"{base_url}/browse/"):
        raise InvalidIssueKey(
            _(
                "This address is not the page of an issue in the connected Jira. "
                "Nothing was sent. Enter the issue's key, as in ABC-123."
            )
        )
    return page.removeprefix(f"{base_url}/browse/").rstrip("/")
