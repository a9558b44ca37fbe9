"""DOT files are read by Graphviz without layout, within limits, never in silence."""

import pytest

from l1walk.graphs import dot, graphviz
from l1walk.graphs.assembling import ImportRefused
from l1walk.graphs.definition import NodeType
from l1walk.graphs.graphviz import GraphvizError, GraphvizMissing, run_dot
from l1walk.graphs.importing import read_flow


def read(text):
    return read_flow("flow.dot", text.encode())


def codes(imported):
    return [problem.code for problem in imported.problems]


def test_nodes_links_and_labels_are_read():
    imported = read(
        """
        /* a comment */
        digraph "Wi-Fi" {
            node [shape=box];
            ask [shape=diamond, label="Is it \\"on\\"?"];
            ask -> fix [label=No]; ask -> done [xlabel="Yes & no"];
            fix [label="Turn it on\\nand wait\\l", tooltip="Left side"];
            fix -> done; done [shape=doublecircle];
        }
        """
    )
    ask, fix, done = imported.definition.nodes
    assert (ask.text, ask.type) == ('Is it "on"?', NodeType.QUESTION)
    assert [(a.label, a.to) for a in ask.answers] == [
        ("No", "fix"),
        ("Yes & no", "done"),
    ]
    assert (fix.text, fix.guidance) == ("Turn it on\nand wait", "Left side")
    assert (done.text, done.type) == ("done", NodeType.RESOLVED)
    assert imported.title == "Wi-Fi"
    assert codes(imported) == ["tooltip"]


def test_escapes_stand_for_names():
    label = '[label="\\N of \\G \\\\ C:\\\\n"]'
    imported = read(f'digraph G {{ a {label}; a -> b [label="\\T to \\H, \\E"] }}')
    a, _b = imported.definition.nodes
    assert a.text == "a of G \\ C:\\n"
    assert a.answers[0].label == "a to b, a->b"


def test_entities_are_decoded_once():
    imported = read(
        'digraph { a [label="&amp;lt; &eacute; &#35; &nothing; &lt;b&gt;"] }'
    )
    assert imported.definition.nodes[0].text == "&lt; é # &nothing; <b>"


def test_html_labels_lose_their_tags_with_a_warning():
    imported = read("digraph { a [label=<<b>Bold</b><br/>line &amp; <i>x</i>>] }")
    assert imported.definition.nodes[0].text == "Bold\nline & x"
    (message,) = [p.message for p in imported.problems if p.code == "html"]
    assert "<b> <i>" in message


def test_records_become_lines_with_a_warning():
    imported = read(
        'digraph { a [shape=record, label="{<f0> one|two\\|x}"]; a:f0 -> b }'
    )
    assert imported.definition.nodes[0].text.split() == ["one", "two|x"]
    assert codes(imported).count("record") == 1


def test_groups_directions_and_hidden_links_are_reported():
    imported = read(
        """
        graph { subgraph cluster_0 { label="Wi-Fi"; a; b }
            a -- b [label=x]; a -- c [label=y]; b -- c [style=invis];
            c -- d [dir=back]; }
        """
    )
    assert {"undirected", "group", "hidden_link", "both_ways"} <= set(codes(imported))
    nodes = {node.id: node for node in imported.definition.nodes}
    assert [answer.to for answer in nodes["d"].answers] == ["c"]
    assert nodes["b"].answers == ()


def test_a_strict_graph_keeps_one_of_repeated_links():
    imported = read("strict digraph { a -> b; a -> b; }")
    assert len(imported.definition.nodes[0].answers) == 1


def test_only_the_first_graph_is_read_and_the_rest_reported():
    for rest in ("digraph { c }", "nonsense {"):
        imported = read(f"digraph {{ a -> b }}\n{rest}")
        assert [node.id for node in imported.definition.nodes] == ["a", "b"]
        assert "only_first" in codes(imported)


def test_a_syntax_error_is_refused_with_its_line():
    with pytest.raises(ImportRefused, match=r"Line 2 of the DOT file.*near “->”"):
        read("digraph {\n a -> -> b }")


def test_an_unreadable_loose_end_is_reported():
    imported = read('digraph { a [loose="[[1,2]]"]; b [loose="{"]; a -> b }')
    assert codes(imported).count("not_understood") == 2


def test_no_layout_is_computed():
    """A layout of this graph takes minutes, and reading is stopped after seconds."""
    links = ";".join(f"n{n} -> n{n * 7919 % 1500}" for n in range(1500))
    imported = read(f"digraph {{ {links} }}")
    assert len(imported.definition.nodes) == 1500


def test_a_file_that_asks_for_its_own_layout_is_stopped(monkeypatch):
    monkeypatch.setattr(dot, "SECONDS", 1)
    links = ";".join(
        f"n{n} -> n{n * 7919 % 2000}; n{n} -> n{n * 31 % 2000}" for n in range(2000)
    )
    with pytest.raises(ImportRefused, match="Make it simpler"):
        read(f"digraph {{ layout=dot; {links} }}")


def test_no_file_that_a_drawing_names_is_opened(tmp_path, monkeypatch):
    picture = tmp_path / "picture.gif"
    picture.write_bytes(b"GIF89a" + (300).to_bytes(2, "little") * 2 + bytes(30))
    source = f'digraph {{ a [image="{picture}"] }}'
    output, errors = run_dot(("-Tsvg",), source, seconds=10, max_output=100_000)
    assert "<svg" in output
    assert "picture.gif" not in output
    assert "unsafe" in errors
    # Without our setting the same file is opened: the test means something.
    monkeypatch.setattr(graphviz, "_ENVIRONMENT", {})
    output, _errors = run_dot(("-Tsvg",), source, seconds=10, max_output=100_000)
    assert "picture.gif" in output


def test_memory_and_output_are_limited_in_the_process(monkeypatch):
    monkeypatch.setattr(graphviz, "_MEMORY", 1 << 20)
    with pytest.raises(ImportRefused):
        read("digraph { a -> b }")


@pytest.mark.parametrize(
    "source",
    [
        "digraph { layout=dot; a -> b [minlen=1000000000] }",
        "digraph { layout=dot; a [width=100000000, height=100000000] -> b }",
        'digraph { layout=neato; nslimit=1e9; size="1e9,1e9"; a -> b }',
        "digraph " + "{" * 50_000,
        'digraph { a [URL="javascript:alert(1)", fontpath="/", imagepath="/"] }',
    ],
)
def test_hostile_graphs_end_in_a_draft_or_a_refusal(source):
    try:
        imported = read(source)
    except ImportRefused as refused:
        message = str(refused)
    else:
        message = " ".join(problem.message for problem in imported.problems)
    assert message


def test_without_graphviz_the_refusal_says_what_to_install(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(ImportRefused, match="install the package “graphviz”"):
        read("digraph { a -> b }")
    with pytest.raises(GraphvizMissing):
        run_dot(("-V",), "", seconds=1, max_output=1)


def test_output_is_capped():
    source = "digraph {" + ";".join(f"n{n}" for n in range(1000)) + "}"
    with pytest.raises(GraphvizError):
        run_dot(("-Knop2", "-Tdot_json"), source, seconds=10, max_output=1000)
