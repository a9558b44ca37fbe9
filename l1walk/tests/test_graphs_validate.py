"""Every fault that stops a flow from being walked is found, at any size."""

from dataclasses import replace

import pytest

from l1walk.graphs.definition import (
    MAX_GUIDANCE,
    MAX_LABEL,
    MAX_NODES,
    MAX_TEXT,
    Answer,
    Definition,
    Node,
    NodeType,
    Severity,
)
from l1walk.graphs.validate import find_problems, name_of

Q, I, R, E = NodeType  # noqa: E741  as short as the drawings they stand for


def node(node_id, kind, *ways, **over):
    """A node that leads to `ways`, with answers "1", "2"..."""
    answers = tuple(Answer(f"a{n}", str(n), to) for n, to in enumerate(ways, start=1))
    return replace(Node(node_id, kind, f"Text of {node_id}", answers=answers), **over)


def flow(*nodes, root="n1"):
    return Definition(root, nodes)


def found(definition):
    return [(problem.code, problem.node_id) for problem in find_problems(definition)]


SOUND = (node("n1", Q, "n2", "n3"), node("n2", I, "n3"), node("n3", R))


def test_a_sound_flow_has_no_problems():
    assert found(flow(*SOUND)) == []


def test_loops_self_loops_and_shared_nodes_are_sound():
    ask = node("n1", Q, "n1", "n2", "n3", "n3")
    assert found(flow(ask, node("n2", I, "n1"), node("n3", E, category="other"))) == []


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (flow(), [("no_nodes", "")]),
        (flow(*SOUND, root=""), [("no_root", "")]),
        (flow(*SOUND, root="n9"), [("unknown_root", "")]),
        (
            flow(node("n1", Q, "n2", "n2"), node("n2", I, "n1")),
            [("no_terminal", "")],
        ),
        (flow(*SOUND, node("n2", R)), [("duplicate_id", "n2")]),
        (flow(node("n1", R, text=" \n")), [("empty_text", "n1")]),
        (flow(node("n1", R, text="x" * (MAX_TEXT + 1))), [("text_too_long", "n1")]),
        (
            flow(node("n1", R, guidance="x" * (MAX_GUIDANCE + 1))),
            [("guidance_too_long", "n1")],
        ),
        (flow(node("n1", R, needs_review=True)), [("needs_review", "n1")]),
        (flow(node("n1", Q, "n2"), node("n2", R)), [("too_few_answers", "n1")]),
        (
            flow(node("n1", Q, *["n2"] * 10), node("n2", R)),
            [("too_many_answers", "n1")],
        ),
        (flow(node("n1", I, "n2", "n2"), node("n2", R)), [("not_one_exit", "n1")]),
        (
            flow(node("n1", I), node("n2", R)),
            [("not_one_exit", "n1"), ("dead_end", "n1"), ("unreachable", "n2")],
        ),
        (flow(node("n1", R, "n1")), [("terminal_with_answers", "n1")]),
        (flow(node("n1", E, category="mood")), [("unknown_category", "n1")]),
        (flow(node("n1", R, category="other")), [("misplaced_category", "n1")]),
        (flow(node("n1", Q, "n2", ""), node("n2", R)), [("not_connected", "n1")]),
        (flow(node("n1", Q, "n2", "n9"), node("n2", R)), [("unknown_target", "n1")]),
        (flow(node("n1", R), node("n2", R)), [("unreachable", "n2")]),
        (
            flow(node("n1", Q, "n2", "n3"), node("n2", I, "n2"), node("n3", R)),
            [("dead_end", "n2")],
        ),
    ],
)
def test_each_fault_is_found_at_its_node(definition, expected):
    assert sorted(found(definition)) == sorted(expected)


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (["Yes", " yes "], "duplicate_label"),
        (["STRASSE", "straße"], "duplicate_label"),
        (["Yes", " "], "empty_label"),
        (["Yes", "x" * (MAX_LABEL + 1)], "label_too_long"),
    ],
)
def test_faulty_labels_are_found(labels, code):
    answers = tuple(Answer(f"a{n}", label, "n2") for n, label in enumerate(labels))
    ask = node("n1", Q, answers=answers)
    assert found(flow(ask, node("n2", R))) == [(code, "n1")]


def test_repeated_answer_keys_are_found():
    ask = node("n1", Q, answers=(Answer("a1", "Yes", "n2"), Answer("a1", "No", "n2")))
    assert found(flow(ask, node("n2", R))) == [("duplicate_key", "n1")]


def test_all_faults_are_reported_together():
    broken = flow(
        node("n1", Q, "n9", "", text=""),
        node("n2", I, "n2"),
        node("n3", R, "n1", needs_review=True),
    )
    assert {code for code, _node in found(broken)} == {
        *("empty_text", "unknown_target", "not_connected", "unreachable", "dead_end"),
        *("terminal_with_answers", "needs_review"),
    }


def test_only_a_mark_for_review_lets_publishing_pass():
    problems = find_problems(flow(node("n1", R, needs_review=True)))
    assert [problem.severity for problem in problems] == [Severity.WARNING]


def test_messages_call_a_node_by_its_words():
    linked = node("n1", R, text="See [the **manual**](https://example.org) " + "x" * 80)
    assert name_of(linked).startswith("See the manual xx")
    assert len(name_of(linked)) == 60
    (problem,) = find_problems(flow(node("n1", R), node("n2", R)))
    assert "“Text of n2”" in problem.message


def test_a_chain_of_100_000_nodes_is_checked():
    size = 100_000
    chain = [node(f"n{n}", I, f"n{n + 1}") for n in range(1, size)]
    long_flow = flow(*chain, node(f"n{size}", R))
    problems = find_problems(long_flow)
    assert [problem.code for problem in problems] == ["too_many_nodes"]
    assert str(MAX_NODES) in problems[0].message.replace(",", "")
