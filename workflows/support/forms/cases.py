"""What people choose and type about a case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l
from django_stubs_ext import StrOrPromise

from workflows.core.connections import JiraConnection
from workflows.support.actions.sizes import largest_archive
from workflows.support.collecting.options import (
    CASE_ID,
    LABEL,
    LOG_SIZES,
    MOST_PLUGINS,
    PLUGIN,
    ReportOptions,
)
from workflows.support.collecting.problems import ValidationFailed
from workflows.support.models import Host
from workflows.support.products import PRODUCTS

# What a page can offer; beyond it hosts are searched for.
MOST_HOSTS = 200
# More than these are found faster in a list that can be typed into.
MOST_RADIOS = 12
UPLOAD = "upload"
PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


def described(label: StrOrPromise, hint: StrOrPromise) -> StrOrPromise:
    """Return a choice's words with smaller ones under them."""
    return format_html('{}<span class="sub">{}</span>', label, hint) if hint else label


# --- product --------------------------------------------------------------------------
class ProductForm(forms.Form):
    """What a report is made of, and where it comes from."""

    # Any text: whether a product can be made is for the verb to say, in its words.
    product = forms.CharField(
        label=_l("Product"),
        max_length=20,
        widget=forms.RadioSelect,
        error_messages={"required": _l("Choose the product.")},
    )
    host = forms.ChoiceField(
        label=_l("Where the report comes from"),
        widget=forms.RadioSelect,
        error_messages={
            "required": _l("Choose a host, or say that you have an archive."),
            "invalid_choice": _l(
                "This host cannot be used any more. Choose another one."
            ),
        },
    )

    def __init__(self, *args: Any, hosts: Iterable[Host], **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.hosts = {str(host.pk): host for host in hosts}
        product: Any = self.fields["product"]
        product.widget.choices = [
            (kind.slug, described(kind.label, kind.hint)) for kind in PRODUCTS.values()
        ]
        host_field: Any = self.fields["host"]
        many = len(self.hosts) > MOST_RADIOS
        if many:
            host_field.widget = forms.Select()
        host_field.choices = [
            *([("", _("Choose one"))] if many else []),
            *((pk, host_words(host, plain=many)) for pk, host in self.hosts.items()),
            (UPLOAD, upload_words(plain=many)),
        ]

    @property
    def chosen(self) -> Host | None:
        """Return the chosen host; None for an archive that is brought along."""
        return self.hosts.get(self.cleaned_data["host"])


class FindForm(forms.Form):
    """Which hosts are wanted, where there are more than a page can offer."""

    q = forms.CharField(
        label=_l("Part of a host's name or address"),
        required=False,
        max_length=253,
        widget=forms.TextInput(attrs={**PLAIN, "type": "search"}),
    )


def host_words(host: Host, *, plain: bool) -> StrOrPromise:
    """Return a host as a choice: its name, and how it is reached."""
    place = host.address or str(Host.Transport(host.transport).label)
    if host.name == place:
        return host.name
    return f"{host.name} ({place})" if plain else described(host.name, place)


def upload_words(*, plain: bool) -> StrOrPromise:
    label = _("I have an archive already")
    hint = _("Made by sos somewhere else: you choose the file in the next step.")
    return label if plain else described(label, hint)


# --- report ---------------------------------------------------------------------------
def plugins_field(label: StrOrPromise, help_text: StrOrPromise) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=10_000,
        help_text=help_text,
        widget=forms.TextInput(attrs=PLAIN),
    )


def word_field(
    label: StrOrPromise,
    help_text: StrOrPromise,
    pattern: re.Pattern[str],
    wrong: StrOrPromise,
) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=40,
        help_text=help_text,
        validators=[RegexValidator(rf"\A(?:{pattern.pattern})\Z", wrong)],
        widget=forms.TextInput(attrs=PLAIN),
    )


class GenerateForm(forms.Form):
    """How much of a host a report takes, and that somebody agrees to it."""

    MORE = ("only", "enable", "disable", "log_size", "label", "case_id")

    mask = forms.BooleanField(
        label=_l("Mask names and addresses"),
        required=False,
        help_text=_l(
            "Host names, user names and network addresses are replaced by others. It "
            "takes longer. What is masked depends on sos: look through the archive."
        ),
    )
    only = plugins_field(
        _l("Only these plugins"),
        _l("Names as sos has them, with commas or spaces: host, login, networking."),
    )
    enable = plugins_field(
        _l("Plugins besides"), _l("Run in addition to those that sos chooses.")
    )
    disable = plugins_field(
        _l("Plugins to leave out"), _l("For instance one that takes too long.")
    )
    log_size = forms.IntegerField(
        label=_l("Size of each log, in MiB"),
        required=False,
        min_value=LOG_SIZES.start,
        max_value=LOG_SIZES.stop - 1,
        help_text=_l("Longer logs are cut. Leave it empty for what sos does: 25 MiB."),
        error_messages={
            "min_value": _l("Logs are cut at 1 MiB or more."),
            "max_value": _l("Logs are cut at 1024 MiB or less."),
        },
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    label = word_field(
        _l("Label"),
        _l("Becomes part of the archive's name. Letters, digits and -."),
        LABEL,
        _l("A label has letters, digits and -, at most 40."),
    )
    case_id = word_field(
        _l("Case number"),
        _l("Becomes part of the archive's name. Letters, digits, - and _."),
        CASE_ID,
        _l("A case number has letters, digits, - and _, at most 40."),
    )
    consent = forms.BooleanField(
        label=_l("I know what the report contains, and may take it from this host"),
        error_messages={
            "required": _l("Read what the report contains, then tick this box.")
        },
    )

    options: ReportOptions

    def plugins(self, name: str) -> str:
        found = names_in(self.cleaned_data[name])
        if len(found) > MOST_PLUGINS or not all(map(PLUGIN.fullmatch, found)):
            raise forms.ValidationError(
                _("Name each plugin as sos does: letters, digits, - and _.")
            )
        return " ".join(found)

    def clean_only(self) -> str:
        return self.plugins("only")

    def clean_enable(self) -> str:
        return self.plugins("enable")

    def clean_disable(self) -> str:
        return self.plugins("disable")

    def clean(self) -> dict[str, Any]:
        """Hold the options against each other: what is wrong then concerns "only"."""
        data = super().clean() or {}
        if any(name in self.errors for name in self.MORE):
            return data
        try:
            self.options = ReportOptions(
                only=names_in(data["only"]),
                enable=names_in(data["enable"]),
                disable=names_in(data["disable"]),
                log_size=data["log_size"],
                clean=data["mask"],
                label=data["label"],
                case_id=data["case_id"],
            )
        except ValidationFailed as problem:
            self.add_error("only", str(problem))
        return data

    @property
    def unfolded(self) -> bool:
        """Is there anything in the folded part that has to be seen?"""
        return any(self[name].errors or self[name].value() for name in self.MORE)

    @staticmethod
    def initial_of(options: ReportOptions) -> dict[str, Any]:
        """Return what the form shows for options that were agreed to earlier."""
        return {
            "only": ", ".join(options.only),
            "enable": ", ".join(options.enable),
            "disable": ", ".join(options.disable),
            "log_size": options.log_size,
            "mask": options.clean,
            "label": options.label,
            "case_id": options.case_id,
        }


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas, spaces or both, each once."""
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


class BringForm(forms.Form):
    """An archive that somebody made elsewhere."""

    archive = forms.FileField(
        label=_l("Archive"),
        max_length=255,
        widget=forms.ClearableFileInput(
            attrs={"accept": ".tar,.gz,.xz,.bz2,.tgz,.txz"}
        ),
        error_messages={
            "required": _l("Choose the archive that sos has written."),
            "empty": _l("This file is empty. Choose another one."),
            "max_length": _l("The name of this file is too long. Give it another one."),
        },
    )

    def clean_archive(self) -> Any:
        file = self.cleaned_data["archive"]
        if file.size > largest_archive():
            raise forms.ValidationError(
                _(
                    "This file has %(size)s; at most %(most)s are taken. Choose a "
                    "smaller one."
                )
                % {
                    "size": filesizeformat(file.size),
                    "most": filesizeformat(largest_archive()),
                }
            )
        return file


class EarlierForm(forms.Form):
    """Which of the case's earlier archives to go on with."""

    archive = forms.UUIDField(widget=forms.HiddenInput)


# --- Jira -----------------------------------------------------------------------------
class UseForm(forms.Form):
    """Which of one's own connections a case goes through."""

    connection = forms.ChoiceField(
        label=_l("Your connections"),
        widget=forms.RadioSelect,
        error_messages={
            "required": _l("Choose one of your connections."),
            "invalid_choice": _l(
                "This connection has ended. Choose another one, or connect again."
            ),
        },
    )

    def __init__(
        self, *args: Any, connections: Sequence[JiraConnection], **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        self.offered = {str(row.pk): row for row in connections}
        field: Any = self.fields["connection"]
        field.choices = [
            (pk, described(row.base_url, row.display_name))
            for pk, row in self.offered.items()
        ]
        if len(self.offered) == 1:
            field.initial = next(iter(self.offered))

    @property
    def chosen(self) -> JiraConnection:
        return self.offered[self.cleaned_data["connection"]]


class IssueForm(forms.Form):
    """Where the archive goes."""

    key = forms.CharField(
        label=_l("Key or address"),
        max_length=2000,
        help_text=_l("As in ABC-123, or the address of the issue's page in Jira."),
        error_messages={"required": _l("Enter the key of the issue.")},
        widget=forms.TextInput(attrs=PLAIN),
    )
