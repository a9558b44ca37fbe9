"""Reads JSON values into a Definition, keeping the good parts of damaged ones."""

from collections.abc import Iterator
from itertools import count

from django.utils.translation import gettext as _

from l1walk.graphs.definition import (
    ID_PATTERN,
    MAX_ID,
    SCHEMA_VERSION,
    Answer,
    Definition,
    Node,
    NodeType,
    Problem,
    Severity,
)
from l1walk.graphs.text import UNSTORABLE, clean, shorten

_FLOW_KEYS = frozenset({"schema", "root", "nodes"})
_NODE_KEYS = frozenset({"id", "type", "text"})
_NODE_EXTRAS = frozenset({"guidance", "answers", "category", "needs_review"})
_ANSWER_KEYS = frozenset({"key", "label"})
_ANSWER_EXTRAS = frozenset({"to"})


def read_definition(data: object) -> tuple[Definition, list[Problem]]:
    """Give the best definition the data allows, and every structural fault.

    A fault never raises: the import of a damaged file keeps what is sound, and the
    strict `Definition.from_dict` refuses whatever has a fault.
    """
    reader = _Reader()
    return reader.flow(data), reader.problems


def fresh_names(prefix: str, taken: set[str]) -> Iterator[str]:
    """Count up names that nobody has: "n1", "n2"..."""
    return (name for n in count(1) if (name := f"{prefix}{n}") not in taken)


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.renamed: dict[str, str] = {}

    def fault(self, code: str, message: str, node_id: str = "") -> None:
        self.problems.append(Problem(Severity.ERROR, code, message, node_id))

    def flow(self, data: object) -> Definition:
        where = _("The flow")
        if not isinstance(data, dict):
            self.fault("wrong_type", _("The flow is not a JSON object."))
            return Definition("", ())
        self.check_keys(data, where, _FLOW_KEYS, frozenset())
        self.check_schema(data.get("schema", SCHEMA_VERSION))
        root = self.string(data, "root", where)
        raw_nodes = data.get("nodes", [])
        if not isinstance(raw_nodes, list):
            self.fault("wrong_type", _("The “nodes” of the flow are not a list."))
            raw_nodes = []
        sound = [
            (position, raw)
            for position, raw in enumerate(raw_nodes, start=1)
            if self.is_object(raw, _("Node %(n)d") % {"n": position})
        ]
        ids = self.ids(sound)
        nodes = [
            self.node(raw, node_id, _("Node %(n)d") % {"n": position})
            for (position, raw), node_id in zip(sound, ids, strict=True)
        ]
        return Definition(self.renamed.get(root, root), tuple(nodes))

    def check_schema(self, schema: object) -> None:
        if type(schema) is not int or schema != SCHEMA_VERSION:
            self.fault(
                "unknown_schema",
                _("This program reads flows of schema %(known)d, and this is another.")
                % {"known": SCHEMA_VERSION},
            )

    def is_object(self, raw: object, where: str) -> bool:
        if isinstance(raw, dict):
            return True
        message = _("%(where)s is not a JSON object and was left out.")
        self.fault("wrong_type", message % {"where": where})
        return False

    def check_keys(
        self,
        raw: dict[str, object],
        where: str,
        required: frozenset[str],
        extras: frozenset[str],
        node_id: str = "",
    ) -> None:
        for key in sorted(required - raw.keys()):
            message = _("%(where)s has no “%(key)s”. Add it.")
            self.fault("missing_key", message % {"where": where, "key": key}, node_id)
        for key in sorted(raw.keys() - required - extras):
            message = _("%(where)s has an unknown “%(key)s”. Remove it.")
            shown = {"where": where, "key": shorten(clean(key), 60)}
            self.fault("unknown_key", message % shown, node_id)

    def string(
        self, raw: dict[str, object], key: str, where: str, node_id: str = ""
    ) -> str:
        value = raw.get(key, "")
        shown = {"where": where, "key": key}
        if not isinstance(value, str):
            message = _("%(where)s: “%(key)s” is not a text. Put it in quotes.")
            self.fault("wrong_type", message % shown, node_id)
            return ""
        if UNSTORABLE.search(value):
            message = _("%(where)s: “%(key)s” holds control characters. Remove them.")
            self.fault("bad_characters", message % shown, node_id)
            return clean(value)
        return value

    def ids(self, sound: list[tuple[int, dict[str, object]]]) -> list[str]:
        """Keep ids that are usable, so that only a faulty node gets another one."""
        wanted = [raw.get("id") for _position, raw in sound]
        taken = {i for i in wanted if isinstance(i, str) and ID_PATTERN.fullmatch(i)}
        fresh = fresh_names("n", taken)
        seen: set[str] = set()
        ids = []
        for (position, raw), want in zip(sound, wanted, strict=True):
            if isinstance(want, str) and want in taken and want not in seen:
                seen.add(want)
                ids.append(want)
                continue
            ids.append(next(fresh))
            self.explain_id(raw, want, position, ids[-1])
        return ids

    def explain_id(
        self, raw: dict[str, object], want: object, position: int, node_id: str
    ) -> None:
        if "id" not in raw:
            return  # check_keys reports it.
        shown = {"n": position, "id": "", "new": node_id, "max": MAX_ID}
        if not isinstance(want, str):
            message = _("Node %(n)d: “id” is not a text. It is now “%(new)s”.")
            self.fault("wrong_type", message % shown, node_id)
            return
        shown["id"] = shorten(clean(want), 60)
        if ID_PATTERN.fullmatch(want):
            message = _("Node %(n)d: another node is “%(id)s”. It is now “%(new)s”.")
            self.fault("duplicate_id", message % shown, node_id)
            return
        message = _(
            "Node %(n)d: the id “%(id)s” is now “%(new)s”. Use up to %(max)d small"
            " letters, digits, - and _, with a letter first."
        )
        self.fault("bad_id", message % shown, node_id)
        self.renamed.setdefault(want, node_id)

    def node(self, raw: dict[str, object], node_id: str, where: str) -> Node:
        self.check_keys(raw, where, _NODE_KEYS, _NODE_EXTRAS, node_id)
        answers = self.answers(raw.get("answers", []), node_id, where)
        needs_review = raw.get("needs_review", False)
        if not isinstance(needs_review, bool):
            message = _("%(where)s: “needs_review” is neither true nor false.")
            self.fault("wrong_type", message % {"where": where}, node_id)
        return Node(
            id=node_id,
            type=self.node_type(raw, answers, node_id, where),
            text=self.string(raw, "text", where, node_id),
            guidance=self.string(raw, "guidance", where, node_id),
            answers=answers,
            category=self.string(raw, "category", where, node_id),
            needs_review=bool(needs_review),
        )

    def node_type(
        self,
        raw: dict[str, object],
        answers: tuple[Answer, ...],
        node_id: str,
        where: str,
    ) -> NodeType:
        value = raw.get("type")
        if isinstance(value, str) and value in NodeType.values:
            return NodeType(value)
        guessed = type_by_exits(len(answers)) or NodeType.RESOLVED
        if "type" in raw:
            message = _("%(where)s has an unknown type. It is now “%(type)s”.")
            shown = {"where": where, "type": guessed.value}
            self.fault("unknown_type", message % shown, node_id)
        return guessed

    def answers(self, raw: object, node_id: str, where: str) -> tuple[Answer, ...]:
        if not isinstance(raw, list):
            message = _("%(where)s: the “answers” are not a list.")
            self.fault("wrong_type", message % {"where": where}, node_id)
            return ()
        names = [
            _("%(where)s, answer %(n)d") % {"where": where, "n": n}
            for n in range(1, len(raw) + 1)
        ]
        sound = [
            (name, item)
            for name, item in zip(names, raw, strict=True)
            if self.is_object(item, name)
        ]
        taken = {k for _n, item in sound if isinstance(k := item.get("key"), str)}
        fresh = fresh_names("a", taken)
        seen: set[str] = set()
        answers = []
        for name, item in sound:
            self.check_keys(item, name, _ANSWER_KEYS, _ANSWER_EXTRAS, node_id)
            key = item.get("key")
            if not isinstance(key, str) or not ID_PATTERN.fullmatch(key) or key in seen:
                if "key" in item:
                    message = _("%(where)s has an unusable or repeated “key”.")
                    self.fault("bad_key", message % {"where": name}, node_id)
                key = next(fresh)
            seen.add(key)
            answers.append(self.answer(item, key, name, node_id))
        return tuple(answers)

    def answer(
        self, raw: dict[str, object], key: str, where: str, node_id: str
    ) -> Answer:
        label = self.string(raw, "label", where, node_id)
        to = self.string(raw, "to", where, node_id)
        to = self.renamed.get(to, to)
        if to and not ID_PATTERN.fullmatch(to):
            message = _("%(where)s leads to “%(to)s”, which is no id of a node.")
            shown = {"where": where, "to": shorten(to, 60)}
            self.fault("bad_target", message % shown, node_id)
            to = ""
        return Answer(key, label, to)


def type_by_exits(exits: int) -> NodeType | None:
    """Two ways out make a question, one an instruction; an end has none to tell by."""
    if exits == 0:
        return None
    return NodeType.INSTRUCTION if exits == 1 else NodeType.QUESTION
