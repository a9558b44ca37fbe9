"""What Mermaid files say, in every spelling, becomes nodes, answers and warnings."""

import pytest

from l1walk.graphs.assembling import assemble
from l1walk.graphs.definition import NodeType
from l1walk.graphs.importing import read_flow
from l1walk.graphs.mermaid import parse


def read(body, head="flowchart TD"):
    return read_flow("flow.mmd", f"{head}\n{body}\n".encode())


def edges(body):
    """The links that a body draws, with the names the file uses."""
    return [(edge.source, edge.label, edge.target) for edge in drawn(body).edges]


def drawn(body):
    return parse(f"flowchart TD\n{body}\n")


def text_of(body):
    """The text of the only node."""
    (node,) = read(body).definition.nodes
    return node.text


def warnings(body, code):
    problems = drawn(body).problems
    return [
        (problem.line, problem.message) for problem in problems if problem.code == code
    ]


@pytest.mark.parametrize(
    "head",
    [
        *("flowchart TD", "graph LR", "graph TD;", "flowchart", "flowchart-elk BT"),
        *("  flowchart RL", "%% note\nflowchart TB", "graph >"),
        '%%{init: {"theme": "base"}}%%\nflowchart TD',
        "---\ntitle: Printer\n---\nflowchart TD",
    ],
)
def test_each_heading_is_understood(head):
    imported = read("A --> B", head)
    assert [node.text for node in imported.definition.nodes] == ["A", "B"]
    assert "not_understood" not in {problem.code for problem in imported.problems}


@pytest.mark.parametrize(
    "link",
    [
        *("-->", "---", "-.->", "-.-", "==>", "===", "--o", "--x", "---->", "-...->"),
        *("====>", "o--o", "x--x", "e1@-->", "e1@==>"),
    ],
)
def test_each_arrow_is_a_link(link):
    assert edges(f"A {link} B") == [("A", "", "B")]


@pytest.mark.parametrize(
    "link",
    [
        *("-- Yes -->", "-->|Yes|", '-->|"Yes"|', "-. Yes .->", "== Yes ==>"),
        *("-- Yes ---", '-- "Yes" -->', "--->| Yes |", '-->|"`Yes`"|', "-.Yes.->"),
        *("e1@-->|Yes|", "--Yes-->", "==Yes==>", "-- Yes --x"),
    ],
)
def test_each_way_to_label_a_link(link):
    assert edges(f"A {link} B") == [("A", "Yes", "B")]


@pytest.mark.parametrize("body", ["A-->B", "A-->|x|B", "A---oB", "A-.->B", "A==>B"])
def test_links_need_no_spaces(body):
    assert [(source, target) for source, _label, target in edges(body)] == [("A", "B")]


def test_a_chain_and_an_ampersand_draw_each_link():
    assert edges("A --> B -->|x| C") == [("A", "", "B"), ("B", "x", "C")]
    assert edges("A & B --> C & D") == [
        *(("A", "", "C"), ("A", "", "D"), ("B", "", "C"), ("B", "", "D")),
    ]


def test_statements_end_at_semicolons_and_links_may_span_lines():
    assert edges("A --> B; B --> C;") == [("A", "", "B"), ("B", "", "C")]
    assert edges("A -->\n B\n --> C") == [("A", "", "B"), ("B", "", "C")]
    assert edges("A --> B\nx --> B\nx-->C")[1:] == [("x", "", "B"), ("x", "", "C")]


def test_a_link_both_ways_is_two_answers_and_a_warning():
    assert edges("A <-->|x| B") == [("A", "x", "B"), ("B", "x", "A")]
    assert [line for line, _text in warnings("A <--> B", "both_ways")] == [2]


def test_an_invisible_link_is_reported():
    assert edges("A ~~~ B") == []
    assert [line for line, _text in warnings("A --> B\nA ~~~ B", "hidden_link")] == [3]


@pytest.mark.parametrize(
    ("outline", "kind"),
    [
        *(("[t]", None), ("(t)", None), ("[(t)]", None), ("{{t}}", None)),
        *(("[/t/]", None), ("[\\t\\]", None), ("[/t\\]", None), (">t]", None)),
        *(("{t}", None), ('["t"]', None), ("@{ shape: rect, label: t }", None)),
        *(("([t])", "resolved"), ("((t))", "resolved"), ("(((t)))", "resolved")),
        *(('(["t"])', "resolved"), ("[[t]]", "escalate"), ('[["t"]]', "escalate")),
        ('@{ shape: stadium, label: "t" }', "resolved"),
        ('@{\n  shape: subproc\n  label: "t"\n}', "escalate"),
    ],
)
def test_each_outline_holds_its_text_and_may_name_an_end(outline, kind):
    imported = read(f"A{outline}")
    (node,) = imported.definition.nodes
    guessed = [p.code for p in imported.problems] == ["guessed_end"]
    assert (node.text, node.type, guessed) == ("t", kind or "resolved", kind is None)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ('"say #quot;yes#quot;"', 'say "yes"'),
        ('"&quot;x&quot; &amp; #35;1"', '"x" & #1'),
        ('"one<br/>two<BR>three"', "one\ntwo\nthree"),
        (r'"one\ntwo"', "one\ntwo"),
        ('"one\n   two"', "one\ntwo"),
        ('"`**bold** words`"', "**bold** words"),
        ("restart (again)", "restart (again)"),
        ('"press <Enter> if a < b"', "press <Enter> if a < b"),
        ('"100% of #1 &unknown; #no;"', "100% of #1 &unknown; #no;"),
        ('"link --> in a label"', "link --> in a label"),
        ('"naïve 日本語"', "naïve 日本語"),
    ],
)
def test_labels_are_decoded_as_mermaid_shows_them(label, text):
    assert text_of(f"A[{label}]") == text


def test_html_is_dropped_with_its_line():
    body = 'A["x"]\nB["<b>Bold</b> <img src=x onerror=y>end"]'
    assert drawn(body).nodes["B"].text == "Bold end"
    ((line, message),) = warnings(body, "html")
    assert line == 3
    assert "<b>" in message
    assert "<img src=x onerror=y>" in message


def test_paragraphs_of_html_become_lines():
    assert text_of('A["<p>one</p><ul><li>two</li></ul>"]') == "one\ntwo"


def test_groups_are_dropped_with_their_title_and_their_nodes_kept():
    body = 'subgraph g1 ["Wi-Fi"]\n direction LR\n A --> B\nend\nC --> g1'
    imported = read(body)
    texts = [node.text for node in imported.definition.nodes]
    assert texts == ["A", "B", "C", "Wi-Fi"]
    messages = {p.code: (p.line, p.message) for p in imported.problems}
    assert messages["group"][0] == 2
    assert "Wi-Fi" in messages["group"][1]
    assert messages["link_to_group"][0] == 6


def test_styling_is_one_warning_and_links_of_nodes_are_one_each():
    body = """
    A:::big --> B
    classDef big fill:#f9f,stroke:#333;
    class A,B big
    style A fill:#bbf,stroke-dasharray: 5 5
    linkStyle 0 stroke:red
    accTitle: A title
    accDescr { several
      lines }
    click A "https://example.org" _blank
    click B call tell()
    e1@{ animate: true }
    A e1@--> B
    """
    draft = drawn(body)
    assert [problem.code for problem in draft.problems].count("styling") == 1
    (styling,) = [p for p in draft.problems if p.code == "styling"]
    for word in ("classDef", "class", "style", "linkStyle", "accTitle", ":::"):
        assert word in styling.message
    assert len(warnings(body, "click")) == 2
    assert "https://example.org" in warnings(body, "click")[0][1]


def test_edge_properties_are_styling_and_no_node():
    assert list(drawn("A e1@--> B\ne1@{ animate: true }").nodes) == ["A", "B"]


@pytest.mark.parametrize(
    "line",
    [
        *("A[unclosed --> B", 'A["unclosed --> B', "A --> ;", "?!(", "A B"),
        *("end", "A -->|open B", "A --> B extra", "A@{ shape: rect", "style A --> B"),
        *("%% handrail A.type 7", "A --> B %% C --> D"),
    ],
)
def test_what_is_not_understood_is_a_warning_with_its_line(line):
    found = warnings(f"X --> Y\n{line}\nY --> Z", "not_understood")
    assert [number for number, _message in found] == [3]
    assert ("X", "", "Y") in edges(f"X --> Y\n{line}\nY --> Z")
    assert ("Y", "", "Z") in edges(f"X --> Y\n{line}\nY --> Z")


def test_a_quote_that_swallows_links_is_reported_for_each_line():
    body = 'A["open\nX --> Y\nY --> Z\n"]'
    assert [line for line, _text in warnings(body, "link_in_label")] == [3, 4]


def test_a_second_text_for_a_node_is_reported():
    ((line, message),) = warnings("A[one] --> B\nA[two]", "text_replaced")
    assert line == 3
    assert "one" in message
    assert text_of("A[one]\nA[two]") == "two"


def test_exits_decide_what_a_node_is():
    imported = read("A{Which?} -->|x| B[Do it]\nA -->|y| C([End])\nB --> C")
    assert [node.type for node in imported.definition.nodes] == [
        *(NodeType.QUESTION, NodeType.INSTRUCTION, NodeType.RESOLVED),
    ]
    assert imported.definition.nodes[1].answers[0].label == "Continue"
    assert imported.problems == []


def test_a_decision_with_one_answer_is_an_instruction_with_a_warning():
    (problem,) = read("A{On?} -->|Yes| B([End])").problems
    assert (problem.code, problem.line, problem.node_id) == ("one_answer", 2, "n1")
    assert "Yes" in problem.message


def test_unlabelled_answers_get_distinct_words_and_a_warning_each():
    imported = read("A --> B([x])\nA -->|continue| B\nA --> B")
    labels = [answer.label for answer in imported.definition.nodes[0].answers]
    assert labels == ["Continue 2", "continue", "Continue 3"]
    lines = [p.line for p in imported.problems if p.code == "unlabelled"]
    assert lines == [2, 4]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("Contact support", "escalate"), ("E-mail us for a replacement", "escalate")),
        *(("Request help in the chat", "escalate"), ("Escalate to tier 2", "escalate")),
        *(("It works now", "resolved"), ("This is not supported", "resolved")),
    ],
)
def test_the_words_of_an_end_decide_its_kind_with_a_warning(text, kind):
    imported = read(f'A --> B["{text}"]')
    assert imported.definition.nodes[1].type == kind
    (problem,) = imported.problems
    assert (problem.code, problem.line) == ("guessed_end", 2)
    assert text in problem.message


def test_the_first_start_is_the_root_and_the_others_are_reported():
    imported = read("N[note]\nA --> B([x])\nC --> B")
    assert imported.definition.nodes[1].text == "A"
    assert imported.definition.root == imported.definition.nodes[1].id
    codes = [problem.code for problem in imported.problems]
    assert codes.count("other_root") == 2
    assert codes.count("unreachable") == 2


def test_a_flow_without_a_start_begins_at_its_first_node():
    imported = read("A -->|again| A\nB --> A\nA -->|on| B")
    assert imported.definition.root == imported.definition.nodes[0].id
    assert "guessed_root" in {problem.code for problem in imported.problems}


def test_ids_of_ours_are_kept_and_others_are_counted():
    long_name = "x" * 150
    body = f"check-dns --> n1\nn1 --> Übel\nÜbel --> {long_name}"
    ids = [node.id for node in read(body).definition.nodes]
    assert ids == ["check-dns", "n1", "n2", "n3"]


def test_more_answers_than_keys_are_kept_and_reported():
    imported = read("\n".join(f"A -->|{n}| B([x])" for n in range(12)))
    assert len(imported.definition.nodes[0].answers) == 12
    assert "too_many_answers" in {problem.code for problem in imported.problems}


def test_a_giant_label_is_kept_whole_and_reported():
    imported = read(f'A["{"x" * 500_000}"]')
    assert len(imported.definition.nodes[0].text) == 500_000
    assert "text_too_long" in {problem.code for problem in imported.problems}


def test_the_title_is_read_from_the_front_matter():
    for written in ("Wi-Fi: slow", '"Wi-Fi: slow"', "'Wi-Fi: slow'"):
        head = f"---\ntitle: {written}\nconfig:\n  theme: base\n---\nflowchart TD"
        assert read("A --> B", head).title == "Wi-Fi: slow"


def test_a_comment_says_nothing():
    assert assemble(drawn("%% A --> B\nC --> D %% a note")).root == "n1"
    assert edges("%% A --> B\nC --> D %% a note") == [("C", "", "D")]
