"""actualpy's client, made safe for money that others edit at the same time.

Where it differs, and why:
- ``sync`` finds what is missing by the Merkle trie: by the clock alone, what another
  device did offline before our last sync would never be seen.
- ``push`` sends first and writes locally what comes back: the private copy is never
  ahead of the server, so that a push that fails leaves nothing to lose or to repeat.
- The logical clock has an id of its own: actualpy goes on with the id of whoever wrote
  last, and the server drops the second of two messages with one timestamp.
- Archives are unpacked with limits, and migrations that would lose data are refused.
"""

from __future__ import annotations

import json
import ssl
import warnings
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import httpx
from actual import Actual
from actual.api.models import LoginDTO, RemoteFileListDTO
from actual.crypto import create_key_buffer, decrypt_from_meta
from actual.exceptions import ActualDecryptionError, ActualError, UnknownFileId
from actual.protobuf_models import HULC_Client, Message, SyncRequest
from actual.utils.changeset import Changeset
from django.utils.translation import gettext as _

from jobs.budgets.ledger import files
from jobs.budgets.ledger.explaining import TooNew, answered, too_large
from jobs.budgets.ledger.merkle import EPOCH, first_difference
from jobs.budgets.ledger.records import RemoteFile
from workflows.core.errors import UserFixable
from workflows.core.secrets import Secret

# Seconds for each: to connect, and for the server to say the next few bytes.
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
FORM_TIMEOUT = httpx.Timeout(10.0)  # while a person waits for a page
NEVER = "9999-12-31T23:59:59.999Z-FFFF-FFFFFFFFFFFFFFFF"  # after every message
MOST = 512 * 1024**2  # bytes of one answer; budgets are packed to a few megabytes
DATABASE = files.DATABASE
Cell = tuple[str, str, str, str | int | None]  # table, row's id, column, value


@dataclass(frozen=True)
class Server:
    """Where a budget is, and what opens it. Raises UserFixable for an unusable URL."""

    url: str
    password: Secret
    file_id: str
    encryption_password: Secret | None = None
    ca_file: Path | None = None  # certificate authorities to trust besides the system's
    verify: bool = field(default=True)  # False: take any certificate

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", clean_url(self.url))


def clean_url(url: str) -> str:
    """Return the address without a final slash. Raises UserFixable."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _port = parts.port  # raises where it is no number
    except ValueError:
        usable = False
    if not usable:
        raise UserFixable(
            _("That is not a server's address. It begins with http:// or https://.")
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserFixable(
            _(
                "Give the address alone: without a user name, a password, or anything "
                "behind a ? or #."
            )
        )
    return url.strip().rstrip("/")


class Client(Actual):
    """One connection to a server, with a private copy of one budget."""

    def __init__(
        self,
        server: Server,
        folder: Path | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        context = ssl.create_default_context(cafile=server.ca_file)
        if server.ca_file is not None:
            context.load_default_certs()
        if not server.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        secret = server.encryption_password
        try:
            super().__init__(
                server.url,
                password=server.password.reveal(),
                encryption_password=secret.reveal() if secret else None,
                data_dir=folder,
                cert=context,
                timeout=timeout,
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if getattr(self, "engine", None) is not None:
            self.__exit__(None, None, None)
        elif hasattr(self, "_requests_session"):
            self._requests_session.close()

    def login(self, password: Any = None, method: Any = "password") -> LoginDTO:
        """Log in; a refusal to answer is not taken for a wrong password."""
        self._requests_session.event_hooks = {"response": [refuse]}
        return super().login(password, method)

    # --- the file ------------------------------------------------------------------

    def files(self) -> list[RemoteFileListDTO]:
        return [file for file in self.list_user_files().data if not file.deleted]

    def choose(self, file_id: str) -> None:
        """Choose by id: by name, as actualpy also does, another file might match."""
        for file in self.files():
            if file_id in {file.file_id, file.group_id}:
                self.set_file(file)
                return
        raise UnknownFileId

    def download_master_encryption_key(self, encryption_password: str | None) -> Any:
        """Derive the key and try it: without new messages nothing else would."""
        if not self.file.encrypt_key_id:
            return None
        if not encryption_password:
            raise ActualDecryptionError
        key = self.user_get_key(self.file.file_id).data
        if key.salt is None:
            raise ActualDecryptionError
        self._master_key = create_key_buffer(encryption_password, key.salt)
        if (test := key.meta()) is not None:
            decrypt_from_meta(self._master_key, b64decode(test.value), test.meta)
        return self._master_key

    def import_zip(self, file_bytes: str | PathLike[str] | IO[bytes]) -> None:
        files.unpack(file_bytes, self.data_dir)
        self.create_engine()

    def create_engine(self) -> None:
        super().create_engine()
        files.check_database(self.data_dir / DATABASE)
        clock = self._sync_client
        self._hulc_client = HULC_Client(None, clock.initial_count, clock.ts)

    def run_migrations(self, migration_files: list[str]) -> None:
        """Bring the private copy to the server's schema, or refuse.

        Raises TooNew where a program would have to be run, or where the budget has
        seen a newer Actual than both the server and this package.
        """
        done, known = (
            files.migrations(self.data_dir / DATABASE),
            files.blank_migrations(),
        )
        offered = {
            int(Path(name).name.split("_")[0]): name
            for name in migration_files
            if name.startswith("migrations/")
        }
        programs = {key for key, name in offered.items() if name.endswith(".js")}
        if (programs - done - known) or (done - known - offered.keys()):
            raise TooNew
        if not offered.keys() - done:
            return
        with warnings.catch_warnings():
            # Of old programs only the tables matter here, not the reports they fill.
            warnings.simplefilter("ignore")
            super().run_migrations(migration_files)

    # --- messages ------------------------------------------------------------------

    def sync(self) -> list[Changeset]:
        """Fetch and write down every message that the private copy lacks."""
        theirs = json.loads(self.ask(NEVER).merkle or "{}")
        since = first_difference(self.merkle(), theirs)
        if since is None:
            return []
        # Just before that minute's first possible message: `since` is exclusive.
        stamp = max(since, EPOCH).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        answer = self.ask(f"{stamp}-0000-0000000000000000")
        changes = self.apply_changes(answer.get_messages(self._master_key))
        if answer.messages:
            last = HULC_Client.from_timestamp(answer.messages[-1].timestamp)
            mine = self._sync_client
            if mine.ts is None or (last.ts or mine.ts, last.initial_count) > (
                mine.ts,
                mine.initial_count,
            ):
                mine.ts, mine.initial_count = last.ts, last.initial_count
        self.remember(json.loads(answer.merkle or "{}"))
        return changes

    def ask(self, since: str, messages: Iterable[Message] = ()) -> Any:
        request = SyncRequest(
            {"fileId": self.file.file_id, "groupId": self.file.group_id, "since": since}
        )
        if self.file.encrypt_key_id:
            request.keyId = self.file.encrypt_key_id
        request.set_messages(list(messages), self._sync_client, self._master_key)
        return self.sync_sync(request)

    def push(self, cells: Iterable[Cell]) -> None:
        """Send new values, all or none; the next ``sync`` brings them here."""
        messages = []
        for table, row, column, value in cells:
            message = Message({"dataset": table, "row": row, "column": column})
            message.set_value(value)
            messages.append(message)
        self.ask(NEVER, messages)

    def merkle(self) -> dict[str, Any]:
        return dict(self.clock().get("merkle") or {})

    def clock(self) -> dict[str, Any]:
        """Return the clock that the database holds; an empty one after a reset."""
        with closing(files.connect(self.data_dir / DATABASE)) as database:
            row = database.execute("SELECT clock FROM messages_clock").fetchone()
        if row is None or self.get_metadata().get("resetClock"):
            return {}
        return dict(json.loads(row[0]))

    def remember(self, merkle: dict[str, Any]) -> None:
        """Note what the private copy holds now, after it does."""
        clock = json.dumps({"timestamp": str(self._sync_client), "merkle": merkle})
        with closing(files.connect(self.data_dir / DATABASE)) as database, database:
            database.execute("DELETE FROM messages_clock")
            database.execute("INSERT INTO messages_clock VALUES (1, ?)", [clock])
        self.update_metadata({"resetClock": False})


REFUSALS = {httpx.codes.NOT_FOUND, httpx.codes.TOO_MANY_REQUESTS}


def refuse(response: httpx.Response) -> None:
    """Raise on what actualpy would take for something else."""
    status = response.status_code
    if status in REFUSALS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        response.read()
        response.raise_for_status()
    if response.is_redirect:
        raise ValueError("redirected")
    response.stream = Limited(response.stream)


class Limited(httpx.SyncByteStream):
    """An answer that ends: no server fills our memory."""

    def __init__(self, stream: object) -> None:
        assert isinstance(stream, httpx.SyncByteStream)  # noqa: S101
        self.stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for block in self.stream:
            size += len(block)
            if size > MOST:
                raise too_large()
            yield block

    def close(self) -> None:
        self.stream.close()


@answered
def connect(server: Server, folder: Path, *, fresh: bool) -> Client:
    """Open the budget with a private copy in the folder; reuse what is there.

    Raises Problem.
    """
    if fresh:
        files.clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    client = Client(server, folder)
    try:
        client.choose(server.file_id)
        if not usable(client, folder):
            files.clear(folder)
        client.download_budget()
    except BaseException:
        client.close()
        raise
    return client


def usable(client: Client, folder: Path) -> bool:
    """Is there an earlier download, whole, and of the same history?"""
    try:
        files.check_database(folder / DATABASE)
        same: bool = client.get_metadata().get("groupId") == client.file.group_id
    except (OSError, ValueError, ActualError, UserFixable):
        return False
    return same


@answered
def list_files(
    url: str, password: Secret, *, ca_file: Path | None = None, verify: bool = True
) -> list[RemoteFile]:
    """Return the budgets of a server, for a form that connects one. Raises Problem."""
    server = Server(url, password, "", None, ca_file, verify)
    client = Client(server, timeout=FORM_TIMEOUT)
    with closing(client):
        return [
            RemoteFile(
                file_id=file.file_id,
                name=file.name,
                encrypted=file.encrypt_key_id is not None,
                group_id=file.group_id,
            )
            for file in client.files()
        ]
