"""The whole test run: python -m tests.run [--quick] [pytest's own arguments]

Runs the suite on SQLite, then on a PostgreSQL and a Redis of its own, adds both up, and
says what was covered and what could not be run. With CI=true, a test that no run could
make is a failure.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath

from coverage import Coverage, CoverageException

from tests.outcomes import Outcomes
from tests.services import ServiceMissing, postgres, redis

ROOT = Path(__file__).resolve().parent.parent
# More workers would need more connections than the database allows: some tests open 50.
PARALLEL = ["--numprocesses=auto", "--maxprocesses=3", "--dist=worksteal"]
NO_TESTS_COLLECTED = 5  # pytest's exit code


@dataclass(frozen=True)
class Run:
    """One pytest run: on what, and which tests are left to another run."""

    name: str
    environment: Mapping[str, str]
    marked: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="SQLite only, without browser and slow tests, without judging coverage",
    )
    options, arguments = parser.parse_known_args()
    os.chdir(ROOT)
    with ExitStack() as stack:
        scratch = tempfile.TemporaryDirectory(
            prefix="handrail-run-", ignore_cleanup_errors=True
        )
        folder = Path(stack.enter_context(scratch))
        if options.quick:
            runs = [Run("SQLite", {}, "not browser and not slow")]
            missing = ["--quick leaves PostgreSQL, Redis, browser and slow tests out"]
        else:
            runs, missing = start_services(stack)
        results = [make(run, arguments, folder) for run in runs]

        problems = [problem for result in results for problem in result.problems]
        if not (missing or arguments or problems):  # else some lines had no chance
            problems += judge_coverage(folder)
    return conclude([result.outcomes for result in results], missing, problems)


def start_services(stack: ExitStack) -> tuple[list[Run], list[str]]:
    """Plan a run on SQLite and one on the servers that this machine has."""
    missing: list[str] = []
    environment = {}
    for variable, service in (("DATABASE_URL", postgres), ("REDIS_URL", redis)):
        try:
            environment[variable] = stack.enter_context(service())
        except ServiceMissing as error:
            missing.append(str(error))
    if "DATABASE_URL" not in environment:
        return [Run("SQLite", environment)], missing
    return [
        # One journey shows that pages work on SQLite; the others take too long twice.
        Run("SQLite", {}, "not browser or smoke"),
        Run("PostgreSQL", environment),
    ], missing


@dataclass(frozen=True)
class RunResult:
    outcomes: Outcomes
    problems: list[str]


def make(run: Run, arguments: list[str], folder: Path) -> RunResult:
    servers = {"DATABASE_URL", "REDIS_URL"}
    inherited = {k: v for k, v in os.environ.items() if k not in servers}
    record = folder / f"{run.name}.json"
    print(f"\n--- on {run.name}", flush=True)
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *PARALLEL]
    command += [f"--outcomes={record}", "-m", run.marked, *arguments]
    # What a killed worker leaves behind goes with the folder.
    files = {"COVERAGE_FILE": str(folder / "coverage"), "TMPDIR": str(folder)}
    environment = {**inherited, **run.environment, **files}
    code = subprocess.run(command, env=environment, check=False).returncode
    outcomes: Outcomes = json.loads(record.read_text()) if record.exists() else {}
    chosen_elsewhere = code == NO_TESTS_COLLECTED and bool(arguments)
    if code == 0 or chosen_elsewhere:
        return RunResult(outcomes, [])
    return RunResult(outcomes, [f"On {run.name}, pytest ended with code {code}."])


def judge_coverage(folder: Path) -> list[str]:
    """Name what no test reached, where every line and branch must be."""
    coverage = Coverage(data_file=str(folder / "coverage"))
    report = folder / "coverage.json"
    try:
        coverage.combine()
        total = coverage.json_report(outfile=str(report))
    except CoverageException as error:
        return [f"Coverage could not be judged: {error}"]
    print(f"\nCoverage of lines and branches, all files: {total:.1f} %")
    problems = []
    for name, file in json.loads(report.read_text())["files"].items():
        if must_be_whole(PurePath(name)):
            lines = file["missing_lines"]
            missing = ranges(lines) + [
                f"{source} to {target if target > 0 else 'exit'}"
                for source, target in file["missing_branches"]
                if source not in lines
            ]
            if missing:
                problems.append(f"{name}: no test reached {', '.join(missing)}")
    return problems


def ranges(lines: list[int]) -> list[str]:
    """Write 3, 4, 5, 9 as 3-5, 9."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]


def must_be_whole(path: PurePath) -> bool:
    """Is this what everything stands on: the core, all models, actions, collectors?"""
    in_core = path.parts[:2] == ("workflows", "core")
    whole = {"models", "actions", "collecting"}
    return in_core or bool({path.stem, path.parent.name} & whole)


def conclude(runs: list[Outcomes], missing: list[str], problems: Iterable[str]) -> int:
    """Print what the runs came to; the last line is for people and machines alike."""
    counts = Counter(test["outcome"] for run in runs for test in run.values())
    never_ran: dict[str, list[str]] = defaultdict(list)
    for test_id, reason in skipped_everywhere(runs):
        never_ran[reason].append(test_id)
    if missing or never_ran:
        print("\nNot run here:")
        for sentence in missing:
            print(f"  {sentence}")
        for reason, test_ids in never_ran.items():
            print(f"  {reason}:")
            print(*(f"    {test_id}" for test_id in test_ids), sep="\n")
    problems = list(problems)
    if counts["passed"] == 0:
        problems.append("No test was run.")
    if (missing or never_ran) and os.environ.get("CI") == "true":
        problems.append("With CI=true, every test must be run.")
    if problems:
        print("\nFailed:", *problems, sep="\n  ")
    skipped = sum(map(len, never_ran.values()))
    print(f"\n{counts['passed']} passed, {counts['failed']} failed, {skipped} skipped")
    return 1 if problems or counts["failed"] else 0


def skipped_everywhere(runs: list[Outcomes]) -> Iterator[tuple[str, str]]:
    """Yield each test that no run made, with the last run's reason."""
    ran = {
        test_id
        for run in runs
        for test_id, test in run.items()
        if test["outcome"] != "skipped"
    }
    # A module skipped as a whole has no test ids but its own.
    ran |= {test_id.partition("::")[0] for test_id in ran}
    skipped = {
        test_id: test["reason"]
        for run in runs
        for test_id, test in run.items()
        if test_id not in ran
    }
    yield from sorted(skipped.items())


if __name__ == "__main__":
    sys.exit(main())
