"""Who added, moved, trusted or retired a host stands in the log, without addresses."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.conftest import signed_in
from workflows.support.actions import hosts
from workflows.support.collecting.ssh import fingerprint
from workflows.support.models import Host
from workflows.support.tests.make import HOST_KEY, make_host

pytestmark = pytest.mark.django_db
FORM = {
    "name": "web-1",
    "address": "web1.example.com",
    "port": "2222",
    "username": "handrail",
    "private_key": "",
}


@pytest.fixture
def send(egon):
    client = signed_in(egon)

    def post(view, host=None, **data):
        address = reverse(f"support:{view}", args=[host.pk] if host else [])
        assert client.post(address, data).status_code == 303

    return post


@pytest.fixture
def recorded(caplog, egon):
    """Return what was logged of hosts since the last look, and by whom."""
    caplog.set_level("INFO", "handrail.support")

    def look():
        lines = [
            record.getMessage()
            for record in caplog.records
            if record.name == "handrail.support"
        ]
        caplog.clear()
        assert "web1.example.com" not in str(lines)
        assert "PRIVATE KEY" not in str(lines)
        by = f"by user {egon.pk}"
        assert all(line.endswith(by) for line in lines)
        return [line.removesuffix(by).strip() for line in lines]

    return look


def test_each_change_of_a_host_is_recorded(send, recorded):
    send("host_new", **FORM)
    host = Host.objects.get()
    assert recorded() == [f"host {host.pk} was added"]
    send("host", host, **FORM | {"name": "db-1"})
    assert recorded() == [f"host {host.pk} was changed"]
    for place in ({"port": "22"}, {"address": "192.0.2.7"}):
        send("host", host, **FORM | {"port": "22"} | place)
        assert recorded() == [f"host {host.pk} was moved"]


def test_whoever_trusts_a_key_is_recorded_with_it(send, recorded, account):
    host = make_host(account, host_key="")
    send("host_key", host, shown=hosts.signed_key(host, HOST_KEY))
    assert recorded() == [f"host {host.pk}: key {fingerprint(HOST_KEY)} is trusted"]
    send("host_key", host, shown="forged")
    assert recorded() == []


def test_a_host_that_goes_and_comes_back_is_recorded_once(send, recorded, account):
    host = make_host(account)
    for _click in range(2):
        send("host_retire", host)
    assert recorded() == [f"host {host.pk} was retired"]
    for _click in range(2):
        send("host_bring_back", host)
    assert recorded() == [f"host {host.pk} was brought back"]
