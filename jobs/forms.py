"""Which jobs a list shows; made from the query string."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.actions.kinds import KINDS
from jobs.actions.reading import Jobs, asked_before, asked_since
from jobs.models.tracked import Status
from workflows.core.accounts import User

# Beyond these the calendar arithmetic of a database ends.
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
COLLEAGUES_SHOWN = 200
DAYS = {"today": 1, "7": 7, "30": 30}
BETWEEN = "between"


class JobFilter(forms.Form):
    """Kind, status, person and time, all at once. What makes no sense is not asked."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        choices=lambda: [("", _("Any")), *kind_choices()],
    )
    status = forms.ChoiceField(
        label=gettext_lazy("Status"),
        required=False,
        choices=[("", gettext_lazy("Any")), *Status.choices],
    )
    who = forms.CharField(
        label=gettext_lazy("Started by"), required=False, widget=forms.Select
    )
    time = forms.ChoiceField(
        label=gettext_lazy("When"),
        required=False,
        choices=[
            ("", gettext_lazy("Any time")),
            ("today", gettext_lazy("Today")),
            ("7", gettext_lazy("7 days")),
            ("30", gettext_lazy("30 days")),
            (BETWEEN, gettext_lazy("From … to …")),
        ],
    )
    subject = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, asked: Any, *, user: User) -> None:
        super().__init__(asked)
        self.user = user
        for name, label in (("from", _("From")), ("to", _("To"))):  # "from" is Python's
            self.fields[name] = forms.DateField(
                label=label,
                required=False,
                widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
                validators=[
                    MinValueValidator(EARLIEST, _("Choose a day since 2000.")),
                    MaxValueValidator(LATEST, _("Choose a day before 2100.")),
                ],
            )

    def offer_people(self) -> None:
        """Fill the choice of people: only a page needs it, and it costs a query."""
        widget: Any = self.fields["who"].widget
        widget.choices = [
            ("", _("Everybody")),
            ("me", _("Me")),
            *((str(person.pk), str(person)) for person in colleagues(self.user)),
        ]

    def clean_who(self) -> UUID | str:
        asked = self.cleaned_data["who"]
        if asked in {"", "me"}:
            return str(asked)
        try:
            return UUID(asked)
        except ValueError:
            raise forms.ValidationError(_("Choose one of the people.")) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first, last = data.get("from"), data.get("to")
        if first and last and first > last:
            self.add_error("to", _("This day is before the first one."))
        return data

    @property
    def asks(self) -> bool:
        """Is anything asked for at all?"""
        return any(self.data.get(name) for name in self.fields)

    def narrow(self, rows: Jobs) -> Jobs:
        """Return the rows that are asked for."""
        self.is_valid()
        if "subject" in self.errors:
            return rows.none()
        asked = self.cleaned_data
        if kind := asked.get("kind"):
            rows = rows.filter(type=kind)
        if status := asked.get("status"):
            rows = rows.filter(status=status)
        if who := asked.get("who"):
            rows = rows.filter(created_by=self.user.pk if who == "me" else who)
        if subject := asked.get("subject"):
            rows = rows.filter(subject_id=subject)
        return self.within(rows)

    def within(self, rows: Jobs) -> Jobs:
        asked = self.cleaned_data
        if days := DAYS.get(asked.get("time", "")):
            return asked_since(rows, start_of(timezone.localdate(), 1 - days))
        if first := asked.get("from"):
            rows = asked_since(rows, start_of(first))
        if last := asked.get("to"):
            rows = asked_before(rows, start_of(last, 1))
        return rows


def start_of(day: date, more: int = 0) -> datetime:
    """Return the first moment of a day of the account's calendar, or of one near it."""
    first = datetime.combine(day + timedelta(days=more), time.min)
    return timezone.make_aware(first)


def kind_choices() -> list[tuple[str, str]]:
    """Return all kinds with their words, in the order of the words."""
    found = ((kind.type, str(kind.label)) for kind in KINDS.values())
    return sorted(found, key=lambda pair: pair[1].casefold())


def colleagues(user: User) -> list[User]:
    """Return the other people of the account; an operator's would be everybody."""
    if user.account_id is None:
        return []
    rows = User.objects.visible_to(user).exclude(pk=user.pk)
    names = ("first_name", "last_name", "username")
    return list(rows.only(*names).order_by(*names)[:COLLEAGUES_SHOWN])
