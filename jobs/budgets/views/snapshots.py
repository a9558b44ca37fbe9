"""Copies of a budget: taken, downloaded, compared, restored."""

from __future__ import annotations

import re
import unicodedata
from uuid import UUID

from django.contrib import messages
from django.core.files.storage import default_storage
from django.db import IntegrityError
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from jobs.budgets.actions import asking, reading, snapshots
from jobs.budgets.forms import NameForm, name_is_taken
from jobs.budgets.models import Snapshot
from jobs.budgets.views.budgets import work_on
from jobs.budgets.views.finding import (
    can_connect,
    can_keep,
    find_budget,
    find_snapshot,
    posted,
)
from jobs.budgets.views.saying import counted
from workflows.core.errors import Problem
from workflows.core.http import Conflict, UserRequest, see_other
from workflows.core.paging import slice_of

COPY, ANEW = "snapshot_create", "snapshot_redownload"


@require_safe
@can_keep
def snapshot_list(request: UserRequest, pk: UUID) -> HttpResponse:
    """A budget's copies, newest first."""
    budget = find_budget(request, pk)
    found = slice_of(request, reading.snapshots_of(budget))
    context = {
        "budget": budget,
        "list": found,
        "lines": [(row, counted(row.counts), difference_of(row)) for row in found.rows],
        **work_on(budget, request.user),
    }
    return render(request, "budgets/snapshots.html", context)


def difference_of(row: Snapshot) -> list[tuple[str, int]] | None:
    """Return how the counts differ from the copy before; None for the first one."""
    return None if row.difference is None else counted(row.difference)


@require_POST
@can_keep
def snapshot_take(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take a copy, or with ``anew`` one that is fetched afresh and compared."""
    budget = find_budget(request, pk)
    anew = request.POST.get("anew") == "1"
    job = asking.request_snapshot(budget, by=request.user, anew=anew)
    if not job.is_new:
        messages.info(request, _("This is under way already."))
    return see_other("budgets:snapshots", pk)


@require_safe
@can_keep
def snapshot_download(
    request: UserRequest, pk: UUID, snapshot: UUID
) -> HttpResponseBase:
    """Hand the archive out, if it still is what was stored."""
    row = find_snapshot(request, pk, snapshot)
    need_whole(row)
    return FileResponse(
        default_storage.open(row.file, "rb"),
        as_attachment=True,
        filename=filename_of(row),
        content_type="application/zip",
    )


def need_whole(row: Snapshot) -> None:
    """Raises Conflict for an archive that is gone or damaged."""
    try:
        whole = snapshots.is_whole(row)
    except FileNotFoundError:
        raise Conflict(
            _(
                "The file of this snapshot is gone from the storage. Take another one, "
                "or have the storage restored from a backup."
            )
        ) from None
    if not whole:
        raise Conflict(
            _(
                "The file of this snapshot is damaged: it is not what was stored. Take "
                "another one, or have the storage restored from a backup."
            )
        )


def filename_of(row: Snapshot) -> str:
    """Return a name that every system takes: budget and time, in plain letters."""
    plain = unicodedata.normalize("NFKD", row.budget.name).encode("ascii", "ignore")
    stem = re.sub(r"[^A-Za-z0-9]+", "-", plain.decode()).strip("-")[:60] or "budget"
    return f"{stem}-{timezone.localtime(row.created_at):%Y-%m-%d-%H%M}.zip"


@require_http_methods(["GET", "POST"])
@can_connect
def snapshot_restore(request: UserRequest, pk: UUID, snapshot: UUID) -> HttpResponse:
    """Make a new budget of a copy."""
    row = find_snapshot(request, pk, snapshot)
    day = timezone.localtime(row.created_at).date()
    name = _("%(name)s, as of %(day)s") % {"name": row.budget.name, "day": day}
    form = NameForm(
        posted(request), account=row.budget.account, initial={"name": name[:120]}
    )
    if request.method == "POST" and form.is_valid():
        need_whole(row)
        name = form.cleaned_data["name"]
        try:
            budget = snapshots.restore(row, by=request.user, name=name)
        except IntegrityError:  # somebody took the name in this very moment
            form.add_error("name", name_is_taken())
        except Problem as problem:
            form.add_error(None, str(problem))
        else:
            messages.success(request, _("This is the new budget, made of the copy."))
            return see_other(budget)
    context = {"budget": row.budget, "snapshot": row, "form": form}
    status = 422 if form.is_bound else 200
    return render(request, "budgets/restore.html", context, status=status)


@require_POST
@can_keep
def snapshot_delete(request: UserRequest, pk: UUID, snapshot: UUID) -> HttpResponse:
    """Delete a copy, file and all."""
    snapshots.delete_snapshot(find_snapshot(request, pk, snapshot))
    messages.success(request, _("The snapshot is deleted."))
    return see_other("budgets:snapshots", pk)
