"""How long archives and cases are kept, and what nobody will ever ask for again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from workflows.core.purge import delete_ranges, purge_rule
from workflows.support.actions.archives import (
    FOLDER,
    discard,
    let_go,
    on_their_way,
    remove_forgotten,
)
from workflows.support.models import (
    Artifact,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)
from workflows.support.models.report import RunStatus

# An hour's grace, whatever age is asked for: nobody is at work on it any more.
AT_LEAST = timedelta(hours=1)
# Between a file and the row that names it lie seconds; who needs a day is gone.
UNNAMED_FOR = timedelta(days=1)
FILES = 50  # whose rows are locked together
FOLDERS = 200  # looked at together
# In this order: a report names its archive.
CHILDREN = (
    (SosReportState, "session_id"),
    (JiraAttachmentState, "session_id"),
    (Artifact, "session_id"),
)


@purge_rule("archives", keep=timedelta(days=14), label=_("diagnostic archives"))
def old_archives(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Archives by the day they came; their rows stay, to say what there was."""
    old = Artifact.objects.filter(deleted_at__isnull=True, created_at__lt=cutoff)
    if dry_run:
        yield old.exclude(pk__in=on_their_way()).count()
        return
    keys = old.order_by("pk").values_list("pk", flat=True)
    found = list(keys[:FILES])
    while found:
        yield let_go(found)
        found = list(keys.filter(pk__gt=found[-1])[:FILES])


@purge_rule("cases", keep=timedelta(days=90), label=_("support cases"))
def old_cases(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """Cases by the day of their last change, once their archives are gone.

    What belongs to them goes along; their history stays.
    """
    theirs = {"session_id": OuterRef("pk")}
    running = RunStatus.RUNNING
    kept = Artifact.objects.filter(deleted_at__isnull=True, **theirs)
    reports = SosReportState.objects.filter(**theirs)
    sent = JiraAttachmentState.objects.filter(attachment_status=running, **theirs)
    old = WorkflowSession.objects.filter(
        ~Exists(kept),
        ~Exists(reports.filter(generation_status=running)),
        ~Exists(reports.filter(fetch_status=running)),
        ~Exists(sent),
        updated_at__lt=min(cutoff, timezone.now() - AT_LEAST),
    )
    yield from delete_ranges(old, *CHILDREN, dry_run=dry_run)


@purge_rule("leftovers", keep=UNNAMED_FOR, label=_("left-over files of archives"))
def leftovers(cutoff: datetime, dry_run: bool) -> Iterator[int]:
    """What came of runs and uploads that ended in the middle, and of deletions."""
    yield remove_forgotten(dry_run=dry_run)
    cutoff = min(cutoff, timezone.now() - UNNAMED_FOR)
    folders = sorted(case_folders())
    for start in range(0, len(folders), FOLDERS):
        cases = folders[start : start + FOLDERS]
        unnamed = [name for name in unnamed_files(cases) if is_older(name, cutoff)]
        if not dry_run:
            discard(*unnamed)
            remove_empty(cases)
        yield len(unnamed)


def case_folders() -> Iterator[UUID]:
    """Yield the cases that have a folder in the storage."""
    with suppress(FileNotFoundError):
        for name in default_storage.listdir(FOLDER)[0]:
            with suppress(ValueError):
                yield UUID(name)


def unnamed_files(cases: list[UUID]) -> list[str]:
    """Return the files of the cases that no archive names."""
    found = [f"{FOLDER}/{case}/{name}" for case in cases for name in files_of(case)]
    # After the look at the folders: what came in between has a row, and is no old file.
    theirs = Artifact.objects.filter(session_id__in=cases).exclude(file="")
    return sorted(set(found) - set(theirs.values_list("file", flat=True)))


def files_of(case: UUID) -> list[str]:
    try:
        return default_storage.listdir(f"{FOLDER}/{case}")[1]
    except FileNotFoundError:  # somebody else was faster
        return []


def is_older(name: str, cutoff: datetime) -> bool:
    try:
        return default_storage.get_modified_time(name) < cutoff
    except FileNotFoundError:  # somebody else was faster
        return False


def remove_empty(cases: list[UUID]) -> None:
    """Remove the folders of cases that are gone: nobody puts anything there again."""
    there = WorkflowSession.objects.filter(pk__in=cases).values_list("pk", flat=True)
    for case in set(cases) - set(there):
        if not files_of(case):
            default_storage.delete(f"{FOLDER}/{case}")


def kept_until(archive: Artifact) -> datetime:
    """Return when the file goes, at the latest."""
    return archive.created_at + old_archives.keep
