"""An archive: what is in it, the file itself, and its end."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from workflows.core.errors import Problem
from workflows.core.http import Conflict, UserRequest, see_other
from workflows.support.actions import archives
from workflows.support.collecting.archive import Listing
from workflows.support.models import Artifact
from workflows.support.problems import MissingArtifact
from workflows.support.retention import kept_until
from workflows.support.views.finding import can_run, find_archive

FILES_SHOWN = 200


def gone(request: UserRequest, archive: Artifact) -> HttpResponse:
    """Say that the file was deleted: its name and its case are still known."""
    context = {"archive": archive, "case": archive.session}
    return render(request, "support/gone.html", context, status=HTTPStatus.GONE)


@require_safe
@can_run
def archive(request: UserRequest, pk: UUID, archive: UUID) -> HttpResponse:
    """The files in an archive, which is not unpacked for it."""
    row = find_archive(request, pk, archive)
    if not row.file:
        return gone(request, row)
    try:
        listing, problem = archives.listing(row), ""
    except Problem as error:
        listing, problem = Listing((), truncated=False), str(error)
    asked = request.GET.get("q", "").strip()
    wanted = asked.casefold()
    entries = [each for each in listing.entries if wanted in each.name.casefold()]
    context = {
        "archive": row,
        "case": row.session,
        "kept_until": kept_until(row),
        "listing": listing,
        "problem": problem,
        "q": asked,
        "found": len(entries),
        "page": Paginator(entries, FILES_SHOWN).get_page(request.GET.get("page")),
    }
    return render(request, "support/archive.html", context)


@require_safe
@can_run
def archive_download(request: UserRequest, pk: UUID, archive: UUID) -> HttpResponseBase:
    """Hand the archive out. Whatever is in it, no browser opens it by itself."""
    row = find_archive(request, pk, archive)
    if not row.file:
        return gone(request, row)
    try:
        file = archives.open_archive(row)
    except archives.StorageSilent as problem:
        raise Conflict(str(problem)) from None
    except MissingArtifact:
        raise Conflict(
            _(
                "The file of this archive is gone from the storage. Make another "
                "report, or have the storage restored from a backup."
            )
        ) from None
    return FileResponse(
        file,
        as_attachment=True,
        filename=row.filename,
        content_type="application/octet-stream",
        headers={
            "Content-Length": str(row.size),
            "X-Content-Type-Options": "nosniff",
        },
    )


@require_POST
@can_run
def archive_delete(request: UserRequest, pk: UUID, archive: UUID) -> HttpResponse:
    """Delete the file; that there was one stays with the case."""
    row = find_archive(request, pk, archive)
    try:
        archives.delete_artifact(row, by=request.user)
    except archives.InUse:
        raise Conflict(
            _(
                "The archive is on its way to Jira. Nothing was deleted. Wait until it "
                "is there, or cancel that first."
            )
        ) from None
    messages.success(request, _("The archive is deleted."))
    return see_other("support:case", pk)
