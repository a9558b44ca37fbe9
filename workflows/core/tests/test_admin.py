"""The admin shows an account its own rows; managers keep its people, and no more."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import make_user, signed_in
from tests.kit.make import make_parcel
from workflows.core import admin
from workflows.core.accounts import Account, User
from workflows.core.admin import CappedPaginator
from workflows.core.moves import Move

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.urls")]

PEOPLE = "/admin/workflows/user/"
NEW = {
    "username": "nick",
    "first_name": "Nick",
    "last_name": "",
    "email": "",
    "usable_password": "true",
    "password1": "battery staple 7",
    "password2": "battery staple 7",
}


@pytest.fixture
def manager(mona):
    return signed_in(mona)


@pytest.fixture
def olga(db):
    """The operator."""
    return make_user(None, "olga", is_superuser=True, is_staff=True)


@pytest.fixture
def operator(olga):
    return signed_in(olga)


def group(name):
    return Group.objects.get(name=name).pk


def change_of(user, **over):
    """Return what the form of a person would send as it stands, with changes."""
    data = {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "is_active": "on",
        "groups": [g.pk for g in user.groups.all()],
    }
    return data | over


def reread(user):
    return User.objects.get(pk=user.pk)


def saved(response):
    if response.status_code == 200:
        pytest.fail(str(response.context["adminform"].form.errors))
    return response.status_code == 302


# --- who comes in ---------------------------------------------------------------------
def test_the_admin_is_for_managers_and_says_so(alice, mona, client):
    response = signed_in(alice).get("/admin/")
    assert response.status_code == 403
    assert "The administration is for managers." in response.content.decode()
    html = signed_in(mona).get("/admin/").content.decode()
    assert "Back to Handrail" in html
    assert 'href="/admin/workflows/user/"' in html
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")


def test_the_way_in_is_the_products_own_login(client, mona):
    response = client.get("/admin/workflows/move/?q=1", follow=True)
    [*_between, (last, _status)] = response.redirect_chain
    assert last == "/login/?next=/admin/workflows/move/%3Fq%3D1"
    assert client.get("/admin/login/").headers["Location"] == "/login/?next=/admin/"
    known = {"username": "mona", "password": "correct horse"}
    response = client.post(last, {**known, "next": "/admin/workflows/move/?q=1"})
    assert client.get(response.headers["Location"]).status_code == 200


# --- people ---------------------------------------------------------------------------
def test_a_manager_sees_the_people_of_the_account(manager, alice, charlie, olga):
    html = manager.get(PEOPLE).content.decode()
    assert "alice" in html
    assert "charlie" not in html
    assert "olga" not in html
    for query, found in (("charlie", 0), ("olga", 0), ("alice", 1)):
        response = manager.get(f"{PEOPLE}?q={query}")
        assert response.context["cl"].result_count == found
    form = manager.get(f"{PEOPLE}{alice.pk}/change/").content.decode()
    for operators_field in ("is_superuser", "is_staff", 'name="account"'):
        assert operators_field not in form


def test_who_is_of_another_account_is_not_there(manager, charlie, olga):
    for stranger in (charlie.pk, olga.pk, uuid4(), "x"):
        for page, status in (
            ("change", 404),
            ("history", 404),
            ("password", 404),
            ("delete", 403),  # which a manager may do to nobody
        ):
            for method in (manager.get, manager.post):
                response = method(f"{PEOPLE}{stranger}/{page}/")
                assert response.status_code == status


def test_a_manager_makes_people_of_the_own_account(manager, account):
    assert saved(manager.post(f"{PEOPLE}add/", {**NEW, "groups": [group("engineer")]}))
    nick = User.objects.get(username="nick")
    assert (nick.account, nick.is_staff, nick.is_superuser) == (account, False, False)
    assert nick.check_password(NEW["password1"])
    assert nick.holds("engineer")


def test_a_manager_gets_no_further_by_a_crafted_form(manager, account, alice, charlie):
    """Fields that the form does not show are not read."""
    crafted = {
        "account": str(charlie.account_id),
        "is_superuser": "on",
        "is_staff": "on",
        "user_permissions": ["1"],
    }
    role = {"groups": [group("technician")]}
    assert saved(manager.post(f"{PEOPLE}add/", {**NEW, **role, **crafted}))
    assert saved(
        manager.post(f"{PEOPLE}{alice.pk}/change/", change_of(alice, **crafted))
    )
    for user in (User.objects.get(username="nick"), reread(alice)):
        assert user.account == account
        assert (user.is_superuser, user.is_staff) == (False, False)
        assert not user.user_permissions.exists()


def test_only_the_three_roles_can_be_given(manager, alice):
    other = Group.objects.create(name="gods")
    change = change_of(alice, groups=[other.pk])
    response = manager.post(f"{PEOPLE}{alice.pk}/change/", change)
    assert response.status_code == 200
    assert "groups" in response.context["adminform"].form.errors
    assert [g.name for g in alice.groups.all()] == ["technician"]


def test_who_becomes_a_manager_enters_the_admin_and_who_was_one_does_not(
    manager, alice
):
    path = f"{PEOPLE}{alice.pk}/change/"
    assert saved(manager.post(path, change_of(alice, groups=[group("manager")])))
    assert reread(alice).is_staff
    assert signed_in(alice).get("/admin/").status_code == 200
    assert saved(manager.post(path, change_of(alice, groups=[group("engineer")])))
    assert not reread(alice).is_staff
    assert signed_in(alice).get("/admin/").status_code == 403


def test_nobody_is_deleted_by_a_manager(manager, alice):
    path = f"{PEOPLE}{alice.pk}/delete/"
    assert manager.post(path, {"post": "yes"}).status_code == 403
    manager.post(PEOPLE, {"action": "delete_selected", "_selected_action": [alice.pk]})
    assert reread(alice).is_active


def test_an_operator_makes_people_of_any_account_and_operators(operator, account):
    form = operator.get(f"{PEOPLE}add/").content.decode()
    assert 'name="account"' in form
    role = {"groups": [group("manager")]}
    assert saved(
        operator.post(f"{PEOPLE}add/", {**NEW, **role, "account": str(account.pk)})
    )
    nick = User.objects.get(username="nick")
    assert (nick.account, nick.is_staff) == (account, True)

    other = {**NEW, "username": "otto", "is_superuser": "on", "is_staff": "on"}
    assert saved(operator.post(f"{PEOPLE}add/", other))
    otto = User.objects.get(username="otto")
    assert (otto.account, otto.is_staff, otto.is_superuser) == (None, True, True)


def test_an_operator_who_forgets_the_account_is_reminded(operator):
    response = operator.post(f"{PEOPLE}add/", NEW)
    assert response.status_code == 200
    assert "Choose an account" in response.content.decode()
    assert not User.objects.filter(username="nick").exists()


def test_an_operator_moves_people_between_accounts(operator, alice, charlie):
    assert "charlie" in operator.get(PEOPLE).content.decode()
    change = change_of(alice, account=str(charlie.account_id))
    assert saved(operator.post(f"{PEOPLE}{alice.pk}/change/", change))
    assert reread(alice).account == charlie.account


# --- accounts -------------------------------------------------------------------------
def test_a_manager_sees_one_account_and_makes_none(manager, account, charlie):
    html = manager.get("/admin/workflows/account/").content.decode()
    assert account.slug in html
    assert charlie.account.slug not in html
    path = f"/admin/workflows/account/{charlie.account_id}/change/"
    assert manager.get(path).status_code == 404
    assert manager.get("/admin/workflows/account/add/").status_code == 403


def test_an_operator_makes_accounts(operator):
    data = {"name": "Third", "slug": "third", "time_zone": "Europe/Berlin"}
    assert saved(operator.post("/admin/workflows/account/add/", data))
    assert Account.objects.get(slug="third").settings == {}


# --- moves and machines ---------------------------------------------------------------
def test_moves_are_read_by_the_account_alone(manager, operator, account, charlie):
    ours, theirs = (
        make_parcel(where).moves().get() for where in (account, charlie.account)
    )
    assert manager.get("/admin/workflows/move/").context["cl"].result_count == 1
    assert operator.get("/admin/workflows/move/").context["cl"].result_count == 2
    found = manager.get(f"/admin/workflows/move/?q={ours.object_id}").context["cl"]
    assert list(found.queryset) == [ours]
    assert manager.get(f"/admin/workflows/move/{ours.pk}/change/").status_code == 200
    assert manager.get(f"/admin/workflows/move/{theirs.pk}/change/").status_code == 404


def test_moves_are_not_written_here_even_by_operators(operator, account):
    move = make_parcel(account).moves().get()
    stem = f"/admin/workflows/move/{move.pk}"
    assert operator.get("/admin/workflows/move/add/").status_code == 403
    for page in ("change", "delete"):
        assert operator.post(f"{stem}/{page}/", {"note": "x"}).status_code == 403
    everything = {"action": "delete_selected", "_selected_action": [move.pk]}
    operator.post("/admin/workflows/move/", everything)
    assert Move.objects.get().note == ""


def test_a_machine_is_shown_with_its_history_and_not_changed(operator, account, olga):
    parcel = make_parcel(account, by=olga, note="by phone")
    path = f"/kit-admin/kit/parcel/{parcel.pk}/change/"
    html = operator.get(path).content.decode()
    assert "by phone" in html
    assert "begin" in html
    assert 'name="_save"' not in html
    assert operator.post(path, {"address": "x"}).status_code == 403
    assert operator.get("/kit-admin/kit/parcel/add/").status_code == 403


# --- long lists -----------------------------------------------------------------------
def test_rows_are_counted_up_to_a_limit(operator, account, monkeypatch):
    for _ in range(7):
        make_parcel(account)
    paginator = CappedPaginator(Move.objects.order_by("-at"), 2)
    assert (paginator.count, paginator.num_pages) == (7, 4)
    monkeypatch.setattr(admin, "COUNTED_ROWS", 5)
    paginator = CappedPaginator(Move.objects.order_by("-at"), 2)
    assert (paginator.count, paginator.num_pages) == (5, 3)
    assert len(paginator.page(3)) == 1
    assert operator.get("/admin/workflows/move/").context["cl"].result_count == 5


def test_a_list_costs_the_same_whatever_its_length(operator, account):
    def cost():
        with CaptureQueriesContext(connection) as captured:
            assert operator.get("/admin/workflows/move/").status_code == 200
        return len(captured)

    make_parcel(account)
    cost()  # warms what is cached
    short = cost()
    for _ in range(20):
        make_parcel(account)
    assert cost() == short


def test_a_filter_that_no_database_takes_is_refused(manager):
    assert manager.get("/admin/workflows/user/?username=a%00b").status_code == 400
