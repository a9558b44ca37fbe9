"""The second step: a report is made and fetched, or an archive is brought along."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from workflows.support.actions.bringing import bring_archive, take_earlier_archive
from workflows.support.actions.cases import go_on_to_jira
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.actions.generating import generate_sosreport, options_of
from workflows.support.actions.reporting import earlier_archives
from workflows.support.actions.sizes import largest_archive
from workflows.support.forms.cases import BringForm, EarlierForm, GenerateForm
from workflows.support.models import Host
from workflows.support.models.report import RunStatus
from workflows.support.pages.base import CasePage, Step
from workflows.support.retention import kept_until

FRESH = {"mask": True}  # what is proposed for the first report of a case


class ReportPage(CasePage):
    """Make a report, fetch it, or bring it along; then go on with it."""

    slug, title, template = "report", _l("Report"), "support/report.html"
    step, not_yet = Step.SOS_REPORT, _l("Choose a product and a host first.")
    blames: ClassVar = {"bring": "archive"}
    form_classes: ClassVar = {
        "generate": GenerateForm,
        "fetch": forms.Form,
        "bring": BringForm,
        "earlier": EarlierForm,
        "jira": forms.Form,
        "product": forms.Form,
        "report": forms.Form,
    }

    def form(
        self, do: str = "", data: Any = None, files: Any = None, **options: Any
    ) -> forms.Form:
        if do == "generate":
            report = self.machine.sosreport
            options["initial"] = (
                GenerateForm.initial_of(options_of(report)) if report.options else FRESH
            )
        return super().form(do, data, files, **options)

    @property
    def brought(self) -> bool:
        """Is an archive brought along, instead of a report made?"""
        host = self.machine.host
        return host is not None and host.transport == Host.Transport.UPLOAD

    @property
    def waits_on_host(self) -> bool:
        """Is there a report on the host that has not arrived here?"""
        report = self.machine.sosreport
        return (
            not self.brought
            and bool(report.fetch_reference)
            and report.fetch_status in {RunStatus.PENDING, RunStatus.FAILED}
        )

    @property
    def fetchable(self) -> bool:
        """Would it be taken? One that is too large is refused each time."""
        size = self.machine.sosreport.archive_size or 0
        return self.waits_on_host and size <= largest_archive()

    # --- actions ----------------------------------------------------------------------
    def do_generate(self, form: GenerateForm) -> None:
        consent = form.cleaned_data["consent"]
        generate_sosreport(
            self.machine, by=self.user, options=form.options, consent=consent
        )

    def do_fetch(self, form: forms.Form) -> None:
        fetch_sosreport(self.machine, by=self.user)

    def do_bring(self, form: forms.Form) -> str:
        file = form.cleaned_data["archive"]
        bring_archive(self.machine, by=self.user, upload=file, filename=file.name)
        return _("The archive is here.")

    def do_earlier(self, form: EarlierForm) -> None:
        artifact = form.cleaned_data["archive"]
        take_earlier_archive(self.machine, by=self.user, artifact_pk=artifact)

    def do_jira(self, form: forms.Form) -> None:
        go_on_to_jira(self.machine, by=self.user)

    def do_product(self, form: forms.Form) -> None:
        self.back_to(Step.SELECT_PRODUCT)

    def do_report(self, form: forms.Form) -> None:
        self.back_to(Step.SOS_REPORT)

    def context(self) -> dict[str, Any]:
        archive = self.archive
        return super().context() | {
            "report": self.machine.sosreport,
            "brought": self.brought,
            "waits_on_host": self.waits_on_host,
            "fetchable": self.fetchable,
            "kept_until": kept_until(archive) if archive else None,
            "earlier": earlier_archives(self.machine),
            "most": largest_archive(),
        }
