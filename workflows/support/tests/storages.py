"""Storages of a test's own: a folder, memory, one that is away; and what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage

from workflows.support.actions.archives import keep, open_archive
from workflows.support.models import Artifact, JiraAttachmentState, WorkflowSession
from workflows.support.tests.make import ARCHIVE, jira_of, make_connection

SHA256 = hashlib.sha256(b"content").hexdigest()


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


# --- archives -------------------------------------------------------------------------
def keep_it(case: WorkflowSession, name: str, **over: Any) -> Artifact:
    """Note a stored file of seven bytes as the case's archive."""
    values: dict[str, Any] = {"filename": ARCHIVE, "size": 7, "sha256": SHA256}
    values["by"] = case.created_by
    return keep(case, name=name, origin="uploaded", **values | over)


def read(artifact: Artifact) -> bytes:
    with open_archive(artifact) as file:
        return file.read()


def start_attaching(case: WorkflowSession) -> None:
    """Have the case's archive on its way to Jira."""
    with JiraAttachmentState.moving(jira_of(case).pk, by=case.created_by) as row:
        row.connection = make_connection(case.created_by)
        row.issue_key, row.issue_access_verified = "ABC-1", True
        row.attach()
