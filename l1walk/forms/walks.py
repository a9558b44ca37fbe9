"""What the walk screen and the intake take in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django import forms
from django.core.validators import MaxLengthValidator, ProhibitNullCharactersValidator
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from l1walk.actions.tickets import number_in
from l1walk.actions.walks import Intake, Submission
from l1walk.graphs.definition import EscalationCategory
from l1walk.models import L1WalkSession, Ticket
from workflows.core.accounts import User
from workflows.core.ids import uuid7

MAX_NOTE = 4_000
TicketKind = L1WalkSession.TicketKind


class TooLong(MaxLengthValidator):
    """Says how long a text is, and what to do."""

    message = _("%(show_value)d signs are too many: %(limit_value)d fit. Shorten it.")


NOTE_FITS = TooLong(MAX_NOTE)


class BadAnswer(Exception):
    """The form was not one of ours: a field is missing or of the wrong shape."""


@dataclass(frozen=True, slots=True)
class AnswerData:
    """An answer as posted; nothing of it but the note is text of the person."""

    submission: Submission
    node_id: str
    answer_key: str
    note: str

    @classmethod
    def read(cls, post: QueryDict) -> AnswerData:
        """Read the fields that the screen sends. Raises BadAnswer.

        By hand, not by a Form: the screen makes these fields itself, nobody types
        them, and this runs for every answer of a call.
        """
        try:
            return cls(
                submission=Submission(
                    int(str(post["version"])), UUID(str(post["key"]))
                ),
                node_id=str(post["node"]),
                answer_key=str(post["answer"]),
                note=as_typed(post.get("note", "")).strip(),
            )
        except (KeyError, ValueError) as error:
            raise BadAnswer from error

    @property
    def problem(self) -> str:
        """What is wrong with the note, in words; "" when nothing is."""
        try:
            NOTE_FITS(self.note)
        except forms.ValidationError as error:
            return " ".join(error.messages)
        return ""


def as_typed(text: str) -> str:
    """Return a text area's words: browsers send two signs for a line's end."""
    return text.replace("\r\n", "\n").replace("\0", "")


class LongText(forms.CharField):
    """Words that may be pasted: too many are refused and shown, never cut off."""

    widget = forms.Textarea

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_NOTE, **kwargs)
        # A browser would cut what is pasted without a word.
        self.widget.attrs.pop("maxlength", None)
        self.validators = [NOTE_FITS, ProhibitNullCharactersValidator()]


class VersionForm(forms.Form):
    """Any form of the walk screen: it knows which version of the walk it shows."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)


class StepForm(VersionForm):
    """One finding of an ad-hoc walk."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    question = forms.CharField(
        label=_("What did you check?"),
        error_messages={"required": _("Say what you checked.")},
        max_length=500,
    )
    finding = forms.CharField(
        label=_("What came out?"),
        error_messages={"required": _("Say what came out.")},
        max_length=500,
    )
    note = LongText(
        label=_("Note for this step"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ResolveForm(VersionForm):
    """How it was solved, and whether the flow helped."""

    notes = LongText(
        label=_("What solved it?"),
        help_text=_("Goes on the ticket, with the path you walked."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    helpful = forms.TypedChoiceField(
        label=_("Did the questions help?"),
        choices=[("yes", _("Yes")), ("no", _("No")), ("", _("Cannot say"))],
        coerce=lambda value: value == "yes",
        empty_value=None,
        required=False,
        widget=forms.RadioSelect,
    )


class EscalateForm(VersionForm):
    """Why an engineer has to take over."""

    category = forms.ChoiceField(
        label=_("Why does an engineer have to take over?"),
        error_messages={"required": _("Choose the reason that fits best.")},
        choices=EscalationCategory.choices,
        widget=forms.RadioSelect,
    )
    reason = LongText(
        label=_("What should the engineer know?"),
        help_text=_("The path and your notes are handed over anyway."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        other = data.get("category") == EscalationCategory.OTHER
        if other and not (data.get("reason") or "").strip():
            self.add_error("reason", _("Say why, since no category fits."))
        return data


def find_ticket(user: User, text: str) -> Ticket | None:
    """Return the ticket of the user's account whose number was written."""
    if (number := number_in(text)) is None:
        return None
    return Ticket.objects.visible_to(user).filter(number=number).first()


class IntakeForm(forms.Form):
    """A caller, a problem and the ticket that keeps it."""

    NEW, EXISTING, OTHER = "new", "existing", "other"

    start_key = forms.UUIDField(widget=forms.HiddenInput)
    problem_text = LongText(
        label=_("What is the problem?"),
        help_text=_("In the caller's words. The flow is found by them."),
        error_messages={"required": _("Write what the caller says.")},
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    caller_name = forms.CharField(
        label=_("Caller"),
        help_text=_("Who is on the line."),
        max_length=120,
        required=False,
    )
    caller_contact = forms.CharField(
        label=_("How to reach them"),
        help_text=_("Phone, extension or e-mail."),
        max_length=200,
        required=False,
    )
    ticket = forms.ChoiceField(
        label=_("Ticket"),
        choices=[
            (NEW, _("Make a new ticket")),
            (EXISTING, _("Use a ticket of Handrail")),
            (OTHER, _("Refer to a ticket of another system")),
        ],
        initial=NEW,
        widget=forms.RadioSelect,
    )
    ticket_number = forms.CharField(
        label=_("Ticket number"),
        help_text=_(
            "Another system's ticket is only referred to: copy the summary there when "
            "you are done."
        ),
        max_length=64,
        required=False,
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.initial.setdefault("start_key", uuid7())

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        kind, number = data.get("ticket"), data.get("ticket_number", "")
        if kind in {self.EXISTING, self.OTHER} and not number:
            if "ticket_number" not in self.errors:
                self.add_error("ticket_number", _("Write the ticket's number."))
        elif kind == self.NEW and number:
            self.add_error(
                "ticket", _("You wrote a ticket number: say whose it is, or clear it.")
            )
        elif kind == self.EXISTING:
            if (ticket := find_ticket(self.user, number)) is not None:
                data["ticket_number"] = str(ticket.number)
            else:
                self.add_error(
                    "ticket_number",
                    _("There is no ticket %(number)s. Check it, or make a new one.")
                    % {"number": number},
                )
        return data

    def intake(self) -> Intake:
        """Return the valid form as what ``take_call`` takes."""
        data = self.cleaned_data
        psa = data["ticket"] == self.OTHER
        return Intake(
            ticket_kind=TicketKind.PSA if psa else TicketKind.INTERNAL,
            ticket_id="" if data["ticket"] == self.NEW else data["ticket_number"],
            problem_text=data["problem_text"],
            caller_name=data["caller_name"],
            caller_contact=data["caller_contact"],
        )


class KeyedForm(forms.Form):
    """A form that makes one thing, however often it is sent: the key becomes its id."""

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("key", uuid7())


class TicketForm(KeyedForm):
    """A ticket that is not walked yet."""

    title = forms.CharField(
        label=_("Title"),
        error_messages={"required": _("Give the ticket a title.")},
        max_length=200,
    )
    problem = LongText(
        label=_("What is the problem?"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    requester = forms.CharField(label=_("Requester"), max_length=120, required=False)
    contact = forms.CharField(
        label=_("How to reach them"), max_length=200, required=False
    )


class TicketNoteForm(KeyedForm):
    """A note on a ticket."""

    text = LongText(
        label=_("Note"),
        error_messages={"required": _("Write the note first.")},
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class CloseForm(forms.Form):
    """How an engineer ended an escalation."""

    outcome = forms.ChoiceField(
        label=_("How did it end?"),
        error_messages={"required": _("Choose how it ended.")},
        choices=L1WalkSession.Outcome.choices,
        widget=forms.RadioSelect,
    )
    notes = LongText(
        label=_("Notes"),
        help_text=_("They go on the ticket."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ReassignForm(forms.Form):
    """Which engineer gets an escalation."""

    engineer = forms.ModelChoiceField(
        label=_("Engineer"), queryset=User.objects.none(), empty_label=None
    )

    def __init__(self, *args: Any, engineers: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[User]", self.fields["engineer"])
        field.queryset = User.objects.filter(pk__in=[user.pk for user in engineers])
