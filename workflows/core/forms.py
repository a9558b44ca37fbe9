"""Forms of what every account and person may change about themselves."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from workflows.core.accounts import Account, User
from workflows.core.preferences import REGISTRY, Preference


class ProfileForm(forms.ModelForm[User]):
    """What a person may change about themselves."""

    class Meta:
        model = User
        fields = ("first_name", "last_name", "email", "key_shortcuts")
        labels = {"email": _("E-mail address")}
        help_texts = {
            "key_shortcuts": _(
                "Answer with 1 to 9, U, N, R, E on the walk screen; C, O, J, K among "
                "escalations; A, R, C, U, J, K among suggestions."
            ),
        }


class AccountForm(forms.ModelForm[Account]):
    """An account's name, time zone and every setting that a workflow declared."""

    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=lambda: [(z, z) for z in sorted(zoneinfo.available_timezones())],
    )

    class Meta:
        model = Account
        fields = ("name", "time_zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by_field = {key.replace(".", "__"): p for key, p in REGISTRY.items()}
        for name, preference in self.by_field.items():
            self.fields[name] = preference_field(preference)
            self.initial[name] = self.instance.preference(preference)

    def save(self, commit: bool = True) -> Account:
        account = self.instance
        for name, preference in self.by_field.items():
            account.settings[preference.key] = self.cleaned_data[name]
        return super().save(commit)


def preference_field(preference: Preference) -> forms.Field:
    """Return the form field of a declared setting, by the type of its default."""
    words = {"label": preference.label, "help_text": preference.help_text}
    if isinstance(preference.default, bool):
        return forms.BooleanField(required=False, **words)  # type: ignore[arg-type]
    return forms.IntegerField(
        min_value=preference.minimum,
        max_value=preference.maximum,
        error_messages={
            "min_value": _("Write %(limit_value)s or more."),
            "max_value": _("Write %(limit_value)s or less."),
        },
        **words,  # type: ignore[arg-type]
    )
