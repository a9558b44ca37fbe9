"""Reads our own JSON: an exported flow, or a bare definition."""

import json
from collections import Counter
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from l1walk.graphs.assembling import ImportRefused, too_many_nodes
from l1walk.graphs.definition import (
    MAX_NODES,
    SCHEMA_VERSION,
    Definition,
    Problem,
    Severity,
)
from l1walk.graphs.exporting import FORMAT
from l1walk.graphs.reading import read_definition
from l1walk.graphs.text import clean, shorten

_SAID = ("title", "category", "summary", "keywords")
_ENVELOPE = frozenset({"format", "schema", "slug", "definition", *_SAID})


@dataclass(slots=True)
class Parsed:
    """What a file of ours holds, and its faults."""

    title: str = ""
    category: str = ""
    summary: str = ""
    keywords: str = ""
    definition: Definition = field(default_factory=lambda: Definition("", ()))
    problems: list[Problem] = field(default_factory=list)

    def fault(self, code: str, message: str) -> None:
        """Note a fault of the file as such."""
        self.problems.append(Problem(Severity.ERROR, code, message))


def parse(text: str) -> Parsed:
    """Read a file; raises ImportRefused unless it is JSON and holds a flow."""
    parsed = Parsed()
    data = _load(text, parsed)
    if not isinstance(data, dict) or not {"definition", "nodes"} & data.keys():
        message = _(
            "This JSON file holds no Handrail flow. Export one from Handrail, or"
            " import a Mermaid flowchart or a DOT graph."
        )
        raise ImportRefused(message)
    definition: object = data
    if "definition" in data:
        _read_envelope(data, parsed)
        definition = data["definition"]
    nodes = definition.get("nodes") if isinstance(definition, dict) else None
    if isinstance(nodes, list) and len(nodes) > MAX_NODES:
        raise too_many_nodes()
    parsed.definition, problems = read_definition(definition)
    parsed.problems += problems
    return parsed


def _load(text: str, parsed: Parsed) -> object:
    repeated: dict[str, None] = {}

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        loaded = dict(items)
        if len(loaded) < len(items):
            counts = Counter(key for key, _value in items)
            repeated.update((key, None) for key, n in counts.items() if n > 1)
        return loaded

    def constant(name: str) -> None:
        message = _("The file holds %(name)s, which JSON does not know. Remove it.")
        parsed.fault("not_json", message % {"name": name})

    try:
        data: object = json.loads(
            text, object_pairs_hook=pairs, parse_constant=constant, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        message = _(
            "The JSON is broken at line %(line)d, column %(column)d: %(why)s. Mend it"
            " or export it again."
        )
        shown = {"line": error.lineno, "column": error.colno, "why": error.msg}
        raise ImportRefused(message % shown) from error
    except RecursionError as error:
        message = _("The JSON is nested too deeply to be a flow of Handrail.")
        raise ImportRefused(message) from error
    if repeated:
        message = _("The file repeats %(keys)s; the last of each counts. Remove one.")
        keys = shorten(clean(", ".join(f"“{key}”" for key in repeated)), 400)
        parsed.fault("repeated_key", message % {"keys": keys})
    return data


def _integer(digits: str) -> int | float:
    """Python refuses to read integers above 4,300 digits; no field of ours has one."""
    return int(digits) if len(digits) < 20 else float("inf")


def _read_envelope(data: dict[str, object], parsed: Parsed) -> None:
    if data.get("format", FORMAT) != FORMAT:
        message = _("The “format” is not %(format)s; the flow is read as if it were.")
        parsed.fault("unknown_format", message % {"format": FORMAT})
    if data.get("schema", SCHEMA_VERSION) != SCHEMA_VERSION:
        message = _("The file has another schema; this program reads %(known)d.")
        parsed.fault("unknown_schema", message % {"known": SCHEMA_VERSION})
    for key in sorted(data.keys() - _ENVELOPE):
        message = _("The file has an unknown “%(key)s”, which is left out.")
        parsed.fault("unknown_key", message % {"key": shorten(clean(key), 60)})
    for key in _SAID:
        setattr(parsed, key, _text(data, key, parsed))


def _text(data: dict[str, object], key: str, parsed: Parsed) -> str:
    value = data.get(key, "")
    if isinstance(value, str):
        return clean(value)
    message = _("The “%(key)s” of the file is not a text and is left out.")
    parsed.fault("wrong_type", message % {"key": key})
    return ""
