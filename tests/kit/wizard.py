"""A wizard about a parcel: where to, send it, it has arrived or goes elsewhere."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse

from tests.kit.models import Parcel
from workflows.core.errors import UserFixable
from workflows.core.wizard import Page, WizardView

MOON = "Mare Tranquillitatis"


class AddressForm(forms.Form):
    address = forms.CharField(max_length=100)


class NoteForm(forms.Form):
    note = forms.CharField(required=False)


class ElsewhereForm(forms.Form):
    address = forms.CharField(max_length=100)
    note = forms.CharField(required=False, help_text="For the driver.")
    pin = forms.CharField(required=False, widget=forms.PasswordInput)


class AddressPage(Page):
    slug, title, template = "address", "Where to", "wizard/page.html"
    form_class = AddressForm

    def done(self) -> bool:
        return bool(self.machine.address)

    def blocked(self) -> str:
        return "" if self.machine.state == Parcel.State.PACKED else "It is on its way."

    def form(self, *args: Any, **options: Any) -> forms.Form:
        options["initial"] = {"address": self.machine.address}
        return super().form(*args, **options)

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
    """Two things may happen to what is on its way."""

    slug, title, template = "arrived", "It has arrived", "kit/arrived.html"
    form_classes: ClassVar = {"deliver": NoteForm, "redirect": ElsewhereForm}
    blames: ClassVar = {"redirect": "address"}

    def done(self) -> bool:
        return bool(self.machine.state == Parcel.State.DELIVERED)

    def blocked(self) -> str:
        return "Send it first." if self.machine.state == Parcel.State.PACKED else ""

    def shows(self, do: str) -> bool:
        return not self.done()

    def context(self) -> dict[str, Any]:
        return {"lede": "Ask them."}

    def do_deliver(self, form: forms.Form) -> None:
        note = form.cleaned_data["note"]
        with Parcel.moving(self.machine.pk, by=self.request.user, note=note) as row:
            row.deliver()

    def do_redirect(self, form: forms.Form) -> str:
        address = form.cleaned_data["address"]
        if address == MOON:
            raise UserFixable("No driver goes there. Nothing was changed.")
        with Parcel.moving(self.machine.pk, by=self.request.user) as row:
            row.address = address
        return "The driver has been told."


class ParcelWizard(WizardView):
    machine_class = Parcel
    pages = (AddressPage, SendPage, ArrivedPage)
    resume_url, page_url, finished_url = "parcel", "parcel_page", "parcel_finished"


def finished(request: HttpRequest, pk: object) -> HttpResponse:
    return HttpResponse("Finished.")
