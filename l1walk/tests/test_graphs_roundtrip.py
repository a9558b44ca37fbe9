"""What is exported comes back: whole from JSON, and from Mermaid and DOT as well."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l1walk.graphs.definition import (
    Answer,
    Definition,
    EscalationCategory,
    Node,
    NodeType,
    Severity,
)
from l1walk.graphs.exporting import to_dot, to_json_text, to_mermaid
from l1walk.graphs.importing import read_flow
from l1walk.graphs.validate import find_problems

NASTY = [
    "end",
    'say "yes"',
    "line one\nline two",
    "`code`",
    "a|b|c",
    "[x] (y) {z} ((w)) [[v]]",
    "#1 & #35; &amp; &quot; #quot; ;",
    "a --> b",
    "-- x -->",
    "<b>bold</b> <Enter> <br/>",
    " leading and trailing ",
    "\ttab\t",
    "oxen",
    "x",
    "naïve 日本語 🛠️ \u2028 \x85 \xa0",
    "C:\\new\\table \\N \\G \\l",
    "%% comment %%{init}%%",
    "style guide: see #4;",
    "classDef x fill:#fff;",
    "subgraph one",
    "```",
    "a\r\nb",
    "---",
    "\\",
    "1. first",
    "\nbetween blank lines\n",
]
ids = st.one_of(
    st.sampled_from(
        ["end", "o", "x", "graph", "style", "click", "a--b", "a-", "end-call", "n2"]
    ),
    st.from_regex(r"[a-z][a-z0-9_-]{0,39}", fullmatch=True),
)
letters = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
)
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(letters, min_size=1, max_size=40),
    st.lists(st.sampled_from(NASTY), min_size=1, max_size=3).map(" ".join),
).filter(lambda text: text.strip())


@st.composite
def valid_flows(draw: st.DrawFn) -> Definition:
    """A flow that can be published: each node leads to a later one, loops are extra."""
    names = draw(st.lists(ids, min_size=1, max_size=8, unique=True))
    nodes: list[Node] = []
    for place, name in enumerate(names):
        later = names[place + 1 :]
        # The next node is always an answer of this one, so that all are reached.
        extra = st.lists(st.sampled_from(names), max_size=3)
        ends = [later[0], *draw(extra)] if later else []
        nodes.append(_node(draw, name, ends))
    order = draw(st.permutations(nodes))
    return Definition(names[0], tuple(order))


def _node(draw: st.DrawFn, name: str, ends: list[str]) -> Node:
    labels = draw(
        st.lists(
            texts,
            min_size=len(ends),
            max_size=len(ends),
            unique_by=lambda label: label.strip().casefold(),
        )
    )
    kind = {0: NodeType.RESOLVED, 1: NodeType.INSTRUCTION}.get(
        len(ends), NodeType.QUESTION
    )
    category = ""
    if not ends and draw(st.booleans()):
        kind = NodeType.ESCALATE
        category = draw(st.sampled_from(["", *EscalationCategory.values]))
    return Node(
        name,
        kind,
        draw(texts),
        guidance=draw(st.just("") | texts),
        answers=tuple(
            Answer(f"a{place}", label, to)
            for place, (label, to) in enumerate(zip(labels, ends, strict=True), 1)
        ),
        category=category,
        needs_review=draw(st.booleans()),
    )


@st.composite
def drafts(draw: st.DrawFn) -> Definition:
    """A valid flow with faults an author may leave: loose ends, other types."""
    flow = draw(valid_flows())
    nodes = []
    for node in flow.nodes:
        answers = tuple(
            replace(answer, to=draw(st.sampled_from([answer.to, "", "nobody"])))
            for answer in node.answers
        )
        kind = draw(st.sampled_from([node.type, *NodeType]))
        nodes.append(replace(node, answers=answers, type=kind))
    return Definition(flow.root, tuple(nodes))


few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@many
@given(valid_flows())
def test_the_generated_flows_can_be_published(flow):
    assert all(problem.severity == Severity.WARNING for problem in find_problems(flow))


@many
@given(drafts())
def test_a_stored_draft_is_read_back_unchanged(flow):
    assert Definition.from_dict(flow.to_dict()) == flow


@many
@given(drafts(), texts, st.sampled_from(["", "printing"]))
def test_json_keeps_everything(flow, title, category):
    exported = to_json_text(title, flow, category=category)
    read = read_flow("flow.json", exported.encode())
    assert (read.definition, read.title, read.category) == (flow, title, category)
    assert read.problems == find_problems(flow)


@many
@given(drafts(), texts)
def test_mermaid_keeps_everything(flow, title):
    read = read_flow("flow.mmd", to_mermaid(title, flow).encode())
    assert read.definition == flow
    assert read.title == title
    assert read.problems == find_problems(flow)


@few
@given(drafts(), texts)
def test_dot_keeps_everything(flow, title):
    read = read_flow("flow.dot", to_dot(title, flow).encode())
    assert read.definition == flow
    assert read.title == title
    assert read.problems == find_problems(flow)


def test_every_nasty_text_survives_each_notation():
    answers = tuple(Answer(f"a{n}", text, "n2") for n, text in enumerate(NASTY, 1))
    nodes = [Node("n1", NodeType.QUESTION, "Which?", answers=answers)]
    nodes.append(Node("n2", NodeType.RESOLVED, "Done"))
    for place, text in enumerate(NASTY, start=3):
        answer = Answer("a1", "On", "n1")
        nodes.append(
            Node(f"n{place}", NodeType.INSTRUCTION, text, text, answers=(answer,))
        )
    flow = Definition("n1", tuple(nodes))
    for name, export in {"f.mmd": to_mermaid, "f.dot": to_dot}.items():
        assert read_flow(name, export("Nasty", flow).encode()).definition == flow
