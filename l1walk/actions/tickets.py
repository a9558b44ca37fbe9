"""Tickets through one gateway, whatever system keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django_fsm import can_proceed

from l1walk.models import L1WalkSession, Ticket, TicketNote
from workflows.core.accounts import Account, User
from workflows.core.ids import uuid7


@dataclass(frozen=True, slots=True)
class TicketCard:
    """What the walk screen shows of a ticket, wherever it is kept."""

    number: str
    title: str
    requester: str
    contact: str
    status: str
    problem: str


class TicketGateway(Protocol):
    """The few things that a walk needs of a ticket system."""

    def get(self, id: str) -> TicketCard | None:
        """Return the ticket, or None where there is none of that id."""

    def add_note(
        self, id: str, text: str, visibility: str, is_resolution: bool
    ) -> None:
        """Add a note; nothing happens for an unknown id."""

    def close(self, id: str) -> None:
        """Mark it resolved; nothing happens where it is already."""

    def escalate(self, id: str) -> None:
        """Mark it escalated, even a resolved one; nothing where it is already."""

    def reopen(self, id: str) -> None:
        """Mark a resolved one open; nothing happens to any other."""


def number_in(text: str) -> int | None:
    """Return the ticket number that a person wrote, "#1002"; None if it is none."""
    digits = text.strip().removeprefix("#")
    # Eight digits keep the number inside the column's range.
    if digits.isascii() and digits.isdigit() and len(digits) <= 8:
        return int(digits)
    return None


class InternalTickets:
    """Handrail's own tickets."""

    def __init__(
        self, account: Account, by: User | None, at: datetime | None = None
    ) -> None:
        self.account = account
        self.by = by
        self.at = at

    def _find(self, id: str) -> Ticket | None:
        if (number := number_in(id)) is None:
            return None
        return Ticket.objects.filter(account=self.account, number=number).first()

    def get(self, id: str) -> TicketCard | None:
        if (row := self._find(id)) is None:
            return None
        return TicketCard(
            number=str(row.number),
            title=row.title,
            requester=row.requester,
            contact=row.contact,
            status=row.get_status_display(),
            problem=row.problem,
        )

    def add_note(
        self, id: str, text: str, visibility: str, is_resolution: bool
    ) -> None:
        if (row := self._find(id)) is not None:
            add_note(
                row,
                by=self.by,
                text=text,
                visibility=visibility,
                is_resolution=is_resolution,
                now=self.at,
            )

    def close(self, id: str) -> None:
        if (row := self._find(id)) is not None:
            with Ticket.moving(row.pk, by=self.by, at=self.at) as ticket:
                if can_proceed(ticket.resolve):
                    ticket.resolve()

    def escalate(self, id: str) -> None:
        if (row := self._find(id)) is not None:
            with Ticket.moving(row.pk, by=self.by, at=self.at) as ticket:
                if ticket.status == Ticket.Status.RESOLVED:
                    ticket.reopen()  # it came back: nobody looks among resolved ones
                if can_proceed(ticket.escalate):
                    ticket.escalate()

    def reopen(self, id: str) -> None:
        if (row := self._find(id)) is not None:
            with Ticket.moving(row.pk, by=self.by, at=self.at) as ticket:
                if ticket.status == Ticket.Status.RESOLVED:
                    ticket.reopen()


class ReferenceOnly:
    """A ticket of a system that Handrail does not write to: only its number is kept."""

    def get(self, id: str) -> TicketCard | None:
        return None

    def add_note(
        self, id: str, text: str, visibility: str, is_resolution: bool
    ) -> None:
        """Nothing to write to; the walk's summary is there to be copied."""

    def close(self, id: str) -> None:
        """Nothing to write to."""

    def escalate(self, id: str) -> None:
        """Nothing to write to."""

    def reopen(self, id: str) -> None:
        """Nothing to write to."""


def gateway_for(
    walk: L1WalkSession, *, by: User | None, at: datetime | None = None
) -> TicketGateway:
    """Return the gateway of the system that keeps the walk's ticket."""
    if walk.ticket_kind == L1WalkSession.TicketKind.INTERNAL:
        return InternalTickets(walk.account, by, at)
    return ReferenceOnly()


def open_ticket(
    account: Account,
    *,
    by: User,
    title: str,
    requester: str = "",
    contact: str = "",
    problem: str = "",
    key: UUID | None = None,
    now: datetime | None = None,
) -> Ticket:
    """Make a ticket with the account's next number.

    The same ``key`` again returns the ticket it made: it becomes the ticket's id.
    """
    at = now or timezone.now()
    with transaction.atomic():
        # The account's row is the lock on its numbers.
        Account.objects.select_for_update().get(pk=account.pk)
        known: Ticket | None = Ticket.objects.filter(pk=key).first() if key else None
        if known is not None and known.account_id == account.pk:
            return known
        rows = Ticket.objects.filter(account=account)
        number = (rows.aggregate(last=Max("number"))["last"] or 1000) + 1
        return Ticket.begin(
            by=by,
            at=at,
            created_at=at,
            id=uuid7() if known or not key else key,
            account=account,
            number=number,
            title=title[:200],
            requester=requester,
            contact=contact,
            problem=problem,
        )


def add_note(
    ticket: Ticket,
    *,
    by: User | None,
    text: str,
    visibility: str = TicketNote.Visibility.INTERNAL,
    is_resolution: bool = False,
    key: UUID | None = None,
    now: datetime | None = None,
) -> TicketNote:
    """Add a note to the ticket.

    The same ``key`` again returns the note it made: it becomes the note's id.
    """
    if key and TicketNote.objects.filter(pk=key).exclude(ticket=ticket).exists():
        key = None
    said = {
        "author": by,
        "text": text,
        "visibility": visibility,
        "is_resolution": is_resolution,
        "at": now or timezone.now(),
    }
    note, _new = TicketNote.objects.get_or_create(
        id=key or uuid7(), ticket=ticket, defaults=said
    )
    return note


def reopen_ticket(ticket: Ticket, *, by: User, note: str = "") -> None:
    """Open a ticket that came back. Raises TransitionNotAllowed on an open one."""
    with Ticket.moving(ticket.pk, by=by, note=note) as row:
        row.reopen()
