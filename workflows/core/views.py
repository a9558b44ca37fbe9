"""Pages about oneself and one's account."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from workflows.core.accounts import Account
from workflows.core.forms import AccountForm, ProfileForm
from workflows.core.http import SeeOther, UserRequest, see_other

YEAR = 365 * 24 * 3600


@login_not_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep light or dark in a cookie: it is no secret and belongs to the device."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}):
        target = "/"
    response = SeeOther(target)
    if (chosen := request.POST.get("theme", "")) in {"light", "dark"}:
        response.set_cookie(
            "theme", chosen, max_age=YEAR, samesite="Lax", secure=request.is_secure()
        )
    else:
        response.delete_cookie("theme")
    return response


@require_http_methods(["GET", "POST"])
def profile(request: UserRequest) -> HttpResponse:
    """A person's own name, address and keys."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your profile is saved."))
        return see_other("profile")
    status = 422 if form.is_bound else 200
    return render(request, "account/profile.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@permission_required("workflows.change_account", raise_exception=True)
def account_settings(request: UserRequest) -> HttpResponse:
    """The account's name, time zone and settings."""
    account = get_object_or_404(
        Account.objects.visible_to(request.user), pk=request.user.account_id
    )
    form = AccountForm(request.POST or None, instance=account)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The account's settings are saved."))
        return see_other("account_settings")
    status = 422 if form.is_bound else 200
    return render(request, "account/settings.html", {"form": form}, status=status)
