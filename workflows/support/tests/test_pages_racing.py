"""A run that ends while its page is made: the page is not left behind."""

from __future__ import annotations

import pytest
from django.db import connection

from jobs.actions.running import drain
from tests.conftest import signed_in
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.tasks import QUEUE
from workflows.support.tests.make import reread
from workflows.support.tests.pages import text, url

pytestmark = pytest.mark.django_db


class Between:
    """Ends what is queued after the n-th statement that reads a case or its jobs."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self, execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if 'FROM "workflows_workflowsession"' in sql or '"unique_key" IN' in sql:
            self.left -= 1
            if self.left == 0:
                drain(QUEUE)
        return found


@pytest.mark.parametrize("nth", [1, 2])
def test_a_run_that_ends_while_its_page_is_made(ready, alice, nth):
    client = signed_in(alice)
    jira_attach_artifact(ready, by=alice)
    with connection.execute_wrapper(Between(nth)):
        response = client.get(url("page", ready, "jira"))
    assert reread(ready).current_step == "completed"
    # It polls, and so comes to the end, or is there already; it offers nothing again.
    if response.status_code == 200:
        page = text(response)
        assert "progress-card" in page
        assert "Attach the archive" not in page
    else:
        assert response.url == url("done", ready)
