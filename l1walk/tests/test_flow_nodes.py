"""Writing a draft node by node: two people, two clicks, and what must not be lost."""

from dataclasses import replace

import pytest

from l1walk.actions import drafting
from l1walk.actions.drafting import (
    NodeChanged,
    RootStays,
    blank_definition,
    delete_node,
    draft_of,
    fingerprint,
    save_node,
)
from l1walk.actions.flows import create_flow, publish_flow
from l1walk.graphs.definition import Answer, Definition, Node, NodeType
from l1walk.models import Flow
from l1walk.tests.make_flows import node_of, now


@pytest.fixture
def draft(account, egon) -> Flow:
    return create_flow(account, by=egon, title="Printer jams")


@pytest.fixture
def flow(draft, mona) -> Flow:
    publish_flow(draft, by=mona)
    return now(draft)


def save(flow, by, node, **over):
    over.setdefault("base", fingerprint(draft_of(now(flow)).node(node.id)))
    return save_node(flow, by=by, node=node, **over)


def test_saving_a_node_changes_it_alone(draft, egon):
    saved = save(draft, egon, replace(node_of(draft, "n2"), text="It prints"))
    assert saved.node.text == "It prints"
    assert saved.added == ()
    assert node_of(draft, "n2").text == "It prints"
    assert node_of(draft, "n3") == blank_definition().node("n3")
    assert now(draft).draft_revision == draft.draft_revision + 1


def test_keys_stay_and_a_removed_one_is_not_given_again(draft, egon):
    node = node_of(draft, "n1")
    node = replace(
        node, answers=(node.answers[0], Answer("", "Maybe", "n3"), Answer("", "?", ""))
    )
    saved = save(draft, egon, node)
    assert [a.key for a in saved.node.answers] == ["a1", "a3", "a4"]


def test_a_target_can_be_a_fresh_node(draft, egon):
    node = node_of(draft, "n1")
    answers = (
        replace(node.answers[0], to="new:instruction"),
        replace(node.answers[1], to="new:escalate"),
    )
    saved = save(draft, egon, replace(node, answers=answers))
    assert [(n.id, n.type, n.text) for n in saved.added] == [
        ("n4", NodeType.INSTRUCTION, ""),
        ("n5", NodeType.ESCALATE, ""),
    ]
    assert [a.to for a in node_of(draft, "n1").answers] == ["n4", "n5"]
    assert node_of(draft, "n4") == saved.added[0]


def test_a_node_form_sent_twice_is_saved_once(draft, egon):
    node = node_of(draft, "n1")
    base = fingerprint(node)
    answers = (*node.answers, Answer("", "Maybe", "new:question"))
    node = replace(node, answers=answers)
    first = save_node(draft, by=egon, node=node, base=base)
    again = save_node(draft, by=egon, node=node, base=base)
    assert again.node == first.node
    assert again.added == ()
    assert len(draft_of(now(draft)).nodes) == 4
    assert now(draft).draft_revision == 1


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Changed"},
        {"answers": ()},
        {"answers": (Answer("a1", "Yes", "n3"), Answer("a2", "No", "n3"))},
        {"answers": (Answer("a1", "Yes", "new:escalate"), Answer("a2", "No", "n3"))},
    ],
)
def test_who_saves_second_is_shown_the_first(draft, egon, mona, other):
    node = node_of(draft, "n1")
    base = fingerprint(node)
    theirs = replace(node, text="Mona's")
    save_node(draft, by=mona, node=theirs, base=base)
    with pytest.raises(NodeChanged) as refused:
        save_node(draft, by=egon, node=replace(theirs, **other), base=base)
    assert refused.value.node == theirs
    assert node_of(draft, "n1") == theirs


def test_a_node_deleted_meanwhile_can_be_added_again(draft, egon, mona):
    node = replace(node_of(draft, "n3"), text="Call the engineer")
    base = fingerprint(node_of(draft, "n3"))
    delete_node(draft, by=mona, node_id="n3", base=base)
    with pytest.raises(NodeChanged) as refused:
        save_node(draft, by=egon, node=node, base=base)
    assert refused.value.node is None
    save_node(draft, by=egon, node=node, base=fingerprint(None))
    assert node_of(draft, "n3") == node


def test_two_people_adding_at_once_add_two_nodes(draft, egon, mona):
    one = Node("n4", NodeType.RESOLVED, "Mona's end")
    two = Node("n4", NodeType.RESOLVED, "Egon's end")
    assert save_node(draft, by=mona, node=one, base="").node.id == "n4"
    assert save_node(draft, by=egon, node=two, base="").node.id == "n5"
    assert save_node(draft, by=mona, node=one, base="").node.id == "n4"
    assert len(draft_of(now(draft)).nodes) == 5


def test_another_node_can_be_the_first(draft, egon):
    save(draft, egon, node_of(draft, "n2"), first=True)
    assert draft_of(now(draft)).root == "n2"


def test_the_first_node_of_an_empty_flow_is_its_root(account, egon):
    empty = create_flow(account, by=egon, title="E", definition=Definition("", ()))
    save_node(empty, by=egon, node=Node("n1", NodeType.RESOLVED, "End"), base="")
    assert draft_of(now(empty)).root == "n1"


def test_saving_a_published_flow_makes_a_draft_and_undoing_ends_it(flow, egon):
    node = node_of(flow, "n2")
    save(flow, egon, replace(node, text="Changed"))
    assert now(flow).draft is not None
    save(flow, egon, node)
    assert now(flow).draft is None


def test_a_deleted_node_leaves_loose_answers(draft, egon):
    base = fingerprint(node_of(draft, "n3"))
    delete_node(draft, by=egon, node_id="n3", base=base)
    assert [a.to for a in node_of(draft, "n1").answers] == ["n2", ""]
    revision = now(draft).draft_revision
    delete_node(draft, by=egon, node_id="n3", base=base)
    assert now(draft).draft_revision == revision


def test_what_cannot_be_deleted(draft, egon, mona):
    with pytest.raises(RootStays):
        delete_node(
            draft, by=egon, node_id="n1", base=fingerprint(node_of(draft, "n1"))
        )
    base = fingerprint(node_of(draft, "n2"))
    save(draft, mona, replace(node_of(draft, "n2"), text="Mona's"))
    with pytest.raises(NodeChanged):
        delete_node(draft, by=egon, node_id="n2", base=base)
    assert node_of(draft, "n2").text == "Mona's"


def test_the_next_free_name():
    taken = {"n1", "n3"}
    names = drafting.fresh("n", taken)
    assert [next(names), next(names)] == ["n2", "n4"]
