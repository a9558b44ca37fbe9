"""Decides whether a flow can be walked to an end, and says everything in the way."""

from collections import deque
from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from l1walk.graphs.definition import (
    MAX_ANSWERS,
    MAX_GUIDANCE,
    MAX_LABEL,
    MAX_NODES,
    MAX_TEXT,
    TERMINALS,
    Answer,
    Definition,
    EscalationCategory,
    Node,
    NodeType,
    Problem,
    Severity,
)
from l1walk.graphs.text import plain, shorten


def find_problems(definition: Definition) -> list[Problem]:
    """Report every problem in time linear in the flow; errors block publishing.

    What follows from a reported fault is not repeated node by node: without a root
    nothing is called unreachable, without an end nothing a dead end.
    """
    if not definition.nodes:
        message = _("The flow has no nodes. Add a first question.")
        return [_error("no_nodes", message)]
    problems = list(_flow_problems(definition))
    seen: set[str] = set()
    for node in definition.nodes:
        if node.id in seen:
            message = _("Two nodes have the id “%(id)s”. Rename one.")
            problems.append(_error("duplicate_id", message, node))
        seen.add(node.id)
        problems += _text_problems(node)
        problems += _shape_problems(node)
        problems += _answer_problems(node, definition)
    problems += _path_problems(definition)
    return problems


def name_of(node: Node) -> str:
    """Call a node by its words, or by its id while it has none."""
    return shorten(plain(node.text[:300]), 60) or node.id


def targets(node: Node, definition: Definition) -> Iterator[Node]:
    """Give the nodes that the answers lead to, without loose ends."""
    for answer in node.answers:
        target = definition.node(answer.to)
        if target is not None:
            yield target


def reachable(definition: Definition) -> set[str]:
    """Give the ids of the nodes that a walk from the root can meet."""
    return _spread(
        [definition.root] if definition.node(definition.root) else [],
        {
            node.id: [target.id for target in targets(node, definition)]
            for node in definition.nodes
        },
    )


def _error(
    code: str, message: str, node: Node | None = None, **shown: object
) -> Problem:
    return _problem(Severity.ERROR, code, message, node, **shown)


def _problem(
    severity: Severity, code: str, message: str, node: Node | None, **shown: object
) -> Problem:
    if node is None:
        return Problem(severity, code, message % shown)
    named = {"node": name_of(node), "id": node.id, **shown}
    return Problem(severity, code, message % named, node.id)


def _flow_problems(definition: Definition) -> Iterator[Problem]:
    size = len(definition.nodes)
    if size > MAX_NODES:
        message = _("The flow has %(n)d nodes; %(max)d is the limit. Split it.")
        yield _error("too_many_nodes", message, n=size, max=MAX_NODES)
    if not definition.root:
        yield _error("no_root", _("The flow has no first node. Choose one."))
    elif definition.node(definition.root) is None:
        message = _("The first node “%(id)s” does not exist. Choose another.")
        yield _error("unknown_root", message, id=shorten(definition.root, 60))
    if all(node.type not in TERMINALS for node in definition.nodes):
        message = _("The flow never ends. Add a node that resolves or escalates.")
        yield _error("no_terminal", message)


def _text_problems(node: Node) -> Iterator[Problem]:
    if not node.text.strip():
        message = _("Node “%(id)s” has no text. Write what to ask or do.")
        yield _error("empty_text", message, node)
    if len(node.text) > MAX_TEXT:
        message = _("“%(node)s”: the text has %(n)d characters; %(max)d is the limit.")
        yield _error("text_too_long", message, node, n=len(node.text), max=MAX_TEXT)
    if len(node.guidance) > MAX_GUIDANCE:
        message = _("“%(node)s”: the guidance has %(n)d characters; %(max)d at most.")
        shown = {"n": len(node.guidance), "max": MAX_GUIDANCE}
        yield _error("guidance_too_long", message, node, **shown)
    if node.needs_review:
        message = _("“%(node)s” is marked for review. Check it and clear the mark.")
        yield _problem(Severity.WARNING, "needs_review", message, node)


def _shape_problems(node: Node) -> Iterator[Problem]:
    exits = len(node.answers)
    if node.type == NodeType.QUESTION and exits < 2:
        message = ngettext(
            "“%(node)s” is a question with %(n)d answer. Give it at least two.",
            "“%(node)s” is a question with %(n)d answers. Give it at least two.",
            exits,
        )
        yield _error("too_few_answers", message, node, n=exits)
    elif node.type == NodeType.QUESTION and exits > MAX_ANSWERS:
        message = _(
            "“%(node)s” has %(n)d answers; %(max)d is the limit. Ask in two steps."
        )
        yield _error("too_many_answers", message, node, n=exits, max=MAX_ANSWERS)
    elif node.type == NodeType.INSTRUCTION and exits != 1:
        message = _("“%(node)s” is an instruction with %(n)d ways on. Leave just one.")
        yield _error("not_one_exit", message, node, n=exits)
    elif node.type in TERMINALS and exits:
        message = _("“%(node)s” ends the walk but has answers. Remove them.")
        yield _error("terminal_with_answers", message, node)
    if node.category and node.type != NodeType.ESCALATE:
        message = _("“%(node)s” does not escalate. Remove its escalation category.")
        yield _error("misplaced_category", message, node)
    elif node.category and node.category not in EscalationCategory.values:
        message = _("“%(node)s” has an unknown escalation category. Choose another.")
        yield _error("unknown_category", message, node)


def _answer_problems(node: Node, definition: Definition) -> Iterator[Problem]:
    keys: set[str] = set()
    labels: set[str] = set()
    for answer in node.answers:
        label = answer.label.strip().casefold()
        yield from _label_problems(node, answer, repeated=label in labels)
        if answer.key in keys:
            message = _("“%(node)s”: another answer has the key of “%(label)s”.")
            yield _error("duplicate_key", message, node, label=_short(answer))
        if not answer.to:
            message = _("“%(node)s”: “%(label)s” leads nowhere. Choose its next node.")
            yield _error("not_connected", message, node, label=_short(answer))
        elif definition.node(answer.to) is None:
            message = _(
                "“%(node)s”: “%(label)s” leads to a node that does not exist."
                " Choose another."
            )
            yield _error("unknown_target", message, node, label=_short(answer))
        labels.add(label)
        keys.add(answer.key)


def _label_problems(node: Node, answer: Answer, *, repeated: bool) -> Iterator[Problem]:
    if not answer.label.strip():
        message = _("“%(node)s” has an answer without a label. Write one.")
        yield _error("empty_label", message, node)
        return
    if len(answer.label) > MAX_LABEL:
        message = _("“%(node)s”: the answer “%(label)s” is over %(max)d characters.")
        shown = {"label": _short(answer), "max": MAX_LABEL}
        yield _error("label_too_long", message, node, **shown)
    if repeated:
        message = _("“%(node)s” has two answers “%(label)s”. Reword one.")
        yield _error("duplicate_label", message, node, label=_short(answer))


def _short(answer: Answer) -> str:
    return shorten(answer.label, 60)


def _path_problems(definition: Definition) -> Iterator[Problem]:
    met = reachable(definition)
    before: dict[str, list[str]] = {node.id: [] for node in definition.nodes}
    for node in definition.nodes:
        for target in targets(node, definition):
            before[target.id].append(node.id)
    ends = [node.id for node in definition.nodes if node.type in TERMINALS]
    finishing = _spread(ends, before)
    for node in definition.nodes:
        if met and node.id not in met:
            message = _("“%(node)s” is never reached. Connect an answer or delete it.")
            yield _error("unreachable", message, node)
        if ends and node.id not in finishing:
            message = _("“%(node)s” never gets to an end. Connect it to one.")
            yield _error("dead_end", message, node)


def _spread(starts: Iterable[str], steps: dict[str, list[str]]) -> set[str]:
    seen = set(starts)
    waiting = deque(seen)
    while waiting:
        for step in steps[waiting.popleft()]:
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return seen
