"""Makes a report on a host and brings it here, through the wrapper that root owns."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.core.errors import Problem
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import (
    ANSWERED,
    CopyFailed,
    DependencyMissing,
    DiskFull,
    HostUnreachable,
    PathUnsafe,
    PrivilegeRequired,
    ReportProblem,
    TimedOut,
    Unexpected,
    of_check,
    unwritable,
)
from workflows.support.collecting.shell import ProgramMissing, Running, Shell

log = logging.getLogger("handrail.support")

VERSION = 1  # of the wrapper that we speak to
RUN_ID = re.compile(r"[0-9a-f]{32}")
# One name: no folder, and nothing that could not be shown or stored.
NAMED = r"[^/\x00-\x1f\x7f\ud800-\udfff]+"
ARCHIVE = re.compile(rf"sosreport-{NAMED}\.tar(\.{NAMED})?")
SHA256 = re.compile(r"[0-9a-f]{64}")
SOS_VERSION = re.compile(r"[0-9A-Za-z.+~-]{1,40}")
# What people are told to run as root is never the host's own text.
INSTALLING = ("apt-get install sosreport", "dnf install sos")
LONGEST_NAME = 255  # characters
MOST_BYTES = 2**63 - 1  # of an archive, that a column takes
MOST_PLUGINS = 100_000  # that are counted
LEAST_FREE = 512 * 1024**2  # bytes; a small report with its copy takes about that
CHUNK = 1024**2  # bytes
LONGEST_LINE = 65536  # bytes
MOST_SAID = 10  # lines beside the answers of a command that are logged
TICK_SECONDS = 1.0  # between two chances to stop
ASK_SECONDS = 30.0  # for a check, that somebody waits for
CLEAN_SECONDS = 20.0  # to end a run on the host and remove it, for its worker waits
LEAVE_SECONDS = 5.0  # in which a command is gone that has answered
MARGIN_SECONDS = 60.0  # that the host has to end a report by itself
END_SECONDS = 16.0  # in which a report that has to stop is gone; the wrapper takes 15
Progress = Callable[[int, int | None, str], None]

PHASES = {
    "preparing": gettext_lazy("Preparing"),
    "collecting": gettext_lazy("Collecting"),
    "masking": gettext_lazy("Masking names"),
    "packing": gettext_lazy("Packing"),
    "checking": gettext_lazy("Checking the archive"),
}


@dataclass(frozen=True, slots=True)
class Installed:
    """Where an installation has put the wrapper and its spool."""

    wrapper: str = "/usr/local/sbin/handrail-sos"
    spool: str = "/var/spool/handrail-sos"


@dataclass(frozen=True, slots=True)
class Prerequisites:
    """What a host has and lacks; what is not known is ``None``."""

    sos_version: str | None
    wrapper_version: int | None
    free_bytes: int | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """An archive that waits on its host to be fetched."""

    name: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """An archive that has arrived, as it was promised."""

    size: int  # bytes
    sha256: str


class Collector:
    """Speaks to the wrapper on one host.

    ``as_root``: the shell's user is root, and needs no sudo.
    """

    def __init__(
        self, shell: Shell, *, as_root: bool, installed: Installed | None = None
    ) -> None:
        self.shell = shell
        self.installed = installed or Installed()
        self.prefix = [] if as_root else ["sudo", "-n"]

    # --- what a person asks for -------------------------------------------------------
    def prerequisites(self) -> Prerequisites:
        """Say what a report on this host would fail for. Raises nothing."""
        try:
            return self.judge(self.ask("check", until=soon(ASK_SECONDS)))
        except Problem as problem:
            return Prerequisites(None, None, None, (of_check(problem),))

    def judge(self, found: dict[str, Any]) -> Prerequisites:
        version = number(found.get("wrapper"), MOST_BYTES)
        free = number(found.get("free_bytes"), MOST_BYTES)
        if version is None or free is None:
            raise Unexpected
        problems: list[Problem] = []
        if version != VERSION:
            problems.append(self.not_allowed())
        if not found.get("sos"):
            command = text(found.get("install"))
            problems.append(DependencyMissing(command if command in INSTALLING else ""))
        if free < LEAST_FREE:
            problems.append(of_check(DiskFull()))
        return Prerequisites(sos_version(found), version, free, tuple(problems))

    def generate(
        self,
        run_id: str,
        options: ReportOptions,
        *,
        progress: Progress,
        timeout: int,
    ) -> Report:
        """Make a report and leave its archive on the host. Raises ReportProblem.

        ``progress`` gets done, total and phase at least once a second. What it raises
        ends the report, leaves nothing of it on the host, and goes through.
        ``timeout`` is in seconds, 60 to 7200.
        """
        argv = ("run", checked(run_id), *options.argv(), f"--timeout={timeout}")
        running = self.start(*argv)
        try:
            answer = self.follow(running, progress, soon(timeout + MARGIN_SECONDS))
            code = running.wait(END_SECONDS) if answer is None else 0
        except BaseException:
            self.abandon(run_id, running)
            raise
        leave(running, answer)
        if answer is None:
            raise self.unanswered(code)
        done = self.succeeded(answer)
        try:
            return report_from(done)
        except Unexpected:
            self.clear(run_id)  # nobody could ever fetch it
            raise

    def fetch(
        self, report: Report, run_id: str, into: BinaryIO, *, progress: Progress
    ) -> Fetched:
        """Copy the archive, and compare what arrives. Raises ReportProblem.

        ``progress`` gets bytes and goes through. What is in ``into`` after a failure is
        to be thrown away.
        """
        path = self.path_of(report, run_id)
        digest, size, words = hashlib.sha256(), 0, _("Fetching the archive")
        progress(0, report.size, words)
        with self.shell.open(path) as source:
            while (block := source.read(CHUNK, TICK_SECONDS)) != b"":
                if block:
                    digest.update(block)
                    size += len(block)
                    if size > report.size:
                        raise CopyFailed
                    keep(block, into)
                progress(size, report.size, words)
        if (size, digest.hexdigest()) != (report.size, report.sha256):
            raise CopyFailed
        return Fetched(size, digest.hexdigest())

    def path_of(self, report: Report, run_id: str) -> str:
        if not ARCHIVE.fullmatch(report.name) or len(report.name) > LONGEST_NAME:
            raise PathUnsafe
        return f"{self.installed.spool}/{checked(run_id)}/archive/{report.name}"

    def remove(self, run_id: str) -> None:
        """Remove what a run has left on the host, if anything. Raises ReportProblem."""
        until = soon(CLEAN_SECONDS)
        self.succeeded(self.ask("remove", checked(run_id), until=until))

    # --- the wrapper ------------------------------------------------------------------
    def start(self, *argv: str) -> Running:
        try:
            return self.shell.start([*self.prefix, self.installed.wrapper, *argv])
        except ProgramMissing:
            problem = self.not_allowed()
        raise problem

    def ask(self, *argv: str, until: float) -> dict[str, Any]:
        """Return the wrapper's one answer to a verb that is quickly done."""
        running, answer = self.start(*argv), None
        try:
            answer = self.follow(running, lambda *shown: None, until)
            code = running.wait(LEAVE_SECONDS) if answer is None else 0
        finally:
            leave(running, answer)
        if answer is None:
            raise self.unanswered(code)
        return answer

    def follow(
        self, running: Running, progress: Progress, until: float
    ) -> dict[str, Any] | None:
        """Return the last answer. Raises TimedOut, and what the progress raises."""
        shown: tuple[int, int | None, str] = (0, None, str(PHASES["preparing"]))
        for answer in answers(running):
            if answer is not None:
                if text(answer.get("phase")) not in PHASES:
                    return answer
                shown = shown_by(answer)
            progress(*shown)
            if time.monotonic() > until:
                raise TimedOut
        return None

    def succeeded(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the answer. Raises the problem that it names."""
        if answer.get("phase") != "failed":
            return answer
        code, detail = text(answer.get("code")), text(answer.get("detail"))
        # Quoted, so that a line of the host's never looks like one of ours.
        log.warning("a report failed: %.40r (%.100r)", code, detail)
        if code == DependencyMissing.code:
            raise DependencyMissing
        if code == PrivilegeRequired.code:
            raise self.not_allowed()
        raise ANSWERED.get(code, Unexpected)

    def unanswered(self, code: int | None) -> ReportProblem:
        """Explain why the wrapper said nothing: mostly that it was never reached."""
        log.warning("the wrapper gave no answer, exit code %s", code)
        # sudo's own refusals are 1 and the shell's are 126 and 127, in any language.
        return self.not_allowed() if code in {1, 126, 127} else Unexpected()

    def not_allowed(self) -> PrivilegeRequired:
        return PrivilegeRequired(self.shell.user, local=self.shell.local)

    def abandon(self, run_id: str, running: Running) -> None:
        """Make sure that nothing of a run goes on or stays, as well as can be."""
        with suppress(Problem):
            end(running, END_SECONDS)
        # It stops without its input; this is for a connection that has broken, and for
        # a report that was just done.
        self.clear(run_id)

    def clear(self, run_id: str) -> None:
        """End a run whose caller is gone, and remove it. Raises nothing."""
        until = soon(CLEAN_SECONDS)
        try:
            self.ask("stop", run_id, until=until)
            self.ask("remove", run_id, until=until)
        except Problem as problem:
            log.warning("a run could not be ended: %s", type(problem).__name__)


def keep(block: bytes, into: BinaryIO) -> None:
    try:
        into.write(block)
        into.flush()  # what fails later would fail as something else
    except OSError as error:
        raise unwritable(error) from None


def soon(seconds: float) -> float:
    """Return the clock's time when so many seconds are over."""
    return time.monotonic() + seconds


def leave(running: Running, answer: object) -> None:
    """End a command; once it has answered, a connection that breaks is no matter."""
    try:
        end(running, LEAVE_SECONDS)
    except HostUnreachable:
        if answer is None:
            raise


def end(running: Running, seconds: float) -> None:
    """Have a command stop by itself, then be done with it."""
    try:
        running.let_go()
        running.wait(seconds)
    finally:
        running.drop()


def answers(running: Running) -> Iterator[dict[str, Any] | None]:
    """Yield each answer as it comes, and ``None`` at least once a second.

    Whatever else the host prints, whoever follows it gets a chance to stop.
    """
    pending, left = b"", MOST_SAID
    while (block := running.read(TICK_SECONDS)) != b"":
        *lines, pending = (pending + (block or b"")).split(b"\n")
        if len(pending) > LONGEST_LINE:
            raise Unexpected
        for line in lines:
            answer = parsed(line)
            if answer is not None:
                yield answer
            elif left:  # sudo, or a greeting
                log.info("the host says: %.200r", line)
                left -= 1
        yield None


def parsed(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def sos_version(found: dict[str, Any]) -> str | None:
    """Return what can be shown of it, ``None`` where there is no sos."""
    if not found.get("sos"):
        return None
    said = text(found.get("sos_version"))
    return said if SOS_VERSION.fullmatch(said) else "?"


def shown_by(answer: dict[str, Any]) -> tuple[int, int | None, str]:
    done, total = (number(answer.get(key), MOST_PLUGINS) for key in ("done", "total"))
    return done or 0, total, str(PHASES[answer["phase"]])


def text(said: object) -> str:
    return said if isinstance(said, str) else ""


def number(said: object, most: int) -> int | None:
    """Return what a host says, if that is a number and can be one."""
    return said if type(said) is int and 0 <= said <= most else None


def report_from(answer: dict[str, Any]) -> Report:
    """Return the archive that is promised. Raises Unexpected for what is no promise."""
    name, sha256 = answer.get("archive"), answer.get("sha256")
    size = number(answer.get("size"), MOST_BYTES)
    sound = (
        answer.get("phase") == "done"
        and isinstance(name, str)
        and len(name) <= LONGEST_NAME
        and ARCHIVE.fullmatch(name)
        and isinstance(sha256, str)
        and SHA256.fullmatch(sha256)
    )
    if not sound or size is None:
        raise Unexpected
    return Report(str(name), size, str(sha256))


def checked(run_id: str) -> str:
    if not RUN_ID.fullmatch(run_id):
        raise PathUnsafe
    return run_id
