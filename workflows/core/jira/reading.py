"""What Jira tells, checked and in our shapes: both kinds of Jira look alike here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from workflows.core.jira.addresses import KEY
from workflows.core.jira.errors import AttachmentsDisabled, NotJira

T = TypeVar("T")
# What columns take. Jira itself ends a summary at as many letters; its numbers for
# attachments and the keys of its projects are far shorter.
LONGEST_SUMMARY = 255
LONGEST_KEY = 80
LONGEST_ID = 40
LARGEST = 2**63 - 1


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
    """An issue as its key stands today; ``url`` is its page.

    The summary is what can be shown of it, on one line.
    """

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
    if not KEY.fullmatch(key) or len(key) > LONGEST_KEY:
        raise ValueError
    # Without the list nobody could tell whether a lost reply meant success.
    if "attachment" not in fields:
        raise AttachmentsDisabled
    attachments = tuple(as_attachment(found) for found in fields["attachment"])
    summary = printable(text(fields["summary"]))[:LONGEST_SUMMARY]
    return Issue(key, summary, f"{base_url}/browse/{key}", attachments)


def as_attachment(data: Any) -> Attachment:
    return Attachment(
        id=attachment_id(data["id"]),
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
    if limit is None:
        return None
    if number(limit) < 0:
        raise ValueError
    return min(number(limit), LARGEST)


def attachment_id(value: Any) -> str:
    """Return what Jira calls a file. Cut short it would be another's: none is cut."""
    found = str(value) if type(value) is int else text(value)
    if not 0 < len(found) <= LONGEST_ID or not found.isprintable():
        raise ValueError
    return found


def person_id(data: Any) -> str:
    """Return what identifies somebody: Cloud's account, Data Center's key or name."""
    return text(data.get("accountId") or data.get("key") or data.get("name") or "")


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def printable(value: str) -> str:
    """Return it as pages can show it and columns take it."""
    return "".join(c if c.isprintable() else " " for c in value).strip()


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
