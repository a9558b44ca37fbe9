"""A support case in the middle of what goes wrong, and what is left of it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

from tests.faults.ground import Driver, Ground
from tests.faults.ledger import LIMIT_SECONDS
from tests.sshd import Sshd
from workflows.support.tests.conftest import BEGIN, FAKES, Copy

GENERATE = "support.generate_sosreport"
FETCH = "support.fetch_sosreport"
ATTACH = "support.jira_attach_artifact"
MIB = 1024**2
KEY = "ABC-1"
# As long as the test holds it, sos starts what never ends; else it makes an archive.
HELD = """
if [ -e "${0%/*}/hold" ]; then
    : endless
    exit 1
fi
"""
GOOD = """
head -c 1000 /dev/urandom >"$work/in"
tar -C "$work" -cf "$work/sosreport-x.tar" in
"""


class Scene:
    """One case, the host it is about, and the processes that work for it."""

    def __init__(self, ground: Ground, copy: Copy) -> None:
        self.ground, self.copy = ground, copy
        self.folder = Path(copy.wrapper).parent
        ground.environment |= {"SOS_WRAPPER": copy.wrapper, "SOS_SPOOL": copy.spool}
        self.case = ""
        self._driver: Driver | None = None

    # --- sos --------------------------------------------------------------------------
    def program(self, size: int = 1000) -> None:
        """Put a program in the place of sos, whose archive holds so many bytes."""
        endless = HELD.replace(": endless", FAKES["endless"])
        good = GOOD.replace("1000", str(size))
        (self.folder / "sos").write_text(BEGIN + endless + good)

    def hold(self) -> None:
        (self.folder / "hold").touch()

    def let_go(self) -> None:
        (self.folder / "hold").unlink()

    # --- people -----------------------------------------------------------------------
    @property
    def driver(self) -> Driver:
        if self._driver is None:
            self._driver = self.ground.driver()
        return self._driver

    def ask(self, what: str, **arguments: Any) -> Any:
        answer = self.driver.ask(what, case=self.case, **arguments)
        assert answer is not None, f"{what}: it died\n{self.ground.said()}"
        return answer

    def begin(self, transport: str = "local", **place: Any) -> None:
        answer = self.driver.ask("begin", transport=transport, **place)
        assert answer, self.ground.said()
        self.case = answer["case"]

    def begin_over_ssh(self, server: Sshd, port: int | None = None) -> None:
        key = server.private_key.reveal()
        place = {"address": server.address, "port": port or server.port}
        place |= {"username": "root", "host_key": server.host_key}
        self.begin("ssh", private_key=key, **place)

    def generate(self, *only: str) -> str:
        return str(self.ask("generate", only=only)["job"])

    def bring(self, size: int) -> Path:
        """Bring an archive of so many bytes and some along, up to Jira."""
        path = self.folder / "sosreport-brought.tar"
        member = tarfile.TarInfo("in")
        member.size = size
        with tarfile.open(path, "w") as tar:
            tar.addfile(member, io.BytesIO(os.urandom(size)))
        self.begin("upload")
        self.ask("bring", path=str(path))
        return path

    # --- the case ---------------------------------------------------------------------
    def said(self) -> tuple[str, str, str]:
        """Return how the case stands: step, where it failed, code."""
        columns = "current_step, failed_step, last_error_code"
        step, failed_step, code = self.row(columns, "workflowsession")
        return step, failed_step, code

    def words(self) -> str:
        return str(self.row("last_error_text", "workflowsession"))

    def of_report(self, columns: str) -> Any:
        return self.row(columns, "sosreportstate", "session_id")

    def of_jira(self, columns: str) -> Any:
        return self.row(columns, "jiraattachmentstate", "session_id")

    def row(self, columns: str, table: str, by: str = "id") -> Any:
        sql = f"SELECT {columns} FROM workflows_{table} WHERE {by} = ?"  # noqa: S608
        return self.ground.ledger.one(sql, self.case)

    def moves(self) -> list[str]:
        """Return what the case went through, in order."""
        sql = "SELECT name FROM workflows_move WHERE object_id = ? ORDER BY id"
        return [name for (name,) in self.ground.ledger.rows(sql, self.case)]

    # --- its jobs ---------------------------------------------------------------------
    def jobs(self) -> list[tuple[str, str, int]]:
        """Return type, status and attempts of its jobs, in order."""
        sql = """SELECT type, status, attempt FROM jobs_job WHERE subject_id = ?
            ORDER BY id"""
        return list(self.ground.ledger.rows(sql, self.case))

    def runs(self, type: str) -> bool:
        return any(row[:2] == (type, "running") for row in self.jobs())

    def outcomes(self) -> dict[str, int]:
        return self.ground.ledger.outcomes()

    # --- what is there ----------------------------------------------------------------
    @property
    def data(self) -> Path:
        return Path(self.ground.environment["DATA_DIR"])

    def incoming(self) -> list[Path]:
        return inside(self.data / "incoming")

    def files(self) -> list[Path]:
        """Return what is in the storage."""
        place = self.ground.environment.get("FILES_DIR", str(self.data / "files"))
        return [path for path in Path(place).rglob("*") if path.is_file()]

    def nothing_left(self) -> bool:
        """Is there no process of a report, no run on the host, no part of a file?"""
        left = inside(Path(self.copy.spool)) + self.incoming()
        return not left and not self.copy.working()

    def has_one_archive(self) -> bool:
        """Is there one, as its host has promised it, and nothing else?

        A job has succeeded before what it leaves on the host is removed.
        """
        sql = "SELECT size, sha256, file FROM workflows_artifact"
        size, sha256, name = self.ground.ledger.one(sql)
        [path] = self.files()
        assert str(path).endswith(name)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        assert (path.stat().st_size, found) == (size, sha256)
        promised = self.of_report("archive_size, archive_sha256, fetch_status")
        assert promised == (size, sha256, "succeeded")
        return bool(self.ground.wait("nothing is left", self.nothing_left))


def inside(folder: Path) -> list[Path]:
    """Return what is in a folder, which may not have been made yet."""
    return list(folder.iterdir()) if folder.exists() else []


def processes_of(scene: Scene) -> list[int]:
    """Return the wrapper with all that descends from it, as root sees them."""
    found = list(scene.copy.working())
    for process in list(found):
        found += process.children(recursive=True)
    return sorted({process.pid for process in found})


def recovered(scene: Scene, fault: float, name: str, *more: str) -> str:
    """Put into words how long work stood still. Raises AssertionError if too long."""
    ledger = scene.ground.ledger
    longest = ledger.recovery(fault)
    words = "; ".join(
        [
            f"{name}: longest recovery {longest:.1f} s of {LIMIT_SECONDS:.0f} s",
            f"{ledger.repeated()} runs repeated",
            *more,
        ]
    )
    assert longest <= LIMIT_SECONDS, "\n".join([words, *ledger.story(fault)])
    return words
