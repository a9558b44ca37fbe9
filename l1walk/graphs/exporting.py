"""Writes flows in notations that others read and that we read back unchanged."""

import json
import re
from collections.abc import Iterator

from l1walk.graphs.definition import (
    ID_PATTERN,
    SCHEMA_VERSION,
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
_RESERVED = frozenset(
    "end graph flowchart subgraph style linkstyle classdef class click call href"
    " default direction acctitle accdescr interpolate".split()
)
_MERMAID_NAME = re.compile(r"([a-z][a-z0-9_]*)(-[a-z0-9_]+)*")
_EDGE_SPACE = re.compile(r"^[ \t]+|[ \t]+$|\r|\t")
_MERMAID_SIGNS = {
    "&": "#amp;",
    "#": "#35;",
    '"': "#quot;",
    "<": "#lt;",
    ">": "#gt;",
    "\\": "#92;",
    "`": "#96;",
    "|": "#124;",
    "\n": "<br/>",
}
_MERMAID_SIGN = re.compile('[&#"<>\\\\`|\n]|%%')
