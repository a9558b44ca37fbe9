from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.budgets.ledger import Server, demo_file
from tests.actual import DAY, ActualServer, actual_server, missing
from tests.conftest import *  # noqa: F403  (the cast)
from workflows.core.secrets import Secret


@pytest.fixture(scope="session")
def installed() -> None:
    """Actual's programs are here, or the test says why not."""
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def _one_server(installed: None) -> Iterator[ActualServer]:
    """Started by the worker's first test that needs it, ended with the worker."""
    with actual_server() as server:
        yield server


@pytest.fixture
def actual(_one_server: ActualServer) -> Iterator[ActualServer]:
    """The real Actual server, with whatever budgets other tests have left there."""
    yield _one_server
    _one_server.proxy.hook = None
    assert _one_server.process is not None
    if _one_server.process.poll() is not None:
        _one_server.restart()


@pytest.fixture
def budget(actual: ActualServer) -> Server:
    """A budget of ten uncategorised purchases on the server, and how to open it."""
    return Server(actual.url, Secret(actual.password), actual.create_budget())


@pytest.fixture(scope="session")
def demo_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo budget, for tests that only read it."""
    path = tmp_path_factory.mktemp("demo") / "demo.zip"
    demo_file(path, today=DAY)
    return path
