"""Definitions: their JSON form, and how strictly it is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l1walk.graphs.definition import (
    MAX_TEXT,
    Answer,
    Definition,
    DefinitionError,
    Node,
    NodeType,
    Severity,
)
from l1walk.graphs.reading import read_definition


def flow(**over):
    """The smallest JSON flow with every kind of field; `over` replaces top keys."""
    answers = [{"key": "a1", "label": "Yes", "to": "done"}]
    answers.append({"key": "a2", "label": "No", "to": "help"})
    nodes = [
        {"id": "ask", "type": "question", "text": "Is it on?", "answers": answers},
        {"id": "done", "type": "resolved", "text": "Good."},
        {
            "id": "help",
            "type": "escalate",
            "text": "Call.",
            "guidance": "**Be** kind",
            "category": "security",
            "needs_review": True,
        },
    ]
    return {"schema": 1, "root": "ask", "nodes": nodes} | over


def with_node(**over):
    """A flow whose first node has other fields; None removes one."""
    data = flow()
    node = data["nodes"][0] | over
    data["nodes"][0] = {key: value for key, value in node.items() if value is not None}
    return data


def with_answer(**over):
    """A flow whose first answer has other fields; None removes one."""
    answer = {"key": "a1", "label": "Yes", "to": "done"} | over
    answer = {key: value for key, value in answer.items() if value is not None}
    second = {"key": "a2", "label": "No", "to": "help"}
    return with_node(answers=[answer, second])


def codes(data):
    with pytest.raises(DefinitionError) as caught:
        Definition.from_dict(data)
    assert all(p.severity == Severity.ERROR for p in caught.value.problems)
    assert all(p.message for p in caught.value.problems)
    return [problem.code for problem in caught.value.problems]


def test_a_flow_is_read_and_written_without_change():
    assert Definition.from_dict(flow()).to_dict() == flow()


def test_nodes_are_found_by_id():
    definition = Definition.from_dict(flow())
    help_node = definition.node("help")
    assert help_node is definition.nodes[2]
    assert help_node.category == "security"
    assert definition.node("nobody") is None


def test_the_hash_tells_contents_apart_and_nothing_else():
    definition = Definition.from_dict(flow())
    reordered = json.loads(json.dumps(flow(), sort_keys=True))
    assert Definition.from_dict(reordered).sha256 == definition.sha256
    assert len(definition.sha256) == 64
    assert Definition("done", definition.nodes).sha256 != definition.sha256


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, ["wrong_type"]),
        ([], ["wrong_type"]),
        ("flow", ["wrong_type"]),
        ({}, ["missing_key"] * 3),
        (flow(schema=2), ["unknown_schema"]),
        (flow(schema=True), ["unknown_schema"]),
        (flow(colour="red"), ["unknown_key"]),
        (flow(root=7), ["wrong_type"]),
        (flow(nodes={}), ["wrong_type"]),
        (flow(nodes=[7]), ["wrong_type"]),
        (with_node(id=None), ["missing_key"]),
        (with_node(id=7), ["wrong_type"]),
        (with_node(id="Not an id"), ["bad_id"]),
        (with_node(id="x" * 41), ["bad_id"]),
        (with_node(id="done"), ["duplicate_id"]),
        (with_node(type=None), ["missing_key"]),
        (with_node(type="riddle"), ["unknown_type"]),
        (with_node(type=["question"]), ["unknown_type"]),
        (with_node(text=None), ["missing_key"]),
        (with_node(text=7), ["wrong_type"]),
        (with_node(text="a\0b"), ["bad_characters"]),
        (with_node(text="\ud800"), ["bad_characters"]),
        (with_node(guidance=[]), ["wrong_type"]),
        (with_node(category={}), ["wrong_type"]),
        (with_node(needs_review="yes"), ["wrong_type"]),
        (with_node(mood="good"), ["unknown_key"]),
        (with_node(answers="Yes"), ["wrong_type"]),
        (with_node(answers=["Yes"]), ["wrong_type"]),
        (with_answer(key=None), ["missing_key"]),
        (with_answer(key="a2"), ["bad_key"]),
        (with_answer(key="A 1"), ["bad_key"]),
        (with_answer(label=None), ["missing_key"]),
        (with_answer(label=None, key=None), ["missing_key"] * 2),
        (with_answer(label=1.5), ["wrong_type"]),
        (with_answer(to=7), ["wrong_type"]),
        (with_answer(to="No Id"), ["bad_target"]),
        (with_answer(weight=1), ["unknown_key"]),
    ],
)
def test_each_structural_fault_is_named(data, expected):
    assert codes(data) == expected


def test_every_fault_is_named_at_once():
    broken = flow(root=7, colour="red")
    broken["nodes"] += [{"id": "ask"}, 7]
    expected = ["duplicate_id", "missing_key", "missing_key"]
    expected += ["unknown_key", "wrong_type", "wrong_type"]
    assert sorted(codes(broken)) == expected


def test_an_answer_may_be_unconnected_and_an_over_long_draft_is_readable():
    answers = [{"key": "a1", "label": "Done"}]
    node = {"id": "n1", "type": "instruction", "text": "x" * (MAX_TEXT + 1)}
    data = {"schema": 1, "root": "n1", "nodes": [node | {"answers": answers}]}
    read = Definition.from_dict(data)
    assert read.nodes[0].answers == (Answer("a1", "Done", ""),)
    assert len(read.nodes[0].text) == MAX_TEXT + 1


def test_a_damaged_flow_keeps_its_sound_parts():
    data = with_node(id="The First", root=None, type="riddle", mood="good")
    data["root"] = "The First"
    definition, problems = read_definition(data)
    first = definition.nodes[0]
    assert (first.id, first.type) == ("n1", NodeType.QUESTION)
    assert definition.root == "n1"
    assert [answer.to for answer in first.answers] == ["done", "help"]
    assert {p.code for p in problems} == {"bad_id", "unknown_type", "unknown_key"}
    assert {p.node_id for p in problems} == {"n1"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["schema", "root", "nodes", "id", "type", "text", "answers", "key"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
near_flows = st.builds(
    lambda root, nodes: {"schema": 1, "root": root, "nodes": nodes},
    json_values,
    st.lists(
        st.fixed_dictionaries(
            {"id": json_values, "type": json_values, "text": json_values},
            optional={"answers": st.lists(json_values, max_size=3)},
        ),
        max_size=3,
    ),
)


@given(json_values | near_flows)
def test_no_json_value_raises_anything_else(value):
    _definition, problems = read_definition(value)
    if not problems:
        definition = Definition.from_dict(value)
        assert Definition.from_dict(definition.to_dict()) == definition
        return
    with pytest.raises(DefinitionError) as caught:
        Definition.from_dict(value)
    assert caught.value.problems == problems


@given(near_flows)
def test_what_is_saved_of_a_damaged_flow_is_sound(value):
    definition, _problems = read_definition(value)
    assert Definition.from_dict(definition.to_dict()) == definition


def test_a_node_writes_only_what_it_holds():
    node = Node("n1", NodeType.RESOLVED, "Done")
    assert node.to_dict() == {"id": "n1", "type": "resolved", "text": "Done"}
