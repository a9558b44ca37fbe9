"""The page of a host, where a real sshd has to answer: its key, and what it lacks."""

from __future__ import annotations

import re

import pytest
from django.core import signing

from tests.sshd import lent
from workflows.support.actions import hosts
from workflows.support.collecting.ssh import fingerprint
from workflows.support.models import Host
from workflows.support.tests.make import HOST_KEY, make_host
from workflows.support.tests.pages import (  # noqa: F401
    engineers_client,
    page,
    url,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server():
    yield from lent()


def at(server, account, **over):
    """Return a host that the server stands for."""
    place = {"address": server.address, "port": server.port, "username": "root"}
    values = {"private_key": server.private_key, "host_key": "", **place}
    return make_host(account, **values | over)


def signed_of(response):
    return re.search(r'name="shown" value="([^"]+)"', page(response))[1]


# --- its key --------------------------------------------------------------------------
def test_a_key_is_asked_for_compared_and_trusted(client, account, server, tmp_path):
    host = at(server, account)
    response = client.post(url("host_key", host))
    assert response.status_code == 200
    shown = page(response)
    assert fingerprint(server.host_key) in shown
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in shown
    assert "another key" not in shown
    assert Host.objects.get().host_key == ""  # nothing is trusted by asking
    sent = {"shown": signed_of(response)}
    response = client.post(url("host_key", host), sent, follow=True)
    assert response.redirect_chain == [(url("host", host), 303)]
    assert "is trusted from now on" in page(response)
    assert Host.objects.get().host_key == " ".join(server.host_key.split()[:2])
    assert fingerprint(server.host_key) in page(response)
    again = page(client.post(url("host_key", host)))
    assert "shows the key that was confirmed" in again
    assert 'name="shown"' not in again


def test_another_key_than_before_is_a_warning(client, account, server):
    host = at(server, account, host_key=HOST_KEY)
    response = client.post(url("host_key", host))
    shown = page(response)
    assert "another key than the one that was confirmed" in shown
    assert fingerprint(HOST_KEY) in shown
    assert fingerprint(server.host_key) in shown
    assert Host.objects.get().host_key == HOST_KEY
    client.post(url("host_key", host), {"shown": signed_of(response)})
    assert Host.objects.get().host_key == " ".join(server.host_key.split()[:2])


def test_a_host_that_does_not_answer_shows_no_key(client, account):
    host = make_host(account, address="127.0.0.1", port=1, host_key="")
    response = client.post(url("host_key", host))
    assert response.status_code == 200
    assert "does not answer" in page(response)
    assert 'name="shown"' not in page(response)


def test_only_what_was_shown_for_this_host_is_trusted(client, account, egon):
    host, other = (make_host(account, host_key="") for _n in range(2))
    sent = [
        hosts.signed_key(other, HOST_KEY),
        hosts.signed_key(Host(pk=host.pk, address="192.0.2.9"), HOST_KEY),
        signing.dumps([str(host.pk), host.address, 22, HOST_KEY]),
        HOST_KEY,
        "",
        "\0",
    ]
    for value in sent:
        response = client.post(url("host_key", host), {"shown": value}, follow=True)
        assert "Nothing was trusted" in page(response)
        assert not Host.objects.exclude(host_key="").exists()
    good = hosts.signed_key(host, HOST_KEY)
    client.post(url("host_key", host), {"shown": good})
    assert Host.objects.get(pk=host.pk).host_key == HOST_KEY


def test_a_page_that_is_loaded_again_shows_the_host(client, account):
    host = make_host(account)
    for name in ("host_key", "host_prerequisites"):
        response = client.get(url(name, host))
        assert (response.status_code, response.url) == (302, url("host", host))


# --- what it lacks --------------------------------------------------------------------
def test_a_host_is_checked_on_its_page_or_in_it(client, account, server, settings):
    settings.SOS_WRAPPER = "/nowhere/handrail-sos"
    host = at(server, account, host_key=server.host_key, username="root")
    whole = client.post(url("host_prerequisites", host))
    part = client.post(url("host_prerequisites", host), headers={"HX-Request": "true"})
    for response in (whole, part):
        assert response.status_code == 200
        assert "sh install.sh root" in page(response)
    assert "<h1>" in page(whole)
    assert page(part).lstrip().startswith('<div class="banner')


def test_a_host_with_everything_says_so(client, account, server, settings, tmp_path):
    wrapper = tmp_path / "handrail-sos"
    said = '{"wrapper": 1, "sos": "/usr/bin/sos", "sos_version": "4.5.6", '
    said += '"free_bytes": 3221225472, "install": ""}'
    wrapper.write_text(f"#!/bin/sh\necho '{said}'\n")
    wrapper.chmod(0o755)
    tmp_path.chmod(0o755)
    settings.SOS_WRAPPER = str(wrapper)
    host = at(server, account, host_key=server.host_key)
    shown = page(client.post(url("host_prerequisites", host)))
    assert "Nothing is missing" in shown
    assert "4.5.6" in shown
    assert "3.0\xa0GB" in shown


def test_nothing_is_asked_before_the_key_is_confirmed(client, account):
    host = make_host(account, host_key="")
    shown = page(client.post(url("host_prerequisites", host)))
    assert "Confirm the key of the host first" in shown


def test_what_a_host_lets_in_is_told(client, account, egon, server):
    host = at(server, account, host_key=server.host_key)
    hosts.change_host(
        host,
        by=egon,
        name=host.name,
        address=host.address,
        port=host.port,
        username="root",
        new_key=True,
    )
    line = hosts.public_line(Host.objects.get())
    shown = page(client.post(url("host_prerequisites", host)))
    assert "does not let Handrail log in" in shown
    assert shown.count(line.rsplit(" ", 2)[0]) == 2  # as told, and where it always is
