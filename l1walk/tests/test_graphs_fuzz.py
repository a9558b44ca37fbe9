"""No file breaks the import, and no line of a flowchart is lost in silence."""

import re

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from l1walk.graphs.assembling import ImportRefused
from l1walk.graphs.definition import Definition
from l1walk.graphs.importing import read_flow
from l1walk.graphs.mermaid import parse

SEED = """flowchart TD
    n0{"Is the &quot;light&quot; on?"}
    n1["Press the button<br/>and wait"]
    n2(["It works"])
    n3[["Email support"]]
    n0 -->|"Yes"| n2
    n0 -- No --> n1
    n1 -.->|Done| n0
    n0 ==> n3
    subgraph one ["Group"]
    a --> b & c --> d
    end
    style a fill:#fff
    click a "https://example.org"
    e@{ shape: diamond, label: "Else" } --> f
    f o--o e1@--> g
    f x--x h
    h <--> n0
"""
LINK_LINE = re.compile(r"^[ \t]*[a-z]\w* (-->|==>|-\.->|<-->)(\|[^|\n]*\|)? [a-z]\w*$")
SIGNS = "\"[](){}|&;%@:#<>-=.~`\\/ \tox\nA1'é\u2028\x0b"
unbroken = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The seed after a few cuts, insertions, swaps and repeats."""
    text = SEED
    for _round in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        put = draw(st.text(SIGNS, max_size=5))
        text = text[:start] + put + text[end:]
        if draw(st.booleans()):
            lines = text.split("\n")
            lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
            text = "\n".join(lines)
    return text


def import_or_refuse(name, data):
    """A draft that can be stored and has a message for each problem, or a refusal."""
    try:
        imported = read_flow(name, data)
    except ImportRefused as refused:
        assert str(refused)  # noqa: PT017  both outcomes are right
        return
    assert all(problem.message for problem in imported.problems)
    stored = imported.definition.to_dict()
    assert Definition.from_dict(stored) == imported.definition


@unbroken
@given(st.binary(max_size=300), st.sampled_from(["a.mmd", "a.json", "a.md", "a"]))
def test_random_bytes_never_break_the_import(data, name):
    import_or_refuse(name, data)


@unbroken
@given(st.text(SIGNS + "abcdefghij", max_size=200))
def test_random_flowcharts_never_break_the_import(body):
    import_or_refuse("a.mmd", f"flowchart TD\n{body}".encode())


@settings(unbroken, max_examples=30)
@given(st.text('digraph{}[]"<>-=;ab\n\\', max_size=60))
def test_random_graphs_never_break_the_import(body):
    import_or_refuse("a.dot", f"digraph {{ {body} }}".encode())


@unbroken
@given(mutated())
def test_damaged_flowcharts_never_break_the_import(text):
    import_or_refuse("a.mmd", text.encode())


@settings(unbroken, max_examples=600)
@given(mutated())
@example("flowchart TD\n%%{ x\n    n0 ==> n3\n}%%\n    n0 ==> n3\n")
@example('flowchart TD\na["\n    n0 ==> n3\n"]')
@example('flowchart TD\na --> b["x\n    n0 ==> n3\n"] -->|"\n    n0 ==> n3\n"| c')
@example("flowchart TD\naccDescr {\n    n0 ==> n3\n}\n")
@example('flowchart TD\na@{ label: "\n    n0 ==> n3\n", icon: "\n    n0 ==> n3\n" }')
def test_every_link_of_a_damaged_flowchart_is_an_answer_or_a_problem(text):
    draft = parse(text)
    accounted = {edge.line for edge in draft.edges}
    accounted |= {problem.line for problem in draft.problems}
    top = text.find("flowchart")
    for number, line in enumerate(text.split("\n"), start=1):
        if LINK_LINE.match(line) and number > text.count("\n", 0, max(top, 0)) + 1:
            assert number in accounted, line
