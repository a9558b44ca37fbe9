"""What people do with support cases, as orders for tests.faults.driver.

They are the verbs of the product. Django has to be set up before this is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.actions.stopping import retry_job
from jobs.models import Job
from workflows.core.accounts import Account, User
from workflows.core.secrets import Secret
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.bringing import bring_archive
from workflows.support.actions.cases import begin_case, go_on_to_jira, select_product
from workflows.support.actions.fetching import fetch_sosreport
from workflows.support.actions.generating import generate_sosreport
from workflows.support.actions.verifying import connect_case, verify_issue
from workflows.support.collecting.options import ReportOptions
from workflows.support.models import Host, WorkflowSession


def alice() -> User:
    """Return her; her account is there with her, and lets her go to Jira."""
    account, _made = Account.objects.get_or_create(
        slug="acme",
        defaults={"name": "Acme", "settings": {"jira.hosts": ["localhost"]}},
    )
    user, _made = User.objects.get_or_create(
        username="alice", defaults={"account": account}
    )
    return user


def find(case: str) -> WorkflowSession:
    found: WorkflowSession = WorkflowSession.objects.get(pk=case)
    return found


def begin(transport: str, **place: Any) -> dict[str, Any]:
    """Begin a case of a new host; where an archive is brought along there is none."""
    by, host = alice(), None
    case = begin_case(by=by)
    if transport != Host.Transport.UPLOAD:
        if "private_key" in place:
            place["private_key"] = Secret(place["private_key"])
        place |= {"name": "web-1", "transport": transport}
        host = Host.objects.create(account=case.account, **place)
    select_product(case, by=by, product="linux", host=host)
    return {"case": str(case.pk)}


def generate(case: str, only: list[str]) -> dict[str, Any]:
    options = ReportOptions(only=tuple(only))
    job = generate_sosreport(find(case), by=alice(), options=options, consent=True)
    return {"job": str(job.pk)}


def fetch(case: str) -> dict[str, Any]:
    return {"job": str(fetch_sosreport(find(case), by=alice()).pk)}


def bring(case: str, path: str) -> dict[str, Any]:
    """Bring the archive along, go on to Jira."""
    place, by, row = Path(path), alice(), find(case)
    with place.open("rb") as upload:
        bring_archive(row, by=by, upload=upload, filename=place.name)
    go_on_to_jira(row, by=by)
    return {}


def go_on(case: str) -> dict[str, Any]:
    go_on_to_jira(find(case), by=alice())
    return {}


def connect(case: str, url: str, token: str, key: str) -> dict[str, Any]:
    """Connect to Jira, and have the issue checked."""
    by, row = alice(), find(case)
    typed = {"kind": "data_center", "base_url": url, "email": ""}
    connect_case(row, by=by, **typed, token=Secret(token))
    verify_issue(row, by=by, key=key)
    return {}


def attach(case: str) -> dict[str, Any]:
    return {"job": str(jira_attach_artifact(find(case), by=alice()).pk)}


def retry(id: str) -> dict[str, Any]:
    return {"job": str(retry_job(Job.objects.get(pk=id), by=alice()).pk)}


ORDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "begin": begin,
    "generate": generate,
    "fetch": fetch,
    "bring": bring,
    "go_on": go_on,
    "connect": connect,
    "attach": attach,
    "retry": retry,
}
