"""What a list of cases is narrowed by."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from workflows.core.accounts import User
from workflows.support.explaining import meanings
from workflows.support.forms.cases import MOST_HOSTS
from workflows.support.models import Host, WorkflowSession


class CaseFilter(forms.Form):
    """Step, host, person and failure at once. What makes no sense is not asked."""

    step = forms.ChoiceField(
        label=_l("Step"),
        required=False,
        choices=[("", _l("Any")), *WorkflowSession.Step.choices],
    )
    host = forms.UUIDField(label=_l("Host"), required=False, widget=forms.Select)
    who = forms.ChoiceField(
        label=_l("Begun by"),
        required=False,
        choices=[("", _l("Everybody")), ("me", _l("Me"))],
    )
    code = forms.ChoiceField(label=_l("Failure"), required=False)

    def __init__(self, asked: Any, *, user: User) -> None:
        super().__init__(asked)
        self.user = user
        code: Any = self.fields["code"]
        code.choices = [("", _("Any")), *((code, code) for code in sorted(meanings()))]

    def offer_hosts(self) -> None:
        """Fill the choice of hosts: only a page needs it, and it costs a query."""
        rows = Host.objects.visible_to(self.user).order_by("name")
        widget: Any = self.fields["host"].widget
        widget.choices = [
            ("", _("Any")),
            *(
                (str(pk), name)
                for pk, name in rows.values_list("pk", "name")[:MOST_HOSTS]
            ),
        ]

    @property
    def asks(self) -> bool:
        """Is anything asked for at all?"""
        return any(self.data.get(name) for name in self.fields)

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are asked for."""
        self.is_valid()
        asked = self.cleaned_data
        if step := asked.get("step"):
            rows = rows.filter(current_step=step)
        if host := asked.get("host"):
            rows = rows.filter(host=host)
        if asked.get("who"):
            rows = rows.filter(created_by=self.user)
        if code := asked.get("code"):
            # Both: the index is of rows that have a code, which SQLite wants to read.
            rows = rows.filter(last_error_code=code).exclude(last_error_code="")
        return rows
