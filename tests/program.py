"""Runs the product's own programs as a person does: in a fresh process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Nothing of the tests' settings; what a process needs, and what measures coverage.
KEPT = ["PATH", "HOME", "TMPDIR"]
KEPT += ["COVERAGE_FILE", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"]


def clean_environment(**over: str) -> dict[str, str]:
    """Return an environment in which nothing of the product is set but `over`."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **over}


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the product's folder, in a clean environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
