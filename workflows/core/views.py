"""Pages about oneself and one's account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)
from django_stubs_ext import StrOrPromise

from workflows.core.accounts import Account, User
from workflows.core.connecting import revoke_connection
from workflows.core.connections import ConnectionStatus, JiraConnection
from workflows.core.forms import AccountForm, ProfileForm, save_account
from workflows.core.http import SeeOther, UserRequest, see_other
from workflows.core.moves import Move

YEAR = 365 * 24 * 3600
CONNECTIONS_SHOWN = 50


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
    if request.method == "POST":
        form = save_account(account, request.POST)
        if form.is_valid():
            messages.success(request, _("The account's settings are saved."))
            return see_other("account_settings")
    else:
        form = AccountForm(instance=account)
    status = 422 if form.is_bound else 200
    return render(request, "account/settings.html", {"form": form}, status=status)


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    """One connection as its owner sees it: for how long, or since when not any more."""

    connection: JiraConnection
    status: ConnectionStatus
    left: timedelta | None
    ending: Move | None

    @property
    def label(self) -> StrOrPromise:
        return self.status.label


@require_safe
def connections(request: UserRequest) -> HttpResponse:
    """A person's own connections to Jira, and the ended ones for the record."""
    lines = own_connections(request.user)
    return render(request, "account/connections.html", {"lines": lines})


def own_connections(user: User) -> list[ConnectionLine]:
    now = timezone.now()
    newest = JiraConnection.objects.owned_by(user).defer("token").order_by("-id")
    rows = list(newest[:CONNECTIONS_SHOWN])
    moves = Move.objects.filter(object_id__in=[row.pk for row in rows])
    endings = {move.object_id: move for move in moves.exclude(name="begin")}
    lines = []
    for row in rows:
        status = ConnectionStatus(row.status_at(now))
        is_open = status == ConnectionStatus.CONNECTED
        left = row.expires_at - now if is_open else None
        lines.append(ConnectionLine(row, status, left, endings.get(row.pk)))
    return lines


@require_POST
def connection_revoke(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take one's own connection away; a colleague's is not there."""
    own = JiraConnection.objects.owned_by(request.user).defer("token")
    if revoke_connection(get_object_or_404(own, pk=pk), by=request.user):
        text = _(
            "The connection is revoked, and Handrail has forgotten its token; only an "
            "upload that is running uses it to its end. If you made the token for "
            "Handrail alone, delete it in Jira too."
        )
        messages.success(request, text)
    else:
        messages.info(request, _("This connection had ended already."))
    return see_other("connections")
