"""New budgets: from an Actual server, from a file, from the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from jobs.budgets import ledger as ledgers
from jobs.budgets.actions.connecting import connect_budget, demo_budget
from jobs.budgets.actions.reading import visible_budgets
from jobs.budgets.forms import FileForm, ServerForm, name_is_taken
from jobs.budgets.models import Budget
from jobs.budgets.views.finding import can_connect, own_account, posted
from workflows.core.errors import Problem
from workflows.core.http import UserRequest, see_other
from workflows.core.secrets import SealError, Secret, seal, unseal

# What is known between the two steps; the password in it is sealed.
KEPT = "budgets.connect"
secrets_are_posted = sensitive_post_parameters("password", "encryption_password")


@secrets_are_posted
@require_http_methods(["GET", "POST"])
@can_connect
def connect(request: UserRequest) -> HttpResponse:
    """Step 1: the server's address and password."""
    own_account(request)
    request.session.pop(KEPT, None)
    form = ServerForm(posted(request))
    if request.method == "POST" and form.is_valid() and look(request, form):
        return see_other("budgets:connect_file")
    status = 422 if form.is_bound else 200
    return render(request, "budgets/connect.html", {"form": form}, status=status)


def look(request: UserRequest, form: ServerForm) -> bool:
    """Ask the server for its budgets and keep the answer; False with the error told."""
    url = form.cleaned_data["server_url"].strip()
    password = Secret(form.cleaned_data["password"])
    try:
        files = ledgers.list_files(url, password, ca_file=authorities())
        sealed = seal(password)
    except SealError:
        form.add_error(None, cannot_seal())
        return False
    except Problem as problem:
        form.add_error(field_of(problem), str(problem))
        return False
    if not files:
        form.add_error(None, _("This server has no budget yet. Make one in Actual."))
        return False
    request.session[KEPT] = {
        "server_url": url,
        "password": sealed,
        "files": [
            {"file_id": file.file_id, "name": file.name, "encrypted": file.encrypted}
            for file in files
        ],
    }
    return True


def authorities() -> Path | None:
    return Path(settings.ACTUAL_CA_FILE) if settings.ACTUAL_CA_FILE else None


def cannot_seal() -> str:
    return _(
        "Passwords cannot be stored on this installation: its SEAL_KEYS are missing "
        "or wrong. Tell an administrator."
    )


def field_of(problem: Problem) -> str:
    """Return the field that the error stands beside: what it names is what to mend."""
    return "password" if isinstance(problem, ledgers.WrongPassword) else "server_url"


@secrets_are_posted
@require_http_methods(["GET", "POST"])
@can_connect
def connect_file(request: UserRequest) -> HttpResponse:
    """Step 2: which of the server's budgets."""
    account, kept = own_account(request), request.session.get(KEPT)
    if kept is None:
        messages.info(request, _("Begin with the address of the server."))
        return see_other("budgets:connect")
    files = kept["files"]
    first: dict[str, Any] = files[0] if len(files) == 1 else {}
    form = FileForm(
        posted(request),
        account=account,
        files=files,
        initial={"file_id": first.get("file_id"), "name": first.get("name", "")},
    )
    if request.method == "POST" and form.is_valid():
        budget = connected(request, form, kept)
        if budget:
            del request.session[KEPT]
            text = _("“%(name)s” is connected, and fetched for the first time.")
            messages.success(request, text % {"name": budget.name})
            return see_other(budget)
    context = {"form": form, "server_url": kept["server_url"]}
    status = 422 if form.is_bound else 200
    return render(request, "budgets/connect_file.html", context, status=status)


def connected(
    request: UserRequest, form: FileForm, kept: dict[str, Any]
) -> Budget | None:
    data = form.cleaned_data
    encryption: str = data.get("encryption_password", "")
    encrypted = form.remote[data["file_id"]]["encrypted"]
    try:
        return connect_budget(
            own_account(request),
            by=request.user,
            name=data["name"],
            server_url=kept["server_url"],
            password=unseal(kept["password"]),
            file_id=data["file_id"],
            encryption_password=Secret(encryption) if encrypted else None,
        )
    except SealError:
        form.add_error(None, cannot_seal())
    except IntegrityError:  # somebody took the name in this very moment
        form.add_error("name", name_is_taken())
    return None


@require_POST
@can_connect
def demo(request: UserRequest) -> HttpResponse:
    """Make the demo budget; a second one gets a name of its own."""
    account = own_account(request)
    names = set(
        visible_budgets(request.user)
        .filter(name__startswith=_("Demo"))
        .values_list("name", flat=True)
    )
    free = (f"{_('Demo')} {n}" if n > 1 else _("Demo") for n in range(1, 1000))
    name = next(name for name in free if name not in names)
    try:
        budget = demo_budget(account, by=request.user, name=name)
    except IntegrityError:  # clicked twice: the first click made it
        return see_other("budgets:budgets")
    messages.success(
        request, _("This is the demo budget: invented money, to look around.")
    )
    return see_other(budget)
