"""Which Jira servers an account lets tokens be sent to."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.core.accounts import Account
from workflows.core.jira import InvalidBaseUrl
from workflows.core.jira.addresses import (
    is_host,
    is_link_local,
    is_this_machine,
    split,
)
from workflows.core.preferences import Preference, register

ANY_BELOW = "*."


def clean_host(text: str) -> str:
    """Return an entry of the list in its one spelling. Raises ValueError, in words."""
    entry = text.strip()
    host = host_of(entry) if "://" in entry else entry.lower()
    name = host.removeprefix(ANY_BELOW)
    check_may_be_listed(name)
    # Before lower() some letters are none that a host has.
    if not entry.isascii() or not is_host(name):
        raise ValueError(
            _(
                "that is not a host. Write it alone, without port and path, as in "
                "jira.example.com, or *.example.com for all hosts below it."
            )
        )
    if name != host and ("." not in name or name.rpartition(".")[2].isdigit()):
        raise ValueError(
            _("that would allow too much. Name at least two parts: *.example.com.")
        )
    return host


def check_may_be_listed(name: str) -> None:
    """Refuse what the client would never ask, or not here. Raises ValueError."""
    if is_link_local(name):
        raise ValueError(
            _("that is a link-local address: tokens are sent to none. Leave it out.")
        )
    if is_this_machine(name) and not settings.JIRA_LOOPBACK:
        raise ValueError(
            _(
                "that is the machine that Handrail runs on. Write the name that your "
                "browser shows for Jira, or ask an administrator to set JIRA_LOOPBACK."
            )
        )


def host_of(address: str) -> str:
    """Return the host of an address that was pasted, "" where it has none."""
    try:
        parts, host, _port = split(address)
    except InvalidBaseUrl:
        return ""
    if parts.scheme != "https":
        raise ValueError(
            _(
                "an address has to begin with https://. Or write the host alone, as in "
                "jira.example.com."
            )
        )
    return "" if "@" in parts.netloc else host


JIRA_HOSTS: Preference[tuple[str, ...]] = register(
    Preference(
        "jira.hosts",
        gettext_lazy("Jira servers that may be used"),
        gettext_lazy(
            "One host a line: jira.example.com, or *.example.com for all hosts below "
            "it. Jira Cloud is *.atlassian.net, or your own site there. People's "
            "tokens are only ever sent to these hosts; while none is listed, nobody "
            "can connect to Jira."
        ),
        default=(),
        spell=clean_host,
    )
)


def allowed_hosts(account: Account | None) -> list[str]:
    """Return the account's list; empty for an operator, who has no account."""
    return list(account.preference(JIRA_HOSTS)) if account else []
