"""What people type about budgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from jobs.budgets.models import Budget
from jobs.models.schedule import check_cron
from workflows.core.accounts import Account

MEGABYTE = 1024**2
MOST_MEGABYTES = 100
SUFFIXES = (".zip", ".ofx", ".qfx", ".csv", ".tsv", ".txt")
# What a browser would offer to keep, or fill in from another site, is wrong here.
SECRET = {"autocomplete": "new-password", "spellcheck": "false"}


def secret_input() -> forms.PasswordInput:
    """Return the control of a secret: what was typed never comes back to a page."""
    return forms.PasswordInput(attrs=SECRET, render_value=False)


class NameForm(forms.Form):
    """A budget's name: one of a kind within its account."""

    name = forms.CharField(label=_l("Name"), max_length=120)

    def __init__(
        self,
        *args: Any,
        account: Account | None,
        budget: Budget | None = None,
        **kw: Any,
    ) -> None:
        super().__init__(*args, **kw)
        self.account, self.budget = account, budget

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        taken = Budget.objects.filter(account=self.account, name=name)
        if self.budget:
            taken = taken.exclude(pk=self.budget.pk)
        if taken.exists():
            raise forms.ValidationError(name_is_taken())
        return name


def name_is_taken() -> str:
    return _("There is a budget of this name already. Give it another one.")


class ServerForm(forms.Form):
    """Where an Actual server is, and what opens it."""

    server_url = forms.CharField(
        label=_l("Address of the server"),
        max_length=200,
        help_text=_l("As you open it in a browser: https://actual.example.com"),
        widget=forms.URLInput(attrs={"autocomplete": "url"}),
    )
    password = forms.CharField(
        label=_l("Password of the server"),
        max_length=200,
        strip=False,
        widget=secret_input(),
        help_text=_l("It is stored sealed, and shown to nobody again."),
    )


class FileForm(NameForm):
    """Which of the server's budgets, and how it is called here."""

    file_id = forms.ChoiceField(label=_l("Budget"), widget=forms.RadioSelect)
    encryption_password = forms.CharField(
        label=_l("Encryption password"),
        max_length=200,
        required=False,
        strip=False,
        widget=secret_input(),
        help_text=_l("Only for a budget that is encrypted; it was set in Actual."),
    )
    field_order = ("file_id", "name", "encryption_password")

    def __init__(self, *args: Any, files: Sequence[dict[str, Any]], **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.remote = {file["file_id"]: file for file in files}
        self.fields["file_id"].choices = [  # type: ignore[attr-defined]
            (
                file["file_id"],
                _("%(name)s (encrypted)") % file if file["encrypted"] else file["name"],
            )
            for file in files
        ]
        if not any(file["encrypted"] for file in files):
            del self.fields["encryption_password"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        file = self.remote.get(data.get("file_id", ""))
        if file and file["encrypted"] and not data.get("encryption_password"):
            self.add_error(
                "encryption_password",
                _("This budget is encrypted: enter its encryption password."),
            )
        return data


class ImportForm(NameForm):
    """A file that becomes a budget."""

    file = forms.FileField(
        label=_l("File"),
        max_length=255,
        widget=forms.ClearableFileInput(attrs={"accept": ",".join(SUFFIXES)}),
        help_text=_l(
            "An export of Actual (.zip), or what a bank gives: .ofx, .qfx or .csv. At "
            "most 100 MB."
        ),
        error_messages={"empty": _l("This file is empty. Choose another one.")},
    )
    field_order = ("file", "name")

    def __init__(self, *args: Any, kept: bool = False, **kw: Any) -> None:
        """``kept``: the file of an earlier try is there already."""
        super().__init__(*args, **kw)
        self.fields["file"].required = not kept

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and file.size > MOST_MEGABYTES * MEGABYTE:
            raise forms.ValidationError(
                _(
                    "This file has %(size)s MB; at most %(most)s MB are taken. Export "
                    "fewer years, or several files."
                )
                % {"size": file.size // MEGABYTE, "most": MOST_MEGABYTES}
            )
        return file


class ChoiceForm(forms.Form):
    """What a file leaves open: one question, with the values it can have."""

    choice = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(
        self, *args: Any, question: str, options: Sequence[tuple[str, str]], **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        self.fields["choice"].label = question
        self.fields["choice"].choices = options  # type: ignore[attr-defined]


class ConnectionForm(forms.Form):
    """A new address or new passwords; an empty password stays as it is."""

    server_url = ServerForm.base_fields["server_url"]
    password = forms.CharField(
        label=_l("Password of the server"),
        max_length=200,
        required=False,
        strip=False,
        widget=secret_input(),
        help_text=_l("Leave it empty to keep the present one."),
    )
    encryption_password = forms.CharField(
        label=_l("Encryption password"),
        max_length=200,
        required=False,
        strip=False,
        widget=secret_input(),
        help_text=_l("Leave it empty to keep the present one."),
    )

    def __init__(self, *args: Any, budget: Budget, **kw: Any) -> None:
        kw.setdefault("initial", {"server_url": budget.server_url})
        super().__init__(*args, **kw)
        self.budget = budget

    def clean(self) -> dict[str, Any]:
        """Ask for the password with a new address: it would be sent there."""
        data = super().clean() or {}
        new = data.get("server_url", "").rstrip("/")
        moved = new and new != self.budget.server_url.rstrip("/")
        if moved and not data.get("password"):
            self.add_error(
                "password",
                _("A new address needs the password again: it is sent there."),
            )
        return data


class ScheduleForm(forms.Form):
    """When to sync and suggest by the clock."""

    NONE, NIGHTLY, MORNINGS, CRON = "none", "nightly", "mornings", "cron"
    when = forms.ChoiceField(
        label=_l("Sync and suggest by itself"),
        widget=forms.RadioSelect,
        choices=[
            (NONE, _l("No")),
            (NIGHTLY, _l("Every night")),
            (MORNINGS, _l("Each morning from Monday to Friday")),
            (CRON, _l("By a cron expression")),
        ],
    )
    at = forms.TimeField(
        label=_l("At"),
        required=False,
        widget=forms.TimeInput(
            format="%H:%M", attrs={"type": "time", "class": "short"}
        ),
        help_text=_l("For every night and each morning."),
    )
    cron = forms.CharField(
        label=_l("Cron expression"),
        required=False,
        max_length=100,
        validators=[check_cron],
        help_text=_l("Minute, hour, day, month, weekday: “15 3 * * *” is 03:15 daily."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    USUAL = {NIGHTLY: time(2, 0), MORNINGS: time(6, 30)}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        missing = not data.get("cron") and "cron" not in self.errors
        if data.get("when") == self.CRON and missing:
            self.add_error("cron", _("Write a cron expression, or choose another."))
        return data

    @property
    def expression(self) -> str:
        """Return the cron expression that was chosen; "" for none."""
        data = self.cleaned_data
        when = data["when"]
        if when in self.USUAL:
            at = data.get("at") or self.USUAL[when]
            days = "*" if when == self.NIGHTLY else "1-5"
            return f"{at.minute} {at.hour} * * {days}"
        return str(data["cron"]) if when == self.CRON else ""

    @classmethod
    def initial_of(cls, cron: str) -> dict[str, Any]:
        """Return what the form shows for an expression."""
        if not cron:
            return {"when": cls.NONE}
        minute, hour, *days = cron.split()
        usual = {"* * *": cls.NIGHTLY, "* * 1-5": cls.MORNINGS}
        when = usual.get(" ".join(days))
        if when and minute.isdecimal() and hour.isdecimal():
            return {"when": when, "at": time(int(hour), int(minute))}
        return {"when": cls.CRON, "cron": cron}


class RemoveForm(forms.Form):
    """The budget's name, typed: what goes does not come back."""

    name = forms.CharField(
        label=_l("Name of the budget"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, budget: Budget, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.budget = budget

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name != self.budget.name:
            raise forms.ValidationError(
                _("This is not its name. Type “%(name)s”.") % {"name": self.budget.name}
            )
        return name


class DecisionForm(forms.Form):
    """What the review sends about a payee."""

    APPROVE, REJECT = "approve", "reject"
    payee = forms.CharField(required=False, max_length=200, strip=False)
    show = forms.CharField(required=False, max_length=20)
    q = forms.CharField(required=False, max_length=200)
    state = forms.CharField(max_length=40)
    verb = forms.ChoiceField(choices=[(APPROVE, ""), (REJECT, "")])
    category = forms.CharField(required=False, max_length=64)
    rename = forms.BooleanField(required=False)
    name = forms.CharField(required=False, max_length=200)
    shown = forms.CharField(required=False)
    row = forms.CharField(required=False)
    rest = forms.BooleanField(required=False)
    next = forms.CharField(required=False, max_length=200, strip=False)
