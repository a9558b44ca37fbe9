"""Storages of a test's own: a folder, memory, one that is away; and what is in them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage

from workflows.support.actions.archives import keep, open_archive
from workflows.support.models import Artifact, WorkflowSession
from workflows.support.tests.make import ARCHIVE

MIB = 1024**2
SHA256 = hashlib.sha256(b"content").hexdigest()


class Silent(InMemoryStorage):
    """Elsewhere, and away, in the words of a library that we do not know."""

    class Away(Exception):
        """As boto3's, it is none of Python's own."""

    def _save(self, name: str, content: Any) -> str:
        raise self.Away(name)

    def delete(self, name: str) -> None:
        raise self.Away(name)


class Distant(InMemoryStorage):
    """Elsewhere, as S3 is: a file comes whole, at its first touch."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.do("opening")
        with super()._open(name, mode) as file:  # type: ignore[misc]
            return Coming(file.read())

    @staticmethod
    def do(what: str) -> None:
        """Break where a test says so: "opening", "coming", "reading" a second MiB."""


class Coming(io.BytesIO):
    """A file that is not here before somebody touches it."""

    def read(self, size: int | None = -1, /) -> bytes:
        Distant.do("coming")
        if self.tell() >= MIB:
            Distant.do("reading")
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        Distant.do("coming")
        return super().seek(offset, whence)


def use(settings: Any, backend: str, **options: Any) -> None:
    default = {"BACKEND": backend, "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"default": default}


def use_folder(settings: Any, folder: Path) -> None:
    """Keep files in a folder, with the product's own options."""
    ours = settings.STORAGES["default"]
    use(settings, ours["BACKEND"], **ours["OPTIONS"] | {"location": str(folder)})


@pytest.fixture(name="storage")
def own_storage(settings: Any, tmp_path: Path) -> Path:
    """Return the folder of a storage of this test's own."""
    settings.DATA_DIR = tmp_path
    use_folder(settings, tmp_path / "files")
    return tmp_path / "files"


@pytest.fixture(name="in_memory")
def memory(storage, settings) -> None:
    """Keep files where no path leads."""
    use(settings, "django.core.files.storage.InMemoryStorage")


@pytest.fixture(name="away")
def silent(storage, settings) -> None:
    """Have a storage that answers nothing."""
    use(settings, f"{__name__}.Silent")


@pytest.fixture(name="distant")
def elsewhere(storage, settings) -> type[Distant]:
    """Keep files elsewhere, where reading them may break."""
    use(settings, f"{__name__}.Distant")
    return Distant


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# --- archives -------------------------------------------------------------------------
def keep_it(case: WorkflowSession, name: str, **over: Any) -> Artifact:
    """Note a stored file of seven bytes as the case's archive."""
    values: dict[str, Any] = {"filename": ARCHIVE, "size": 7, "sha256": SHA256}
    values["by"] = case.created_by
    return keep(case, name=name, origin="uploaded", **values | over)


def read(artifact: Artifact) -> bytes:
    with open_archive(artifact) as file:
        return file.read()
