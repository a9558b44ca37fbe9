"""What people type about hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from workflows.core.accounts import Account
from workflows.core.errors import Problem
from workflows.core.secrets import Secret
from workflows.support.actions import hosts
from workflows.support.models import Host

T = TypeVar("T")
TOO_LONG = _l("This is longer than a private key. Paste the key alone.")
PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
LONGEST_KEY = 20_000  # characters; one of RSA with 16384 bits has 12 700


class SecretTextarea(forms.Textarea):
    """Lines that never come back to a page."""

    def format_value(self, value: Any) -> None:
        return None


class HostForm(forms.Form):
    """Where a host is, and who Handrail is there."""

    name = forms.CharField(
        label=_l("Name"),
        max_length=120,
        help_text=_l("As your colleagues call it: they choose it by this name."),
        error_messages={"required": _l("Give the host a name.")},
    )
    address = forms.CharField(
        label=_l("Address"),
        max_length=253,
        help_text=_l("A host name or an IP address: web1.example.com"),
        error_messages={"required": _l("Enter the host's address.")},
        widget=forms.TextInput(attrs=PLAIN),
    )
    port = forms.IntegerField(
        label=_l("Port"),
        error_messages={"required": _l("Enter the port of ssh: mostly 22.")},
        initial=22,
        widget=forms.NumberInput(attrs={"class": "short", "min": 1, "max": 65535}),
    )
    username = forms.CharField(
        label=_l("User"),
        max_length=64,
        help_text=_l("Who Handrail logs in as: best a user of its own, not root."),
        error_messages={"required": _l("Enter the user to log in as.")},
        widget=forms.TextInput(attrs=PLAIN),
    )
    private_key = forms.CharField(
        label=_l("Private key"),
        max_length=LONGEST_KEY,
        required=False,
        error_messages={"max_length": TOO_LONG},
        widget=SecretTextarea(attrs={**PLAIN, "rows": 4}),
        help_text=_l(
            "Leave it empty, and Handrail makes a key pair of its own. A key that you "
            "paste is stored sealed, and shown to nobody again."
        ),
    )

    def __init__(
        self,
        *args: Any,
        account: Account | None,
        host: Host | None = None,
        **kw: Any,
    ) -> None:
        super().__init__(*args, **kw)
        self.account, self.host = account, host

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        taken = Host.objects.filter(account=self.account, name=name)
        if self.host:
            taken = taken.exclude(pk=self.host.pk)
        if taken.exists():
            raise forms.ValidationError(name_is_taken())
        return name

    def clean_address(self) -> str:
        return checked(hosts.check_address, str(self.cleaned_data["address"]))

    def clean_port(self) -> int:
        return checked(hosts.check_port, int(self.cleaned_data["port"]))

    def clean_username(self) -> str:
        return checked(hosts.check_username, str(self.cleaned_data["username"]))

    def clean_private_key(self) -> Secret | None:
        key = Secret(self.cleaned_data["private_key"])
        return checked(hosts.check_key, key) if key.reveal() else None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.ask_for_key_again()
        return data

    def refuse(self, field: str | None, text: str) -> None:
        """Say what a verb found wrong in a form that looked right."""
        self.add_error(field, text)
        self.ask_for_key_again()

    def ask_for_key_again(self) -> None:
        """Say of a form with errors that a key is the one thing it does not keep."""
        if self.errors and self.cleaned_data.get("private_key"):
            self.add_error(
                "private_key",
                _("The key was not kept, since it is never shown: paste it again."),
            )


class ChangeForm(HostForm):
    """The same of a host that is there already."""

    private_key = forms.CharField(
        label=_l("Another private key"),
        max_length=LONGEST_KEY,
        required=False,
        error_messages={"max_length": TOO_LONG},
        widget=SecretTextarea(attrs={**PLAIN, "rows": 4}),
        help_text=_l("Leave it empty to keep the present one."),
    )
    new_key = forms.BooleanField(
        label=_l("Make a new key pair"),
        required=False,
        help_text=_l("The present key counts no more: its line has to be replaced."),
    )

    def __init__(self, *args: Any, host: Host, **kw: Any) -> None:
        names = ("name", "address", "port", "username")
        kw.setdefault("initial", {name: getattr(host, name) for name in names})
        super().__init__(*args, account=host.account, host=host, **kw)

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("new_key") and self.cleaned_data.get("private_key"):
            self.add_error(
                "new_key",
                _("Paste a key, or have a new pair made: one of the two."),
            )
        return super().clean()


def checked(check: Callable[[T], T], value: T) -> T:
    """Return the value as the verbs take it; their refusal stands beside the field."""
    try:
        return check(value)
    except Problem as problem:
        raise forms.ValidationError(str(problem)) from None


def name_is_taken() -> str:
    return _("There is a host of this name already. Give it another one.")
