"""The form that takes a Jira token: what is typed there is never shown again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters

from workflows.core.accounts import Account
from workflows.core.connecting import allowed_hosts
from workflows.core.connections import JiraConnection
from workflows.core.jira import InvalidBaseUrl, clean_base_url
from workflows.core.secrets import Secret

Kind = JiraConnection.Kind
HOSTS_SHOWN = 8
CLOUD_HOSTS = ".atlassian.net"
# For the views that take this form: error reports leave the token out.
token_is_posted = sensitive_post_parameters("token")


class JiraIntakeForm(forms.Form):
    """Where Jira is, and what opens it: its fields are what ``prove_token`` takes.

    ``hosts`` is empty while none is allowed.
    account/_jira_intake.html lays it out; account/_no_jira.html is what to show while
    there are no hosts.
    """

    base_url = forms.CharField(
        label=gettext_lazy("Address of Jira"),
        max_length=300,
        widget=forms.URLInput(attrs={"autocomplete": "url", "spellcheck": "false"}),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Which Jira is it?"),
        widget=forms.RadioSelect,
        choices=[
            (Kind.CLOUD, gettext_lazy("Jira Cloud: e-mail address and API token")),
            (
                Kind.DATA_CENTER,
                gettext_lazy("Jira Data Center: personal access token"),
            ),
        ],
    )
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text=gettext_lazy(
            "For Jira Cloud: the one that you sign in there with. Data Center needs "
            "none."
        ),
    )
    token = forms.CharField(
        label=gettext_lazy("Token"),
        max_length=2000,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "off", "spellcheck": "false"}, render_value=False
        ),
    )

    def __init__(self, *args: Any, account: Account | None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.hosts = allowed_hosts(account)
        address = self.fields["base_url"]
        address.help_text = address_help(self.hosts)
        if len(self.hosts) == 1 and "*" not in self.hosts[0]:
            address.initial = f"https://{self.hosts[0]}"
        self.fields["token"].help_text = token_help()

    def clean_base_url(self) -> str:
        try:
            return clean_base_url(self.cleaned_data["base_url"], allowed=self.hosts)
        except InvalidBaseUrl as problem:
            raise forms.ValidationError(str(problem)) from None

    def clean_token(self) -> Secret:
        return Secret(self.cleaned_data["token"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("kind") == Kind.DATA_CENTER:
            # What stands there is not needed, whatever it is.
            self.errors.pop("email", None)
            data["email"] = ""
            host = urlsplit(data.get("base_url", "")).hostname or ""
            if host.endswith(CLOUD_HOSTS):
                text = _("This address is a Jira Cloud. Choose that.")
                self.add_error("kind", text)
        elif data.get("kind") == Kind.CLOUD and data.get("email") == "":
            text = _("Jira Cloud needs your e-mail address with the token.")
            self.add_error("email", text)
        return data


def address_help(hosts: list[str]) -> str:
    text = _("As the browser shows it, up to the host: https://jira.example.com.")
    if not hosts:
        return text
    shown = ", ".join(hosts[:HOSTS_SHOWN]) + (", …" if hosts[HOSTS_SHOWN:] else "")
    return f"{text} {_('Allowed here: %(hosts)s') % {'hosts': shown}}"


def token_help() -> str:
    hours = settings.JIRA_CONNECTION_HOURS
    kept = ngettext(
        "Handrail keeps it sealed for an hour, and shows it to nobody.",
        "Handrail keeps it sealed for %(hours)s hours, and shows it to nobody.",
        hours,
    ) % {"hours": hours}
    made = _(
        "Jira Cloud: make an API token, without scopes, at id.atlassian.com under "
        "Security. Data Center: make one in Jira under your picture, Profile, Personal "
        "access tokens."
    )
    return f"{made} {kept}"
