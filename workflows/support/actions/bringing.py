"""An archive that somebody has already: checked, kept, and the case's own."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO
from uuid import UUID, uuid4

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_fsm import TransitionNotAllowed

from workflows.core.accounts import User
from workflows.support.actions.archives import (
    Incoming,
    StorageFailed,
    keep,
    receiving,
    storing,
)
from workflows.support.actions.cases import (
    DONE,
    Step,
    case_and_report,
    fail_case,
    gated,
    require_report,
    require_rest,
)
from workflows.support.actions.sizes import largest_archive
from workflows.support.collecting.archive import check_upload
from workflows.support.collecting.problems import ArchiveTooLarge, NoArchive
from workflows.support.models import Artifact, Host, SosReportState, WorkflowSession
from workflows.support.problems import MissingArtifact, ProductFirst

log = logging.getLogger("handrail.support")

CHUNK = 1024**2  # bytes


class UploadTooLarge(ArchiveTooLarge):
    words = gettext_lazy(
        "The archive has %(size)s, and Handrail takes at most %(most)s. Nothing was "
        "kept of it. Bring a smaller one, made with fewer plugins or smaller logs."
    )


class MadeByItself(ProductFirst):
    """The case's host makes its reports: whoever has one already says so first."""

    words = gettext_lazy(
        "The report of this case is made on its host. Nothing was kept of the file. "
        "To bring an archive along, go back and choose that instead of the host."
    )


def bring_archive(
    case: WorkflowSession, *, by: User, upload: BinaryIO, filename: str
) -> Artifact:
    """Keep the upload as the case's archive; an earlier one is kept by itself.

    The same file twice is two archives, of which the case has the second. The name is
    shown to people and used for nothing else. Not to be used inside a transaction.
    Raises NoArchive, UploadTooLarge, StorageFailed, which the case remembers;
    ProductFirst; TransitionNotAllowed when the case is elsewhere.
    """
    with gated(case, by=by):
        require_upload(WorkflowSession.objects.get(pk=case.pk))
    with failing(case, by=by):
        check(upload, filename)
        with receiving(uuid4().hex) as file:
            size, sha256 = copy(upload, file)
            with storing(file.path, case) as name:
                return brought(
                    case, by=by, name=name, filename=filename, size=size, sha256=sha256
                )


def require_upload(row: WorkflowSession) -> None:
    """Raises ProductFirst, TransitionNotAllowed."""
    if row.host is None or row.present_step == Step.SELECT_PRODUCT:
        raise ProductFirst
    if row.host.transport != Host.Transport.UPLOAD:
        raise MadeByItself
    if row.present_step != Step.SOS_REPORT:
        raise TransitionNotAllowed(_("This case is not at its report any more."))


@contextmanager
def failing(case: WorkflowSession, *, by: User) -> Iterator[None]:
    """Have the case fail where the block does, of what people can be told.

    A case that would not have taken the archive either by now stays as it is.
    """
    problem: NoArchive | ArchiveTooLarge | StorageFailed
    try:
        yield
        return
    except OSError as error:
        log.warning("an archive cannot be kept: %s", error.strerror)
        problem = StorageFailed()
    except (NoArchive, ArchiveTooLarge, StorageFailed) as found:
        problem = found
    with suppress(ProductFirst, TransitionNotAllowed), transaction.atomic():
        with case_and_report(case.pk, by=by) as (row, report):
            require_upload(row)
            require_rest(row, report)
        fail_case(case.pk, problem.code, str(problem), by=by)
    raise problem from None  # which names the file's place on this machine


def check(upload: BinaryIO, filename: str) -> None:
    """Raises NoArchive, UploadTooLarge."""
    upload.seek(0)
    check_upload(upload, filename)
    size, most = upload.seek(0, 2), largest_archive()
    if size > most:
        raise UploadTooLarge(size, most)


def copy(upload: BinaryIO, into: Incoming) -> tuple[int, str]:
    """Return the size in bytes and the SHA-256 of what was copied."""
    upload.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := upload.read(CHUNK):
        digest.update(block)
        size += into.write(block)
    return size, digest.hexdigest()


def brought(
    case: WorkflowSession,
    *,
    by: User,
    name: str,
    filename: str,
    size: int,
    sha256: str,
) -> Artifact:
    """Make what is stored the case's archive: as if a report had been fetched."""
    with gated(case, by=by), case_and_report(case.pk, by=by) as (row, report):
        require_upload(row)
        require_rest(row, report)
        require_report(row)
        artifact = keep(
            row,
            name=name,
            filename=filename,
            size=size,
            sha256=sha256,
            origin=Artifact.Origin.UPLOADED,
            by=by,
        )
        report.bring(artifact.pk.hex, filename, size, sha256)
        adopt(report, artifact)
    return artifact


def take_earlier_archive(case: WorkflowSession, *, by: User, artifact_pk: UUID) -> None:
    """Go on with an archive that the case had before, as when no new one came.

    Raises MissingArtifact when it was deleted or is another case's, ProductFirst;
    TransitionNotAllowed when the case is elsewhere or something of it runs.
    """
    with gated(case, by=by), case_and_report(case.pk, by=by) as (row, report):
        mine = Artifact.objects.filter(session=row).exclude(file="")
        found: Artifact | None = mine.filter(pk=artifact_pk).first()
        if found is None:
            raise MissingArtifact
        require_rest(row, report)
        require_report(row)
        if report.artifact_id != found.pk:
            report.take_earlier(found.pk.hex, found.filename, found.size, found.sha256)
            adopt(report, found)


def adopt(report: SosReportState, artifact: Artifact) -> None:
    """Make what is stored the report's archive: as if it had just been fetched."""
    if report.fetch_status in DONE:
        report.forget_fetch()
    report.fetch()
    report.fetched(artifact)
