"""Every URL of the product as a stranger, as another account, as a role without right.

A URL that is missing from the tables below fails: whoever adds one says here who may
open it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from jobs.actions.starting import start_job
from jobs.budgets.models import Budget, Snapshot, Suggestion
from jobs.budgets.tests.make import make_budget, make_suggestions
from jobs.models import Job
from l1walk.actions import walks
from l1walk.actions.escalations import escalate_walk
from l1walk.actions.tickets import open_ticket
from l1walk.models import Flow, FlowVersion, L1WalkSession, Ticket
from l1walk.tests.make import give, make_flow, make_walk
from tests.conftest import signed_in
from workflows.core.accounts import Account, User
from workflows.core.connections import JiraConnection
from workflows.core.machine import Move
from workflows.core.tests.make import make_connection
from workflows.support.models import (
    Artifact,
    Host,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)
from workflows.support.tests.make import make_archive, make_case, make_host

pytestmark = pytest.mark.django_db
MARK = "only-acme-may-read-this"

OPEN = {"healthz", "readyz", "login", "logout", "theme"}
# Pages of the account that every signed-in person of it may open.
EVERYBODY = {
    "home", "search", "profile", "password_change", "password_change_done",
    "connections",
    "l1walk:walks", "l1walk:walks_csv", "l1walk:tickets", "l1walk:flows",
    "jobs:jobs", "jobs:jobs_csv", "jobs:rows", "jobs:badge", "jobs:drawer",
    "jobs:api_jobs",
}  # fmt: skip
EVERYBODY_OBJECTS = {
    "l1walk:walk": "active", "l1walk:summary": "active", "l1walk:ticket": "ticket",
    "l1walk:flow": "flow", "l1walk:flow_version": "version",
    "l1walk:flow_export": "export", "l1walk:flow_preview": "flow",
    "jobs:job": "job", "jobs:live": "job", "jobs:progress": "job",
    "jobs:api_job": "job", "jobs:api_events": "job",
}  # fmt: skip
# Name: (method, who may not).
ROLES = {
    "account_settings": ("get", "alice"),
    "l1walk:intake": ("get", "mona"),
    "l1walk:suggestions": ("get", "mona"),
    "l1walk:new_ticket": ("get", "nora"),
    "l1walk:queue": ("get", "alice"),
    "l1walk:queue_badge": ("get", "alice"),
    "l1walk:flow_new": ("get", "alice"),
    "l1walk:flow_import": ("get", "alice"),
    "l1walk:reports": ("get", "egon"),
    "l1walk:reports_csv": ("get", "egon"),
    "l1walk:report_stale": ("get", "egon"),
    "jobs:queues": ("get", "egon"),
    "budgets:budgets": ("get", "alice"),
    "budgets:connect": ("get", "egon"),
    "budgets:connect_file": ("get", "egon"),
    "budgets:import_file": ("get", "alice"),
    "budgets:import_choice": ("get", "alice"),
    "budgets:demo": ("post", "nora"),
    "support:cases": ("get", "nora"),
    "support:cases_csv": ("get", "berta"),
    "support:failures": ("get", "egon"),
    "support:start": ("post", "nora"),
    "support:hosts": ("get", "alice"),
    "support:host_new": ("get", "alice"),
}
# What only shows something once one has begun elsewhere, or only takes forms.
LATER = {
    "budgets:connect_file", "budgets:import_choice", "budgets:demo", "support:start",
}  # fmt: skip
# Name: (method, who may not, which object).
ROLE_OBJECTS = {
    "l1walk:answer": ("post", "mona", "active"),
    "l1walk:record": ("post", "mona", "active"),
    "l1walk:undo": ("post", "mona", "active"),
    "l1walk:resolve": ("get", "mona", "active"),
    "l1walk:escalate": ("get", "mona", "active"),
    "l1walk:abandon": ("post", "mona", "active"),
    "l1walk:resume": ("post", "mona", "active"),
    "l1walk:restart": ("post", "mona", "active"),
    "l1walk:handoff": ("get", "alice", "escalated"),
    "l1walk:claim": ("post", "mona", "escalated"),
    "l1walk:release": ("post", "alice", "escalated"),
    "l1walk:reassign": ("post", "egon", "escalated"),
    "l1walk:close": ("post", "alice", "escalated"),
    "l1walk:ticket_note": ("post", "nora", "ticket"),
    "l1walk:ticket_reopen": ("post", "nora", "ticket"),
    "l1walk:flow_describe": ("get", "alice", "flow"),
    "l1walk:flow_edit": ("get", "alice", "flow"),
    "l1walk:flow_node": ("post", "alice", "flow"),
    "l1walk:flow_node_delete": ("post", "alice", "flow"),
    "l1walk:flow_publish": ("post", "alice", "flow"),
    "l1walk:flow_archive": ("post", "alice", "flow"),
    "l1walk:flow_reopen": ("post", "alice", "flow"),
    "l1walk:flow_discard": ("post", "alice", "flow"),
    "l1walk:flow_restore": ("post", "alice", "version"),
    "l1walk:report_version": ("get", "egon", "report"),
    "l1walk:report_version_csv": ("get", "egon", "report"),
    "jobs:cancel": ("post", "nora", "job"),
    "jobs:retry": ("post", "nora", "job"),
    "jobs:api_cancel": ("post", "nora", "job"),
    "jobs:api_retry": ("post", "nora", "job"),
    "budgets:budget": ("get", "alice", "budget"),
    "budgets:sync": ("post", "alice", "budget"),
    "budgets:suggest": ("post", "egon", "budget"),
    "budgets:review": ("get", "alice", "budget"),
    "budgets:card": ("get", "alice", "budget"),
    "budgets:decide": ("post", "alice", "budget"),
    "budgets:take_back": ("post", "alice", "budget"),
    "budgets:undo": ("post", "alice", "budget"),
    "budgets:approve_sure": ("post", "egon", "budget"),
    "budgets:look_again": ("post", "alice", "budget"),
    "budgets:looking": ("get", "alice", "budget_job"),
    "budgets:plan": ("get", "alice", "budget"),
    "budgets:plan_remove": ("post", "alice", "budget"),
    "budgets:apply": ("post", "alice", "budget"),
    "budgets:report": ("get", "alice", "budget_job"),
    "budgets:snapshots": ("get", "alice", "budget"),
    "budgets:snapshot_take": ("post", "alice", "budget"),
    "budgets:snapshot_download": ("get", "nora", "snapshot"),
    "budgets:snapshot_restore": ("get", "egon", "snapshot"),
    "budgets:snapshot_delete": ("post", "alice", "snapshot"),
    "budgets:settings": ("get", "alice", "budget"),
    "budgets:rename": ("post", "alice", "budget"),
    "budgets:schedule": ("post", "alice", "budget"),
    "budgets:connection": ("post", "egon", "budget"),
    "budgets:remove": ("post", "alice", "budget"),
    "support:case": ("get", "nora", "case"),
    "support:page": ("get", "berta", "case_page"),
    "support:done": ("get", "nora", "case"),
    "support:host_check": ("get", "nora", "case"),
    "support:archive": ("get", "nora", "archive"),
    "support:archive_download": ("get", "berta", "archive"),
    "support:archive_delete": ("post", "nora", "archive"),
    "support:host": ("get", "alice", "host"),
    "support:host_key": ("post", "alice", "host"),
    "support:host_prerequisites": ("post", "alice", "host"),
    "support:host_retire": ("post", "alice", "host"),
    "support:host_bring_back": ("post", "alice", "host"),
}
# A person's own, which for everybody else is not there. Name: (method, which object).
OWN = {"connection_revoke": ("post", "connection")}
ADMIN_PAGES = {
    "index", "login", "logout", "password_change", "password_change_done",
    "autocomplete", "jsi18n", "view_on_site", "app_list",
}  # fmt: skip
ADMIN_ACTIONS = ("changelist", "add", "history", "delete", "change")


@dataclass
class World:
    """What Acme has, by the names that the tables use."""

    active: L1WalkSession
    escalated: L1WalkSession
    ticket: Ticket
    flow: Flow
    job: Job
    budget: Budget
    snapshot: Snapshot
    connection: JiraConnection
    host: Host
    case: WorkflowSession
    archive: Artifact

    def arguments(self, name: str) -> dict[str, Any]:
        if name == "report":
            return {"slug": self.flow.slug, "number": 1}
        if name in {"version", "export"}:
            more = {"number": 1} if name == "version" else {"format": "json"}
            return {"pk": self.flow.pk, **more}
        if name == "snapshot":
            return {"pk": self.budget.pk, "snapshot": self.snapshot.pk}
        if name == "case_page":
            return {"pk": self.case.pk, "page": "report"}
        if name == "archive":
            return {"pk": self.case.pk, "archive": self.archive.pk}
        if name == "budget_job":
            return {"pk": self.budget.pk, "job": self.job.pk}
        return {"pk": getattr(self, name).pk}


@pytest.fixture
def world(account: Account, alice: User, egon: User) -> World:
    flow = make_flow(account, title=MARK)
    ticket = open_ticket(account, by=alice, title=MARK, requester=MARK, problem=MARK)
    active = make_walk(account, alice, flow, problem_text=MARK)
    give(active, alice, "a1", note=MARK)
    escalated = make_walk(account, alice, flow, problem_text=MARK, ticket_id=MARK)
    escalate_walk(escalated, by=alice, version=0, category="security", reason=MARK)
    done = make_walk(account, alice, problem_text=MARK)
    walks.resolve_walk(done, by=alice, version=0, notes=MARK)
    said = {"said": MARK}
    job = start_job("l1walk.abandon_walks", ticket, by=alice, metadata=said)
    budget = make_budget(account, name=MARK)
    make_suggestions(budget, imported_payee=MARK, notes=MARK)
    copy = Snapshot.objects.create(budget=budget, file=MARK, sha256="0" * 64, size=1)
    own = make_connection(alice, display_name=MARK)
    host = make_host(account, name=MARK)
    case = make_case(alice, host=host)
    archive = make_archive(case, filename=f"sosreport-{MARK}.tar")
    walked = (active, escalated, ticket, flow)
    return World(*walked, job, budget, copy, own, host, case, archive)


def named_urls(
    resolver: URLResolver | None = None, spaces: tuple[str, ...] = ()
) -> Iterator[str]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLPattern):
            yield ":".join([*spaces, entry.name or ""])
        else:
            inner = (entry.namespace,) if entry.namespace else ()
            yield from named_urls(entry, spaces + inner)


def admin_urls() -> set[str]:
    """Return the admin's names: its own pages, and those of every model."""
    names = {f"admin:{page}" for page in ADMIN_PAGES} | {"admin:"}
    for model in admin.site._registry:
        stem = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        names |= {f"{stem}_{action}" for action in ADMIN_ACTIONS}
    return names | {"admin:auth_user_password_change"}


def test_every_url_is_in_a_table():
    tables = OPEN | EVERYBODY | {*EVERYBODY_OBJECTS, *ROLES, *ROLE_OBJECTS, *OWN}
    assert set(named_urls()) == tables | admin_urls()


def behind_login(world: World) -> Iterator[tuple[str, str]]:
    """Yield method and path of every URL that is not open."""
    for name in EVERYBODY:
        yield "get", reverse(name)
    for name, what in EVERYBODY_OBJECTS.items():
        yield "get", reverse(name, kwargs=world.arguments(what))
    for name, (method, _who) in ROLES.items():
        yield method, reverse(name)
    for name, (method, _who, what) in ROLE_OBJECTS.items():
        yield method, reverse(name, kwargs=world.arguments(what))
    for name, (method, what) in OWN.items():
        yield method, reverse(name, kwargs=world.arguments(what))


def test_a_stranger_is_sent_to_the_login(world, client):
    paths = [*behind_login(world), *(("get", path) for path in admin_paths(world))]
    for method, path in paths:
        response = getattr(client, method)(path)
        if path.startswith(reverse("jobs:api_jobs")):
            assert response.status_code == 401, path
            assert response.json()["error"] == "unauthorized"
            continue
        assert response.status_code == 302, path
        if response.url.startswith("/admin/login/"):  # which leads to the one login
            response = client.get(response.url)
        assert response.url.startswith("/login/?next="), path
    assert len(paths) > 100


def test_the_open_urls_are_open(client):
    for name in OPEN - {"logout", "theme", "readyz"}:
        assert client.get(reverse(name)).status_code == 200
    assert client.post(reverse("theme")).status_code == 303
    assert client.post(reverse("logout")).status_code == 302


def test_another_account_finds_nothing_there(world, charlie):
    client = signed_in(charlie)
    objects = [("get", n, w) for n, w in EVERYBODY_OBJECTS.items()]
    objects += [(m, n, w) for n, (m, _who, w) in ROLE_OBJECTS.items()]
    for method, name, what in objects:
        path = reverse(name, kwargs=world.arguments(what))
        form = {"version": 1, "start_key": uuid4()}
        response = client.get(path) if method == "get" else client.post(path, form)
        assert response.status_code == 404, name
        if name in {"l1walk:resolve", "l1walk:escalate", "l1walk:flow_describe"}:
            assert client.post(path, form).status_code == 404, name


def test_another_accounts_lists_have_none_of_it(world, charlie):
    client = signed_in(charlie)
    for name in EVERYBODY | set(ROLES) - LATER:
        path = reverse(name)
        for query in ("", "?show=closed", "?status=all"):
            response = client.get(path + query)
            body = b"".join(response) if response.streaming else response.content
            # The API refuses a filter that it does not know.
            refused = "jobs:api" in name and query == "?status=all"
            assert response.status_code == (400 if refused else 200), path
            assert MARK not in body.decode(), path
    response = client.get(reverse("search"), {"q": "only-acme"})
    assert MARK not in response.content.decode()


def test_a_role_without_the_right_is_refused(world, request):
    for name, (method, who) in ROLES.items():
        client = signed_in(request.getfixturevalue(who))
        assert getattr(client, method)(reverse(name)).status_code == 403, name
    for name, (method, who, what) in ROLE_OBJECTS.items():
        client = signed_in(request.getfixturevalue(who))
        path = reverse(name, kwargs=world.arguments(what))
        assert getattr(client, method)(path).status_code == 403, name


def test_what_is_somebodys_own_is_there_for_nobody_else(world, egon, mona, charlie):
    for name, (method, what) in OWN.items():
        path = reverse(name, kwargs=world.arguments(what))
        for other in (egon, mona, charlie):
            assert getattr(signed_in(other), method)(path).status_code == 404, name


def test_everybody_of_the_account_may_open_the_rest(world, nora):
    client = signed_in(nora)
    for name in EVERYBODY:
        assert client.get(reverse(name)).status_code == 200, name
    for name, what in EVERYBODY_OBJECTS.items():
        path = reverse(name, kwargs=world.arguments(what))
        assert client.get(path).status_code == 200, name


# --- the admin ------------------------------------------------------------------------
def one_of(model: type[Model], world: World) -> Any:
    """Return a row of Acme's, where the model has any."""
    own = {
        L1WalkSession: world.active,
        Ticket: world.ticket,
        Flow: world.flow,
        FlowVersion: world.flow.current_version,
        Move: world.active.moves().first(),
        Job: world.job,
        Budget: world.budget,
        Suggestion: world.budget.suggestions.first(),
        Snapshot: world.snapshot,
        JiraConnection: world.connection,
        Host: world.host,
        WorkflowSession: world.case,
        Artifact: world.archive,
        SosReportState: world.case.sosreport,
        JiraAttachmentState: world.case.jira,
        User: world.active.created_by_user,
        Account: world.active.account,
    }
    return own.get(model)


def admin_paths(world: World) -> Iterator[str]:
    yield reverse("admin:index")
    yield reverse("admin:jsi18n")
    yield reverse("admin:autocomplete")
    yield reverse("admin:password_change")
    yield reverse("admin:password_change_done")
    yield reverse("admin:app_list", args=["l1walk"])
    yield "/admin/no/such/page/"
    for model in admin.site._registry:
        stem = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = one_of(model, world)
        yield reverse(f"{stem}_changelist")
        yield reverse(f"{stem}_add")
        for action in ("history", "delete", "change"):
            yield reverse(f"{stem}_{action}", args=[row.pk if row else 1])
    user = world.active.created_by_user
    yield reverse("admin:auth_user_password_change", args=[user.pk])


def test_the_admin_is_closed_to_roles_without_it(world, request):
    for who in ("alice", "egon", "nora"):
        client = signed_in(request.getfixturevalue(who))
        for path in admin_paths(world):
            assert client.get(path).status_code == 403, (who, path)


def visible(client: Client, path: str) -> bool:
    response = client.get(path)
    return response.status_code == 200 and MARK in response.content.decode()


def test_another_accounts_manager_finds_nothing_in_the_admin(world, charlie):
    client = signed_in(charlie)
    for model in admin.site._registry:
        stem = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        listed = reverse(f"{stem}_changelist")
        assert not visible(client, listed), model
        if (row := one_of(model, world)) is not None:
            for action in ("change", "history", "delete"):
                path = reverse(f"{stem}_{action}", args=[row.pk])
                assert client.get(path).status_code in (403, 404), path
                assert client.post(path, {"post": "yes"}).status_code in (403, 404)
            change = reverse(f"{stem}_change", args=[row.pk])
            assert client.get(change).status_code == 404, change
    user = world.active.created_by_user
    path = reverse("admin:auth_user_password_change", args=[user.pk])
    assert client.get(path).status_code == 404
    kind = ContentType.objects.get_for_model(L1WalkSession)
    shortcut = reverse("admin:view_on_site", args=[kind.pk, world.active.pk])
    assert client.get(shortcut, follow=True).status_code == 404


def test_the_accounts_own_manager_sees_it_there(world, mona):
    client = signed_in(mona)
    for model in (L1WalkSession, Ticket, Flow, Job, Host, WorkflowSession, Artifact):
        stem = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        path = reverse(f"{stem}_change", args=[one_of(model, world).pk])
        assert visible(client, path), path
    for model in ("axes_accessattempt", "axes_accesslog", "workflows_account"):
        assert client.get(reverse(f"admin:{model}_add")).status_code == 403
