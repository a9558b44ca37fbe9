"""Writes flows in notations that others read and that we read back unchanged."""

import json
import re
from collections.abc import Iterator

from l1walk.graphs.definition import (
    SCHEMA_VERSION,
    TERMINALS,
    Answer,
    Definition,
    Node,
    NodeType,
)
from l1walk.graphs.reading import type_by_exits

FORMAT = "handrail-flow"

_BRACKETS = {
    NodeType.QUESTION: ('{"', '"}'),
    NodeType.INSTRUCTION: ('["', '"]'),
    NodeType.RESOLVED: ('(["', '"])'),
    NodeType.ESCALATE: ('[["', '"]]'),
}
_DOT_SHAPES = {
    NodeType.QUESTION: "diamond",
    NodeType.INSTRUCTION: "box",
    NodeType.RESOLVED: "doublecircle",
    NodeType.ESCALATE: "component",
}
# Words that Mermaid takes for a keyword where a node's name could stand.
_RESERVED = re.compile(
    r"(end|graph|flowchart|subgraph|style|linkstyle|classdef|class|click|call|href"
    r"|default|direction|acctitle|accdescr|interpolate)(-.*)?"
)
_MERMAID_NAME = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*")
# NEL stays: as a number, HTML takes it for an ellipsis. Mermaid trims the others.
_OUTER_SPACE = re.compile(r"\A[^\S\n\x85]+|\A\ufeff+|[^\S\n\x85]+\Z|\ufeff+\Z|[\r\t]")
_OUTER_BREAKS = re.compile(r"\A[ \t\r\n]+|[ \t\r\n]+\Z|[\r\t]")
_MERMAID_SIGNS = {
    "&": "#amp;",
    "#": "#35;",
    '"': "#quot;",
    "<": "#lt;",
    ">": "#gt;",
    "\\": "#92;",
    "`": "#96;",
    "|": "#124;",
    "%": "#37;",
    "\n": "<br/>",
}
_MERMAID_SIGN = re.compile('[&#"<>\\\\`|\n]|%(?=%)')
_DOT_SIGNS = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": r"\\", '"': r"\"", "\n": r"\n"}
)
# Braces could begin a Mermaid directive; YAML knows no control characters.
_JSON_SIGNS = str.maketrans(
    {chr(n): f"\\u{n:04x}" for n in (*b"{}", *range(0x7F, 0xA0), 0x2028, 0x2029)}
)


def to_json_text(
    title: str,
    definition: Definition,
    *,
    category: str = "",
    summary: str = "",
    keywords: str = "",
) -> str:
    """Write everything, as a file that `read_flow` reads back unchanged."""
    envelope: dict[str, object] = {
        "format": FORMAT,
        "schema": SCHEMA_VERSION,
        "title": title,
    }
    said = {"category": category, "summary": summary, "keywords": keywords}
    envelope |= {name: text for name, text in said.items() if text}
    envelope["definition"] = definition.to_dict()
    return json.dumps(envelope, ensure_ascii=False, indent=2) + "\n"


def to_mermaid(title: str, definition: Definition) -> str:
    """Draw a flowchart; what Mermaid has no place for follows in comments of ours."""
    names = {
        node.id: _mermaid_name(node.id, position)
        for position, node in enumerate(definition.nodes, start=1)
    }
    lines = ["---", f"title: {_json(title)}", "---"] if title else []
    lines.append("flowchart TD")
    for node in definition.nodes:
        opening, closing = _BRACKETS[node.type]
        text = _mermaid_text(node.text)
        lines.append(f"    {names[node.id]}{opening}{text}{closing}")
    for node in definition.nodes:
        for answer in node.answers:
            lines.append("    " + _mermaid_link(names, node, answer))
    if definition.root in names:
        lines.append(f"%% handrail root {_json(names[definition.root])}")
    for node in definition.nodes:
        for field, value in _mermaid_extras(node, names[node.id]):
            lines.append(f"%% handrail {names[node.id]}.{field} {_json(value)}")
    return "\n".join(lines) + "\n"


def to_dot(title: str, definition: Definition) -> str:
    """Draw a DOT graph; guidance is the tooltip, the rest are attributes of ours."""
    lines = ["digraph {", '    node [fontname="sans-serif"];']
    if title:
        lines.append(f"    label={quote_dot(title)};")
    lines.append(f"    root={quote_dot(definition.root)};")
    for node in definition.nodes:
        attributes = {"label": node.text, "shape": _DOT_SHAPES[node.type]}
        attributes |= dict(_dot_extras(node, definition))
        shown = " ".join(f"{key}={quote_dot(text)}" for key, text in attributes.items())
        lines.append(f"    {quote_dot(node.id)} [{shown}];")
    for node in definition.nodes:
        for place, answer in enumerate(node.answers, start=1):
            if definition.node(answer.to):
                ends = f"{quote_dot(node.id)} -> {quote_dot(answer.to)}"
                label = quote_dot(answer.label)
                lines.append(f"    {ends} [label={label} order={place}];")
    return "\n".join([*lines, "}", ""])


def quote_dot(text: str) -> str:
    """Write a text as a DOT string that is drawn, and read back, as it is."""
    encoded = _OUTER_BREAKS.sub(
        lambda match: "".join(f"\0{ord(sign)};" for sign in match[0]), text
    )
    return f'"{encoded.translate(_DOT_SIGNS)}"'.replace("\0", "&#")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).translate(_JSON_SIGNS)


def _mermaid_name(node_id: str, position: int) -> str:
    """Keep ids Mermaid can read; a capital letter keeps the others apart from ours."""
    usable = _MERMAID_NAME.fullmatch(node_id) and not _RESERVED.fullmatch(node_id)
    return node_id if usable else f"N{position}"


def _mermaid_text(text: str) -> str:
    encoded = _MERMAID_SIGN.sub(lambda match: _MERMAID_SIGNS[match[0]], text)
    if "style" in text or "classDef" in text:
        # Mermaid cuts the end off entities in what looks like a style statement.
        encoded = encoded.replace(":", "#58;")
    return _OUTER_SPACE.sub(
        lambda match: "".join(f"#{ord(sign)};" for sign in match[0]), encoded
    )


def _mermaid_link(names: dict[str, str], node: Node, answer: Answer) -> str:
    name = names[node.id]
    if answer.to not in names:
        return f"%% handrail {name}.answer {_json([answer.label, answer.to])}"
    label = _mermaid_text(answer.label)
    shown = f'|"{label}"| ' if label else ""
    return f"{name} -->{' ' if not shown else ''}{shown}{names[answer.to]}"


def _mermaid_extras(node: Node, name: str) -> Iterator[tuple[str, object]]:
    if name != node.id:
        yield "id", node.id
    by_exits = type_by_exits(len(node.answers))
    told_by_brackets = by_exits is None and node.type in TERMINALS
    if not told_by_brackets and by_exits != node.type:
        yield "type", node.type
    if node.guidance:
        yield "guidance", node.guidance
    if node.category:
        yield "category", node.category
    if node.needs_review:
        yield "needs_review", True


def _dot_extras(node: Node, definition: Definition) -> Iterator[tuple[str, str]]:
    yield "type", node.type
    if node.guidance:
        yield "tooltip", node.guidance
    if node.category:
        yield "category", node.category
    if node.needs_review:
        yield "needs_review", "true"
    loose = [
        [place, answer.label, answer.to]
        for place, answer in enumerate(node.answers, start=1)
        if definition.node(answer.to) is None
    ]
    if loose:
        yield "loose", json.dumps(loose)
