"""The hosts that reports are made of: added, confirmed, checked, retired."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from workflows.core.accounts import Account
from workflows.core.errors import Problem
from workflows.core.http import Conflict, UserRequest, see_other
from workflows.core.paging import slice_of
from workflows.core.secrets import SealError
from workflows.support.actions import hosts as actions
from workflows.support.collecting.problems import WRAPPER, PrivilegeRequired
from workflows.support.collecting.shell import LocalShell
from workflows.support.forms.hosts import ChangeForm, HostForm, name_is_taken
from workflows.support.models import Host, WorkflowSession
from workflows.support.views.cases import remedied

can_manage = permission_required("workflows.manage_host", raise_exception=True)
a_key_is_posted = sensitive_post_parameters("private_key")
# Where OpenSSH keeps the key of each kind; the others are of one that has many names.
KEY_FILES = {
    "ssh-ed25519": "ssh_host_ed25519_key.pub",
    "ssh-rsa": "ssh_host_rsa_key.pub",
}
OTHER_KEY_FILE = "ssh_host_ecdsa_key.pub"


def find_host(request: UserRequest, pk: UUID) -> Host:
    """Return a host of the user's account, or answer 404; an upload's has no page."""
    rows = Host.objects.visible_to(request.user).exclude(
        transport=Host.Transport.UPLOAD
    )
    host: Host = get_object_or_404(rows.select_related("account"), pk=pk)
    return host


def find_ssh_host(request: UserRequest, pk: UUID) -> Host:
    """Return a host that is reached over the network. Raises Conflict for this one."""
    host = find_host(request, pk)
    if host.transport != Host.Transport.SSH:
        raise Conflict(_("This is the machine that Handrail runs on: it has no key."))
    return host


def own_account(request: UserRequest) -> Account:
    """Return whose a new host will be; operators without an account have none."""
    if request.user.account is None:
        raise PermissionDenied(
            _("A host belongs to an account: sign in as somebody of that account.")
        )
    return request.user.account


@require_safe
@can_manage
def hosts(request: UserRequest) -> HttpResponse:
    """The account's hosts, newest first."""
    retired = request.GET.get("show") == "retired"
    cases = WorkflowSession.objects.filter(
        account=OuterRef("account"), host=OuterRef("pk")
    )
    rows = (
        Host.objects.visible_to(request.user)
        .filter(retired_at__isnull=not retired)
        .exclude(transport=Host.Transport.UPLOAD)
        .select_related("account")
        .defer("private_key")
        .annotate(used_at=Subquery(cases.order_by("-id").values("created_at")[:1]))
    )
    listed = slice_of(request, rows)
    context = {
        "list": listed,
        "retired": retired,
        "local_is_listed": any(
            row.transport == Host.Transport.LOCAL for row in listed.rows
        ),
    }
    return render(request, "support/hosts/list.html", context)


@a_key_is_posted
@require_http_methods(["GET", "POST"])
@can_manage
def host_new(request: UserRequest) -> HttpResponse:
    """Add a host; what it needs is on its page then."""
    account = own_account(request)
    form = HostForm(request.POST or None, account=account)
    if form.is_valid() and (host := added(request, form)):
        text = _("“%(name)s” is added. It needs four steps before its first report.")
        messages.success(request, text % {"name": host.name})
        return see_other("support:host", host.pk)
    status = 422 if form.is_bound else 200
    return render(request, "support/hosts/new.html", {"form": form}, status=status)


def added(request: UserRequest, form: HostForm) -> Host | None:
    try:
        return actions.add_host(by=request.user, **form.cleaned_data)
    except SealError as problem:
        form.refuse(None, str(problem))
    except IntegrityError:  # somebody took the name in this very moment
        form.refuse("name", name_is_taken())
    return None


@a_key_is_posted
@require_http_methods(["GET", "POST"])
@can_manage
def host(request: UserRequest, pk: UUID) -> HttpResponse:
    """One host: what has to be done on it, its key, how it is reached."""
    if request.method != "POST":
        return show(request, find_host(request, pk))
    row = find_ssh_host(request, pk)
    form = ChangeForm(request.POST, host=row)
    if form.is_valid() and (changed := saved(request, row, form)):
        if row.host_key and not changed.host_key:
            text = _("Saved. At its new place the host's key has to be confirmed anew.")
            messages.warning(request, text)
        else:
            messages.success(request, _("Saved."))
        return see_other("support:host", pk)
    return show(request, row, status=422, form=form)


def saved(request: UserRequest, row: Host, form: ChangeForm) -> Host | None:
    try:
        return actions.change_host(row, by=request.user, **form.cleaned_data)
    except SealError as problem:
        form.refuse(None, str(problem))
    except IntegrityError:  # somebody took the name in this very moment
        form.refuse("name", name_is_taken())
    return None


def show(
    request: UserRequest, row: Host, *, status: int = 200, **more: Any
) -> HttpResponse:
    """Render the page; ``more`` is what was asked for: a form, a key, a check."""
    context = {"host": row, "folder": WRAPPER}
    if row.transport == Host.Transport.SSH:
        context |= {
            "form": ChangeForm(host=row),
            "fingerprint": row.host_key and actions.fingerprint_of(row.host_key),
            "install": PrivilegeRequired(row.username, local=False).command,
            **line_of(row),
        }
    else:
        context["install"] = PrivilegeRequired(LocalShell().user).command
    return render(request, "support/hosts/host.html", context | more, status=status)


def line_of(row: Host) -> dict[str, str]:
    """Return the line for authorized_keys, or why there is none."""
    try:
        return {"line": actions.public_line(row)}
    except Problem as problem:
        return {"no_line": str(problem)}


@require_http_methods(["GET", "POST"])
@can_manage
def host_key(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask the host for its key, or trust the one that was shown and compared."""
    row = find_ssh_host(request, pk)
    if request.method != "POST":  # a page that was loaded again
        return redirect("support:host", pk)
    if "shown" in request.POST:
        return trust(request, row, request.POST["shown"])
    try:
        shown = actions.show_key(row)
    except Problem as problem:
        return show(request, row, key_problem=str(problem))
    kind = shown.host_key.partition(" ")[0]
    context: dict[str, Any] = {
        "shown": shown,
        "same": shown.host_key == row.host_key,
        "signed": actions.signed_key(row, shown.host_key),
        "key_file": KEY_FILES.get(kind, OTHER_KEY_FILE),
    }
    return show(request, row, **context)


def trust(request: UserRequest, row: Host, value: str) -> HttpResponse:
    try:
        shown = actions.opened_key(row, value)
        actions.confirm_key(row, by=request.user, host_key=shown)
    except actions.Outdated:
        text = _(
            "The key was shown too long ago, or the host was changed since. Nothing "
            "was trusted. Ask the host for its key again."
        )
        messages.warning(request, text)
    else:
        text = _("The key of “%(name)s” is trusted from now on.")
        messages.success(request, text % {"name": row.name})
    return see_other("support:host", row.pk)


@require_http_methods(["GET", "POST"])
@can_manage
def host_prerequisites(request: UserRequest, pk: UUID) -> HttpResponse:
    """Ask the host what it lacks for a report."""
    row = find_host(request, pk)
    if request.method != "POST":  # a page that was loaded again
        return redirect("support:host", pk)
    found = checked(row)
    if request.htmx:
        return render(request, "support/hosts/_found.html", found)
    return show(request, row, **found)


def checked(row: Host) -> dict[str, Any]:
    if row.unconfirmed:
        return {"no_check": _("Confirm the key of the host first.")}
    found = actions.check_host(row)
    problems = [(remedied(problem), problem) for problem in found.problems]
    return {"found": found, "problems": problems}


@require_POST
@can_manage
def host_retire(request: UserRequest, pk: UUID) -> HttpResponse:
    """Offer the host no more."""
    row = find_host(request, pk)
    actions.retire_host(row, by=request.user)
    text = _("“%(name)s” is retired: nobody is offered it any more.")
    messages.success(request, text % {"name": row.name})
    return see_other("support:hosts")


@require_POST
@can_manage
def host_bring_back(request: UserRequest, pk: UUID) -> HttpResponse:
    """Offer a retired host again."""
    row = find_host(request, pk)
    actions.bring_back(row, by=request.user)
    text = _("“%(name)s” is offered again.")
    messages.success(request, text % {"name": row.name})
    return see_other("support:host", pk)
