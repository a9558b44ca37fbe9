"""Turns an uploaded file into a draft and everything its author should check."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from django.utils.translation import gettext as _

from l1walk.graphs import dot, mermaid, native
from l1walk.graphs.assembling import Draft, ImportRefused, assemble
from l1walk.graphs.definition import MAX_LABEL, Definition, Problem, Severity
from l1walk.graphs.text import UNSTORABLE, clean, shorten
from l1walk.graphs.validate import find_problems

__all__ = ["MAX_BYTES", "ImportRefused", "Imported", "read_flow"]

MAX_BYTES = 1_000_000
MAX_FENCES = 50

_MERMAID_NAMES = frozenset({".mmd", ".mermaid"})
_DOT_NAMES = frozenset({".dot", ".gv"})
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")

_FLOWCHARTS = frozenset({"flowchart", "flowchart-elk", "graph"})
_OTHER_DIAGRAMS = re.compile(
    r"(sequence|class|state|er|requirement|packet|block|architecture|kanban|gantt|pie"
    r"|journey|mindmap|timeline|gitGraph|quadrantChart|xychart|sankey|zenuml|C4\w*)"
    r"(Diagram)?(-v2|-beta)?"
)
_FENCE = re.compile(
    r"^[ \t>]*(?P<fence>`{3,}|~{3,}|:{3,})[ \t]*\{?\.?mermaid\b[^\n]*\n"
    r"(?P<body>(?:(?![ \t>]*(?P=fence))[^\n]*(?:\n|\Z))*)",
    re.MULTILINE,
)
_DOT = re.compile(
    r"(?:\s|//[^\n]*|\#[^\n]*|/\*[\s\S]*?\*/)*+(?:strict\s+)?(?:di)?graph\b\s*"
    r'(?:"[^"]*"\s*|[\w.-]+\s*)?\{',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Imported:
    """A draft and its problems: those the import noticed, then those of the flow."""

    title: str
    definition: Definition
    problems: list[Problem]
    format: str
    category: str = ""
    summary: str = ""
    keywords: str = ""


def read_flow(filename: str, data: bytes) -> Imported:
    """Read a file of any format we know, telling them by content, then by name.

    Raises ImportRefused, with words for the person, when there is nothing to save:
    a file that is empty, binary, too large, not UTF-8 or of another kind.
    """
    text, problems = _read_text(data)
    suffix = PurePath(filename).suffix.lower()
    kind, source = _recognise(text, suffix, problems)
    if kind == "json":
        parsed = native.parse(source)
    else:
        read: Callable[[str], Draft] = mermaid.parse if kind == "mermaid" else dot.parse
        draft = read(source)
        definition = assemble(draft)
        parsed = native.Parsed(draft.title, definition=definition)
        parsed.problems = draft.problems
    problems += parsed.problems
    return Imported(
        title=_title(parsed.title, filename, problems),
        definition=parsed.definition,
        problems=problems + find_problems(parsed.definition),
        format=kind,
        category=parsed.category,
        summary=parsed.summary,
        keywords=parsed.keywords,
    )


def _read_text(data: bytes) -> tuple[str, list[Problem]]:
    if len(data) > MAX_BYTES:
        message = _("The file is larger than %(max)d kB. Split the flow in two.")
        raise ImportRefused(message % {"max": MAX_BYTES // 1000})
    if data.startswith(_WIDE_MARKS):
        message = _("The file is saved as UTF-16 or UTF-32. Save it as UTF-8.")
        raise ImportRefused(message)
    if b"\0" in data:
        message = _("This is not a text file. Choose a Mermaid, DOT or JSON file.")
        raise ImportRefused(message)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = _("Line %(line)d is not UTF-8. Save the file as UTF-8 and try again.")
        line = data.count(b"\n", 0, error.start) + 1
        raise ImportRefused(message % {"line": line}) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ImportRefused(_("The file is empty. Choose another."))
    odd = UNSTORABLE.search(text)
    if odd is None:
        return text, []
    line = text.count("\n", 0, odd.start()) + 1
    message = _("Control characters, first on line %(line)d, were replaced.")
    return clean(text), [_warning("bad_characters", message % {"line": line}, line)]


def _recognise(text: str, suffix: str, problems: list[Problem]) -> tuple[str, str]:
    """Name the format and give the text of the flow, with its lines where they were."""
    start = text.lstrip()[:1]
    word = mermaid.first_word(text)
    if start in ("{", "["):
        return "json", text
    if word in _FLOWCHARTS and (suffix in _MERMAID_NAMES or not _DOT.match(text)):
        return "mermaid", text
    if suffix in _DOT_NAMES or _DOT.match(text):
        return "dot", text
    fenced = _fenced(text, problems)
    if fenced:
        return "mermaid", fenced
    raise ImportRefused(_unknown(word))


def _fenced(text: str, problems: list[Problem]) -> str:
    """Find the first flowchart among the code blocks of a Markdown file."""
    found = ""
    for place, match in enumerate(_FENCE.finditer(text)):
        if place == MAX_FENCES:
            message = _("The file holds more than %(max)d diagrams. Import one alone.")
            raise ImportRefused(message % {"max": MAX_FENCES})
        line = text.count("\n", 0, match.start("body")) + 1
        word = mermaid.first_word(match["body"])
        if word in _FLOWCHARTS and not found:
            found = "\n" * (line - 1) + match["body"]
            message = _("Only the diagram at line %(line)d is read, not the rest.")
            problems.append(_warning("only_first", message % {"line": line}, line))
        elif not found and _OTHER_DIAGRAMS.fullmatch(word):
            raise ImportRefused(_unknown(word))
        elif found:
            message = _("The diagram at line %(line)d is left out. Import it alone.")
            problems.append(_warning("only_first", message % {"line": line}, line))
    return found


def _unknown(word: str) -> str:
    if _OTHER_DIAGRAMS.fullmatch(word):
        message = _(
            "This is a Mermaid “%(kind)s”; only flowcharts can be walked. Redraw it as"
            " a flowchart."
        )
        return message % {"kind": word}
    return _(
        "The format is not known. Choose a Mermaid flowchart that begins with"
        " “flowchart TD”, a DOT graph, or JSON exported from Handrail."
    )


def _title(title: str, filename: str, problems: list[Problem]) -> str:
    title = clean(title)
    if not title.strip():
        title = clean(PurePath(filename.replace("\\", "/")).stem).strip()
    if len(title) > MAX_LABEL:
        message = _("The title is longer than %(max)d characters and was shortened.")
        problems.append(_warning("title_too_long", message % {"max": MAX_LABEL}))
        title = shorten(title, MAX_LABEL)
    return title


def _warning(code: str, message: str, line: int | None = None) -> Problem:
    return Problem(Severity.WARNING, code, message, line=line)
