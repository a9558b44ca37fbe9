"""Reads Graphviz DOT through `dot` itself, as JSON and without any layout."""

import json
import re
from operator import itemgetter
from typing import Any

from django.utils.translation import gettext as _

from l1walk.graphs.assembling import (
    Draft,
    DraftNode,
    ImportRefused,
    Shape,
    too_many_nodes,
    usable_target,
)
from l1walk.graphs.definition import MAX_NODES, NodeType
from l1walk.graphs.graphviz import GraphvizError, GraphvizMissing, run_dot
from l1walk.graphs.text import WHITESPACE, decode_entities, shorten, strip_tags

SECONDS = 10
MAX_OUTPUT = 30_000_000

# -Tdot_json alone computes a layout, which can take hours; the nop2 engine only
# reads positions, and its complaint that there are none comes after the reading.
_ARGUMENTS = ("-Knop2", "-Tdot_json")
_SYNTAX = re.compile(r"syntax error in line (\d+)(?: near '([^'\n]*)')?")
_SHAPES = {
    **dict.fromkeys(("diamond", "Mdiamond"), Shape.DECISION),
    **dict.fromkeys(("doublecircle", "circle", "Mcircle"), Shape.RESOLVED),
    **dict.fromkeys(("component", "doubleoctagon", "tripleoctagon"), Shape.ESCALATE),
}
_ESCAPE = re.compile(r"\\([\s\S])")
_PORT = re.compile(r"<[^<>]{0,200}>")
_FIELD_SIGN = re.compile(r"(?<!\\)[|{}]")
_HTML = re.compile(r"</?[A-Za-z]")


def parse(text: str) -> Draft:
    """Read the first graph; raises ImportRefused where `dot` cannot read it either."""
    data, problem_line = _run(text)
    draft = Draft()
    _Reader(draft, data).read()
    if problem_line is not None:
        message = _("Only the first graph was read; line %(line)d ends it.")
        draft.warn("only_first", message % {"line": problem_line}, problem_line)
    return draft


def _run(text: str) -> tuple[dict[str, Any], int | None]:
    try:
        output, errors = run_dot(
            _ARGUMENTS, text, seconds=SECONDS, max_output=MAX_OUTPUT
        )
    except GraphvizMissing as error:
        message = _(
            "DOT files need Graphviz on the server, and it is not installed. Ask your"
            " administrator to install the package “graphviz”, or import Mermaid."
        )
        raise ImportRefused(message) from error
    except GraphvizError as error:
        message = _("Graphviz could not read the file (%(why)s). Make it simpler.")
        raise ImportRefused(message % {"why": error}) from error
    try:
        # strict=False: dot writes control characters as they are.
        decoder = json.JSONDecoder(strict=False)
        data, end = decoder.raw_decode(output.lstrip())
    except (ValueError, RecursionError) as error:
        raise ImportRefused(_syntax_message(errors)) from error
    rest = output.lstrip()[end:].strip()
    syntax = _SYNTAX.search(errors)
    if syntax:
        return data, int(syntax[1])
    return data, text.count("\n") + 1 if rest else None


def _syntax_message(errors: str) -> str:
    syntax = _SYNTAX.search(errors)
    if syntax is None:
        return _("The file holds no graph that Graphviz can read. Check it with dot.")
    message = _("Line %(line)s of the DOT file is not valid, near “%(near)s”. Mend it.")
    return message % {"line": syntax[1], "near": shorten(syntax[2] or "", 80)}


class _Reader:
    def __init__(self, draft: Draft, data: dict[str, Any]) -> None:
        self.draft = draft
        self.data = data
        self.names: dict[int, str] = {}
        self.links: list[tuple[int, str, str, str]] = []
        self.name = str(data.get("name", ""))

    def read(self) -> None:
        objects = self.data.get("objects", [])
        groups = self.data.get("_subgraph_cnt", 0)
        if len(objects) - groups > MAX_NODES:
            raise too_many_nodes()
        anonymous = self.name.startswith("%")
        title = self.data.get("label") or ("" if anonymous else self.name)
        self.draft.title = self.words(title, {"G": self.name}, title)
        self.draft.root = self.data.get("root", "")
        for group in objects[:groups]:
            self.group(group)
        for node in objects[groups:]:
            self.node(node)
        edges = self.data.get("edges", [])
        if edges and not self.data.get("directed", True):
            message = _(
                "The graph has no directions; each link leads as it is written."
            )
            self.draft.warn("undirected", message)
        for edge in edges:
            self.edge(edge)
        for node in objects[groups:]:
            self.loose_ends(node)
        # dot lists links by their target; those of our export know their place.
        for _place, source, target, label in sorted(self.links, key=itemgetter(0)):
            self.draft.link(source, target, label)

    def group(self, group: dict[str, Any]) -> None:
        name = str(group.get("name", ""))
        if name.startswith("cluster"):
            title = self.words(group.get("label") or name, {"G": name}, name)
            message = _("The group “%(title)s” is dropped, its nodes stay.")
            self.draft.warn("group", message % {"title": shorten(title, 80)})

    def node(self, raw: dict[str, Any]) -> None:
        name = str(raw["name"])
        self.names[raw["_gvid"]] = name
        node = self.draft.touch(name)
        label = str(raw.get("label", r"\N"))
        shape = str(raw.get("shape", ""))
        if "record" in shape and (_PORT.search(label) or _FIELD_SIGN.search(label)):
            label = _FIELD_SIGN.sub(r"\\n", _PORT.sub("", label))
            message = _("“%(name)s” is a record; its fields became lines of one text.")
            self.draft.warn("record", message % {"name": shorten(name, 60)})
        names = {"N": name, "G": self.name}
        node.text = self.words(label, names, name)
        node.shape = _SHAPES.get(shape, Shape.PLAIN)
        if shape == "box" and "rounded" in str(raw.get("style", "")):
            node.shape = Shape.RESOLVED
        node.guidance = self.words(str(raw.get("tooltip", "")), names, name)
        self.extras(node, raw)

    def extras(self, node: DraftNode, raw: dict[str, Any]) -> None:
        """Read back the attributes that our own export adds."""
        kind = raw.get("type")
        if kind in NodeType.values:
            node.type = NodeType(kind)
            node.category = self.words(str(raw.get("category", "")), {}, node.name)
            node.needs_review = raw.get("needs_review") == "true"
        elif node.guidance:
            message = _("“%(node)s”: its tooltip became the guidance. Check it.")
            self.draft.warn("tooltip", message % {"node": node.title})

    def edge(self, raw: dict[str, Any]) -> None:
        source, target = self.names[raw["tail"]], self.names[raw["head"]]
        where = f"{source} -> {target}"
        if raw.get("style") == "invis":
            message = _("The invisible link “%(link)s” is left out.")
            self.draft.warn("hidden_link", message % {"link": shorten(where, 80)})
            return
        parts = (raw.get(key) for key in ("label", "xlabel", "taillabel", "headlabel"))
        names = {"E": where.replace(" ", ""), "T": source, "H": target, "G": self.name}
        label = self.words("\n".join(str(part) for part in parts if part), names, where)
        place, direction = _number(raw.get("order")), raw.get("dir")
        if direction != "back":
            self.links.append((place, source, target, label))
        if direction in ("back", "both"):
            message = _("The link “%(link)s” points back; check where it leads.")
            self.draft.warn("both_ways", message % {"link": shorten(where, 80)})
            self.links.append((place, target, source, label))

    def loose_ends(self, raw: dict[str, Any]) -> None:
        """Read back the answers that lead nowhere yet, `[[place, label, target]]`."""
        if "loose" not in raw:
            return
        try:
            loose = json.loads(self.words(str(raw["loose"]), {}, str(raw["name"])))
        except (ValueError, RecursionError):
            loose = None
        for pair in loose if isinstance(loose, list) else [None]:
            match pair:
                case [int() as place, str() as label, str() as to] if usable_target(to):
                    self.links.append((place, str(raw["name"]), to, label))
                case _:
                    message = _("“%(name)s” has an unreadable “loose” attribute.")
                    shown = {"name": shorten(str(raw["name"]), 60)}
                    self.draft.warn("not_understood", message % shown)

    def words(self, raw: str, names: dict[str, str], where: str) -> str:
        """Decode a label as Graphviz draws it, reporting what cannot be kept."""

        def escaped(match: re.Match[str]) -> str:
            sign = match[1]
            return names.get(sign, "\n" if sign in "nlr" else sign)

        text, dropped = raw, list[str]()
        if _HTML.search(raw):
            text, dropped = strip_tags(raw)
        if dropped:
            message = _("“%(where)s”: HTML is dropped from the label: %(tags)s.")
            shown = {
                "where": shorten(where, 60),
                "tags": shorten(" ".join(dropped), 200),
            }
            self.draft.warn("html", message % shown)
        text = _ESCAPE.sub(escaped, text).strip(WHITESPACE)
        return decode_entities(text)


def _number(value: object) -> int:
    return (
        int(value)
        if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value)
        else 0
    )
