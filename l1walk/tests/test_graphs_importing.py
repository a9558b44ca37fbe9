"""Any file gives a draft with its problems, or a refusal that says what to do."""

import json
import re
from typing import Any

import pytest

from l1walk.graphs.definition import MAX_NODES, Definition, NodeType, Severity
from l1walk.graphs.exporting import to_json_text
from l1walk.graphs.importing import MAX_BYTES, ImportRefused, read_flow
from l1walk.graphs.native import parse

FLOW: dict[str, Any] = {
    "schema": 1,
    "root": "n1",
    "nodes": [
        {
            "id": "n1",
            "type": "instruction",
            "text": "Restart",
            "answers": [{"key": "a1", "label": "Done", "to": "n2"}],
        },
        {"id": "n2", "type": "resolved", "text": "Good"},
    ],
}
MERMAID = "flowchart TD\nA[Restart] --> B([Good])\n"


def codes(imported):
    return [problem.code for problem in imported.problems]


def chain(link, count):
    return "\n".join(link.format(n, n + 1) for n in range(count))


TOO_MANY = {
    "mermaid": "flowchart TD\n" + chain("n{} --> n{}", MAX_NODES + 1),
    "dot": "digraph {" + chain("n{} -> n{};", MAX_NODES + 1) + "}",
    "json": json.dumps(FLOW | {"nodes": FLOW["nodes"] * MAX_NODES}),
}
HUGE = {
    "mermaid": "flowchart TD\n" + chain("n{} --> n{}", 100_000),
    "dot": "digraph {" + chain("n{} -> n{};", 100_000) + "}",
    "json": json.dumps(FLOW | {"nodes": FLOW["nodes"] * 50_000}),
}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.mmd", b"", "empty"),
        ("a.mmd", b" \r\n\t", "empty"),
        ("a.mmd", b"\xef\xbb\xbf", "empty"),
        ("a.mmd", b"\x89PNG\r\n\x1a\n\0\0\0", "not a text file"),
        ("a.mmd", MERMAID.encode().replace(b"A", b"\0"), "not a text file"),
        ("a.mmd", MERMAID.encode("utf-16"), "UTF-16"),
        ("a.mmd", MERMAID.encode("utf-16-le"), "not a text file"),
        ("a.mmd", MERMAID.encode("utf-32"), "UTF-32"),
        ("a.mmd", "flowchart TD\nA[né".encode()[:-1], "Line 2 is not UTF-8"),
        ("a.mmd", "flowchart TD\nA[né]".encode("latin-1"), "Line 2 is not UTF-8"),
        ("a.mmd", b"x" * (MAX_BYTES + 1), "larger than 1000 kB"),
        ("a.mmd", b"sequenceDiagram\nA->>B: hi", "“sequenceDiagram”.*flowchart"),
        ("a.mmd", b"---\ntitle: x\n---\n%% c\nstateDiagram-v2\n", "“stateDiagram-v2”"),
        ("a.md", b"# Title\n```mermaid\ngantt\n```\n", "“gantt”"),
        ("a.txt", b"Dear all,\nhello", "flowchart TD"),
        ("a.md", b"# Only words\n", "flowchart TD"),
        ("a.pdf", b"%PDF-1.7 \x80", "not UTF-8"),
        ("a.json", b"{", "line 1, column 2"),
        ("a.json", b"[1, 2]", "holds no Handrail flow"),
        ("a.json", b'{"typebot": {}}', "holds no Handrail flow"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.json", b'{"nodes":' * 100_000, "nested too deeply"),
        *(
            (kind, text.encode(), f"more than {MAX_NODES}")
            for kind, text in TOO_MANY.items()
        ),
        *((kind, text.encode(), "larger than") for kind, text in HUGE.items()),
    ],
)
def test_what_holds_no_flow_is_refused_in_plain_words(name, data, words):
    with pytest.raises(ImportRefused) as caught:
        read_flow(name, data)
    assert re.search(words, str(caught.value))


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_100_000_nodes_are_refused_by_count_too(text, monkeypatch):
    monkeypatch.setattr("l1walk.graphs.importing.MAX_BYTES", 100_000_000)
    with pytest.raises(ImportRefused, match=f"more than {MAX_NODES} nodes"):
        read_flow("flow", text.encode())


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.json", json.dumps(FLOW), "json"),
        ("a.txt", json.dumps(FLOW), "json"),
        ("a.txt", MERMAID, "mermaid"),
        ("a", MERMAID, "mermaid"),
        ("a.dot", MERMAID, "mermaid"),
        ("a.md", f"# Wi-Fi\n\n```mermaid\n{MERMAID}```\nText\n", "mermaid"),
        ("a.md", f"# Wi-Fi\n~~~ mermaid\n{MERMAID}~~~\n", "mermaid"),
        ("a.mmd", "graph\nA{On?} -->|x| B([y])", "mermaid"),
        ("a.txt", "/* c */ strict digraph x { a -> b }", "dot"),
        ("a.gv", "# c\n// d\ngraph { a -- b }", "dot"),
        ("a.mmd", "digraph { a -> b }", "dot"),
    ],
)
def test_the_format_is_told_by_content_then_by_name(name, text, kind):
    imported = read_flow(name, text.encode())
    assert imported.format == kind
    assert len(imported.definition.nodes) == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_newlines_and_byte_order_marks_change_nothing(newline, mark):
    text = mark + MERMAID.replace("\n", newline)
    imported = read_flow("a.mmd", text.encode())
    assert imported == read_flow("a.mmd", MERMAID.encode())


def test_lines_of_a_markdown_file_are_counted_from_its_top():
    text = "# Title\n\n```mermaid\nflowchart TD\nA --> B([x])\n?!(\n```\n"
    text += "```mermaid\nflowchart TD\nC --> D\n```\n"
    problems = read_flow("a.md", text.encode()).problems
    lines = [(problem.code, problem.line) for problem in problems]
    assert lines == [("only_first", 4), ("only_first", 9), ("not_understood", 6)]


def test_a_file_of_many_diagrams_is_refused():
    text = "```mermaid\nflowchart TD\n```\n" * 1000
    with pytest.raises(ImportRefused, match="more than 50 diagrams"):
        read_flow("a.md", text.encode())


def test_the_title_falls_back_to_the_name_of_the_file():
    assert read_flow("C:\\flows\\Wi-Fi.mmd", MERMAID.encode()).title == "Wi-Fi"
    assert read_flow("../etc/Printer.mmd", MERMAID.encode()).title == "Printer"


def test_a_long_title_is_shortened_with_a_warning():
    text = f"---\ntitle: {'x' * 300}\n---\n{MERMAID}"
    imported = read_flow("a.mmd", text.encode())
    assert len(imported.title) == 200
    assert "title_too_long" in codes(imported)


def test_control_characters_are_replaced_with_a_warning():
    imported = read_flow("a.mmd", b"flowchart TD\nA[x\x1b] --> B([y])")
    assert imported.definition.nodes[0].text == "x\ufffd"
    (problem,) = [p for p in imported.problems if p.code == "bad_characters"]
    assert problem.line == 2


def test_an_empty_flowchart_is_a_draft_with_a_problem():
    imported = read_flow("a.mmd", b"flowchart TD")
    assert codes(imported) == ["no_nodes"]


def test_an_exported_file_is_read_whole():
    definition = Definition.from_dict(FLOW)
    text = to_json_text("Wi-Fi", definition, category="network")
    imported = read_flow("x.json", text.encode())
    assert (imported.title, imported.category) == ("Wi-Fi", "network")
    assert (imported.definition, imported.problems) == (definition, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"definition": 7}', ["wrong_type"]),
        ('{"definition": {"schema":1,"root":"","nodes":[]}, "x": 1}', ["unknown_key"]),
        ('{"schema":1,"root":"a","root":"b","nodes":[]}', ["repeated_key"]),
        ('{"schema":1,"root":NaN,"nodes":[]}', ["not_json", "wrong_type"]),
        ('{"schema":1,"root":"\\ud800","nodes":[]}', ["bad_characters"]),
        (f'{{"schema":{"9" * 5000},"root":"","nodes":[]}}', ["unknown_schema"]),
        (
            '{"format":"x","definition":{"schema":1,"root":"","nodes":[]}}',
            ["unknown_format"],
        ),
        ('{"title":7,"definition":{"schema":1,"root":"","nodes":[]}}', ["wrong_type"]),
        (
            '{"schema":9,"definition":{"schema":1,"root":"","nodes":[]}}',
            ["unknown_schema"],
        ),
    ],
)
def test_faulty_json_of_ours_is_a_draft_with_problems(text, expected):
    assert [problem.code for problem in parse(text).problems] == expected
    imported = read_flow("a.json", text.encode())
    assert "no_nodes" in codes(imported)
    assert Definition.from_dict(imported.definition.to_dict()) == imported.definition


def test_the_sound_nodes_of_a_damaged_file_are_kept():
    damaged = json.loads(json.dumps(FLOW))
    damaged["nodes"][0]["type"] = "riddle"
    imported = read_flow("a.json", json.dumps(damaged).encode())
    assert imported.definition.nodes[0].type == NodeType.INSTRUCTION
    (problem,) = imported.problems
    assert (problem.severity, problem.code) == (Severity.ERROR, "unknown_type")
    assert "Node 1" in problem.message
