from collections.abc import Iterator

import pytest

from tests.conftest import *  # noqa: F403  (the cast)
from tests.jira import JiraServer, jira_server
from workflows.core.jira import Kind
from workflows.core.jira.client import Jira


@pytest.fixture(params=Kind)
def server(request: pytest.FixtureRequest) -> Iterator[JiraServer]:
    """A Jira of each kind, with one issue."""
    with jira_server(kind=request.param) as running:
        running.add_issue("ABC-1", "The disk is full")
        yield running


@pytest.fixture
def jira(server: JiraServer) -> Iterator[Jira]:
    """A client of it, with a good token."""
    with Jira(server.credentials(), ca_file=server.ca_file) as client:
        yield client
