"""A flow as data: what a version stores, a walk follows and an import produces."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

SCHEMA_VERSION = 1
MAX_NODES = 2_000
MAX_ANSWERS = 9  # the keys 1-9 answer on the walk screen
MAX_TEXT = 4_000
MAX_GUIDANCE = 8_000
MAX_LABEL = 200
MAX_ID = 40
ID_PATTERN = re.compile(rf"[a-z][a-z0-9_-]{{0,{MAX_ID - 1}}}")


class NodeType(TextChoices):
    """What a node asks of the technician; the last two end the walk."""

    QUESTION = "question", _("Question")
    INSTRUCTION = "instruction", _("Instruction")
    RESOLVED = "resolved", _("Resolved")
    ESCALATE = "escalate", _("Escalate")


TERMINALS = frozenset({NodeType.RESOLVED, NodeType.ESCALATE})


class EscalationCategory(TextChoices):
    """Why a walk is handed to an engineer."""

    NEEDS_ACCESS = "needs_access", _("Needs access")
    STEPS_EXHAUSTED = "steps_exhausted", _("Steps exhausted")
    OUT_OF_SCOPE = "out_of_scope", _("Out of scope")
    MULTI_USER_OUTAGE = "multi_user_outage", _("Outage for several users")
    SECURITY = "security", _("Security")
    TIME_BOX = "time_box", _("Time is up")
    CUSTOMER_REQUEST = "customer_request", _("Customer request")
    FLOW_WRONG = "flow_wrong", _("Flow is wrong")
    OTHER = "other", _("Other")


class Severity(StrEnum):
    """An error blocks publishing; a warning asks the author to look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a flow, worded for its author, with the place to mend it."""

    severity: Severity
    code: str
    message: str
    node_id: str = ""
    line: int | None = None


class DefinitionError(ValueError):
    """The data is no flow definition; `problems` names every fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Answer:
    """One way out of a node; `to` is empty while the answer is not connected."""

    key: str
    label: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a flow; `category` is a suggestion of an escalate node."""

    id: str
    type: NodeType
    text: str
    guidance: str = ""
    answers: tuple[Answer, ...] = ()
    category: str = ""
    needs_review: bool = False

    def to_dict(self) -> dict[str, object]:
        """Give the JSON form, without fields that hold nothing."""
        data: dict[str, object] = {
            "id": self.id,
            "type": str(self.type),
            "text": self.text,
        }
        if self.guidance:
            data["guidance"] = self.guidance
        if self.answers:
            data["answers"] = [
                {"key": answer.key, "label": answer.label, "to": answer.to}
                for answer in self.answers
            ]
        if self.category:
            data["category"] = self.category
        if self.needs_review:
            data["needs_review"] = True
        return data


@dataclass(frozen=True)
class Definition:
    """A whole flow. Structure is guaranteed; sense is what `find_problems` checks."""

    root: str
    nodes: tuple[Node, ...]

    @cached_property
    def _index(self) -> dict[str, Node]:
        return {node.id: node for node in reversed(self.nodes)}

    def node(self, node_id: str) -> Node | None:
        """Find a node by id; of duplicates, which only code can build, the first."""
        return self._index.get(node_id)

    def to_dict(self) -> dict[str, object]:
        """Give the JSON form that is stored, keeping the order of the nodes."""
        return {
            "schema": SCHEMA_VERSION,
            "root": self.root,
            "nodes": [node.to_dict() for node in self.nodes],
        }

    @classmethod
    def from_dict(cls, data: object) -> "Definition":
        """Read stored or received JSON strictly; raises DefinitionError, nothing else.

        Texts of any length pass, so that an over-long draft can be opened and
        mended: `find_problems` reports them and publishing refuses them.
        """
        # reading.py builds Definitions and therefore imports this module.
        from l1walk.graphs.reading import read_definition

        definition, problems = read_definition(data)
        if problems:
            raise DefinitionError(problems)
        return definition

    @property
    def sha256(self) -> str:
        """Identify the content: hex digest of the canonical JSON."""
        canonical = json.dumps(
            self.to_dict(), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()
