"""Storages of a test's own: in a folder, in memory, and one that does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage


class Silent(InMemoryStorage):
    """Elsewhere, and away, in the words of a library that we do not know."""

    class Away(Exception):
        """As boto3's, it is none of Python's own."""

    def _save(self, name: str, content: Any) -> str:
        raise self.Away(name)

    def delete(self, name: str) -> None:
        raise self.Away(name)


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


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
