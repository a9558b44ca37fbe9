"""The team that `make run` shows: flows worth walking, and a month of walks."""

import json

import pytest
from django.core.management import CommandError, call_command

from l1walk.graphs.native import parse
from l1walk.graphs.validate import find_problems
from l1walk.management.commands import demo
from l1walk.models import L1WalkSession
from workflows.core.accounts import ROLES, Account, User

FLOWS = sorted(path for path in demo.FOLDER.glob("*.json") if path.stem != "tickets")


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_each_flow_is_whole_and_of_a_size_to_be_walked(path):
    read = parse(path.read_text())
    assert read.problems == find_problems(read.definition) == []
    assert 8 <= len(read.definition.nodes) <= 25
    assert read.category
    assert read.keywords


def test_there_is_one_for_each_everyday_problem():
    names = {path.stem for path in FLOWS}
    assert names >= {
        "password-reset", "locked-account", "printer-not-printing", "email-client",
        "wifi", "vpn",
    }  # fmt: skip
    tickets = json.loads((demo.FOLDER / "tickets.json").read_text())
    assert {ticket["flow"] for ticket in tickets} - {None} == names


@pytest.mark.django_db
def test_it_makes_people_of_every_role_and_walks_of_every_outcome(capsys):
    call_command("demo")
    account = Account.objects.get(slug="demo")
    assert account.settings == {"jira.hosts": ["*.atlassian.net"]}
    people = User.objects.filter(account=account)
    assert set(people.values_list("groups__name", flat=True)) == set(ROLES)
    walks = L1WalkSession.objects.filter(account=account)
    assert set(walks.values_list("status", flat=True)) == set(
        L1WalkSession.Status.values
    )
    assert walks.filter(handoff="waiting").exists()
    # Her password is in the source: she is for one's own machine, and asked for there.
    assert not User.objects.filter(is_superuser=True).exists()
    with pytest.raises(CommandError, match="there already"):
        call_command("demo")


@pytest.mark.django_db
def test_ones_own_machine_has_an_operator_too(capsys, monkeypatch):
    monkeypatch.setattr(demo, "WALKS", 1)
    call_command("demo", "--operator")
    assert User.objects.get(is_superuser=True).username == "olga"
