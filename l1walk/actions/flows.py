"""The life of a flow: made, described, published, archived, restored, imported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from l1walk.actions.drafting import blank_definition, write_draft
from l1walk.graphs.definition import Definition, Node, Problem, Severity
from l1walk.graphs.importing import Imported, read_flow
from l1walk.graphs.text import shorten
from l1walk.graphs.validate import find_problems
from l1walk.models import Flow, FlowVersion
from workflows.core.accounts import Account, User
from workflows.core.ids import uuid7

# What an import may hold longer than its column does.
LIMITS = {"category": 100, "summary": 300, "keywords": 500}


class HasErrors(Exception):
    """A flow with errors is not published; ``problems`` lists them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} errors")
        self.problems = problems


class NothingToPublish(Exception):
    """The flow has no draft that differs from the version in use."""


class DraftChanged(Exception):
    """Somebody changed the draft since the page was loaded that asks for this."""


class DescriptionChanged(Exception):
    """Somebody described the flow anew since the form was loaded."""

    def __init__(self, flow: Flow) -> None:
        super().__init__("the description was saved by somebody else")
        self.flow = flow


def create_flow(
    account: Account,
    *,
    by: User | None,
    title: str,
    category: str = "",
    summary: str = "",
    keywords: str = "",
    definition: Definition | None = None,
    notes: list[Problem] | None = None,
    key: UUID | None = None,
) -> Flow:
    """Make a draft flow; its short name is made from the title and unique.

    The same ``key`` again returns the flow it made: it becomes the flow's id.
    """
    if key and Flow.objects.filter(pk=key).exclude(account=account).exists():
        key = None
    for slug in short_names(title):
        try:
            with transaction.atomic():
                return Flow.begin(
                    by=by,
                    id=key or uuid7(),
                    account=account,
                    title=title[:200],
                    slug=slug,
                    category=category,
                    summary=summary,
                    keywords=keywords,
                    draft=(definition or blank_definition()).to_dict(),
                    draft_notes=[as_note(problem) for problem in notes or []],
                )
        except IntegrityError:
            rows = Flow.objects.filter(account=account)
            made: Flow | None = rows.filter(pk=key).first() if key else None
            if made is not None:
                return made
            if not rows.filter(slug=slug).exists():
                raise
    raise IntegrityError(f"no free short name for {title}")


def short_names(title: str) -> Iterator[str]:
    """Give the short names that a flow may get, the plain one first."""
    base = slugify(title)[:70] or "flow"
    for number in range(1, 1000):
        yield base if number == 1 else f"{base}-{number}"


def as_note(problem: Problem) -> dict[str, Any]:
    """Return what the database keeps of a problem that an import noticed."""
    return {
        "severity": str(problem.severity),
        "code": problem.code,
        "message": str(problem.message),
        "node_id": problem.node_id,
        "line": problem.line,
    }


def description_mark(flow: Flow) -> str:
    """Return what the description form carries to tell whether it was saved since."""
    text = "\0".join((flow.title, flow.category, flow.summary, flow.keywords))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_flow(
    flow: Flow,
    *,
    by: User,
    title: str,
    category: str,
    summary: str,
    keywords: str,
    base: str,
) -> Flow:
    """Change what is said about a flow, not what it asks.

    ``base`` is the mark of what the form showed. Raises DescriptionChanged when it
    was saved since, unless what was saved is the same.
    """
    with Flow.moving(flow.pk, by=by) as row:
        before = description_mark(row)
        row.title, row.category = title, category
        row.summary, row.keywords = summary, keywords
        if base != before != description_mark(row):
            raise DescriptionChanged(Flow.objects.get(pk=row.pk))
        if row.current_version is not None:
            graph = Definition.from_dict(row.current_version.definition)
            row.search_text = searchable(row, graph)
    return row


def discard_draft(flow: Flow, *, by: User, revision: int | None = None) -> Flow:
    """Go back to the version in use.

    ``revision`` is the draft's that the person saw. Raises NothingToPublish where
    there is no version or no draft, DraftChanged where it is another one by now.
    """
    with Flow.moving(flow.pk, by=by) as row:
        if row.current_version is None or row.draft is None:
            raise NothingToPublish(row.title)
        check_revision(row, revision)
        # A flow that was taken back from the archive needs one to be published again.
        reopened = row.state == Flow.State.DRAFT
        row.draft = row.current_version.definition if reopened else None
        row.draft_notes = []
        row.draft_revision += 1
    return row


def check_revision(row: Flow, revision: int | None) -> None:
    if revision is not None and revision != row.draft_revision:
        raise DraftChanged(row.title)


def publish_flow(
    flow: Flow, *, by: User | None, revision: int | None = None
) -> FlowVersion:
    """Make the draft the version that new walks start on.

    ``revision`` is the draft's that the person saw. Raises HasErrors,
    NothingToPublish, DraftChanged, or TransitionNotAllowed for an archived flow.
    """
    with Flow.moving(flow.pk, by=by) as row:
        if row.draft is None:
            raise NothingToPublish(row.title)
        check_revision(row, revision)
        graph = Definition.from_dict(row.draft)
        errors = [p for p in find_problems(graph) if p.severity == Severity.ERROR]
        if errors:
            raise HasErrors(errors)
        last = row.versions.first()
        version = FlowVersion.objects.create(
            flow=row,
            number=last.number + 1 if last else 1,
            definition=row.draft,
            sha256=graph.sha256,
            published_by=by,
        )
        row.publish(version)
        row.draft_revision += 1
        row.search_text = searchable(row, graph)
    return version


def searchable(flow: Flow, graph: Definition) -> str:
    """Return the text that intake matches problems against."""
    texts = (text for node in graph.nodes for text in (node.text, *labels(node)))
    head = (flow.title, flow.keywords, flow.category.replace("_", " "), flow.summary)
    return "\n".join(part for part in (*head, *texts) if part)


def labels(node: Node) -> list[str]:
    return [answer.label for answer in node.answers]


def archive_flow(flow: Flow, *, by: User) -> Flow:
    """Take a flow out of use; its walks go on. Raises TransitionNotAllowed."""
    with Flow.moving(flow.pk, by=by) as row:
        row.archive()
    return row


def reopen_flow(flow: Flow, *, by: User) -> Flow:
    """Take an archived flow back as a draft. Raises TransitionNotAllowed."""
    with Flow.moving(flow.pk, by=by) as row:
        row.reopen()
        if row.draft is None and row.current_version is not None:
            row.draft = row.current_version.definition
            row.draft_revision += 1
    return row


def restore_version(
    flow: Flow, *, by: User, version: FlowVersion, revision: int | None = None
) -> Flow:
    """Make an old version the draft; the version in use stays until it is published.

    ``revision`` is that of the draft which the person saw and gives up. Raises
    DraftChanged when it is another one by now.
    """
    with Flow.moving(flow.pk, by=by) as row:
        if row.draft != version.definition:
            check_revision(row, revision)
            write_draft(row, Definition.from_dict(version.definition))
            row.draft_notes = []
    return row


def import_flow(
    account: Account,
    *,
    by: User | None,
    filename: str,
    data: bytes,
    key: UUID | None = None,
) -> tuple[Flow, Imported]:
    """Read a file into a new draft with its problem list.

    The same ``key`` again returns the flow it made. Raises ImportRefused.
    """
    read = read_flow(filename, data)
    found = set(find_problems(read.definition))
    noticed = [problem for problem in read.problems if problem not in found]
    said = {name: getattr(read, name) for name in LIMITS}
    for name, limit in LIMITS.items():
        if len(said[name]) > limit:
            message = _("The “%(name)s” of the file was cut to %(max)d characters.")
            text = message % {"name": name, "max": limit}
            noticed.append(Problem(Severity.WARNING, f"{name}_too_long", text))
            said[name] = shorten(said[name], limit)
    flow = create_flow(
        account,
        by=by,
        title=read.title or filename,
        definition=read.definition,
        notes=noticed,
        key=key,
        **said,
    )
    return flow, read
