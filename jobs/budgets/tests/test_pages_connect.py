"""New budgets: the demo, and those on an Actual server."""

from __future__ import annotations

import socket
import threading

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from jobs.actions.running import drain
from jobs.budgets.models import Budget
from jobs.budgets.tests.make import make_budget
from jobs.budgets.views.connecting import KEPT
from jobs.models import Job
from tests.conftest import make_user, signed_in
from workflows.core.secrets import unseal

pytestmark = pytest.mark.django_db
CONNECT, CHOOSE = reverse("budgets:connect"), reverse("budgets:connect_file")
PLANTED = "planted-password-1"


@pytest.fixture
def client(berta):
    return signed_in(berta)


def page(response):
    return response.content.decode()


@pytest.fixture
def refused():
    """Return an address where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def no_actual():
    """Return the address of something that is no Actual server."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def answer():
            while True:
                try:
                    caller, _address = server.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65536)
                    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def leaks(client, response, caplog):
    """Return where the planted password is in the clear."""
    kept = [row.get_decoded() for row in Session.objects.all()]
    places = {"page": page(response), "log": caplog.text, "session": repr(kept)}
    return [place for place, text in places.items() if PLANTED in text]


# --- the demo -------------------------------------------------------------------------
def test_the_demo_is_one_click(client, account, berta):
    response = client.post(reverse("budgets:demo"))
    budget = Budget.objects.get()
    assert response.status_code == 303
    assert response.url == budget.get_absolute_url()
    assert (budget.account, budget.name, budget.embedded) == (account, "Demo", True)
    drain("budgets")
    assert budget.suggestions.count() > 50
    client.post(reverse("budgets:demo"))
    assert set(Budget.objects.values_list("name", flat=True)) == {"Demo", "Demo 2"}
    assert client.get(reverse("budgets:demo")).status_code == 405


def test_an_operator_without_an_account_is_told(db):
    root = make_user(None, "root", is_superuser=True)
    client = signed_in(root)
    for name in ("connect", "import_file"):
        response = client.get(reverse(f"budgets:{name}"))
        assert response.status_code == 403
        assert "belongs to an account" in page(response)


# --- a server -------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["refused", "no_actual"])
def test_an_unusable_server_is_told_beside_its_address(
    client, request, caplog, address
):
    server_url = request.getfixturevalue(address)
    data = {"server_url": server_url, "password": PLANTED}
    response = client.post(CONNECT, data)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"server_url"}
    assert server_url in page(response)
    assert leaks(client, response, caplog) == []
    assert client.get(CHOOSE).status_code == 303  # there is nothing to choose from


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"server_url": "ftp://x", "password": PLANTED}, "server_url"),
        ({"server_url": "http://u:p@x", "password": PLANTED}, "server_url"),
        ({"server_url": "", "password": PLANTED}, "server_url"),
        ({"server_url": "http://127.0.0.1:1"}, "password"),
    ],
)
def test_what_is_missing_or_wrong_is_told(client, caplog, data, field):
    response = client.post(CONNECT, data)
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert leaks(client, response, caplog) == []


def test_without_keys_no_password_is_taken(client, actual, settings, caplog):
    settings.SEAL_KEYS = []
    data = {"server_url": actual.url, "password": actual.password}
    response = client.post(CONNECT, data)
    assert response.status_code == 422
    assert "cannot be stored" in page(response)


def test_a_wrong_password_is_told_beside_it(client, actual, caplog):
    data = {"server_url": actual.url, "password": PLANTED}
    response = client.post(CONNECT, data)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"password"}
    assert actual.url in page(response)
    assert leaks(client, response, caplog) == []


@pytest.fixture
def asked(client, actual, budget):
    """The first step is done: the server has been asked."""
    data = {"server_url": actual.url, "password": actual.password}
    response = client.post(CONNECT, data)
    assert (response.status_code, response.url) == (303, CHOOSE)


def test_between_the_steps_the_password_is_sealed(client, actual, budget, asked):
    kept = client.session[KEPT]
    assert actual.password not in repr(kept)
    assert unseal(kept["password"]).reveal() == actual.password
    shown = page(client.get(CHOOSE))
    assert budget.file_id in shown
    assert actual.password not in shown
    assert kept["password"] not in shown


def test_a_budget_is_chosen_and_fetched(client, account, actual, budget):
    client.post(CONNECT, {"server_url": actual.url, "password": actual.password})
    data = {"file_id": budget.file_id, "name": "Ours"}
    response = client.post(CHOOSE, data)
    row = Budget.objects.get()
    assert (response.status_code, response.url) == (303, row.get_absolute_url())
    assert (row.account, row.name, row.server_url) == (account, "Ours", actual.url)
    assert row.file_id == budget.file_id
    assert actual.password not in row.password
    assert KEPT not in client.session
    assert client.post(CHOOSE, data).status_code == 303  # a second click
    assert Budget.objects.count() == 1
    drain("budgets")
    assert Job.objects.get().status == "succeeded"
    assert row.suggestions.count() == 10


def test_a_wrong_choice_keeps_what_was_typed(client, account, actual, budget, asked):
    client.post(CONNECT, {"server_url": actual.url, "password": actual.password})
    make_budget(account, name="Ours")
    wrong = [
        ({"file_id": "no-such-file", "name": "New"}, "file_id"),
        ({"file_id": budget.file_id, "name": "Ours"}, "name"),
        ({"file_id": budget.file_id, "name": ""}, "name"),
    ]
    for data, field in wrong:
        response = client.post(CHOOSE, data)
        assert response.status_code == 422
        assert field in response.context["form"].errors
        assert f'value="{data["name"]}"' in page(response) or not data["name"]
    assert KEPT in client.session
    assert Budget.objects.count() == 1


def test_beginning_anew_drops_what_was_kept(client, asked):
    client.get(CONNECT)
    assert KEPT not in client.session
    response = client.get(CHOOSE, follow=True)
    assert "Begin with the address" in page(response)
