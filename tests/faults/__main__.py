"""Run every scenario and print its figures: python -m tests.faults [pytest's own]"""

import os
import subprocess
import sys

from tests.program import ROOT
from tests.services import postgres, redis


def main() -> int:
    # Most of the time is spent waiting: more at once than there are processors.
    command = [sys.executable, "-m", "pytest", "tests/faults", "--quiet"]
    command += ["--numprocesses=3", "--dist=worksteal", *sys.argv[1:]]
    with postgres() as database, redis() as broker:
        servers = {"DATABASE_URL": database, "REDIS_URL": broker}
        codes = [
            subprocess.run(
                [*command, "-m", marked],
                cwd=ROOT,
                env={**os.environ, **environment},
                check=False,
            ).returncode
            for marked, environment in (("sqlite", {}), ("postgres", servers))
        ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
