"""Copies of a budget, and new budgets made of them. No budget is ever overwritten."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from actual.crypto import create_key_buffer, encrypt, make_salt

from jobs.budgets.ledger import files
from jobs.budgets.ledger.client import Client, Server
from jobs.budgets.ledger.explaining import answered, explained
from jobs.budgets.ledger.ledger import Ledger, copy_of, unpacked
from jobs.budgets.ledger.records import ImportFacts, RemoteFile, SnapshotFacts
from workflows.core.secrets import Secret


def snapshot(source: Server | Ledger, path: Path) -> SnapshotFacts:
    """Write the budget as it is into an archive, whole or not at all. Raises Problem.

    A server's is downloaded for it, with every change that the server knows.
    """
    if isinstance(source, Server):
        with copy_of(source) as ledger:
            return snapshot(ledger, path)
    source.export(path)
    return facts(source, path)


@explained
def facts(ledger: Ledger, path: Path) -> SnapshotFacts:
    with path.open("rb") as archive:
        digest = hashlib.file_digest(archive, "sha256").hexdigest()
    return SnapshotFacts(digest, path.stat().st_size, ledger.counts())


@explained
def restore_file(archive: Path, destination: Path, name: str) -> ImportFacts:
    """Make a new budget of our own from a snapshot, or from Actual's export.

    Raises UserFixable for what is no budget, AdminRequired for one that is too new.
    """
    with renewed(archive, name) as folder:
        counts = Ledger(folder).counts()
        files.pack(folder, destination)
    return ImportFacts("actual", counts)


@answered
def restore_to_server(
    archive: Path,
    url: str,
    password: Secret,
    name: str,
    *,
    encryption_password: Secret | None = None,
    ca_file: Path | None = None,
    verify: bool = True,
) -> RemoteFile:
    """Upload a snapshot as a new budget of the server. Raises Problem.

    An encrypted one never reaches the server in the clear.
    """
    server = Server(url, password, str(uuid.uuid4()), None, ca_file, verify)
    with closing(Client(server)) as client, renewed(archive, name) as folder:
        content = packed(folder)
        if encryption_password is not None:
            upload_encrypted(client, server.file_id, name, content, encryption_password)
        else:
            client.upload_user_file(content, server.file_id, quote(name))
        client.choose(server.file_id)
        return RemoteFile(
            file_id=server.file_id,
            name=client.file.name,
            encrypted=client.file.encrypt_key_id is not None,
            group_id=client.file.group_id,
        )


def upload_encrypted(
    client: Client, file_id: str, name: str, content: bytes, password: Secret
) -> None:
    """A key can be set for a file that exists only: an empty one goes before."""
    with tempfile.TemporaryDirectory(prefix="handrail-budget-") as folder:
        files.make_blank(Path(folder), name)
        client.upload_user_file(packed(Path(folder)), file_id, quote(name))
    key_id, salt = str(uuid.uuid4()), make_salt()
    client.user_create_key(file_id, key_id, password.reveal(), salt)
    sealed = encrypt(key_id, create_key_buffer(password.reveal(), salt), content)
    client.reset_user_file(file_id)
    client.upload_user_file(b64decode(sealed.value), file_id, quote(name), sealed.meta)


@contextmanager
def renewed(archive: Path, name: str) -> Iterator[Path]:
    """Lend a folder with the budget of an archive, cut off from where it came from."""
    with tempfile.TemporaryDirectory(prefix="handrail-budget-") as temporary:
        folder = Path(temporary)
        unpacked(archive, folder)
        files.renew(folder, name)
        yield folder


def packed(folder: Path) -> bytes:
    """Return the archive's bytes."""
    target = folder / "upload.zip"
    files.pack(folder, target)
    try:
        return target.read_bytes()
    finally:
        target.unlink()
