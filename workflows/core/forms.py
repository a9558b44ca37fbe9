"""Forms of what every account and person may change about themselves."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from typing import Any

from django import forms
from django.db import transaction
from django.http import QueryDict
from django.utils.text import Truncator
from django.utils.translation import gettext
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
    """An account's name, time zone and every setting that a workflow declared.

    Bound, its instance is a locked row: see ``save_account``.
    """

    data: Any  # a copy, which learns what the page has shown
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
        for field in self.fields.values():
            field.show_hidden_initial = True
        if self.is_bound:
            self.data = self.data.copy()
            # Who does not say what they saw has seen what is.
            for name in self.fields:
                if self.add_initial_prefix(name) not in self.data:
                    self.see_anew(name)

    def see_anew(self, name: str) -> None:
        """Count what the field is now as what the person has seen."""
        now = self.fields[name].prepare_value(self.initial[name])
        self.data[self.add_initial_prefix(name)] = str(now)

    def clean(self) -> dict[str, Any]:
        """Change what the person changed; the rest stays as somebody else made it."""
        data = super().clean() or {}
        for name, chosen in list(data.items()):
            now, field = self.initial[name], self.fields[name]
            if name not in self.changed_data:
                data[name] = now
            elif chosen != now and field.has_changed(
                now, self.data[self.add_initial_prefix(name)]
            ):
                self.add_error(name, overtaken(now))
                self.see_anew(name)  # so that saving it again counts
        return data

    def save(self, commit: bool = True) -> Account:
        account = self.instance
        for name, preference in self.by_field.items():
            if name in self.changed_data:
                account.settings[preference.key] = self.cleaned_data[name]
        return super().save(commit)


def save_account(account: Account, data: QueryDict) -> AccountForm:
    """Save what a valid form changes; return the form, which says whether it was.

    Locked meanwhile, so that what another page saves comes before or after.
    """
    with transaction.atomic():
        row = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        form = AccountForm(data, instance=row)
        if form.is_valid():
            form.save()
    return form


def overtaken(now: Any) -> str:
    """Return what a person is told whose page did not show the field as it is now."""
    shown = ", ".join(now) if isinstance(now, tuple) else str(now)
    return gettext(
        "Somebody else changed this meanwhile. It is now: %(now)s. What you entered is "
        "not saved yet; save again to replace theirs."
    ) % {"now": shown or gettext("empty")}


def preference_field(preference: Preference[Any]) -> forms.Field:
    """Return the form field of a declared setting, by the type of its default."""
    words: dict[str, Any] = {
        "label": preference.label,
        "help_text": preference.help_text,
    }
    if isinstance(preference.default, bool):
        return forms.BooleanField(required=False, **words)
    if isinstance(preference.default, tuple):
        return LinesField(spell=preference.spell, **words)
    return forms.IntegerField(
        min_value=preference.minimum,
        max_value=preference.maximum,
        error_messages={
            "min_value": _("Write %(limit_value)s or more."),
            "max_value": _("Write %(limit_value)s or less."),
        },
        **words,
    )


class LinesField(forms.CharField):
    """A list that is typed one entry a line; an error says which line it means."""

    MOST_LETTERS = 5_000  # every request of the account's people loads them

    def __init__(self, *, spell: Callable[[str], str], **options: Any) -> None:
        widget = forms.Textarea(
            attrs={"rows": 4, "spellcheck": "false", "autocapitalize": "none"}
        )
        super().__init__(
            required=False, widget=widget, max_length=self.MOST_LETTERS, **options
        )
        self.spell = spell

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, tuple) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        before, after = self.prepare_value(initial) or "", data or ""
        return lines(before) != lines(after)

    def clean(self, value: Any) -> tuple[str, ...]:
        """Return the entries, each once and in its one spelling."""
        found: dict[str, None] = {}
        errors = []
        # Not super().clean(), which would cut blank lines off before they are counted.
        self.run_validators(text := value or "")
        for number, line in enumerate(text.splitlines(), 1):
            try:
                found |= dict.fromkeys([self.spell(line)] if line.strip() else [])
            except ValueError as error:
                words = {
                    "number": number,
                    "line": Truncator(line.strip()).chars(60),
                    "why": error,
                }
                errors.append(gettext("Line %(number)s, “%(line)s”: %(why)s") % words)
        if errors:
            raise forms.ValidationError(errors)
        return tuple(found)


def lines(text: str) -> list[str]:
    """Return what stands on the lines, however a browser ends and spaces them."""
    return [line.strip() for line in text.splitlines() if line.strip()]
