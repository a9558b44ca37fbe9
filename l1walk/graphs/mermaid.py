"""Reads Mermaid flowcharts: what a line says becomes a link or a warning."""

import json
import re
from bisect import bisect_right
from html.entities import html5
from typing import NamedTuple

from django.utils.translation import gettext as _

from l1walk.graphs import mermaid_notation as notation
from l1walk.graphs.assembling import Draft, DraftNode, Shape, usable_target
from l1walk.graphs.definition import NodeType
from l1walk.graphs.text import WHITESPACE, decode_entities, shorten, strip_tags


def first_word(text: str) -> str:
    """Give the word that names the kind of diagram, past comments and front matter."""
    parser = _Parser(text)
    parser.front_matter()
    parser.skip_comments()
    word = re.compile(r"[\w-]+").match(text, parser.at)
    return word[0] if word else ""


def parse(text: str) -> Draft:
    """Read a whole flowchart; raises ImportRefused only for its size."""
    parser = _Parser(text)
    parser.read()
    return parser.draft


class _Link(NamedTuple):
    """One arrow: an arrow can be hidden (`~~~`) or lead both ways (`<-->`)."""

    line: int
    label: str
    hidden: bool
    both_ways: bool


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.draft = Draft()
        self.line_ends = [match.end() for match in re.finditer("\n", text)]
        self.groups: dict[str, str] = {}
        self.open_groups = 0
        self.edge_ids: set[str] = set()
        self.styling: dict[str, int] = {}

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def line(self, at: int | None = None) -> int:
        return bisect_right(self.line_ends, self.at if at is None else at) + 1

    def read(self) -> None:
        self.front_matter()
        self.skip_comments()
        self.take(notation.HEADER)
        while self.at < len(self.text):
            self.take(notation.BLANK)
            if self.at < len(self.text) and not (
                self.comment() or self.keyword() or self.chain()
            ):
                self.skip_line()
        self.report_groups()
        self.report_styling()

    def skip_comments(self) -> None:
        while self.take(notation.BLANK) or self.comment():
            pass

    def skip_line(self, since: int | None = None) -> None:
        """Report what is left of this line, from `since` if that is further back."""
        start = self.at if since is None else since
        self.take(notation.REST_OF_LINE)
        rest = self.text[start : self.at].strip(WHITESPACE)
        self.draft.not_understood(rest, self.line(start))

    def front_matter(self) -> None:
        match = self.take(notation.FRONT_MATTER)
        for row in match["body"].split("\n") if match else ():
            key, _colon, value = row.partition(":")
            if key.strip() == "title":
                self.draft.title = _yaml_string(value.strip())
            elif key.strip():
                self.styling.setdefault(key.strip(), 1)

    def comment(self) -> bool:
        if self.text.startswith("%%{", self.at):
            end = self.at + notation.MAX_BLOCK
            directive = notation.DIRECTIVE.match(self.text, self.at, end)
            if directive and not notation.ARROW.search(directive[0]):
                self.styling.setdefault("%%{...}%%", self.line())
                self.at = directive.end()
            else:
                self.skip_line()
            return True
        start = self.at
        ours = self.take(notation.OURS)
        if ours:
            rest = self.take(notation.REST_OF_LINE)
            if not rest or not self.read_ours(ours["name"], ours["field"], rest[0]):
                self.skip_line(start)
            return True
        return self.take(notation.COMMENT) is not None

    def read_ours(self, name: str | None, field: str, raw: str) -> bool:
        """Read back what our export keeps in a comment."""
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            return False
        match name, field, value:
            case None, "root", str():
                self.draft.root = value
            case str(), "answer", [str() as label, str() as to] if usable_target(to):
                self.draft.touch(name, self.line())
                self.draft.link(name, to, label, self.line())
            case str(), "id" | "guidance" | "category", str():
                setattr(self.draft.touch(name, self.line()), field, value)
            case str(), "needs_review", bool():
                self.draft.touch(name, self.line()).needs_review = value
            case str(), "type", str() if value in NodeType.values:
                self.draft.touch(name, self.line()).type = NodeType(value)
            case _:
                return False
        return True

    def keyword(self) -> bool:
        start = self.at
        if match := self.take(notation.SUBGRAPH):
            self.group(match["title"] or "", self.line(start))
            return True
        if self.take(notation.END):
            if not self.open_groups:
                self.skip_line(start)
            self.open_groups = max(0, self.open_groups - 1)
            return True
        if match := self.take(notation.CLICK):
            message = _("Line %(line)d: the link of a node is left out: “%(text)s”.")
            shown = {"line": self.line(start), "text": shorten(match[0], 200)}
            self.draft.warn("click", message % shown, self.line(start))
            return True
        match = notation.STYLING.match(self.text, self.at)
        if not match or notation.ARROW.search(match[0]):
            return False
        self.styling.setdefault(match["word"] or match["title"], self.line(start))
        self.at = match.end()
        return True

    def group(self, raw: str, line: int) -> None:
        self.open_groups += 1
        title = " ".join(raw.split())
        match = notation.SUBGRAPH_TITLE.fullmatch(title)
        name = (match and match["name"]) or title
        if match:
            title = self.label(match["quoted"] or match["free"] or name, line)
        self.groups[name] = title
        message = _("Line %(line)d: the group “%(title)s” is dropped, its nodes stay.")
        shown = {"line": line, "title": shorten(title, 80)}
        self.draft.warn("group", message % shown, line)

    def chain(self) -> bool:
        """Read `A & B --> C --> D`; False when not even a first node is there."""
        sources = self.vertices()
        if not sources:
            return False
        while True:
            at = self.at
            link = self.link()
            if link is None:
                break
            targets = self.vertices()
            if not targets:
                self.skip_line(at)
                return True
            self.connect(sources, targets, link)
            sources = targets
        comment = notation.TRAILING_COMMENT.match(self.text, self.at)
        if comment and not notation.ARROW.search(comment[0]):
            self.at = comment.end()
        if not self.take(notation.STATEMENT_END):
            self.skip_line()
        return True

    def vertices(self) -> list[str]:
        names = []
        while name := self.vertex():
            names.append(name)
            if not self.take(notation.AMPERSAND):
                break
        return names

    def vertex(self) -> str:
        """Read one node as it is drawn; nothing is taken when it is malformed."""
        start = self.at
        match = self.take(notation.NAME)
        if not match:
            return ""
        name = match[0]
        line = self.line(start)
        if self.text.startswith("@{", self.at):
            block = notation.METADATA.match(
                self.text, self.at, self.at + notation.MAX_BLOCK
            )
            if block:
                self.check_rows(block.span())
            if block and name in self.edge_ids:
                self.styling.setdefault("@{...}", line)
            elif block:
                self.metadata(self.draft.touch(name, line), block[1], line)
            else:
                self.at = start
                return ""
            self.at = block.end()
        elif not self.outline(name, line):
            self.at = start
            return ""
        if self.take(notation.CLASS):
            self.styling.setdefault(":::", line)
        return name

    def outline(self, name: str, line: int) -> bool:
        if self.text[self.at : self.at + 1] not in tuple("[({>"):
            self.draft.touch(name, line)
            return True
        for pattern, shape in notation.OUTLINES:
            match = self.take(pattern)
            if match:
                node = self.draft.touch(name, line)
                node.shape = shape
                self.check_rows(match.span())
                self.set_text(node, match["quoted"] or match["free"] or "", line)
                return True
        return False

    def metadata(self, node: DraftNode, body: str, line: int) -> None:
        """Read the newer `@{ shape: ..., label: "..." }`."""
        at = 0
        while match := notation.METADATA_ITEM.match(body, at):
            at = match.end()
            free = (match["free"] or "").strip(WHITESPACE + "'")
            if match["key"] == "label":
                self.set_text(node, match["quoted"] or free, line)
            elif match["key"] == "shape":
                named = match["quoted"] or free
                node.shape = notation.SHAPE_NAMES.get(named, Shape.PLAIN)
            else:
                self.styling.setdefault(match["key"], line)
        rest = body[at:].strip(WHITESPACE + ",")
        if rest:
            self.draft.not_understood(rest, line)

    def set_text(self, node: DraftNode, raw: str, line: int) -> None:
        text = self.label(raw, line)
        if node.text is not None and node.text != text:
            message = _(
                "Line %(line)d gives “%(name)s” another text; “%(old)s” is dropped."
            )
            shown = {"line": line, "name": node.name, "old": shorten(node.text, 200)}
            self.draft.warn("text_replaced", message % shown, line)
        node.text = text
        node.line = line

    def label(self, raw: str, line: int) -> str:
        """Decode a label as Mermaid shows it, reporting what cannot be kept."""
        text = raw.strip(WHITESPACE)
        if len(text) > 1 and text[0] == text[-1] == "`":
            text = text[1:-1]
        rows = text.replace("\\n", "\n").split("\n")
        text, dropped = strip_tags("\n".join(row.strip(WHITESPACE) for row in rows))
        if dropped:
            message = _("Line %(line)d: HTML is dropped from the label: %(tags)s.")
            shown = {"line": line, "tags": shorten(" ".join(dropped), 200)}
            self.draft.warn("html", message % shown, line)
        return decode_entities(notation.ENTITY.sub(_as_html, text))

    def check_rows(self, span: tuple[int, int]) -> None:
        """A forgotten quote swallows links into a label; a true label has none."""
        rows = self.text[slice(*span)].split("\n")
        if len(rows) == 1:
            return
        for number, row in enumerate(rows, start=self.line(span[0])):
            if notation.ARROW.search(row):
                message = _("Line %(line)d was read as part of a label: “%(text)s”.")
                shown = {"line": number, "text": shorten(row, 200)}
                self.draft.warn("link_in_label", message % shown, number)

    def link(self) -> _Link | None:
        match = self.take(notation.LINK)
        raw = ""
        if match:
            piped = self.take(notation.PIPED)
            if piped:
                raw = piped["quoted"] or piped["free"] or ""
                self.check_rows(piped.span())
        else:
            match = self.take(notation.TEXT_LINK)
            if not match:
                return None
            kind = next(k for k in ("solid", "thick", "dotted") if match[k] is not None)
            raw = match[kind].strip(WHITESPACE)
            self.check_rows(match.span(kind))
            if raw[:1] == raw[-1:] == '"' and len(raw) > 1:
                raw = raw[1:-1]
        line = self.line(match.end("tail"))
        if match["id"]:
            self.edge_ids.add(match["id"])
        self.take(notation.GAP)
        hidden = match.groupdict().get("hidden") is not None
        return _Link(line, self.label(raw, line), hidden, "<" in match["tail"])

    def connect(self, sources: list[str], targets: list[str], link: _Link) -> None:
        if link.hidden:
            message = _("Line %(line)d: an invisible link is left out.")
            self.draft.warn("hidden_link", message % {"line": link.line}, link.line)
            return
        if link.both_ways:
            message = _("Line %(line)d leads both ways; check the way back.")
            self.draft.warn("both_ways", message % {"line": link.line}, link.line)
        for source in sources:
            for target in targets:
                self.draft.link(source, target, link.label, link.line)
                if link.both_ways:
                    self.draft.link(target, source, link.label, link.line)

    def report_groups(self) -> None:
        for name, title in self.groups.items():
            node = self.draft.nodes.get(name)
            if node and node.text is None:
                node.text = title
                message = _(
                    "A link goes to the group “%(title)s”, which became a node."
                    " Connect it to the first step of the group."
                )
                shown = {"title": shorten(title, 80)}
                self.draft.warn("link_to_group", message % shown, node.line)

    def report_styling(self) -> None:
        if self.styling:
            message = _("Styling is left out: %(words)s.")
            words = ", ".join(
                _("%(word)s (line %(line)d)") % {"word": word, "line": line}
                for word, line in self.styling.items()
            )
            first = min(self.styling.values())
            self.draft.warn("styling", message % {"words": shorten(words, 400)}, first)


def _as_html(match: re.Match[str]) -> str:
    name = match[1]
    if name.isdecimal():
        return f"&#{name};"
    return f"&{name};" if f"{name};" in html5 else match[0]


def _yaml_string(raw: str) -> str:
    if raw[:1] == '"':
        try:
            return str(json.loads(raw))
        except (ValueError, RecursionError):
            return raw.strip('"')
    return raw.strip("'").replace("''", "'")
