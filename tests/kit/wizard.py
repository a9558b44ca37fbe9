"""A wizard about a parcel: where to, send it, it has arrived."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from tests.kit.models import Parcel
from workflows.core.wizard import Page, WizardView


class AddressForm(forms.Form):
    address = forms.CharField(max_length=100)


class NoteForm(forms.Form):
    note = forms.CharField(required=False)


class AddressPage(Page):
    slug, title, template = "address", "Where to", "wizard/page.html"
    form_class = AddressForm

    def done(self) -> bool:
        return bool(self.machine.address)

    def blocked(self) -> str:
        return "" if self.machine.state == Parcel.State.PACKED else "It is on its way."

    def form(self, data: Any = None, files: Any = None) -> forms.Form:
        return AddressForm(data, files, initial={"address": self.machine.address})

    def act(self, form: forms.Form) -> None:
        with Parcel.moving(self.machine.pk, by=self.request.user) as row:
            row.address = form.cleaned_data["address"]


class SendPage(Page):
    slug, title, template = "send", "Send it", "wizard/page.html"
    form_class = NoteForm

    def done(self) -> bool:
        return bool(self.machine.state != Parcel.State.PACKED)

    def blocked(self) -> str:
        return "" if self.machine.address else "Say where to first."

    def act(self, form: forms.Form) -> None:
        note = form.cleaned_data["note"]
        with Parcel.moving(self.machine.pk, by=self.request.user, note=note) as row:
            row.send()


class ArrivedPage(Page):
    slug, title, template = "arrived", "It has arrived", "wizard/page.html"

    def done(self) -> bool:
        return bool(self.machine.state == Parcel.State.DELIVERED)

    def blocked(self) -> str:
        return "Send it first." if self.machine.state == Parcel.State.PACKED else ""

    def context(self) -> dict[str, Any]:
        return {"lede": "Ask them."}

    def act(self, form: forms.Form) -> None:
        with Parcel.moving(self.machine.pk, by=self.request.user) as row:
            row.deliver()


class ParcelWizard(WizardView):
    machine_class = Parcel
    pages = (AddressPage, SendPage, ArrivedPage)
    resume_url, page_url, finished_url = "parcel", "parcel_page", "parcel_finished"


def finished(request: HttpRequest, pk: object) -> HttpResponse:
    return HttpResponse("Finished.")
