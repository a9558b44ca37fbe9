"""Archives in the storage: put there whole, looked through, deleted once."""

from __future__ import annotations

import errno
import io
import logging
import os
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID, uuid4

from django.conf import settings
from django.core.cache import cache
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import Error, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from workflows.core.accounts import User
from workflows.core.errors import Temporary
from workflows.support.collecting.archive import Listing, list_archive
from workflows.support.models import Artifact, JiraAttachmentState, WorkflowSession
from workflows.support.models.report import RunStatus
from workflows.support.problems import CaseProblem, MissingArtifact

MIB = 1024**2  # bytes
log = logging.getLogger("handrail.support")

FOLDER = "support"
SUFFIX = ".part"
# So say file systems of a network that write out no folders; files they do.
NO_FOLDERS = {errno.EBADF, errno.EINVAL, errno.ENOTSUP}
# What a killed process has left behind is of no use to anybody after this time.
FORGOTTEN_SECONDS = 24 * 3600
# A listing is made while somebody waits for the page. Of 256 MiB that pack badly,
# 16,000 members, it takes 2.8 s from xz, 1.0 s from gzip and 5.5 s from bzip2, which
# sos no longer writes; a whole report of a small host, 18 MiB, takes 0.2 s.
MOST_LISTED = 20_000  # members, 1.4 MB in the cache
MOST_UNPACKED = 256 * 1024**2  # bytes
LISTING_SECONDS = 24 * 3600


class StorageFailed(CaseProblem, Temporary):
    code = "copy_failed"
    words = _(
        "The archive could not be stored: the storage of Handrail is full, or does not "
        "answer. What was stored before is kept. Try again; if it fails again, have an "
        "administrator look at the storage."
    )


class StorageSilent(StorageFailed):
    """The same storage, when something is read from it."""

    code = "read_failed"
    words = _(
        "The archive could not be read: the storage of Handrail does not answer. "
        "Nothing of it is lost. Try again; if it fails again, have an administrator "
        "look at the storage."
    )


class InUse(Exception):
    """The archive is on its way to Jira: it can be deleted when that is over."""


# --- on its way -----------------------------------------------------------------------
class Incoming(io.FileIO):
    """A private file that an archive arrives in; nothing of it waits in a buffer."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb", opener=privately)
        self.path = path

    def write(self, data: Any, /) -> int:
        """Write all of it: one call of the system may take less."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += super().write(view[done:])
        return done


def privately(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


@contextmanager
def receiving(stem: str) -> Iterator[Incoming]:
    """Lend a new private file; it is gone after the block, unless it was stored.

    ``stem`` is a name of ours, never anybody's, and new. Raises OSError.
    """
    remove_forgotten()
    place = incoming()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Incoming(place / f"{stem}{SUFFIX}") as file:
        try:
            yield file
        finally:
            file.path.unlink(missing_ok=True)


def incoming() -> Path:
    """Return the folder of what is arriving on this machine."""
    return Path(settings.DATA_DIR) / "incoming"


def drop_partials(prefix: str) -> None:
    """Remove what earlier attempts have left, by how their stems begin."""
    for path in arriving():
        if path.name.startswith(prefix) and path.suffix == SUFFIX:
            path.unlink(missing_ok=True)


def remove_forgotten(*, dry_run: bool = False) -> int:
    """Remove what arrived on this machine and was never stored; return how many."""
    count = 0
    for path in arriving():
        with suppress(FileNotFoundError):  # somebody else was faster
            if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
                if not dry_run:
                    path.unlink()
                count += 1
    return count


def arriving() -> list[Path]:
    try:
        return list(incoming().iterdir())
    except FileNotFoundError:
        return []


# --- kept -----------------------------------------------------------------------------
class Movable(File):  # type: ignore[type-arg]
    """A finished file, which a storage on this machine takes over by renaming it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def stored(path: Path, case: WorkflowSession) -> str:
    """Put a finished file into the storage, outside any transaction.

    Returns its name there, which says nothing of what it holds. Raises OSError, as of
    a full disk, and StorageFailed.
    """
    name = f"{FOLDER}/{case.pk}/{uuid4().hex}"
    try:
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            name = default_storage.save(name, Movable(source))
        # Django, where it cannot rename, takes what a full disk cut off for written.
        if default_storage.size(name) != size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_out(name)
    except Exception as error:
        discard(name)
        if isinstance(error, OSError):
            raise
        # Storages elsewhere have exceptions of their own.
        log.warning("an archive cannot be stored: %s", type(error).__name__)
        raise StorageFailed from None
    return name


def write_out(name: str) -> None:
    """Have a stored file outlive a power cut, as the row will that names it.

    On this machine, that is: a storage elsewhere answers for itself. Raises OSError.
    """
    if not isinstance(default_storage, FileSystemStorage):
        return
    path = Path(default_storage.path(name))
    sync(path)
    for folder in path.parents[: name.count("/") + 1]:
        try:
            sync(folder)
        except OSError as error:
            if error.errno not in NO_FOLDERS:
                raise


def sync(path: Path) -> None:
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


@contextmanager
def storing(path: Path, case: WorkflowSession) -> Iterator[str]:
    """Lend the name of the stored file. Raises what ``stored`` raises.

    The block gives it to an archive in a transaction; if it fails, the file goes.
    """
    name = stored(path, case)
    try:
        yield name
    except BaseException:
        # A commit whose answer was lost may have been one: then the purge decides.
        with suppress(Error):
            if not Artifact.objects.filter(file=name).exists():
                discard(name)
        raise


def keep(
    case: WorkflowSession,
    *,
    name: str,
    filename: str,
    size: int,
    sha256: str,
    origin: str,
    by: User | None,
) -> Artifact:
    """Note what is stored as an archive of the case, in the caller's transaction."""
    return Artifact.objects.create(
        account_id=case.account_id,
        session=case,
        origin=origin,
        filename=filename,
        size=size,
        sha256=sha256,
        file=name,
        created_by=by,
    )


def in_mib(done: int, total: int) -> tuple[int, int]:
    """Return bytes as the MiB that a job can count: all of them only at the end."""
    most = -(-total // MIB)
    return (most if done >= total else done // MIB), most


# --- read -----------------------------------------------------------------------------
def open_archive(artifact: Artifact) -> BinaryIO:
    """Return the stored file at its start. Raises MissingArtifact, StorageSilent.

    A storage may bring all of it from elsewhere at the first touch: that is done here,
    and not while somebody waits for the next piece.
    """
    if not artifact.file:
        raise MissingArtifact
    try:
        with answering(), ExitStack() as undo:
            file = undo.enter_context(default_storage.open(artifact.file, "rb"))
            file.seek(0)
            undo.pop_all()
    except FileNotFoundError:
        raise MissingArtifact from None
    return cast(BinaryIO, file)


@contextmanager
def reading(artifact: Artifact) -> Iterator[BinaryIO]:
    """Lend the stored file; whatever breaks as the block reads it is StorageSilent.

    Raises what ``open_archive`` raises.
    """
    with open_archive(artifact) as file:
        yield cast(BinaryIO, Explained(file))


class Explained:
    """A stored file that fails in words."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        with answering():
            return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with answering():
            return self._file.seek(offset, whence)


@contextmanager
def answering() -> Iterator[None]:
    """Say in words that the storage does not.

    Raises StorageSilent, FileNotFoundError.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # each storage has exceptions of its own
        log.warning("an archive cannot be read: %s", type(error).__name__)
        raise StorageSilent from None


def listing(artifact: Artifact) -> Listing:
    """Return what the archive holds, or the first part of it, within seconds.

    Raises MissingArtifact, StorageSilent, ArchiveDamaged.
    """
    if not artifact.file:
        raise MissingArtifact
    found: Listing | None = cache.get(listing_key(artifact.pk))
    if found is None:
        with reading(artifact) as file:
            found = list_archive(file, most=MOST_LISTED, unpacked=MOST_UNPACKED)
        cache.set(listing_key(artifact.pk), found, LISTING_SECONDS)
    return found


def listing_key(pk: UUID) -> str:
    return f"support.listing:{pk}"


# --- deleted --------------------------------------------------------------------------
def delete_artifact(artifact: Artifact, *, by: User) -> None:
    """Delete the archive; the row stays and says since when. Twice is once.

    Raises InUse.
    """
    with transaction.atomic():
        if let_go([artifact.pk]):
            log.info("archive %s was deleted by user %s", artifact.pk, by.pk)
        elif Artifact.objects.filter(pk=artifact.pk, deleted_at__isnull=True).exists():
            raise InUse


def let_go(pks: Collection[UUID]) -> int:
    """Mark archives as deleted, but for those on their way to Jira.

    Their files go after the commit. Returns how many there were.
    """
    with transaction.atomic():
        lock_cases(pks)
        kept = Artifact.objects.filter(pk__in=pks, deleted_at__isnull=True)
        kept = kept.exclude(pk__in=on_their_way())
        locked = kept.select_for_update().order_by("pk")
        files = dict(locked.values_list("pk", "file"))
        Artifact.objects.filter(pk__in=files).update(deleted_at=timezone.now(), file="")
        transaction.on_commit(partial(discard, *files.values()))
        names = [listing_key(pk) for pk in files]
        transaction.on_commit(partial(cache.delete_many, names), robust=True)
    return len(files)


def lock_cases(pks: Collection[UUID]) -> None:
    """Let no attachment of these archives begin before the transaction is over."""
    owners = Artifact.objects.filter(pk__in=pks).values("session_id")
    cases = WorkflowSession.objects.filter(pk__in=owners)
    list(cases.select_for_update().order_by("pk").values_list("pk"))
    states = JiraAttachmentState.objects.filter(session_id__in=owners)
    list(states.select_for_update().order_by("session_id").values_list("pk"))


def on_their_way() -> QuerySet[Artifact]:
    """Return the archives that are sent to Jira now."""
    running = {"report__session__jira__attachment_status": RunStatus.RUNNING}
    return Artifact.objects.filter(**running)


def discard(*names: str) -> None:
    """Delete files that no archive names; what fails here the purge does later."""
    for name in names:
        try:
            default_storage.delete(name)
        except Exception as error:  # each storage has exceptions of its own
            log.warning("a file stays in the storage: %s", type(error).__name__)
