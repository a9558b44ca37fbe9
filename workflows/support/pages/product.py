"""The first step: of what, and of which host."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _l

from workflows.support.actions.cases import select_product
from workflows.support.forms.cases import MOST_HOSTS, UPLOAD, ProductForm
from workflows.support.models import Host
from workflows.support.models.host import HostQuerySet
from workflows.support.pages.base import CasePage, Step
from workflows.support.products import PRODUCTS

T = Host.Transport


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
    def ready(self) -> list[Host]:
        return list(self.hosts().ready()[:MOST_HOSTS])

    def unconfirmed(self) -> list[Host]:
        """Return those that nobody has confirmed the key of: they are not offered."""
        rows = self.hosts().filter(retired_at__isnull=True)
        return list(rows.filter(transport=T.SSH, host_key="")[:MOST_HOSTS])

    def initial(self) -> dict[str, Any]:
        host = self.machine.host
        chosen = ""
        if host:
            chosen = UPLOAD if host.transport == T.UPLOAD else str(host.pk)
        elif not self.ready:
            chosen = UPLOAD
        only = next(iter(PRODUCTS)) if len(PRODUCTS) == 1 else ""
        return {"product": self.machine.selected_product or only, "host": chosen}

    def do_choose(self, form: ProductForm) -> None:
        product = form.cleaned_data["product"]
        select_product(self.machine, by=self.user, product=product, host=form.chosen)

    def do_product(self, form: forms.Form) -> None:
        self.back_to(Step.SELECT_PRODUCT)

    def context(self) -> dict[str, Any]:
        found = {"unconfirmed": self.unconfirmed(), "hosts": self.ready}
        return super().context() | (found if self.here else {})
