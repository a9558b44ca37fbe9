"""The first step: of what, and of which host."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _l

from workflows.support.actions.cases import select_product
from workflows.support.forms.cases import MOST_HOSTS, UPLOAD, FindForm, ProductForm
from workflows.support.models import Host
from workflows.support.models.host import HostQuerySet
from workflows.support.pages.base import CasePage, Step
from workflows.support.products import PRODUCTS

T = Host.Transport
MOST_UNCONFIRMED = 50


class ProductPage(CasePage):
    """Choose a product and a host; later it shows them, and leads back to it."""

    slug, title, template = "product", _l("Product"), "support/product.html"
    step = Step.SELECT_PRODUCT
    form_classes: ClassVar = {"choose": ProductForm, "product": forms.Form}

    def form(
        self, do: str = "", data: Any = None, files: Any = None, **options: Any
    ) -> forms.Form:
        if do == "choose":
            options |= {"hosts": self.ready, "initial": self.initial()}
        return super().form(do, data, files, **options)

    def hosts(self) -> HostQuerySet:
        rows: HostQuerySet = Host.objects.visible_to(self.user)
        # An operator, who sees all accounts, chooses among those of the case.
        mine = rows.filter(account=self.machine.account_id).exclude(transport=T.UPLOAD)
        return mine.defer("private_key").order_by("name")

    @cached_property
    def find(self) -> FindForm:
        return FindForm(self.request.GET)

    @property
    def asked(self) -> str:
        """Return what hosts are searched by, "" for all of them."""
        return str(self.find.cleaned_data["q"]) if self.find.is_valid() else ""

    def fitting(self, rows: HostQuerySet) -> HostQuerySet:
        asked = self.asked
        if not asked:
            return rows
        return rows.filter(Q(name__icontains=asked) | Q(address__icontains=asked))

    @cached_property
    def found(self) -> list[Host]:
        """Return the hosts that fit, and one more than a page can offer."""
        return list(self.fitting(self.hosts().ready())[: MOST_HOSTS + 1])

    @cached_property
    def ready(self) -> list[Host]:
        """Return what is offered. A host that was chosen is there, found or not."""
        offered, chosen = self.found[:MOST_HOSTS], self.chosen
        if chosen in {host.pk for host in offered}:
            return offered
        if self.asked or len(self.found) > MOST_HOSTS:
            offered += self.hosts().ready().filter(pk=chosen)
        return offered

    @property
    def chosen(self) -> UUID | None:
        """Return the host that is chosen now, or was before."""
        try:
            return UUID(self.request.POST["host"])
        except (KeyError, ValueError):
            found: UUID | None = self.machine.host_id
            return found

    @cached_property
    def unconfirmed(self) -> list[Host]:
        """Return those that nobody has confirmed the key of: they are not offered."""
        rows = self.fitting(self.hosts().filter(retired_at__isnull=True))
        rows = rows.filter(transport=T.SSH, host_key="")
        return list(rows[: MOST_UNCONFIRMED + 1])

    def initial(self) -> dict[str, Any]:
        host = self.machine.host
        chosen = ""
        if host:
            chosen = UPLOAD if host.transport == T.UPLOAD else str(host.pk)
        elif not self.ready and not self.asked:
            chosen = UPLOAD
        only = next(iter(PRODUCTS)) if len(PRODUCTS) == 1 else ""
        return {"product": self.machine.selected_product or only, "host": chosen}

    def do_choose(self, form: ProductForm) -> None:
        product = form.cleaned_data["product"]
        select_product(self.machine, by=self.user, product=product, host=form.chosen)

    def do_product(self, form: forms.Form) -> None:
        self.back_to(Step.SELECT_PRODUCT)

    def context(self) -> dict[str, Any]:
        return super().context() | (self.offers() if self.here else {})

    def offers(self) -> dict[str, Any]:
        cut = len(self.found) > MOST_HOSTS
        more_unconfirmed = len(self.unconfirmed) > MOST_UNCONFIRMED
        return {
            "hosts": self.found,
            "cut": cut,
            "most": MOST_HOSTS,
            "unconfirmed": self.unconfirmed[:MOST_UNCONFIRMED],
            "more_unconfirmed": more_unconfirmed,
            "find": self.find,
            "asked": self.asked,
            "searched": cut or more_unconfirmed or bool(self.find.data.get("q")),
        }
