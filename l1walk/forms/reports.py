"""Which days a report is about."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from l1walk.actions.reports import Period

DEFAULT_DAYS = 30
MAX_DAYS = 5 * 366
# Beyond these the calendar arithmetic of a database ends, and nobody walked.
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)


class PeriodForm(forms.Form):
    """From a day to a day, both included; made from the query string."""

    def __init__(self, asked: Any, *, today: date | None = None) -> None:
        self.today = today or timezone.localdate()
        default = self.default
        shown = {"from": default.first, "to": default.last}
        given = {name: asked[name] for name in shown if asked.get(name)}
        super().__init__(given or None, initial=shown)
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

    @property
    def default(self) -> Period:
        """The last 30 days, today included."""
        first = self.today - timedelta(days=DEFAULT_DAYS - 1)
        return Period(first, self.today, timezone.get_current_timezone())

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        last = data["to"] or max(self.today, data["from"])
        first = data["from"] or last - timedelta(days=DEFAULT_DAYS - 1)
        if first > last:
            self.add_error("to", _("This day is before the first one."))
        elif (last - first).days >= MAX_DAYS:
            self.add_error("from", _("Choose five years at most."))
        return {"from": first, "to": last}

    @property
    def period(self) -> Period:
        """The days asked for; the default where they make no sense or nobody asked."""
        if not self.is_valid():
            return self.default
        first, last = self.cleaned_data["from"], self.cleaned_data["to"]
        return Period(first, last, timezone.get_current_timezone())
