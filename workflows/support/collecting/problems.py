"""Why there is no report, one class for each code, in words for its reader.

What a host prints reaches none of these texts: it can hold anything.
"""

from __future__ import annotations

import errno
import logging
from functools import cache
from pathlib import Path
from typing import ClassVar

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from workflows.core.errors import AdminRequired, Problem, Temporary, UserFixable

log = logging.getLogger("handrail.support")
FULL = {errno.ENOSPC, errno.EDQUOT}
WRAPPER = Path(__file__).resolve().parent.parent / "wrapper"


class ReportProblem(Problem):
    """A failure on the way of a report. ``code`` is what is stored."""

    code: ClassVar[str]
    words: ClassVar[StrOrPromise]

    def __init__(self, text: str | None = None) -> None:
        super().__init__(text or str(self.words))


# --- what was entered -----------------------------------------------------------------
class ValidationFailed(ReportProblem, UserFixable):
    code = "validation_error"
    words = _(
        "These options do not go together, or name a plugin that sos does not have on "
        "the host. Nothing is kept on the host. Change them, then generate the report."
    )


class NoArchive(ValidationFailed):
    """An archive that somebody brings along is none."""

    words = _(
        "This is not the archive of a report. Nothing was kept of it. Choose the file "
        "that sos has written: its name begins with sosreport- and has .tar in it."
    )


# --- what the host lacks --------------------------------------------------------------
class DependencyMissing(ReportProblem, AdminRequired):
    code = "dependency_missing"
    words = _(
        "The program sos is not installed on the host. Nothing was started. Have it "
        "installed there, then check again."
    )

    def __init__(self, command: str = "") -> None:
        """``command`` is what installs it on the host's distribution."""
        super().__init__(
            _(
                "The program sos is not installed on the host. Nothing was started. "
                "Have this run there as root, then check again: %(command)s"
            )
            % {"command": command}
            if command
            else None
        )
        self.command = command


class PrivilegeRequired(ReportProblem, AdminRequired):
    """Shows what an administrator has to run; no password is ever asked for."""

    code = "privilege_required"
    words = _(
        "Handrail is not allowed to make reports on this host yet, or what it needs "
        "there is of another version. Nothing was started. Have an administrator run "
        "this as root, then check again: %(command)s"
    )
    elsewhere = _(
        "Handrail is not allowed to make reports on this host yet, or what it needs "
        "there is of another version. Nothing was started. Have an administrator copy "
        "the folder %(folder)s to the host and run this in it as root, then check "
        "again: %(command)s"
    )

    def __init__(self, user: str = "root", *, local: bool = True) -> None:
        self.rule = "" if user == "root" else sudo_rule(user)
        place = f"{WRAPPER}/" if local else ""
        self.command = f"sh {place}install.sh {user}"
        details = {"command": self.command, "folder": WRAPPER}
        super().__init__(str(self.words if local else self.elsewhere) % details)


class LoginRefused(ReportProblem, AdminRequired):
    code = "privilege_required"
    words = _(
        "The host answers, but does not let Handrail log in with its key. Nothing was "
        "started. Have this line added to the file .ssh/authorized_keys of the user "
        "%(user)s there, then check again: %(key)s"
    )

    def __init__(self, user: str, key: str) -> None:
        self.key = key
        super().__init__(str(self.words) % {"user": user, "key": key})


class DiskFull(ReportProblem, AdminRequired):
    code = "disk_full"
    words = _(
        "The host has too little free space for a report. What was begun is removed "
        "again. Have space made under /var/spool, or choose fewer plugins or smaller "
        "logs, then generate again."
    )


# --- what happened on the way ---------------------------------------------------------
class TimedOut(ReportProblem, UserFixable):
    code = "timeout"
    words = _(
        "The report took too long and was ended. What was begun is removed again. "
        "Choose fewer plugins or smaller logs, then generate again."
    )


class ArchiveNotFound(ReportProblem, UserFixable):
    code = "archive_not_found"
    words = _(
        "There is no usable archive on the host: sos ended without one, or it was kept "
        "there for a day and then removed. Your choices are kept. Generate the report "
        "again."
    )


class PathUnsafe(ReportProblem, AdminRequired):
    code = "path_unsafe"
    words = _(
        "What lies on the host in the place of the report is not what Handrail has put "
        "there. Nothing was read. Have an administrator look at "
        "/var/spool/handrail-sos."
    )


class ReadFailed(ReportProblem, Temporary):
    code = "read_failed"
    words = _(
        "The archive could not be read on the host. It is still there. Fetch it again "
        "if it does not arrive by itself."
    )


class ArchiveDamaged(ReportProblem, UserFixable):
    code = "read_failed"
    words = _(
        "The archive cannot be looked through: it is damaged. The file is kept as it "
        "is. Generate the report again, or bring another archive."
    )


class CopyFailed(ReportProblem, Temporary):
    code = "copy_failed"
    words = _(
        "The archive did not arrive whole. It is still on the host, and the part that "
        "arrived is dropped. Fetch it again if it does not arrive by itself."
    )


class NoRoomHere(ReportProblem, AdminRequired):
    """Our own disk is full, not the host's."""

    code = "disk_full"
    words = _(
        "Handrail's own disk is full. The archive is still on the host, for a day; the "
        "part that arrived is dropped. Have space made where Handrail keeps its files, "
        "then fetch the archive again."
    )


class ArchiveTooLarge(ReportProblem, UserFixable):
    code = "artifact_too_large"
    words = _(
        "The archive has %(size)s, and Handrail takes at most %(most)s. Nothing was "
        "fetched; your choices are kept. Choose fewer plugins or smaller logs, then "
        "generate the report again."
    )

    def __init__(self, size: int, most: int) -> None:
        """Both are in bytes."""
        super().__init__(str(self.words) % sizes(size, most))


def sizes(size: int, most: int) -> dict[str, str]:
    """Return both numbers of bytes in words that differ."""
    found = {"size": filesizeformat(size), "most": filesizeformat(most)}
    if found["size"] != found["most"]:
        return found
    return {name: exactly(count) for name, count in (("size", size), ("most", most))}


def exactly(count: int) -> str:
    grouped = number_format(count, use_l10n=True, force_grouping=True)
    return str(_("%(count)s bytes")) % {"count": grouped}


class HostUnreachable(ReportProblem, Temporary):
    code = "host_unreachable"
    words = _(
        "The host does not answer. Your choices are kept. Check that it is running and "
        "that its address and port are right."
    )


class HostKeyChanged(ReportProblem, AdminRequired):
    code = "host_key_changed"
    words = _(
        "The host shows another key than the one that was confirmed for it. Nothing "
        "was sent. If it was set up anew, have an administrator compare its key and "
        "confirm it; if not, somebody may be listening."
    )


class Canceled(ReportProblem, UserFixable):
    code = "canceled"
    words = _(
        "The report was stopped. What was begun is removed again, your choices are "
        "kept. Generate the report again when you want it."
    )


class FetchCanceled(Canceled):
    words = _(
        "The fetch was stopped. The archive is still on the host, for a day; the part "
        "that arrived is dropped. Fetch it again when you want it."
    )


class FetchTimedOut(TimedOut):
    words = _(
        "The fetch took too long and was stopped. The archive is still on the host, "
        "for a day; the part that arrived is dropped. Fetch it again when the way to "
        "the host is faster, or generate a smaller report."
    )


class Unexpected(ReportProblem, AdminRequired):
    code = "unexpected_error"
    words = _(
        "The report failed in a way that Handrail does not know. What was begun is "
        "removed again, your choices are kept. Have an administrator look at the log."
    )


# What is said of a check instead: nothing was begun by it.
CHECKED: dict[type[Problem], StrOrPromise] = {
    DiskFull: _(
        "The host has too little free space for a report. Nothing was started. Have "
        "space made under /var/spool, then check again; a report with fewer plugins "
        "or smaller logs takes less."
    ),
    TimedOut: _(
        "The host took too long to answer the check. Nothing was started. Check "
        "again; if it stays so, have an administrator look at the host."
    ),
    Unexpected: _(
        "The host answered the check in a way that Handrail does not know. Nothing "
        "was started. Have an administrator look at the log."
    ),
}


def of_check(problem: Problem) -> Problem:
    """Return the problem in the words for a check, which begins no report."""
    kind = type(problem)
    return kind(str(CHECKED[kind])) if kind in CHECKED else problem


# What the wrapper on the host names, by its code.
ANSWERED: dict[str, type[ReportProblem]] = {
    problem.code: problem
    for problem in (
        ValidationFailed,
        DiskFull,
        TimedOut,
        ArchiveNotFound,
        PathUnsafe,
        Canceled,
        Unexpected,
    )
}


def unwritable(error: OSError) -> ReportProblem:
    """Explain why an archive cannot be kept on this side."""
    log.warning("an archive cannot be kept: %s", error.strerror)
    return NoRoomHere() if error.errno in FULL else CopyFailed()


def sudo_rule(user: str) -> str:
    """Return the line that the installation adds for sudo."""
    return rule_template().replace("@USER@", user)


@cache
def rule_template() -> str:
    lines = (WRAPPER / "sudoers").read_text().splitlines()
    return next(line for line in lines if not line.startswith("#"))
