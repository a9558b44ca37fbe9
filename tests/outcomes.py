"""A pytest plugin: which tests this run can make, and what became of each.

What a test has measured, `record_property("figure", "...")`, is shown at the end.
`--outcomes=FILE` writes a JSON object of test id to outcome and reason, which
`tests.run` adds up over its runs.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypedDict

import pytest
from django.db import connection

from tests.browser import chromium

Result = Literal["passed", "failed", "skipped"]


class Outcome(TypedDict):
    outcome: Result
    reason: str


Outcomes = dict[str, Outcome]

GRAVITY: dict[Result, int] = {"passed": 0, "skipped": 1, "failed": 2}


class OutcomeRecorder:
    """Keeps the gravest outcome of the phases of each test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: Outcomes = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test that failed as its xfail mark foretold did run, and kept its word.
        expected = hasattr(report, "wasxfail") and report.skipped
        self.record(report, "passed" if expected else report.outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self.record(report, report.outcome)

    def record(
        self, report: pytest.TestReport | pytest.CollectReport, outcome: Result
    ) -> None:
        before = self.outcomes.get(report.nodeid)
        if before is None or GRAVITY[outcome] > GRAVITY[before["outcome"]]:
            reason = skip_reason(report) if outcome == "skipped" else ""
            self.outcomes[report.nodeid] = {"outcome": outcome, "reason": reason}

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(json.dumps(self.outcomes, indent=1))


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--outcomes", type=Path, metavar="FILE", help="write each test's outcome here"
    )


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--outcomes")
    # Under xdist the workers send their reports to the controller, which records.
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(OutcomeRecorder(path))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = [
        str(value)
        for result in ("passed", "failed")
        for report in terminalreporter.getreports(result)
        for name, value in report.user_properties
        if name == "figure" and report.when == "call"
    ]
    if figures:
        terminalreporter.section("figures")
        for words in sorted(figures):
            terminalreporter.write_line(words)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Skip, aloud, what this run has no server or browser for."""
    missing = {}
    if connection.vendor != "postgresql":
        missing["postgres"] = "needs PostgreSQL"
    if connection.vendor != "sqlite":
        missing["sqlite"] = "needs SQLite"
    if not os.environ.get("REDIS_URL"):
        missing["redis"] = "needs Redis"
    if chromium() is None:
        missing["browser"] = "needs Chromium: apt-get install chromium"
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
