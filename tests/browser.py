"""Fixtures for journeys in a real Chromium, and the accessibility check.

A journey fails when the browser had anything to complain of: an error in the console
(Content-Security-Policy violations are among them), an exception in a script, or a
request to our own server that failed.
"""

import functools
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    sync_playwright,
)

ROOT = Path(__file__).resolve().parent.parent
FAILURES = ROOT / "var" / "test-failures"
AXE_SOURCE = ROOT / ".cache" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TIMEOUT = 10_000  # milliseconds
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FAILED = pytest.StashKey[bool]()

NewPage = Callable[..., Page]
Axe = Callable[[Page], list[str]]


@functools.cache
def chromium() -> str | None:
    """Return the path of an installed Chromium: Playwright's own is not downloaded."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once for all journeys of a worker."""
    # Playwright keeps an event loop running in this thread, which Django takes for
    # asynchronous code; no other code runs in that loop.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=CHROMIUM_FLAGS
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def allowed_errors() -> list[str]:
    """Let a journey that provokes errors name them: regular expressions."""
    return []


@pytest.fixture
def new_page(
    request: pytest.FixtureRequest, browser: Browser, allowed_errors: list[str]
) -> Iterator[NewPage]:
    """Open a page with cookies of its own, once for each person of a journey.

    Keywords are those of Playwright's `new_context`: `viewport`, `color_scheme`,
    `java_script_enabled`, `bypass_csp` and so on.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en", **options}
        )
        context.set_default_timeout(TIMEOUT)
        context.tracing.start(screenshots=True, snapshots=True)
        watch(context, errors)
        contexts.append(context)
        return context.new_page()

    yield open_page

    unforeseen = [
        error
        for error in errors
        if not any(re.search(pattern, error) for pattern in allowed_errors)
    ]
    failed = request.node.stash.get(FAILED, False) or bool(unforeseen)
    for number, context in enumerate(contexts, start=1):
        if failed:
            name = f"{re.sub(r'[^a-z0-9_]+', '-', request.node.nodeid)}-{number}"
            print(*save(context, name), sep="\n")  # pytest shows it with the failure
        context.close()
    if unforeseen:
        problems = [f"The browser reported: {error}" for error in unforeseen]
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """Open the page of a journey with one person."""
    return new_page()


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Check a page against WCAG 2.2 AA: one line for each violation."""
    if not AXE_SOURCE.is_file():
        pytest.skip("needs axe-core: make test installs it through npm")
    source = AXE_SOURCE.read_text()

    def check(page: Page) -> list[str]:
        # The debugger's evaluation is not subject to the page's own policy.
        page.evaluate(source)
        result = page.evaluate(
            "tags => axe.run({runOnly: tags, resultTypes: ['violations'],"
            # Loading style sheets again would break the page's own policy.
            " preload: false})",
            AXE_TAGS,
        )
        return [describe(violation) for violation in result["violations"]]

    return check


def describe(violation: dict[str, Any]) -> str:
    lines = [
        f"{violation['id']} ({violation['impact']}): {violation['help']}"
        f" <{violation['helpUrl'].partition('?')[0]}>"
    ]
    for node in violation["nodes"]:
        lines.append(f"  {' '.join(map(str, node['target']))}")
        lines += [f"    {line}" for line in node["failureSummary"].splitlines()]
    return "\n".join(lines)


def watch(context: BrowserContext, errors: list[str]) -> None:
    """Append to `errors` whatever a page of this context complains of."""

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location['url']})")

    def exception(error: WebError) -> None:
        errors.append(str(error.error))

    def request_failed(request: Request) -> None:
        # Leaving a page aborts what it was still loading: not a failure.
        local = urlsplit(request.url).hostname in ("localhost", "127.0.0.1")
        if local and request.failure != "net::ERR_ABORTED":
            errors.append(f"{request.failure}: {request.method} {request.url}")

    context.on("console", console)
    context.on("weberror", exception)
    context.on("requestfailed", request_failed)


def save(context: BrowserContext, name: str) -> list[str]:
    """Keep what the person saw, and how they came there."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    saved = []
    for number, page in enumerate(context.pages, start=1):
        picture = FAILURES / f"{name}-{number}.png"
        page.screenshot(path=picture, full_page=True)
        saved.append(f"Screenshot: {picture.relative_to(ROOT)}")
    trace = FAILURES / f"{name}.zip"
    context.tracing.stop(path=trace)
    saved.append(f"Trace (playwright show-trace): {trace.relative_to(ROOT)}")
    return saved
