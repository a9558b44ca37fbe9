"""Runs Graphviz on text we do not trust, within limits of time, memory and output."""

import math
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from typing import IO

_MEMORY = 1 << 30
_ENVIRONMENT = {
    # Graphviz opens no file that a drawing names while this is set.
    "SERVER_NAME": "handrail",
    "LC_ALL": "C.UTF-8",
}


class GraphvizError(Exception):
    """Graphviz gave no result; the message is its own words, for the log."""


class GraphvizMissing(GraphvizError):
    """No `dot` program is installed."""


def run_dot(
    arguments: tuple[str, ...], source: str, *, seconds: float, max_output: int
) -> tuple[str, str]:
    """Give what `dot` writes to its output and its error output.

    The exit code is not judged: reading without layout always ends with code 1.
    Raises GraphvizMissing without Graphviz, GraphvizError when a limit is passed.
    Memory and CPU limits need Linux; elsewhere the clock alone stops a long run.
    """
    program = shutil.which("dot")
    if program is None:
        raise GraphvizMissing("Graphviz is not installed")
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(source.encode())
        stdin.seek(0)
        process = subprocess.Popen(  # noqa: S603  fixed arguments, no shell
            [program, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={"PATH": os.environ.get("PATH", ""), **_ENVIRONMENT},
            start_new_session=True,
        )
        try:
            _limit(process.pid, seconds, max_output)
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise GraphvizError(f"no result after {seconds} s") from error
        finally:
            _end(process)
        if process.returncode < 0:
            raise GraphvizError(f"ended by signal {-process.returncode}")
        output = _read(stdout, max_output)
        if len(output) > max_output:
            raise GraphvizError(f"more than {max_output} bytes of output")
        errors = _read(stderr, 10_000)
    return output.decode(errors="replace"), errors.decode(errors="replace")


def _read(file: IO[bytes], limit: int) -> bytes:
    file.seek(0)
    return file.read(limit + 1)


def _limit(pid: int, seconds: float, max_output: int) -> None:
    """Limit from outside: a preexec_fn may deadlock in a process with threads."""
    if not hasattr(resource, "prlimit"):
        return
    limits = {
        resource.RLIMIT_AS: _MEMORY,
        resource.RLIMIT_CPU: math.ceil(seconds),
        resource.RLIMIT_FSIZE: max_output + 1,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        try:
            _soft, hard = resource.prlimit(pid, limit)
            if hard != resource.RLIM_INFINITY:
                value = min(value, hard)
            resource.prlimit(pid, limit, (value, value))
        except ProcessLookupError:
            return  # It has already ended.


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
