"""The map is a safe SVG, and the outline says the same in words."""

import re
import xml.etree.ElementTree as ET

import pytest

from l1walk.graphs import drawing
from l1walk.graphs.definition import Answer, Definition, Node, NodeType
from l1walk.graphs.drawing import MAX_DRAWN, NodeStats, draw
from l1walk.graphs.outline import outline

FLOW = Definition(
    "ask",
    (
        Node(
            "ask",
            NodeType.QUESTION,
            'Is the [light](https://example.org) <script>"on"</script> & bright?',
            answers=(Answer("a1", "Yes", "done"), Answer("a2", "No", "press")),
        ),
        Node(
            "press",
            NodeType.INSTRUCTION,
            "Press it",
            answers=(Answer("a1", "Done", "ask"),),
        ),
        Node("done", NodeType.RESOLVED, "Good"),
        Node("help", NodeType.ESCALATE, "Call"),
    ),
)


@pytest.fixture(autouse=True)
def _fresh_cache():
    drawing._dot_svg.cache_clear()


def drawn(flow=FLOW, **options):
    svg = draw(flow, **options)
    assert svg is not None
    return svg, ET.fromstring(svg)  # noqa: S314  our own drawing


def classes(root):
    return [element.get("class", "") for element in root.iter()]


def words(root):
    texts = [element.text or "" for element in root.iter() if "text" in element.tag]
    return " ".join(texts)


def test_each_node_has_the_class_of_its_type():
    _svg, root = drawn()
    for kind in NodeType:
        assert f"node node-{kind}" in classes(root)
    assert classes(root).count("edge") == 3


def test_the_map_is_safe_to_put_into_a_page():
    svg, root = drawn()
    assert svg.startswith("<svg ")
    for forbidden in ("<script", "style=", "fill=", "stroke=", "<!", "<?", "xlink"):
        assert forbidden not in svg
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "title", "path", "polygon", "ellipse", "text"}
    assert root.get("role") == "img"
    assert (root[0].tag.rpartition("}")[2], root[0].text) == (
        "title",
        "Map of the flow",
    )


def test_texts_are_shown_without_markdown_and_in_short_lines():
    _svg, root = drawn()
    assert 'Is the light <script>"on"</script> & bright?' in words(root)
    lines = [element.text or "" for element in root.iter() if "text" in element.tag]
    assert max(map(len, lines)) <= 28


def test_nodes_are_links_where_asked_and_then_the_map_is_no_image():
    _svg, root = drawn(href=lambda node_id: f"/flows/1/{node_id}?a=1&b=2")
    links = [element.get("href") for element in root.iter() if "href" in element.attrib]
    assert links == [f"/flows/1/{node.id}?a=1&b=2" for node in FLOW.nodes]
    assert root.get("role") == "graphics-document"


def test_the_current_node_is_marked():
    _svg, root = drawn(current="press")
    assert "node node-instruction node-current" in classes(root)


@pytest.mark.parametrize(
    ("visits", "dropped", "heat", "line"),
    [
        (0, 0, 0, "0 walks, 0% stopped"),
        (1, 0, 0, "1 walk, 0% stopped"),
        (120, 17, 1, "120 walks, 14% stopped"),
        (10, 2, 2, "10 walks, 20% stopped"),
        (10, 4, 3, "10 walks, 40% stopped"),
        (2, 1, 4, "2 walks, 50% stopped"),
    ],
)
def test_weights_are_a_line_and_a_class(visits, dropped, heat, line):
    _svg, root = drawn(weights={"press": NodeStats(visits, dropped)})
    assert f"node node-instruction heat-{heat}" in classes(root)
    assert line in words(root)


def test_a_loose_end_is_drawn():
    loose = Node("n1", NodeType.INSTRUCTION, "x", answers=(Answer("a1", "On", ""),))
    _svg, root = drawn(Definition("n1", (loose,)))
    assert "node node-loose" in classes(root)
    assert "edge edge-loose" in classes(root)


def test_a_drawing_is_made_once(monkeypatch):
    first = draw(FLOW)
    monkeypatch.setattr(drawing, "run_dot", None)
    assert draw(FLOW) == first


def test_without_graphviz_there_is_no_map(monkeypatch, caplog):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert draw(FLOW) is None
    assert "Graphviz is not installed" in caplog.text


def test_a_drawing_that_takes_too_long_or_too_much_is_given_up(monkeypatch, caplog):
    monkeypatch.setattr(drawing, "SECONDS", 0.001)
    assert draw(FLOW) is None
    monkeypatch.setattr(drawing, "SECONDS", 5)
    monkeypatch.setattr(drawing, "MAX_SVG", 100)
    assert draw(FLOW) is None
    assert len(caplog.records) == 2


@pytest.mark.parametrize("size", [0, MAX_DRAWN + 1])
def test_an_empty_or_large_flow_has_no_map(size):
    nodes = tuple(Node(f"n{n}", NodeType.RESOLVED, "x") for n in range(size))
    assert draw(Definition("n0", nodes)) is None


def test_texts_of_any_kind_can_be_drawn():
    texts = ["\\", '"', "\\N \\G", "<b>", "\x00\ufffe", "&amp;", "日本語", "]]>", " "]
    nodes = tuple(
        Node(f"n{n}", NodeType.RESOLVED, text) for n, text in enumerate(texts)
    )
    _svg, root = drawn(Definition("n0", nodes))
    assert "\\N \\G" in words(root)
    assert "&amp;" in words(root)


def test_the_outline_lists_each_node_once_and_refers_to_it_elsewhere():
    lines = [
        (item.number, item.depth, item.via, item.node.id, item.repeated)
        for item in outline(FLOW)
    ]
    assert lines == [
        ("1", 0, "", "ask", False),
        ("1.1", 1, "Yes", "done", False),
        ("1.2", 1, "No", "press", False),
        ("1", 2, "Done", "ask", True),
        ("2", 0, "", "help", False),
    ]


def test_the_outline_of_a_long_chain_needs_no_recursion():
    size = 2_000
    chain = [
        Node(
            f"n{n}",
            NodeType.INSTRUCTION,
            "x",
            answers=(Answer("a1", "On", f"n{n + 1}"),),
        )
        for n in range(size)
    ]
    items = outline(
        Definition("n0", (*chain, Node(f"n{size}", NodeType.RESOLVED, "x")))
    )
    assert [item.depth for item in items] == list(range(size + 1))


def test_the_outline_of_a_draft_without_root_or_targets():
    loose = Node("n1", NodeType.QUESTION, "x", answers=(Answer("a1", "On", "n9"),))
    items = outline(Definition("nobody", (loose,)))
    assert [(item.number, item.depth) for item in items] == [("1", 0)]
    assert outline(Definition("", ())) == []


def test_numbers_of_the_outline_are_those_of_the_full_line():
    full = {item.node.id: item.number for item in outline(FLOW) if not item.repeated}
    assert all(item.number == full[item.node.id] for item in outline(FLOW))
    assert all(re.fullmatch(r"\d+(\.\d+)*", number) for number in full.values())
