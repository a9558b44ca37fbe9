"""Connections to Jira are made, used and ended here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from workflows.core.accounts import User
from workflows.core.connections import ConnectionStatus, JiraConnection
from workflows.core.jira import (
    Credentials,
    Forbidden,
    InvalidBaseUrl,
    Kind,
    clean_base_url,
)
from workflows.core.jira.reading import printable
from workflows.core.jirahosts import allowed_hosts
from workflows.core.secrets import SealError, Secret, keyring, unseal

if TYPE_CHECKING:
    from workflows.core.jira.client import Jira

__all__ = [
    "NotActive",
    "Proven",
    "allowed_hosts",
    "expire_connection",
    "expire_connections",
    "keep_connection",
    "open_jira",
    "prove_token",
    "refuse_connection",
    "revoke_connection",
]


class NotActive(Exception):
    """The connection has ended. ``status``: "expired", "revoked" or "failed"."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


# --- made -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Proven:
    """Whose token it is, as Jira has said. Nothing of it is kept yet."""

    credentials: Credentials
    jira_user_id: str
    display_name: str

    def is_kept_by(self, row: JiraConnection) -> bool:
        """Is it the same token for the same Jira, and can it still be used?"""
        asked = self.credentials
        same = (row.base_url, row.email) == (asked.base_url, asked.email)
        if not same or row.status_at() != ConnectionStatus.CONNECTED:
            return False
        try:
            return unseal(row.token) == asked.token
        except SealError:
            return False


def prove_token(
    *, by: User, kind: str, base_url: str, email: str, token: Secret
) -> Proven:
    """Ask Jira whose token it is.

    Raises JiraProblem and SealError. Not inside a transaction.
    """
    keyring()  # a token that could not be sealed is not sent anywhere
    credentials = Credentials(
        base_url=checked(base_url, by),
        kind=Kind(kind),
        email=email.strip() if kind == Kind.CLOUD else "",
        token=stripped(token),
    )
    try:
        with opened(credentials) as jira:
            person = jira.myself()
    except Forbidden:
        raise shut_out() from None
    identity = fitted("jira_user_id", person.id)
    name = fitted("display_name", person.display_name) or identity
    return Proven(credentials, identity, name)


def keep_connection(
    proven: Proven, *, by: User, present: JiraConnection | None = None
) -> JiraConnection:
    """Keep the token sealed for a day or so.

    If ``present`` is theirs and has it already, that lasts anew instead: a token that
    is kept twice would outlive the connection that its owner revokes.
    """
    until = timezone.now() + timedelta(hours=settings.JIRA_CONNECTION_HOURS)
    if present is not None and present.user_id == by.pk:
        with JiraConnection.moving(present.pk, by=by) as row:
            if proven.is_kept_by(row):
                row.expires_at = until
                return row
    asked = proven.credentials
    return JiraConnection.begin(
        by=by,
        account=by.account,
        user=by,
        kind=asked.kind.value,
        base_url=asked.base_url,
        email=asked.email,
        token=asked.token,
        jira_user_id=proven.jira_user_id,
        display_name=proven.display_name,
        expires_at=until,
    )


def shut_out() -> Forbidden:
    """Return other words than those for a project that does not let somebody in."""
    return Forbidden(
        _(
            "Jira takes this token, but does not let its account in. The token was not "
            "kept. Connect another account, or ask Jira's administrator to let this "
            "one in."
        )
    )


def checked(base_url: str, by: User) -> str:
    """Return the address in its one spelling. Raises InvalidBaseUrl."""
    address = clean_base_url(base_url, allowed=allowed_hosts(by.account))
    if len(address) > column_length("base_url"):
        raise InvalidBaseUrl
    return address


def stripped(token: Secret) -> Secret:
    """Return what was pasted without the blanks around it; see ``is_sendable``."""
    return Secret(token.reveal().strip())


def opened(credentials: Credentials) -> Jira:
    # Only those who speak to Jira pay for what that takes.
    from workflows.core.jira.client import Jira

    ca_file = Path(settings.JIRA_CA_FILE) if settings.JIRA_CA_FILE else None
    return Jira(credentials, ca_file=ca_file)


def fitted(column: str, text: str) -> str:
    """Return what Jira calls somebody, as our column takes it and pages can show it."""
    return printable(text)[: column_length(column)]


def column_length(name: str) -> int:
    field: Any = JiraConnection._meta.get_field(name)
    return int(field.max_length)


# --- used -----------------------------------------------------------------------------
@contextmanager
def open_jira(connection: JiraConnection) -> Iterator[Jira]:
    """Lend a client that speaks in the connection's name, as the row is now.

    Whose it is, the caller has asked. Raises NotActive, SealError, and JiraProblem
    where the account does not allow the host any more. Not inside a transaction.
    """
    rows = JiraConnection.objects.select_related("account")
    row = rows.filter(pk=connection.pk).first()
    status = row.status_at() if row else ConnectionStatus.REVOKED.value
    if row is None or status != ConnectionStatus.CONNECTED:
        raise NotActive(status)
    credentials = Credentials(
        base_url=clean_base_url(row.base_url, allowed=allowed_hosts(row.account)),
        kind=Kind(row.kind),
        email=row.email,
        token=unseal(row.token),
    )
    with opened(credentials) as jira:
        yield jira


# --- ended ----------------------------------------------------------------------------
# Each says whether it was this call that ended it: somebody else may have been faster.
def revoke_connection(connection: JiraConnection, *, by: User) -> bool:
    """Take the connection away, and its token with it."""
    return end(connection.pk, JiraConnection.revoke, by=by)


def expire_connection(
    connection_pk: UUID, *, by: User | None = None, note: str = ""
) -> bool:
    """Its time is over, or Jira does not take the token any more."""
    return end(connection_pk, JiraConnection.expire, by=by, note=note)


def refuse_connection(connection_pk: UUID, *, by: User | None = None) -> bool:
    """Jira takes the token, but does not let this account in any more."""
    return end(connection_pk, JiraConnection.refuse, by=by)


def end(
    pk: UUID,
    how: Callable[[JiraConnection], None],
    *,
    by: User | None,
    note: str = "",
) -> bool:
    """Status and token in one UPDATE; what has ended, or is gone, is left as it is."""
    with (
        suppress(JiraConnection.DoesNotExist),
        JiraConnection.moving(pk, by=by, note=note) as row,
    ):
        if row.status == ConnectionStatus.CONNECTED:
            how(row)
            return True
    return False


def expire_connections(*, now: datetime | None = None) -> int:
    """End all whose time is over; return how many this call ended."""
    due = JiraConnection.objects.filter(
        status=ConnectionStatus.CONNECTED, expires_at__lte=now or timezone.now()
    )
    pks = list(due.values_list("pk", flat=True))
    return sum(expire_connection(pk, note=_("Its time was over.")) for pk in pks)
