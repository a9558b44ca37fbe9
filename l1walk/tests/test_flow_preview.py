"""The preview: a walk of a draft that leaves no trace."""

import re

import pytest

from l1walk.actions.flows import create_flow
from l1walk.graphs.definition import Answer, Definition, Node, NodeType
from l1walk.models import Flow, L1WalkSession, WalkStep
from l1walk.tests.make import printer_graph
from l1walk.tests.make_flows import url, words
from l1walk.views.flow_preview import MAX_PATH
from tests.conftest import signed_in


@pytest.fixture
def flow(account) -> Flow:
    return create_flow(account, by=None, title="Printer", definition=printer_graph())


@pytest.fixture
def alice_client(alice):
    return signed_in(alice)


def choose(client, page, label):
    """Follow the answer with this label."""
    to = {a.label: address for a, address in page.context["answers"]}
    return client.get(to[label])


def test_it_walks_to_an_end_and_back(alice_client, flow):
    page = alice_client.get(url("flow_preview", flow))
    assert "Can anyone else print?" in words(page)
    assert "colleague" in words(page)
    page = choose(alice_client, page, "Only I cannot")
    page = choose(alice_client, page, "Done")
    page = choose(alice_client, page, "Yes")
    assert "It prints again" in words(page)
    assert "The walk would end here: solved." in words(page)
    assert [answer for _q, answer in page.context["path"]] == [
        "Only I cannot",
        "Done",
        "Yes",
    ]
    page = alice_client.get(page.context["undo_url"])
    assert "Does it print now?" in words(page)
    page = choose(alice_client, page, "No")
    assert "handed to an engineer" in words(page)
    page = alice_client.get(page.context["start_url"])
    assert page.context["path"] == []
    assert page.context["undo_url"] == ""


def test_it_leaves_no_trace(alice_client, flow):
    before = Flow.objects.values().get(pk=flow.pk)
    choose(alice_client, alice_client.get(url("flow_preview", flow)), "Nobody can")
    assert Flow.objects.values().get(pk=flow.pk) == before
    assert not L1WalkSession.objects.exists()
    assert not WalkStep.objects.exists()


def test_going_round_does_not_grow_the_address_for_ever(alice_client, flow):
    page = alice_client.get(url("flow_preview", flow))
    longest = 0
    for _round in range(70):
        for label in ("Only I cannot", "Done", "Ask me again"):
            page = choose(alice_client, page, label)
            longest = max(longest, len(page.wsgi_request.get_full_path()))
    assert MAX_PATH < longest < MAX_PATH + 200
    assert len(page.context["path"]) > 50


def test_a_draft_with_errors_can_be_previewed(account, alice_client, egon):
    graph = Definition(
        "n1",
        (
            Node(
                "n1",
                NodeType.QUESTION,
                "",
                answers=(Answer("a1", "Here", "n2"), Answer("a2", "There", "lost")),
            ),
            Node("n2", NodeType.QUESTION, "Stuck"),
        ),
    )
    flow = create_flow(account, by=None, title="Errors", definition=graph)
    page = alice_client.get(url("flow_preview", flow))
    assert "This node has no text yet." in words(page)
    assert "leads nowhere yet" in words(page)
    page = choose(alice_client, page, "Here")
    assert "a walk would be stuck here" in words(page)
    assert "Edit this node" not in words(page)
    page = signed_in(egon).get(url("flow_preview", flow), {"at": "n2"})
    assert "Edit this node" in words(page)


def test_a_published_version_can_be_previewed(account, alice_client, flow, mona):
    signed_in(mona).post(url("flow_publish", flow), {"revision": 0})
    page = alice_client.get(url("flow_preview", flow), {"version": "1"})
    assert "Preview of version 1" in words(page)
    page = choose(alice_client, page, "Nobody can")
    assert "Preview of version 1" in words(page)
    gone = alice_client.get(url("flow_preview", flow), {"version": "7"})
    assert gone.status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"at": "gone"},
        {"at": "scope", "path": "gone.a1~scope.gone~~.~x~scope.a1.b"},
        {"path": "%00\x00<script>" * 1000},
        {"at": "\x00"},
    ],
)
def test_any_address_is_a_page(alice_client, flow, query):
    page = alice_client.get(url("flow_preview", flow), query)
    assert page.status_code == 200
    assert page.context["path"] == []
    assert not re.search(r"<script>(?!\s*$)[^<]", page.content.decode())


def test_an_empty_flow_has_nothing_to_preview(account, alice_client):
    flow = create_flow(account, by=None, title="E", definition=Definition("", ()))
    page = alice_client.get(url("flow_preview", flow))
    assert "not in the flow any more" in words(page)
