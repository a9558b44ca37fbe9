"""What Jira tells, checked and in our shapes: both kinds of Jira look alike here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from workflows.core.jira.addresses import KEY
from workflows.core.jira.errors import AttachmentsDisabled, NotJira

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Person:
    """Who the token belongs to. ``email`` is empty where Jira keeps it private."""

    id: str
    display_name: str
    email: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file on an issue. ``size`` in bytes; ``author_id`` is empty for nobody."""

    id: str
    filename: str
    size: int
    created: datetime
    author_id: str


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as its key stands today; ``url`` is its page."""

    key: str
    summary: str
    url: str
    attachments: tuple[Attachment, ...]


def read(shape: Callable[[Any], T], data: Any) -> T:
    """Return the data in our shape. Raises NotJira when it has another one."""
    try:
        return shape(data)
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
        pass
    # Outside the handler: the cause quotes what was answered.
    raise NotJira


def as_person(data: Any) -> Person:
    identity = person_id(data)
    if not identity:
        raise ValueError
    email = text(data.get("emailAddress") or "")
    return Person(identity, text(data["displayName"]), email)


def as_issue(data: Any, *, base_url: str) -> Issue:
    key, fields = text(data["key"]), data["fields"]
    if not KEY.fullmatch(key):
        raise ValueError
    # Without the list nobody could tell whether a lost reply meant success.
    if "attachment" not in fields:
        raise AttachmentsDisabled
    attachments = tuple(as_attachment(found) for found in fields["attachment"])
    return Issue(key, text(fields["summary"]), f"{base_url}/browse/{key}", attachments)


def as_attachment(data: Any) -> Attachment:
    return Attachment(
        id=str(data["id"]),
        filename=text(data["filename"]),
        size=number(data["size"]),
        created=moment(data["created"]),
        author_id=person_id(data.get("author") or {}),
    )


def as_attached(data: Any) -> Attachment:
    """Return the one attachment that one file comes to."""
    [found] = data
    return as_attachment(found)


def as_limit(data: Any) -> int | None:
    if data["enabled"] is False:
        raise AttachmentsDisabled
    limit = data.get("uploadLimit")
    return None if limit is None else number(limit)


def person_id(data: Any) -> str:
    """Return what identifies somebody: Cloud's account, Data Center's key or name."""
    return text(data.get("accountId") or data.get("key") or data.get("name") or "")


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def number(value: Any) -> int:
    # To Python, true is a number.
    if type(value) is not int:
        raise TypeError
    return value


def moment(value: Any) -> datetime:
    """Read a time: as text, or in milliseconds, as Cloud's examples have it too."""
    if type(value) is int:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)
