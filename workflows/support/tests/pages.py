"""What tests of the pages do again and again: open one, send one of its forms."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.conftest import signed_in
from workflows.core.accounts import User
from workflows.support.models import Host, WorkflowSession
from workflows.support.tests.make import reread


def url(name: str, row: WorkflowSession | Host, *more: Any) -> str:
    return reverse(f"support:{name}", args=[row.pk, *more])


@pytest.fixture(name="client")
def engineers_client(egon: User) -> Client:
    """Return the browser of somebody who keeps hosts."""
    return signed_in(egon)


def text(response: HttpResponse) -> str:
    return response.content.decode()


def page(response: HttpResponse) -> str:
    """Return a page as it reads, without what escapes its signs."""
    return html.unescape(text(response))


def opened(client: Client, case: WorkflowSession) -> Any:
    """Return the page that the case is at, through the redirect that leads there."""
    return client.get(url("case", case), follow=True)


def send(client: Client, case: WorkflowSession, slug: str, do: str, **data: Any) -> Any:
    """Send a form of a page as its state is now; ``state`` says another one."""
    now = reread(case)
    state = data.pop("state", f"{now.current_step}/{now.failed_step}")
    posted = {"state": state, "do": do, **data}
    return client.post(url("page", case, slug), posted)


def moved_to(response: Any, case: WorkflowSession, slug: str, client: Any) -> bool:
    """Was the form taken, and is the case at this page now?"""
    assert response.status_code == 303, text(response)
    assert response.url == url("case", case)
    return bool(client.get(response.url).url == url("page", case, slug))
