"""What each role may do, and how quickly a change of it is seen."""

import time

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import connection

from tests.conftest import make_user, signed_in
from workflows.core import accounts
from workflows.core.accounts import MANAGER, ROLES, User, groups_of, role_names
from workflows.core.auth import RoleBackend
from workflows.core.migrating import grant

pytestmark = pytest.mark.django_db

# What the migrations grant; a right that is not here is one that nobody holds.
WALKS = {"l1walk.walk_ticket", "l1walk.work_ticket"}
WRITES_FLOWS = {"l1walk.edit_flow", "l1walk.publish_flow"}
KEEPS_BUDGETS = {"budgets.keep_budget", "budgets.connect_budget"}
SUPPORTS = {"workflows.run_support"}
RIGHTS = {
    "technician": WALKS | SUPPORTS,
    "engineer": {
        "l1walk.take_escalation",
        "jobs.manage_job",
        "workflows.manage_host",
        *WALKS,
        *WRITES_FLOWS,
        *SUPPORTS,
    },
    "bookkeeper": KEEPS_BUDGETS,
    "manager": {
        "workflows.change_account",
        "workflows.view_move",
        "workflows.add_user",
        "workflows.change_user",
        "workflows.view_user",
        "l1walk.view_flow",
        "l1walk.view_flowversion",
        "l1walk.view_l1walksession",
        "l1walk.view_ticket",
        "l1walk.work_ticket",
        "l1walk.reassign_escalation",
        "l1walk.view_reports",
        "jobs.manage_job",
        "jobs.view_job",
        "jobs.view_queues",
        "jobs.view_schedule",
        "jobs.view_worker",
        "budgets.view_budget",
        "budgets.view_snapshot",
        "budgets.view_suggestion",
        "workflows.end_jiraconnection",
        "workflows.manage_host",
        "workflows.view_artifact",
        "workflows.view_host",
        "workflows.view_jiraattachmentstate",
        "workflows.view_jiraconnection",
        "workflows.view_sosreportstate",
        "workflows.view_workflowsession",
        *SUPPORTS,
        *KEEPS_BUDGETS,
        *WRITES_FLOWS,
    },
}
SETTINGS = "workflows.change_account"


def loaded(user):
    """Return the user as each request loads them."""
    found = RoleBackend().get_user(user.pk)
    assert found is not None
    return found


@pytest.mark.parametrize("role", ROLES)
def test_each_role_holds_what_the_migrations_grant(account, role):
    user = make_user(account, "somebody", role)
    assert loaded(user).get_all_permissions() == RIGHTS[role]
    assert role_names(user) == {role}
    assert user.holds(role)


def test_roles_add_up(account):
    user = make_user(account, "jack", "technician", "manager")
    rights = RIGHTS["technician"] | RIGHTS["manager"]
    assert loaded(user).get_all_permissions() == rights
    assert not user.holds("engineer")


def test_without_a_role_there_are_no_rights(nora):
    assert loaded(nora).get_all_permissions() == set()
    assert role_names(nora) == set()
    assert not loaded(nora).has_module_perms("workflows")


def test_operators_may_do_everything(db):
    olga = loaded(make_user(None, "olga", is_superuser=True))
    everything = Permission.objects.count()
    assert len(olga.get_all_permissions()) == everything
    assert olga.has_perm(SETTINGS)


def test_rights_come_from_roles_alone(alice):
    alice.user_permissions.add(Permission.objects.get(codename="change_account"))
    assert not loaded(alice).has_perm(SETTINGS)


def test_rights_are_never_those_of_one_object(mona, account):
    assert loaded(mona).has_perm(SETTINGS)
    assert not loaded(mona).has_perm(SETTINGS, account)


def test_who_left_holds_nothing_and_is_not_loaded(mona, client):
    signed = signed_in(mona)
    assert signed.get("/profile/").status_code == 200
    User.objects.update(is_active=False)
    assert RoleBackend().get_user(mona.pk) is None
    assert signed.get("/profile/").status_code == 302
    assert User.objects.get(pk=mona.pk).get_all_permissions() == set()
    assert RoleBackend().get_all_permissions(AnonymousUser()) == set()


def test_a_session_of_somebody_deleted_ends(alice):
    signed = signed_in(alice)
    alice.delete()
    response = signed.get("/profile/")
    assert response.headers["Location"] == "/login/?next=/profile/"


# --- what it costs --------------------------------------------------------------------
def test_one_query_loads_user_account_and_roles(mona, django_assert_num_queries):
    loaded(mona).has_perm(SETTINGS)  # warms the cache of roles
    with django_assert_num_queries(1):
        user = loaded(mona)
        assert user.account.name == "Acme"
        assert user.holds(MANAGER)
        assert user.has_perm(SETTINGS)
        assert user.has_perms(RIGHTS["manager"])
        assert user.has_module_perms("workflows")


def test_a_user_loaded_otherwise_asks_once(mona, django_assert_num_queries):
    role_names(mona)
    user = User.objects.get(pk=mona.pk)
    with django_assert_num_queries(1):
        assert groups_of(user) == groups_of(user)
        assert user.has_perm(SETTINGS)


# --- changes --------------------------------------------------------------------------
def test_a_changed_role_of_a_user_is_seen_at_once(alice):
    signed = signed_in(alice)
    assert signed.get("/account/").status_code == 403
    alice.groups.set(Group.objects.filter(name=MANAGER))
    assert signed.get("/account/").status_code == 200
    alice.groups.clear()
    assert signed.get("/account/").status_code == 403


def test_changed_rights_of_a_role_are_seen_after_the_cache_time(alice, monkeypatch):
    monkeypatch.setattr(accounts, "ROLE_CACHE_SECONDS", 1)
    technicians = Group.objects.get(name="technician")
    assert not loaded(alice).has_perm(SETTINGS)
    technicians.permissions.add(Permission.objects.get(codename="change_account"))
    assert not loaded(alice).has_perm(SETTINGS)
    time.sleep(1.1)
    assert loaded(alice).has_perm(SETTINGS)


def test_a_deleted_role_gives_nothing(mona):
    [pk] = groups_of(mona)
    user = loaded(mona)
    Group.objects.filter(pk=pk).delete()
    assert user.get_all_permissions() == set()
    assert role_names(user) == {""}


# --- the migration --------------------------------------------------------------------
def test_granting_goes_back_and_forth_and_is_safe_to_repeat():
    operation = grant({"auditor": ["workflows.move.view_move"], "guest": []})
    editor = connection.schema_editor()
    operation.code(apps, editor)
    operation.code(apps, editor)
    [right] = Group.objects.get(name="auditor").permissions.all()
    assert right.codename == "view_move"
    assert not Group.objects.get(name="guest").permissions.exists()

    operation.reverse_code(apps, editor)
    assert not Group.objects.get(name="auditor").permissions.exists()
    assert Permission.objects.filter(codename="view_move").exists()


def test_a_right_that_nothing_made_yet_is_made():
    grant({"auditor": ["l1walk.ticket.read_minds"]}).code(
        apps, connection.schema_editor()
    )
    made = Permission.objects.get(codename="read_minds")
    assert (made.name, made.content_type.app_label) == ("read minds", "l1walk")
