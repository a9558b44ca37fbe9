"""The pages of hosts: added, changed, retired, listed."""

from __future__ import annotations

import logging
from io import StringIO

import asyncssh
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.budgets.tests.make import at_most
from tests.conftest import make_user, signed_in
from workflows.core.accounts import Account
from workflows.core.secrets import unseal
from workflows.support.actions import hosts
from workflows.support.models import Host
from workflows.support.tests.make import HOST_KEY, make_case, make_host
from workflows.support.tests.pages import (  # noqa: F401
    engineers_client,
    page,
    url,
)

pytestmark = pytest.mark.django_db
LIST, NEW = reverse("support:hosts"), reverse("support:host_new")
FORM = {
    "name": "web-1",
    "address": "web1.example.com",
    "port": "2222",
    "username": "handrail",
    "private_key": "",
}
PLANTED = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
AGAIN = "The key was not kept, since it is never shown: paste it again."
BODY = PLANTED.split("\n")[4]  # the line with the secret part


def stored():
    """Return the whole database as text."""
    into = StringIO()
    call_command("dumpdata", stdout=into)
    return into.getvalue()


# --- added ----------------------------------------------------------------------------
def test_a_host_is_added_with_a_key_of_its_own(client, account, egon):
    assert client.get(NEW).status_code == 200
    response = client.post(NEW, FORM, follow=True)
    host = Host.objects.get()
    assert response.redirect_chain == [(url("host", host), 303)]
    assert (host.account, host.created_by) == (account, egon)
    assert (host.name, host.address, host.port) == ("web-1", "web1.example.com", 2222)
    shown = page(response)
    assert hosts.public_line(host) in shown
    assert "sh install.sh handrail" in shown
    assert "Not confirmed" in shown
    assert "handrail@web1.example.com:2222" in shown


def test_a_pasted_key_is_seen_by_nobody_again(client, caplog):
    caplog.set_level(logging.DEBUG)
    answers = [client.post(NEW, FORM | {"private_key": PLANTED})]
    host = Host.objects.get()
    change = FORM | {"name": "web-2", "private_key": PLANTED.replace("\n", "\r\n")}
    answers += [client.post(url("host", host), change)]
    assert [answer.status_code for answer in answers] == [303, 303]
    kept = Host.objects.get(pk=host.pk)
    assert BODY in unseal(kept.private_key).reveal()
    # Every way to send it with a mistake, and to look at it afterwards.
    for path in (NEW, url("host", host)):
        for over in ({"address": "-x"}, {"name": ""}, {"port": "0"}, {"new_key": "on"}):
            data = FORM | {"name": "web-3", "private_key": PLANTED} | over
            answers.append(client.post(path, data))
    answers += [client.get(path) for path in (LIST, NEW, url("host", host))]
    for answer in answers:
        assert BODY not in page(answer)
    assert BODY not in caplog.text
    assert BODY not in stored()


def test_a_mistake_keeps_everything_but_the_key(client):
    wrong = {**FORM, "name": "Web & db", "address": "root@web1", "private_key": PLANTED}
    response = client.post(NEW, wrong)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"address", "private_key"}
    shown = response.content.decode()
    for value in ("Web &amp; db", "root@web1", "2222", "handrail"):
        assert f'value="{value}"' in shown
    assert AGAIN in shown
    assert not Host.objects.exists()


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "taken"}, "name"),
        ({"name": "a\0"}, "name"),
        ({"address": ""}, "address"),
        ({"address": "web 1"}, "address"),
        ({"port": ""}, "port"),
        ({"port": "70000"}, "port"),
        ({"port": "9" * 5000}, "port"),
        ({"username": "-l"}, "username"),
        ({"private_key": "hello"}, "private_key"),
        ({"private_key": "x" * 30_000}, "private_key"),
    ],
)
def test_each_mistake_is_told_beside_its_field(client, account, over, field):
    make_host(account, name="taken")
    response = client.post(NEW, FORM | over)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {field}
    assert Host.objects.count() == 1


def test_what_is_too_long_for_a_key_is_said_in_words(client, account):
    for path in (NEW, url("host", make_host(account))):
        response = client.post(path, FORM | {"private_key": "x" * 30_000})
        assert "longer than a private key. Paste the key alone." in page(response)


def test_without_keys_of_the_installation_nothing_is_stored(client, account, settings):
    host = make_host(account, name="db-1")
    settings.SEAL_KEYS = []
    response = client.post(NEW, FORM)
    assert response.status_code == 422
    assert "SEAL_KEYS is not set" in page(response)
    for path in (url("host", host), url("host_prerequisites", host)):
        shown = client.get(path, follow=True)
        assert shown.status_code == 200
        assert "SEAL_KEYS is not set" in page(shown)
    response = client.post(url("host", host), FORM | {"new_key": "on"})
    assert response.status_code == 422
    assert AGAIN not in page(response)  # nothing was pasted
    for path in (NEW, url("host", host)):
        response = client.post(path, FORM | {"private_key": PLANTED})
        assert "SEAL_KEYS is not set" in page(response)
        assert AGAIN in page(response)
    checked = client.post(url("host_prerequisites", host))
    assert page(checked).count("SEAL_KEYS is not set") == 2


class Quick:
    """Takes a name between the look at the form and the row."""

    def __init__(self, account):
        self.account = account

    def __call__(self, form):
        make_host(self.account, name="web-1")
        return "web-1"


def test_a_name_that_is_taken_in_this_moment(client, account, monkeypatch):
    host = make_host(account, name="old")
    form = "workflows.support.forms.hosts.HostForm.clean_name"
    quick = Quick(account)
    monkeypatch.setattr(form, lambda self: quick(self))
    for path in (NEW, url("host", host)):
        response = client.post(path, FORM | {"private_key": PLANTED})
        assert response.status_code == 422
        assert "name already" in page(response)
        assert AGAIN in page(response)
        Host.objects.filter(name="web-1").delete()


def test_an_operator_without_an_account_is_told(account):
    make_host(account)
    client = signed_in(make_user(None, "root", is_superuser=True))
    response = client.get(NEW)
    assert response.status_code == 403
    assert "belongs to an account" in page(response)
    shown = page(client.get(LIST))
    assert "Acme" in shown  # whose host it is
    assert reverse("admin:workflows_host_add") in shown


# --- changed --------------------------------------------------------------------------
def test_a_change_of_place_asks_for_the_key_again(client, account):
    host = make_host(account, name="web-1")
    same = FORM | {"address": host.address, "port": "22"}
    response = client.post(url("host", host), same | {"name": "db-1"}, follow=True)
    assert "Saved." in page(response)
    host = Host.objects.get()
    assert (host.name, host.host_key) == ("db-1", HOST_KEY)
    response = client.post(url("host", host), FORM, follow=True)
    assert "confirmed anew" in page(response)
    host = Host.objects.get()
    assert (host.address, host.host_key) == ("web1.example.com", "")


def test_a_wrong_change_is_shown_and_not_made(client, account):
    host = make_host(account, name="web-1")
    response = client.post(url("host", host), FORM | {"name": "x", "username": "A B"})
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"username"}
    shown = page(response)
    assert 'value="A B"' in shown
    assert "<h1>web-1</h1>" in shown
    assert Host.objects.get().name == "web-1"


def test_a_key_is_pasted_or_made_and_not_both(client, account):
    host = make_host(account)
    both = FORM | {"private_key": PLANTED, "new_key": "on"}
    response = client.post(url("host", host), both | {"port": "0"})
    errors = response.context["form"].errors
    assert errors.keys() == {"new_key", "port", "private_key"}
    response = client.post(url("host", host), both)
    assert response.context["form"].errors.keys() == {"new_key", "private_key"}
    assert AGAIN in page(response)
    before = Host.objects.get().private_key
    client.post(url("host", host), FORM | {"new_key": "on"})
    assert unseal(Host.objects.get().private_key) != unseal(before)


def test_a_host_is_retired_and_offered_again(client, account):
    host = make_host(account, name="web-1")
    response = client.post(url("host_retire", host), follow=True)
    assert "“web-1” is retired" in page(response)
    assert url("host", host) not in page(response)
    assert url("host", host) in page(client.get(f"{LIST}?show=retired"))
    assert "Offer it again" in page(client.get(url("host", host)))
    response = client.post(url("host_bring_back", host), follow=True)
    assert response.redirect_chain == [(url("host", host), 303)]
    assert url("host", host) in page(client.get(LIST))
    for name in ("host_retire", "host_bring_back"):
        assert client.get(url(name, host)).status_code == 405


# --- this machine, an upload's --------------------------------------------------------
def test_this_machine_has_no_key_and_no_address(client, account, settings, tmp_path):
    settings.SOS_WRAPPER = str(tmp_path / "none")
    host = make_host(account, transport="local")
    shown = page(client.get(url("host", host)))
    assert "This machine" in shown
    assert "install.sh" in shown
    assert "private_key" not in shown
    assert client.post(url("host", host), FORM).status_code == 409
    assert client.post(url("host_key", host)).status_code == 409
    assert client.get(url("host_key", host)).status_code == 409
    checked = client.post(url("host_prerequisites", host))
    assert "not allowed to make reports" in page(checked)


def test_the_upload_has_no_page(client, account):
    host = make_host(account, transport="upload")
    for name in ("host", "host_key", "host_prerequisites"):
        assert client.get(url(name, host)).status_code == 404
    assert client.post(url("host_retire", host)).status_code == 404
    assert "No host yet" in page(client.get(LIST))


# --- the list -------------------------------------------------------------------------
def test_the_list_says_how_each_is_reached(client, account, alice):
    ssh = make_host(account, name="web-1", port=2222)
    make_host(account, name="db-1", host_key="")
    assert "an operator has added it" in page(client.get(LIST))
    local = make_host(account, transport="local")
    make_case(alice, host=ssh)
    shown = page(client.get(LIST))
    assert "an operator has added it" not in shown  # it stands on the list
    for words in ("handrail@192.0.2.1:2222", "Confirmed", "Not confirmed"):
        assert words in shown
    assert "Over SSH" in shown
    assert str(local) in shown
    assert shown.count("None yet") == 2
    assert "just now" in shown


def test_the_list_costs_the_same_for_many(client, account, alice):
    Account.objects.update(time_zone="UTC")
    for n in range(3):
        make_case(alice, host=make_host(account, name=f"first-{n}"))
    client.get(LIST)
    with at_most(3):
        client.get(LIST)
    for n in range(60):
        make_host(account, name=f"more-{n}")
    with at_most(3):
        response = client.get(LIST)
    assert len(response.context["list"].rows) == 50
    assert response.context["list"].older_url
    older = client.get(LIST + response.context["list"].older_url)
    assert len(older.context["list"].rows) == 13
    with CaptureQueriesContext(connection) as asked:
        client.get(LIST)
    assert not any("private_key" in query["sql"] for query in asked)


def test_whoever_makes_reports_keeps_no_hosts(account, alice, charlie):
    host = make_host(account, name="only-acme")
    client = signed_in(alice)
    for path in (LIST, NEW, url("host", host)):
        assert client.get(path).status_code == 403
    client = signed_in(charlie)
    assert "only-acme" not in page(client.get(LIST))
    for name in ("host_key", "host_retire", "host_bring_back", "host_prerequisites"):
        assert client.post(url(name, host)).status_code == 404
    assert client.post(url("host", host), FORM).status_code == 404
