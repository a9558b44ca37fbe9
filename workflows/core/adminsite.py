"""The admin's front door: the product's own login, and 403 for who may not enter."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class HandrailAdminSite(AdminSite):
    """Django sends those without the right to a login form, where they are stuck."""

    site_header = gettext_lazy("Handrail administration")
    site_title = gettext_lazy("Handrail")
    index_title = gettext_lazy("Administration")
    site_url = "/"
    enable_nav_sidebar = False  # lists need the width; the index is one click away

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        stock = super().admin_view(view, cacheable)

        def guarded(
            request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied(_("The administration is for managers."))
            response: HttpResponseBase = stock(request, *args, **kwargs)
            return response

        return guarded

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
