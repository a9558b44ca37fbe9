"""The vocabulary of Mermaid flowcharts: outlines, arrows, keywords, comments.

Source: https://mermaid.js.org/syntax/flowchart.html, version 11.
"""

import re
from typing import NamedTuple

from l1walk.graphs.assembling import Shape


class Outline(NamedTuple):
    """One kind of bracket around a label."""

    pattern: re.Pattern[str]
    shape: Shape


_SQUARE = r'[^\[\]{}"\n]*?'
_ROUND = r'[^()\[\]{}"\n]*?'


def _outline(opening: str, closing: str, free: str, shape: Shape) -> Outline:
    pattern = rf'{opening}(?:\s*"(?P<quoted>[^"]*)"\s*|(?P<free>{free})){closing}'
    return Outline(re.compile(pattern), shape)


# Longer brackets first: "((" also begins with "(".
OUTLINES = (
    _outline(r"\(\(\(", r"\)\)\)", _ROUND, Shape.RESOLVED),
    _outline(r"\(\(", r"\)\)", _ROUND, Shape.RESOLVED),
    _outline(r"\(\[", r"\]\)", _SQUARE, Shape.RESOLVED),
    _outline(r"\(-", r"-\)", _ROUND, Shape.PLAIN),
    _outline(r"\(", r"\)", _ROUND, Shape.PLAIN),
    _outline(r"\[\[", r"\]\]", _SQUARE, Shape.ESCALATE),
    _outline(r"\[\(", r"\)\]", _SQUARE, Shape.PLAIN),
    _outline(r"\[[/\\]", r"[/\\]\]", _SQUARE, Shape.PLAIN),
    _outline(r"\[", r"\]", _SQUARE, Shape.PLAIN),
    _outline(r"\{\{", r"\}\}", _SQUARE, Shape.PLAIN),
    _outline(r"\{", r"\}", _SQUARE, Shape.DECISION),
    _outline(r">", r"\]", _SQUARE, Shape.PLAIN),
)
SHAPE_NAMES = {
    "diam": Shape.DECISION,
    "diamond": Shape.DECISION,
    "decision": Shape.DECISION,
    "question": Shape.DECISION,
    "rhombus": Shape.DECISION,
    "stadium": Shape.RESOLVED,
    "pill": Shape.RESOLVED,
    "terminal": Shape.RESOLVED,
    "circle": Shape.RESOLVED,
    "circ": Shape.RESOLVED,
    "dbl-circ": Shape.RESOLVED,
    "double-circle": Shape.RESOLVED,
    "fr-circ": Shape.RESOLVED,
    "framed-circle": Shape.RESOLVED,
    "stop": Shape.RESOLVED,
    "fr-rect": Shape.ESCALATE,
    "framed-rectangle": Shape.ESCALATE,
    "subproc": Shape.ESCALATE,
    "subprocess": Shape.ESCALATE,
    "subroutine": Shape.ESCALATE,
}

NAME = re.compile(r"(?:[\w!#$%'*+.`?\\/]|-(?![->.])|=(?!=))+")
CLASS = re.compile(r":::[\w-]+(?:,[\w-]+)*")
METADATA = re.compile(r'@\{((?>[^{}"]+|"[^"]*")*+)\}')
MAX_BLOCK = 10_000  # characters of @{...} or %%{...}%%: bounds the search for its end
METADATA_ITEM = re.compile(
    r'[\s,]*(?P<key>[\w-]+)\s*:[ \t]*(?:"(?P<quoted>[^"]*)"|(?P<free>[^,\n"]*))\s*'
)
# The head of a link may follow a line break, but an "x" there begins a node's name.
_TAIL = r"(?:\s*<|[ \t]*[xo](?=--|==|-\.)|\s*)"
_EDGE_ID = r"(?:\s*(?P<id>[\w-]+)@(?=[<xo]?[-=~.]))?"
LINK = re.compile(
    rf"(?P<tail>{_EDGE_ID}{_TAIL})"
    r"(?:--+[-xo>]|==+[=xo>]|-?\.+-[xo>]?|(?P<hidden>~~~+))"
)
_END = r"(?:(?<=[ \t])[xo<])?"
TEXT_LINK = re.compile(
    rf"(?P<tail>{_EDGE_ID}{_TAIL})(?:"
    rf'--(?P<solid>[ \t]*"[^"]*"[ \t]*|(?:[^-\n]|-(?!-))+?){_END}--+[-xo>]'
    rf'|==(?P<thick>[ \t]*"[^"]*"[ \t]*|(?:[^=\n]|=(?!=))+?){_END}==+[=xo>]'
    rf'|-\.(?P<dotted>[ \t]*"[^"]*"[ \t]*|(?:[^.\n]|\.(?!-))+?){_END}'
    # Dots are tried at the first of a run only: long runs would cost their square.
    r"(?<!\.)-?\.+-[xo>]?"
    r")"
)
# Tells in linear time whether a text may hold a link: LINK is for known places.
ARROW = re.compile(r"--[-xo>]|==[=xo>]|\.-|~~~")
PIPED = re.compile(r'[ \t]*\|(?:\s*"(?P<quoted>[^"]*)"\s*|(?P<free>[^|"\n]*))\|')
AMPERSAND = re.compile(r"\s*&\s*")
BLANK = re.compile(r"[\s;]+")
ENTITY = re.compile(r"&?#(\w{1,32});")
GAP = re.compile(r"\s*")
STATEMENT_END = re.compile(r"[ \t]*(?:;|\n|\Z)")
REST_OF_LINE = re.compile(r"[^\n]*")

FRONT_MATTER = re.compile(
    r"\A\s*---[ \t]*\n(?P<body>(?:.*\n)*?)[ \t]*---[ \t]*(?:\n|\Z)"
)
DIRECTIVE = re.compile(r"%%\{[\s\S]*?\}%%")
COMMENT = re.compile(r"%%[^\n]*")
TRAILING_COMMENT = re.compile(r"[ \t]+%%[^\n]*")
HEADER = re.compile(
    r"(?:flowchart-elk|flowchart|graph)\b[ \t]*(?:(?:TB|TD|BT|RL|LR)\b|[<>^v](?=\s|;))?"
)
SUBGRAPH = re.compile(r"subgraph(?:[ \t]+(?P<title>[^\n;]*))?(?=[;\n]|\Z)")
SUBGRAPH_TITLE = re.compile(
    r'(?P<name>[^\s\["]+)?[ \t]*(?:\[?[ \t]*"(?P<quoted>[^"]*)"[ \t]*\]?'
    r"|\[(?P<free>[^\]]*)\])?[ \t]*"
)
END = re.compile(r"end(?=[ \t]*(?:[;\n]|\Z|%%))")
CLICK = re.compile(r"click[ \t]+\w[^\n]*")
STYLING = re.compile(
    r"(?P<word>classDef|class|style|linkStyle|direction)[ \t]+\w[^\n;]*"
    r"|(?P<title>accTitle|accDescr)[ \t]*(?::[^\n]*|\{[^}]*\})"
)
# What our export adds in comments, because Mermaid has no place for it.
OURS = re.compile(
    r"%%[ \t]*handrail[ \t]+(?:(?P<name>\w[\w-]*)\.)?(?P<field>\w+)[ \t]+"
)
