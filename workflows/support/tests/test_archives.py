"""Archives are stored whole, for nobody else to read, and deleted once."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from tests.program import run_python
from workflows.support.actions import archives
from workflows.support.actions.archives import (
    StorageFailed,
    delete_artifact,
    drop_partials,
    incoming,
    listing,
    open_archive,
    receiving,
    remove_forgotten,
    stored,
    storing,
)
from workflows.support.collecting.problems import ArchiveDamaged
from workflows.support.models import Artifact
from workflows.support.problems import MissingArtifact
from workflows.support.tests.make import (
    ARCHIVE,
    make_archive,
    make_case,
    packed,
)
from workflows.support.tests.storages import (  # noqa: F401
    SHA256,
    files_in,
    keep_it,
    memory,
    own_storage,
    read,
    silent,
    use_folder,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]


@pytest.fixture
def case(alice):
    return make_case(alice)


@pytest.fixture
def finished(tmp_path):
    path = tmp_path / "finished"
    path.write_bytes(b"content")
    return path


def mode(path):
    return path.stat().st_mode & 0o777


def make_file(case, path):
    path.write_bytes(b"content")
    return keep_it(case, stored(path, case))


# --- stored ---------------------------------------------------------------------------
def test_a_file_of_this_machine_is_moved_not_copied(case, finished, storage):
    before = finished.stat().st_ino
    name = stored(finished, case)
    [path] = files_in(storage)
    assert path.stat().st_ino == before
    assert not finished.exists()
    assert path.read_bytes() == b"content"
    assert path.relative_to(storage) == Path(name)
    assert path.parent == storage / "support" / str(case.pk)
    assert len(path.name) == 32


def test_nobody_else_can_read_it(case, finished, storage):
    finished.chmod(0o644)
    stored(finished, case)
    [path] = files_in(storage)
    assert mode(path) == 0o600
    for folder in (path.parent, storage / "support", storage):
        assert mode(folder) == 0o700


def test_two_of_one_name_are_two(case, tmp_path):
    one, two = (make_file(case, tmp_path / "file") for _ in "ab")
    assert one.file != two.file
    assert read(one) == read(two) == b"content"


@pytest.mark.usefixtures("in_memory")
def test_a_storage_needs_no_path(case, django_capture_on_commit_callbacks):
    with receiving("job") as file:
        file.write(packed())
        with storing(file.path, case) as name:
            artifact = keep_it(case, name)
    assert not file.path.exists()
    assert read(artifact) == packed()
    assert [entry.name for entry in listing(artifact).entries] == [
        "sosreport-web-1/etc/hostname"
    ]
    with django_capture_on_commit_callbacks(execute=True):
        delete_artifact(artifact, by=case.created_by)
    assert not default_storage.exists(name)


@pytest.mark.usefixtures("away")
def test_what_a_storage_says_reaches_nobody(case, finished, caplog):
    with pytest.raises(StorageFailed) as failure:
        stored(finished, case)
    assert failure.value.__cause__ is None
    assert finished.exists()
    assert caplog.messages == [
        "a file stays in the storage: Away",
        "an archive cannot be stored: Away",
    ]


@pytest.mark.parametrize("size", [900_000, 620_000])
def test_a_disk_that_is_full_keeps_no_part(case, settings, small_disk, tmp_path, size):
    """Of the second size all but the end of the last piece finds room."""
    use_folder(settings, small_disk / "files")
    path = tmp_path / "large"
    path.write_bytes(os.urandom(size))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        stored(path, case)
    assert files_in(small_disk) == []


def test_another_disk_takes_a_copy(case, settings, small_disk, finished):
    use_folder(settings, small_disk / "files")
    stored(finished, case)
    assert not finished.exists()
    [path] = files_in(small_disk)
    assert (path.read_bytes(), mode(path)) == (b"content", 0o600)


@pytest.mark.parametrize("where", ["here", "on another disk"])
def test_what_is_stored_outlives_a_power_cut(
    case, settings, storage, small_disk, finished, monkeypatch, where
):
    """The file that is kept, be it a copy, and every folder on the way to it."""
    folder = storage if where == "here" else small_disk / "files"
    use_folder(settings, folder)
    written = []

    def noting(place, real=os.fsync):
        real(place)
        written.append(Path(f"/proc/self/fd/{place}").readlink())

    monkeypatch.setattr(os, "fsync", noting)
    path = folder / stored(finished, case)
    assert set(written) == {path, path.parent, folder / "support", folder}


def refuse_folders(monkeypatch, code):
    def refusing(place, real=os.fsync):
        if Path(f"/proc/self/fd/{place}").is_dir():
            raise OSError(code, os.strerror(code))
        real(place)

    monkeypatch.setattr(os, "fsync", refusing)


def test_a_folder_that_cannot_be_written_out_is_no_failure(case, finished, monkeypatch):
    """Some file systems of a network refuse that for folders, and keep them so."""
    refuse_folders(monkeypatch, errno.EINVAL)
    assert read(keep_it(case, stored(finished, case))) == b"content"


def test_a_disk_that_breaks_keeps_nothing(case, storage, finished, monkeypatch):
    refuse_folders(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        stored(finished, case)
    assert files_in(storage) == []


def test_it_is_noted_in_the_callers_transaction(case, finished):
    name = stored(finished, case)
    with transaction.atomic():
        keep_it(case, name)
        transaction.set_rollback(True)
    assert not Artifact.objects.exists()
    artifact = keep_it(case, name)
    artifact.refresh_from_db()
    assert (artifact.account, artifact.session) == (case.account, case)
    assert (artifact.origin, artifact.filename) == ("uploaded", ARCHIVE)
    assert (artifact.size, artifact.sha256, artifact.file) == (7, SHA256, name)
    assert (artifact.created_by, artifact.deleted_at) == (case.created_by, None)


def test_what_cannot_be_noted_leaves_no_file(case, finished, storage):
    with (
        pytest.raises(IntegrityError),
        storing(finished, case) as name,
        transaction.atomic(),
    ):
        keep_it(case, name, sha256="")
    assert files_in(storage) == []


def test_a_commit_whose_answer_was_lost_loses_no_file(case, finished, storage):
    with pytest.raises(ZeroDivisionError), storing(finished, case) as name:  # noqa: PT012
        artifact = keep_it(case, name)
        raise ZeroDivisionError
    assert read(artifact) == b"content"


def test_a_database_that_is_away_decides_nothing(case, finished, storage):
    store = storing(finished, case)
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), store:  # noqa: PT012
            transaction.set_rollback(True)
            raise ZeroDivisionError
        transaction.set_rollback(False)
    assert len(files_in(storage)) == 1


SHOW = """
from django.core.files.storage import default_storage as s
mode = s.file_permissions_mode
print(s.__class__.__name__, s.location, oct(mode or 0))
"""


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, "FileSystemStorage {data}/files 0o600"),
        ({"FILES_DIR": "/srv/files"}, "FileSystemStorage /srv/files 0o600"),
        (
            {
                "FILES_STORAGE": "django.core.files.storage.InMemoryStorage",
                "FILES_OPTIONS": '{"location": "/bucket"}',
            },
            "InMemoryStorage /bucket 0o644",
        ),
    ],
    ids=["as it comes", "another folder", "another storage"],
)
def test_another_storage_may_be_set(tmp_path, environment, found):
    values = {"DEBUG": "1", "DATA_DIR": str(tmp_path), **environment}
    done = run_python("manage.py", "shell", "--no-imports", "-c", SHOW, **values)
    assert done.stdout.strip() == found.format(data=tmp_path), done.stderr


# --- on its way -----------------------------------------------------------------------
def test_what_arrives_is_private_and_there_at_once():
    with receiving("a.1") as file:
        assert file.path == incoming() / "a.1.part"
        assert (mode(file.path), mode(incoming())) == (0o600, 0o700)
        assert file.write(b"con") == 3
        assert file.write(memoryview(b"tent")) == 4
        assert file.path.read_bytes() == b"content"
    assert file.closed
    assert files_in(incoming()) == []


def test_it_is_gone_however_the_block_ends():
    for error in (ZeroDivisionError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), receiving("a.1") as file:
            raise error
        assert file.closed
        assert files_in(incoming()) == []


def test_what_lies_in_its_place_is_neither_followed_nor_removed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"theirs")
    incoming().mkdir()
    (incoming() / "a.1.part").symlink_to(secret)
    with pytest.raises(FileExistsError), receiving("a.1"):
        pytest.fail("it was lent")
    assert secret.read_bytes() == b"theirs"
    assert (incoming() / "a.1.part").is_symlink()


def test_a_full_disk_is_noticed(settings, small_disk):
    settings.DATA_DIR = small_disk
    with (
        pytest.raises(OSError, match=os.strerror(errno.ENOSPC)),
        receiving("a.1") as file,
    ):
        file.write(os.urandom(800_000))
    assert files_in(small_disk) == []


def test_partials_go_by_the_beginning_of_their_names():
    drop_partials("a")  # there is no folder yet
    incoming().mkdir()
    for name in ("a.1.part", "a.2.part", "b.1.part", "a.upload"):
        (incoming() / name).touch()
    drop_partials("a.")
    assert {path.name for path in files_in(incoming())} == {"b.1.part", "a.upload"}


def test_what_killed_processes_left_goes_after_a_day(tmp_path, monkeypatch):
    assert remove_forgotten() == 0
    incoming().mkdir()
    old, young, upload = (incoming() / n for n in ("a.part", "b.part", "x.upload"))
    for path in (old, young, upload):
        path.touch()
    for path in (old, upload):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    os.utime(young, (time.time() - 23 * 3600,) * 2)
    assert remove_forgotten(dry_run=True) == 2
    assert old.exists()
    monkeypatch.setattr(archives, "arriving", lambda: [tmp_path / "gone", old])
    assert remove_forgotten() == 1  # somebody else took the first one
    monkeypatch.undo()
    with receiving("c"):
        assert not upload.exists()
    assert files_in(incoming()) == [young]


# --- opened and looked through --------------------------------------------------------
def test_what_is_gone_is_missing(case):
    artifact = make_archive(case)
    assert read(artifact) == packed()
    default_storage.delete(artifact.file)
    for ask in (open_archive, listing):
        with pytest.raises(MissingArtifact):
            ask(artifact)


def test_a_listing_is_made_once(case):
    artifact = make_archive(case, content=packed(etc__hosts=b"x" * 9, etc__fstab=b""))
    made = listing(artifact)
    assert [(entry.name[-10:], entry.size) for entry in made.entries] == [
        ("/etc/hosts", 9),
        ("/etc/fstab", 0),
    ]
    assert not made.truncated
    default_storage.delete(artifact.file)
    assert listing(artifact) == made


@pytest.mark.parametrize(("limit", "value"), [("MOST_LISTED", 1), ("MOST_UNPACKED", 1)])
def test_a_long_listing_says_that_it_is_cut(case, monkeypatch, limit, value):
    artifact = make_archive(case, content=packed(a=b"x" * 600_000, b=b"", c=b""))
    monkeypatch.setattr(archives, limit, value)
    found = listing(artifact)
    assert found.truncated
    assert len(found.entries) <= 1


def test_a_damaged_archive_is_no_listing(case):
    content = packed(a=os.urandom(9000))[:5000]
    for _ in "ab":
        with pytest.raises(ArchiveDamaged):
            listing(make_archive(case, content=content))
