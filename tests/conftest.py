"""The cast: people of two accounts, and how tests sign in as them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.cache import caches
from django.db import connection
from django.test import Client, TransactionTestCase

from jobs.actions.guard import Guard
from workflows.core.accounts import Account, User
from workflows.core.migrating import install, remove

BACKEND = "workflows.core.auth.RoleBackend"
ROLE_MIGRATIONS = (
    "workflows.migrations.0003_roles",
    "workflows.migrations.0005_support_roles",
    "l1walk.migrations.0003_roles",
    "jobs.migrations.0003_roles",
    "jobs.budgets.migrations.0002_roles",
)
APPEND_ONLY = {
    "workflows_move": ("UPDATE", "DELETE"),
    "l1walk_flowversion": ("UPDATE",),
    "jobs_jobevent": ("UPDATE",),
    "jobs_jobattempt": ("UPDATE",),
}


def make_account(slug: str, **over: Any) -> Account:
    return Account.objects.create(
        slug=slug, name=over.pop("name", slug.title()), **over
    )


def make_user(account: Account | None, username: str, *roles: str, **over: Any) -> User:
    user = User.objects.create_user(
        username, f"{username}@example.com", "correct horse", account=account, **over
    )
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


def signed_in(user: User) -> Client:
    """Return a browser of theirs."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture(autouse=True)
def cold_cache() -> None:
    """Forget roles, sessions and bells that belong to another test's database."""
    for name in caches:
        caches[name].clear()


@pytest.fixture(autouse=True)
def no_guard_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread write between tests: its own tests make its rounds by hand."""
    monkeypatch.setattr(Guard, "start", lambda self: None)


_flush: Any = getattr(TransactionTestCase, "_fixture_teardown")  # noqa: B009


def _flush_and_restore(self: TransactionTestCase) -> None:
    """Empty the append-only tables too, and make the roles of the migrations again."""
    with connection.schema_editor() as editor:
        for table, events in APPEND_ONLY.items():
            remove(editor, table, events)
    _flush(self)
    with connection.schema_editor() as editor:
        for table, events in APPEND_ONLY.items():
            install(editor, table, events)
        ContentType.objects.clear_cache()
        for name in ROLE_MIGRATIONS:
            import_module(name).Migration.operations[0].code(apps, editor)


setattr(TransactionTestCase, "_fixture_teardown", _flush_and_restore)  # noqa: B010


@pytest.fixture
def account(db: None) -> Account:
    return make_account("acme")


@pytest.fixture
def alice(account: Account) -> User:
    """The technician."""
    return make_user(account, "alice", "technician", first_name="Alice")


@pytest.fixture
def egon(account: Account) -> User:
    """The engineer."""
    return make_user(account, "egon", "engineer", first_name="Egon")


@pytest.fixture
def berta(account: Account) -> User:
    """The bookkeeper."""
    return make_user(account, "berta", "bookkeeper", first_name="Berta")


@pytest.fixture
def mona(account: Account) -> User:
    """The manager."""
    return make_user(account, "mona", "manager", first_name="Mona", is_staff=True)


@pytest.fixture
def nora(account: Account) -> User:
    """A new colleague whom nobody has given a role."""
    return make_user(account, "nora", first_name="Nora")


@pytest.fixture
def charlie(db: None) -> User:
    """Of another account, with every role there."""
    other = make_account("rival")
    roles = ("technician", "engineer", "manager")
    return make_user(other, "charlie", *roles, is_staff=True)


@pytest.fixture
def login() -> Callable[[User], Client]:
    return signed_in


@pytest.fixture
def visit(live_server: Any, new_page: Callable[..., Any]) -> Callable[..., Any]:
    """Open a browser and sign somebody in through the login page."""

    def sign_in(user: User, path: str = "/", **options: Any) -> Any:
        page = new_page(base_url=live_server.url, **options)
        page.goto(f"/login/?next={path}")
        page.get_by_label("Username").fill(user.username)
        page.get_by_label("Password").fill("correct horse")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{live_server.url}{path}")
        return page

    return sign_in
