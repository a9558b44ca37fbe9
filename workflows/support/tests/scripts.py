"""A wrapper that is a few lines of shell, for what a host may answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from workflows.support.collecting.collector import Collector, Installed
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.shell import LocalShell

OPTIONS = ReportOptions()
# What a host answers that has all it takes.
READY = {"wrapper": 1, "sos": True, "sos_version": "4.5.6", "free_bytes": 3 * 1024**3}


class Enough(Exception):
    """What a job raises to stop."""


def silent(done: int, total: int | None, words: str) -> None:
    """Show nothing."""


def enough(done: int, total: int | None, words: str) -> NoReturn:
    raise Enough


def local(installed: Installed) -> Collector:
    return Collector(LocalShell(), as_root=True, installed=installed)


def saying(**answer: Any) -> str:
    """Return the script that gives this one answer."""
    return f"printf '%s\\n' '{json.dumps(answer)}'"


def promise(**over: Any) -> str:
    """Return what says that an archive is there."""
    sound = {"archive": "sosreport-x.tar", "size": 1, "sha256": "0" * 64}
    return saying(phase="done", **sound | over)


def program(folder: Path, script: str) -> Path:
    """Return the script as a program that anybody may run."""
    made = folder / "scripted"
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


@pytest.fixture(name="scripted")
def scripted_wrapper(tmp_path: Path) -> Callable[[str], Collector]:
    """Put a few lines of shell in the place of the wrapper."""

    def make(script: str) -> Collector:
        return local(Installed(str(program(tmp_path, script)), str(tmp_path)))

    return make
