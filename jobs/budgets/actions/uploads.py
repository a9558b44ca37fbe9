"""A file between its upload and the answer to what its reader has to be asked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

FOLDER = "uploads"
# Who has not answered by then uploads it again.
KEPT_FOR = timedelta(days=1)
LONGEST_SUFFIX = 10


class UploadGone(Exception):
    """The file is no longer kept: it has to be given again."""


def keep_upload(upload: File[bytes]) -> str:
    """Store the file under a name that nobody guesses; forget what others left."""
    forget_old()
    suffix = Path(upload.name or "").suffix.lower()[:LONGEST_SUFFIX]
    return default_storage.save(f"{FOLDER}/{uuid4().hex}{suffix}", upload)


def open_upload(name: str) -> BinaryIO:
    """Return the kept file. Raises UploadGone."""
    try:
        return cast(BinaryIO, default_storage.open(name, "rb"))
    except FileNotFoundError:
        raise UploadGone from None


def drop_upload(name: str) -> None:
    default_storage.delete(name)


def forget_old() -> None:
    """Delete what nobody came back for."""
    try:
        _folders, names = default_storage.listdir(FOLDER)
    except FileNotFoundError:
        return
    for name in names:
        path = f"{FOLDER}/{name}"
        try:
            age = timezone.now() - default_storage.get_modified_time(path)
        except FileNotFoundError:
            continue  # somebody else was faster
        if age > KEPT_FOR:
            default_storage.delete(path)
