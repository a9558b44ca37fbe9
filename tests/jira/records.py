"""What the stand-in knows and answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass
class Person:
    """Somebody with a token, which may have expired."""

    name: str
    email: str
    token: str
    id: str
    expired: bool = False


@dataclass(frozen=True)
class Stored:
    """An attachment as Jira keeps it."""

    id: str
    filename: str
    size: int
    sha256: str
    author: Person
    created: datetime


@dataclass
class StoredIssue:
    """An issue. None among readers or writers means everybody."""

    key: str
    summary: str
    readers: set[str] | None = None
    writers: set[str] | None = None
    attachments: list[Stored] = field(default_factory=list)


@dataclass
class Asked:
    """One request as it came over the wire, and what was answered."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    size: int = 0  # of the body, as much of it as came
    status: int = 0
    answer: bytes = b""
    late: bool = False  # is its file stored when somebody says so?


@dataclass
class Fault:
    """What goes wrong with the ``nth`` request from now whose path ends so.

    With a status it is the answer, and nothing is done. ``early`` gives it before the
    body is read. ``drop`` breaks the connection: at once, midway in the request's body,
    instead of the reply to what was done, or in the middle of that reply. ``holds``
    waits there until ``release()``, and tells so by the event ``held``. ``stores`` has
    the file taken, whatever is answered: at once, or late, which is by ``catch_up()``.
    """

    path: str = ""
    nth: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    early: bool = False
    drop: Literal["", "at once", "midway", "reply", "in reply"] = ""
    holds: Literal["", "midway", "reply"] = ""
    stores: Literal["", "at once", "late"] = ""


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Jira says no, with a status, headers and words."""

    def __init__(self, status: int, words: str, **headers: str) -> None:
        super().__init__(words)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"errorMessages": [words], "errors": {}}
        self.reply = Reply(status, json.dumps(body).encode(), named)
