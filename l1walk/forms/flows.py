"""What the pages about flows take in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import RegexValidator
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from l1walk.actions.drafting import NEW, fingerprint
from l1walk.graphs.definition import (
    ID_PATTERN,
    MAX_GUIDANCE,
    MAX_LABEL,
    MAX_TEXT,
    TERMINALS,
    Answer,
    Definition,
    EscalationCategory,
    Node,
    NodeType,
)
from l1walk.graphs.importing import MAX_BYTES
from l1walk.graphs.text import clean, plain
from l1walk.models import Flow
from workflows.core.ids import uuid7

SPARE_ROWS = 2
# A node of an imported file may have more; such a form would be refused by size.
MAX_ROWS = 60
# Above this, one list for all rows is offered instead of a select in each.
MAX_SELECT = 100

is_id = RegexValidator(rf"\A{ID_PATTERN.pattern}\Z", _("This is no id of a node."))
is_target = RegexValidator(
    rf"\A({ID_PATTERN.pattern}|{NEW}({'|'.join(NodeType.values)}))\Z",
    _("Choose a node of this flow from the list."),
)


class TextField(forms.CharField):
    """A text of a node: as typed, with the line ends that files have."""

    widget = forms.Textarea

    def __init__(self, *, limit: int, rows: int, **kwargs: Any) -> None:
        super().__init__(max_length=limit, required=False, **kwargs)
        self.widget.attrs["rows"] = rows
        # A browser would cut what is pasted without a word; we say it.
        self.widget.attrs.pop("maxlength", None)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


class FlowForm(forms.ModelForm[Flow]):
    """What is said about a flow."""

    class Meta:
        model = Flow
        fields = ("title", "category", "summary", "keywords")
        labels = {
            "title": _("Title"),
            "category": _("Category"),
            "summary": _("Summary"),
            "keywords": _("Keywords"),
        }
        help_texts = {
            "title": _("The problem as a caller would say it."),
            "category": _("For reports, for example “printer”."),
        }


class DescribeForm(FlowForm):
    """The same for a flow that exists: ``base`` tells whether it was saved since."""

    base = forms.CharField(widget=forms.HiddenInput)


class NewFlowForm(FlowForm):
    """A flow to be written from scratch."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid7)


class ImportForm(forms.Form):
    """A file with a flow."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid7)
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "A Mermaid flowchart, a Graphviz DOT graph, or JSON exported from "
            "Handrail; up to 1 MB."
        ),
        error_messages={
            "required": _("Choose a file first."),
            "empty": _("The file is empty. Choose another one."),
        },
        widget=forms.FileInput(attrs={"accept": ".mmd,.mermaid,.md,.dot,.gv,.json"}),
    )

    def clean_file(self) -> UploadedFile[Any]:
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(
                _("The file is larger than %(max)d kB. Split the flow in two."),
                params={"max": MAX_BYTES // 1000},
            )
        return file


class RevisionForm(forms.Form):
    """Any button that acts on a draft: it knows which draft the page showed."""

    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=0)


class DeleteForm(forms.Form):
    """A node to be taken out, as the page showed it."""

    node = forms.CharField(validators=[is_id])
    base = forms.CharField()


class NodeForm(forms.Form):
    """One node of a flow without its answers. A draft may be incomplete."""

    node = forms.CharField(widget=forms.HiddenInput, validators=[is_id])
    base = forms.CharField(widget=forms.HiddenInput, required=False)
    type = forms.ChoiceField(
        label=_("Kind"),
        choices=[
            (NodeType.QUESTION, _("Question: two or more answers")),
            (NodeType.INSTRUCTION, _("Instruction: one way on")),
            (NodeType.RESOLVED, _("End: resolved")),
            (NodeType.ESCALATE, _("End: escalate")),
        ],
    )
    text = TextField(
        label=_("Text"),
        help_text=_("One question or one thing to do, in large type on the screen."),
        limit=MAX_TEXT,
        rows=2,
    )
    guidance = TextField(
        label=_("Guidance"),
        help_text=_(
            "What helps to ask or do it. Markdown: **bold**, `code`, "
            "[link](https://…), lists with - or 1."
        ),
        limit=MAX_GUIDANCE,
        rows=4,
        strip=False,
    )
    category = forms.CharField(
        label=_("Suggested reason to escalate"), required=False, max_length=100
    )
    needs_review = forms.BooleanField(
        label=_("Still needs review"),
        help_text=_("Listed as a warning until you clear it."),
        required=False,
    )
    first = forms.BooleanField(label=_("Walks begin here"), required=False)

    def __init__(self, *args: Any, is_root: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_root:
            del self.fields["first"]
        category = self["category"].value() or ""
        known: list[Any] = [("", _("None")), *EscalationCategory.choices]
        if category not in dict(known):  # of an imported file: listed as a problem
            known.append((category, category))
        self.fields["category"].widget = forms.Select(choices=known)

    @classmethod
    def of(cls, node: Node, **kwargs: Any) -> NodeForm:
        """Return the form that edits a node of the draft."""
        initial = {**node.to_dict(), "node": node.id, "base": fingerprint(node)}
        return cls(initial=initial, **kwargs)

    def as_node(self, answers: Iterable[Answer]) -> Node:
        """Return the valid form as the node to be saved."""
        data = self.cleaned_data
        return Node(
            id=data["node"],
            type=NodeType(data["type"]),
            text=data["text"],
            guidance=data["guidance"] if data["guidance"].strip() else "",
            answers=tuple(answers),
            category=clean(data["category"]),
            needs_review=data["needs_review"],
        )


class AnswerForm(forms.Form):
    """One answer: its words and where it leads."""

    key = forms.CharField(widget=forms.HiddenInput, required=False, validators=[is_id])
    label = TextField(label=_("Answer"), limit=MAX_LABEL, rows=1)
    to = forms.CharField(
        label=_("Leads to"), required=False, validators=[is_target], empty_value=""
    )

    def __init__(self, *args: Any, targets: Targets, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Answers are one line, but a file may have broken one: nothing of it is lost.
        text = self["label"].value() or ""
        if "\n" not in text:
            self.fields["label"].widget = forms.TextInput()
        self.fields["to"].widget = targets.widget(self["to"].value() or "")

    @property
    def is_blank(self) -> bool:
        return not (self.cleaned_data["label"] or self.cleaned_data["to"])


class Targets:
    """What an answer can lead to: the nodes of a draft, or a fresh one."""

    def __init__(self, graph: Definition) -> None:
        self.fresh = [
            (f"{NEW}{kind.value}", _("New: %(kind)s") % {"kind": kind.label})
            for kind in NodeType
        ]
        self.nodes = [(node.id, title_of(node)) for node in graph.nodes]
        self.many = len(self.nodes) > MAX_SELECT

    def widget(self, value: str) -> forms.Widget:
        """Return the control of one row; it can always show the row's value."""
        if self.many:
            return forms.TextInput(attrs={"list": "targets", "autocomplete": "off"})
        choices: list[Any] = [("", _("Nowhere yet")), (_("New node"), self.fresh)]
        if self.nodes:
            choices.append((_("This flow"), self.nodes))
        if value and value not in dict(self.nodes) and not value.startswith(NEW):
            lost = _("%(id)s: not in this flow any more") % {"id": value}
            choices.append((value, lost))
        return forms.Select(choices=choices)


def title_of(node: Node) -> str:
    """Call a node by the beginning of its text and its id."""
    text = Truncator(" ".join(plain(node.text[:300]).split())).chars(60)
    return f"{text} · {node.id}" if text else node.id


class BaseAnswers(forms.BaseFormSet[AnswerForm]):
    """The answers of a node, in the order of their keys on the walk screen."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        order = form.fields["ORDER"]
        order.label, order.widget.attrs = _("Key"), {"min": 1, "inputmode": "numeric"}
        if "DELETE" in form.fields:  # a spare row is left empty instead
            form.fields["DELETE"].label = _("Remove")

    def answers(self) -> Iterator[Answer]:
        """Give the answers of a valid form, without removed and blank rows."""
        for form in self.ordered_forms:
            if not form.is_blank:
                data = form.cleaned_data
                yield Answer(data["key"], data["label"], data["to"])


AnswerSet = forms.formset_factory(
    AnswerForm,
    formset=BaseAnswers,
    extra=SPARE_ROWS,
    can_order=True,
    can_delete=True,
    can_delete_extra=False,
    max_num=MAX_ROWS,
    absolute_max=MAX_ROWS,
    validate_max=True,
)


def answer_set(graph: Definition, node: Node | None, data: Any = None) -> Any:
    """Return the rows for a node's answers, bound to ``data`` if there is any."""
    rows = node.answers if node else ()
    # What was sent is not compared with what is there: equal rows would count as blank.
    initial = [{"key": a.key, "label": a.label, "to": a.to} for a in rows]
    return AnswerSet(
        data,
        prefix="answers",
        initial=None if data else initial,
        form_kwargs={"targets": Targets(graph)},
    )


def ends_walk(form: NodeForm) -> bool:
    """Tell whether the form shows a node without answers."""
    return str(form["type"].value()) in TERMINALS
