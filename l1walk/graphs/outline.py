"""The flow as an indented list: what the map shows, readable by everyone."""

from dataclasses import dataclass
from itertools import count

from l1walk.graphs.definition import Definition, Node
from l1walk.graphs.validate import reachable


@dataclass(frozen=True, slots=True)
class OutlineItem:
    """One line of the outline.

    A node that several answers lead to is shown once in full; elsewhere it is
    `repeated`, and `number` is that of its full line. `via` is the answer that leads
    here, empty for the root and for nodes that nothing reaches.
    """

    node: Node
    depth: int
    via: str
    repeated: bool
    number: str


def outline(definition: Definition) -> list[OutlineItem]:
    """List the nodes depth first, then from depth 0 those that no walk reaches.

    The numbers grow with the depth: meant for flows of up to MAX_NODES nodes.
    """
    met = reachable(definition)
    lost = [node for node in definition.nodes if node.id not in met]
    root = definition.node(definition.root)
    numbers: dict[str, str] = {}
    items: list[OutlineItem] = []
    tops = count(1)
    for start in ([root] if root else []) + lost:
        if start.id not in numbers:
            _follow(definition, start, str(next(tops)), numbers, items)
    return items


def _follow(
    definition: Definition,
    start: Node,
    number: str,
    numbers: dict[str, str],
    items: list[OutlineItem],
) -> None:
    waiting = [(start, 0, "", number)]
    while waiting:
        node, depth, via, number = waiting.pop()
        shown = numbers.get(node.id)
        items.append(OutlineItem(node, depth, via, shown is not None, shown or number))
        if shown is not None:
            continue
        numbers[node.id] = number
        below = [
            (target, depth + 1, answer.label, f"{number}.{position}")
            for position, answer in enumerate(node.answers, start=1)
            if (target := definition.node(answer.to))
        ]
        waiting += reversed(below)
