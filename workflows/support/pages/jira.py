"""The third step: who is connected, which issue, and the archive goes there."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from workflows.core.connections import ConnectionStatus, JiraConnection
from workflows.core.intake import JiraIntakeForm
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.sizes import most_to_send
from workflows.support.actions.verifying import (
    connect_case,
    use_connection,
    verify_issue,
)
from workflows.support.forms.cases import IssueForm, UseForm
from workflows.support.pages.base import CasePage, Step

MOST_CONNECTIONS = 12


class JiraPage(CasePage):
    """Connect, say which issue, attach: each by itself, in this order."""

    slug, title, template = "jira", _l("Jira"), "support/jira.html"
    step, not_yet = Step.JIRA_ATTACH, _l("Get the report first.")
    blames: ClassVar = {"issue": "key"}
    form_classes: ClassVar = {
        "use": UseForm,
        "connect": JiraIntakeForm,
        "issue": IssueForm,
        "attach": forms.Form,
        "report": forms.Form,
    }

    def form(
        self, do: str = "", data: Any = None, files: Any = None, **options: Any
    ) -> forms.Form:
        if do == "use":
            options["connections"] = self.others
        elif do == "connect":
            options |= {"account": self.user.account, "initial": self.before()}
        elif do == "issue":
            options["initial"] = {"key": self.machine.jira.issue_key}
        return super().form(do, data, files, **options)

    @cached_property
    def others(self) -> list[JiraConnection]:
        """Return one's own active connections beside the one that the case has."""
        rows = JiraConnection.objects.owned_by(self.user).active().defer("token")
        if self.connected:
            rows = rows.exclude(pk=self.machine.jira.connection_id)
        return list(rows.order_by("-id")[:MOST_CONNECTIONS])

    def before(self) -> dict[str, str]:
        """Return all but the token of one's own connection that this case had."""
        connection = self.machine.jira.connection
        if connection is None or not self.mine:
            return {}
        names = ("base_url", "kind", "email")
        return {name: getattr(connection, name) for name in names}

    @property
    def mine(self) -> bool:
        connection = self.machine.jira.connection
        return connection is not None and connection.user_id == self.user.pk

    @property
    def connected(self) -> bool:
        status = self.machine.jira.connection_status
        return self.mine and status == ConnectionStatus.CONNECTED

    # --- actions ----------------------------------------------------------------------
    def do_use(self, form: UseForm) -> None:
        use_connection(self.machine, by=self.user, connection=form.chosen)

    def do_connect(self, form: JiraIntakeForm) -> str:
        connect_case(self.machine, by=self.user, **form.cleaned_data)
        return _("You are connected to Jira.")

    def do_issue(self, form: forms.Form) -> None:
        verify_issue(self.machine, by=self.user, key=form.cleaned_data["key"])

    def do_attach(self, form: forms.Form) -> None:
        jira_attach_artifact(self.machine, by=self.user)

    def do_report(self, form: forms.Form) -> None:
        self.back_to(Step.SOS_REPORT)

    def context(self) -> dict[str, Any]:
        jira, archive = self.machine.jira, self.archive
        limit = most_to_send(jira.upload_limit)
        return super().context() | {
            "jira": jira,
            "mine": self.mine,
            "connected": self.connected,
            "others": self.others,
            "verified": self.connected and jira.issue_access_verified,
            "limit": limit,
            "limit_is_jiras": limit == jira.upload_limit,
            "too_large": archive is not None and archive.size > limit,
        }
