"""What opens a Jira, checked before anything is sent."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from workflows.core.jira.errors import InvalidCredentials
from workflows.core.secrets import Secret


class Kind(StrEnum):
    """Which Jira it is: they differ in how to log in and in the API's version."""

    DATA_CENTER = "data_center"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What opens one Jira. ``base_url`` as ``clean_base_url`` returns it."""

    base_url: str
    kind: Kind
    email: str = ""  # Cloud only
    token: Secret

    def __post_init__(self) -> None:
        """Raise InvalidCredentials for what cannot be a token or a login.

        Below, a header that cannot be sent is quoted in the exception.
        """
        if not is_sendable(self.token):
            raise InvalidCredentials(
                _(
                    "That cannot be a token: it is empty, or holds spaces or letters "
                    "that tokens do not have. Nothing was sent. Copy it once more."
                )
            )
        if self.kind == Kind.CLOUD and ("@" not in self.email or ":" in self.email):
            raise InvalidCredentials(
                _(
                    "Jira Cloud needs the account's e-mail address with the token. "
                    "Nothing was sent. Enter the one that the account logs in with."
                )
            )


def is_sendable(token: Secret) -> bool:
    """Say so in a frame of its own: none that a traceback keeps holds the token."""
    return re.fullmatch(r"[!-~]+", token.reveal()) is not None


def authorization(credentials: Credentials) -> str:
    token = credentials.token.reveal()
    if credentials.kind == Kind.DATA_CENTER:
        return f"Bearer {token}"
    login = f"{credentials.email}:{token}".encode()
    return f"Basic {base64.b64encode(login).decode()}"
