"""What a list of cases is narrowed by."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from workflows.core.accounts import User
from workflows.support.actions.counting import PERIODS, begun_within
from workflows.support.explaining import labels, meanings
from workflows.support.forms.cases import PLAIN
from workflows.support.models import Host, WorkflowSession

CODE = re.compile(r"[a-z_]{1,40}")
MOST_CHOICES = 200  # hosts; of more than these a name is typed


def periods() -> list[tuple[str, str]]:
    words = ((str(days), _("Last %(days)s days") % {"days": days}) for days in PERIODS)
    return [("", _("Any time")), *words]


class CaseFilter(forms.Form):
    """Step, host, person, failure and days. What makes no sense is not asked."""

    step = forms.ChoiceField(
        label=_l("Step"),
        required=False,
        choices=[("", _l("Any")), *WorkflowSession.Step.choices],
    )
    host = forms.CharField(label=_l("Host"), required=False, max_length=120)
    who = forms.ChoiceField(
        label=_l("Begun by"),
        required=False,
        choices=[("", _l("Everybody")), ("me", _l("Me"))],
    )
    code = forms.ChoiceField(label=_l("Failure"), required=False)
    days = forms.ChoiceField(label=_l("Begun"), required=False, choices=periods)

    def __init__(self, asked: Any, *, user: User) -> None:
        super().__init__(asked)
        self.user = user
        code: Any = self.fields["code"]
        code.choices = [("", _("Any")), *labels(), *self.unlisted()]

    def unlisted(self) -> list[tuple[str, str]]:
        """Return the code that is asked for if no problem has it any more."""
        asked = str(self.data.get("code", ""))
        known = asked in meanings() or not CODE.fullmatch(asked)
        return [] if known else [(asked, asked)]

    def offer_hosts(self) -> None:
        """Let a host be chosen, or typed where there are many: it costs a query."""
        rows = Host.objects.visible_to(self.user).order_by("name")
        found = list(rows.values_list("pk", "name")[: MOST_CHOICES + 1])
        choices = {"": _("Any")} | {str(pk): name for pk, name in found}
        field: Any = self.fields["host"]
        if len(found) <= MOST_CHOICES and self.data.get("host", "") in choices:
            field.widget = forms.Select(choices=list(choices.items()))
        else:
            field.label = _("Part of a host's name")
            field.widget = forms.TextInput(attrs=PLAIN)

    def hosts_called(self, asked: str) -> list[UUID]:
        """Return which hosts are meant: one by its id, or some by a part of a name."""
        with suppress(ValueError):
            return [UUID(asked)]
        rows = Host.objects.visible_to(self.user).filter(name__icontains=asked)
        return list(rows.values_list("pk", flat=True))

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
            found = self.hosts_called(host)
            # Of one host they lie in an index as they are listed.
            one = {"host": found[0]} if len(found) == 1 else {"host__in": found}
            rows = rows.filter(**one)
        if asked.get("who"):
            rows = rows.filter(created_by=self.user)
        if code := asked.get("code"):
            # Both: the index is of rows that have a code, which SQLite wants to read.
            rows = rows.filter(last_error_code=code).exclude(last_error_code="")
        if days := asked.get("days"):
            rows = begun_within(rows, int(days))
        return rows
