"""Where Jira is and which issue is meant, made safe before anything is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from workflows.core.jira.errors import InvalidBaseUrl, InvalidIssueKey

KEY = re.compile(r"[A-Z][A-Z0-9_]+-[1-9][0-9]*", re.ASCII)
LONGEST_KEY = 255
LONGEST_URL = 2000
PORTS = {"https": 443, "http": 80}
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}$){LABEL}(?:\.{LABEL})*")
# What systems read as a number and not as a name: 127.1, 2130706433 or 0x7f.1.
NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
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
    check_machine(host)
    if not is_host(host) or not PATH.fullmatch(path):
        raise InvalidBaseUrl
    listed = {entry.strip().lower() for entry in allowed}
    if parts.scheme != "https" and not (is_this_machine(host) and host in listed):
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


# --- which machine a host is ----------------------------------------------------------
def check_machine(host: str) -> None:
    """Refuse what listens for the machine itself alone. Raises InvalidBaseUrl."""
    if is_link_local(host):
        raise InvalidBaseUrl(
            _(
                "This is a link-local address, and tokens are sent to none. Nothing "
                "was sent. Enter the address that your browser shows for Jira."
            )
        )
    if is_this_machine(host) and not settings.JIRA_LOOPBACK:
        raise InvalidBaseUrl(
            _(
                "This is the machine that Handrail runs on, where it looks for no "
                "Jira. Nothing was sent. Enter the address that your browser shows for "
                "Jira, or ask an administrator to set JIRA_LOOPBACK."
            )
        )


def is_host(host: str) -> bool:
    """Tell a name or an IPv4 address in its usual spelling; of IPv6, ::1 alone."""
    if host == "::1":
        return True
    known = address_of(host) is not None or not NUMBER.fullmatch(host)
    return known and HOST.fullmatch(host) is not None


def is_this_machine(host: str) -> bool:
    """Tell Handrail's own machine, by what is written: no name is looked up."""
    address = address_of(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def is_link_local(host: str) -> bool:
    """Tell 169.254.0.0/16, where clouds tell machines their secrets, and fe80::/10."""
    address = address_of(host)
    return address is not None and address.is_link_local


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as, None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_loopback(base_url: str) -> bool:
    return is_this_machine(urlsplit(base_url).hostname or "")


# --- issues ---------------------------------------------------------------------------
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
