"""Draws a flow as SVG that a page with a strict CSP can hold and colour by class."""

import logging
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from l1walk.graphs.definition import Definition, Node, NodeType
from l1walk.graphs.exporting import quote_dot
from l1walk.graphs.graphviz import GraphvizError, run_dot
from l1walk.graphs.text import clean, plain, shorten

logger = logging.getLogger(__name__)

MAX_DRAWN = 400
MAX_SVG = 2_000_000
SECONDS = 5

_WIDTH = 28
_HEAT = (0.05, 0.15, 0.3, 0.5)  # shares of walks stopped at which a class begins
_SHAPES = {
    NodeType.QUESTION: "shape=box style=rounded",
    NodeType.INSTRUCTION: "shape=box",
    NodeType.RESOLVED: "shape=ellipse",
    NodeType.ESCALATE: "shape=octagon",
}
# Neither style nor colour: the page's own style sheet does both, by class.
_ALLOWED = {
    "svg": ("viewBox", "width", "height"),
    "g": ("class", "transform"),
    "path": ("d",),
    "polygon": ("points",),
    "polyline": ("points",),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "text": ("x", "y", "text-anchor", "font-size"),
}


@dataclass(frozen=True, slots=True)
class NodeStats:
    """How many walks came to a node, and how many of them stopped there."""

    visits: int
    dropped: int

    @property
    def share(self) -> float:
        """Give the share of walks that stopped, between 0 and 1."""
        return self.dropped / self.visits if self.visits else 0.0


def draw(
    definition: Definition,
    *,
    weights: Mapping[str, NodeStats] | None = None,
    current: str = "",
    href: Callable[[str], str] | None = None,
) -> str | None:
    """Give an `<svg>` to put into a page, or None where only the outline can be shown.

    None above MAX_DRAWN nodes, and (logged) without Graphviz or when it takes longer
    than SECONDS or writes more than MAX_SVG bytes.
    """
    if not 0 < len(definition.nodes) <= MAX_DRAWN:
        return None
    source = "\n".join(_dot_lines(definition, weights or {}, current))
    try:
        drawn = ET.fromstring(_dot_svg(source))  # noqa: S314  written by dot for us
    except (GraphvizError, ET.ParseError) as error:
        logger.warning("no map of a flow: %s", error)
        return None
    names = {f"n{place}": node for place, node in enumerate(definition.nodes)}
    svg = _copy(drawn, names, href)
    svg.set("xmlns", "http://www.w3.org/2000/svg")
    svg.set("class", "flow-map")
    for side in ("width", "height"):  # in points its text would be a third larger
        svg.set(side, svg.get(side, "").removesuffix("pt"))
    # Links inside an image cannot be reached with a screen reader.
    # (Not role "group" either: CSS frameworks lay groups out as rows of buttons.)
    svg.set("role", "graphics-document" if href else "img")
    title = ET.Element("title")
    title.text = _("Map of the flow")
    svg.insert(0, title)
    return ET.tostring(svg, encoding="unicode")


@lru_cache(maxsize=64)
def _dot_svg(source: str) -> str:
    output, errors = run_dot(("-Tsvg",), source, seconds=SECONDS, max_output=MAX_SVG)
    if "<svg" not in output:
        raise GraphvizError(shorten(errors, 300) or "no output")
    return output[output.index("<svg") :]


def _dot_lines(
    definition: Definition, weights: Mapping[str, NodeStats], current: str
) -> Iterator[str]:
    """Write names and classes that hold nothing of the flow's own text."""
    places = {node.id: place for place, node in enumerate(definition.nodes)}
    yield 'digraph { node [fontname="sans-serif" fontsize=12 margin="0.2,0.1"];'
    yield 'edge [fontname="sans-serif" fontsize=11];'
    for place, node in enumerate(definition.nodes):
        stats = weights.get(node.id)
        classes = [f"node-{node.type}"]
        lines = _wrapped(plain(node.text[:1000]) or node.id, 4 * _WIDTH)
        if stats:
            classes.append(f"heat-{sum(stats.share >= step for step in _HEAT)}")
            lines.append(_stats_line(stats))
        if node.id == current:
            classes.append("node-current")
        label, names = quote_dot("\n".join(lines)), quote_dot(" ".join(classes))
        yield f"n{place} [{_SHAPES[node.type]} label={label} class={names}];"
    for place, node in enumerate(definition.nodes):
        for position, answer in enumerate(node.answers):
            label = quote_dot("\n".join(_wrapped(plain(answer.label), 2 * _WIDTH)))
            target = places.get(answer.to)
            if target is not None:
                yield f"n{place} -> n{target} [label={label}];"
                continue
            loose = f"loose{place}_{position}"
            yield f'{loose} [shape=point label="" class="node-loose"];'
            yield f'n{place} -> {loose} [label={label} class="edge-loose"];'
    yield "}"


def _wrapped(text: str, limit: int) -> list[str]:
    return textwrap.wrap(shorten(clean(text), limit), _WIDTH)


def _stats_line(stats: NodeStats) -> str:
    line = ngettext(
        "%(visits)d walk, %(share)d%% stopped",
        "%(visits)d walks, %(share)d%% stopped",
        stats.visits,
    )
    return line % {"visits": stats.visits, "share": round(100 * stats.share)}


def _copy(
    drawn: ET.Element, names: dict[str, Node], href: Callable[[str], str] | None
) -> ET.Element:
    """Copy what the allowlist names, so that nothing else can come with it."""
    tag = _tag(drawn)
    known = {key: drawn.attrib[key] for key in _ALLOWED[tag] if key in drawn.attrib}
    copied = holder = ET.Element(tag, known)
    if tag == "text":
        copied.text = drawn.text
    node = names.get(next((c.text or "" for c in drawn if _tag(c) == "title"), ""))
    if node:
        title = ET.SubElement(copied, "title")
        title.text = clean(plain(node.text))
        if href:
            holder = ET.SubElement(copied, "a", {"href": href(node.id)})
    background = "graph" in known.get("class", "").split()
    for child in drawn:
        if _tag(child) in _ALLOWED and not (background and _tag(child) == "polygon"):
            holder.append(_copy(child, names, href))
    return copied


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]
