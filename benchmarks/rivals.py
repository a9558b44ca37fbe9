"""What the walk is timed against; imported once the product is set up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import clear_url_caches, path
from django.utils import timezone
from django.views.decorators.http import require_POST
from formtools.wizard.views import NamedUrlSessionWizardView

from config import urls
from l1walk.graphs.definition import Answer, Definition, Node, NodeType
from l1walk.models import L1WalkSession, WalkStep
from workflows.core.http import see_other

ANSWERS = [("a1", "Yes"), ("a2", "No"), ("a3", "Not sure")]
PAGE = """{% extends "base.html" %}
{% block heading %}Question {{ wizard.steps.step0 }}?{% endblock heading %}
{% block content %}<form method="post">{% csrf_token %}{{ wizard.management_form }}
{{ form }}<button type="submit">Next</button></form>{% endblock content %}"""


def long_graph(steps: int) -> Definition:
    """Return a ring of questions with three answers each; the last one may end it."""

    def following(n: int) -> str:
        return f"q{(n + 1) % steps}"

    nodes = [
        Node(
            f"q{n}",
            NodeType.QUESTION,
            f"Question {n}?",
            "Ask for a **colleague** next to them.",
            tuple(
                Answer(
                    key, label, "ok" if (n, key) == (steps - 1, "a3") else following(n)
                )
                for key, label in ANSWERS
            ),
        )
        for n in range(steps)
    ]
    return Definition("q0", (*nodes, Node("ok", NodeType.RESOLVED, "Solved")))


@require_POST
def bare(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One UPDATE and one INSERT, nothing looked at, nothing checked."""
    now = timezone.now()
    with transaction.atomic():
        L1WalkSession.objects.filter(pk=pk).update(
            version=F("version") + 1, last_seq=F("last_seq") + 1, last_step_at=now
        )
        bare.seq += 1  # type: ignore[attr-defined]
        WalkStep.objects.create(
            session_id=pk,
            seq=bare.seq,  # type: ignore[attr-defined]
            node_id="q1",
            node_type="question",
            question_text="Question 1?",
            answer_key=request.POST["answer"],
            answer_label="Yes",
            note=request.POST["note"],
            actor=request.user,
            shown_at=now,
            answered_at=now,
            idempotency_key=request.POST["key"],
        )
    return see_other("l1walk:walk", pk)


bare.seq = 0  # type: ignore[attr-defined]


class StepForm(forms.Form):
    """A question with a note, as a wizard's form."""

    answer = forms.ChoiceField(choices=ANSWERS, widget=forms.RadioSelect)
    note = forms.CharField(required=False, widget=forms.Textarea)


class BenchWizard(NamedUrlSessionWizardView):  # type: ignore[misc]
    """The same questions as django-formtools does them."""

    page: Any = None  # compiled once, as a loaded template would be

    def render_to_response(self, context: Any, **_kwargs: Any) -> HttpResponse:
        return HttpResponse(self.page.render(context, self.request))


def install(steps: int) -> None:
    """Put both rivals beside the product's pages."""
    BenchWizard.page = engines["django"].from_string(PAGE)
    wizard = BenchWizard.as_view(
        [(f"s{n}", StepForm) for n in range(steps)],
        url_name="wizard_step",
        done_step_name="done",
    )
    urls.urlpatterns += [
        path("bare/<uuid:pk>/", bare),
        path("wizard/<str:step>/", wizard, name="wizard_step"),
    ]
    settings.ALLOWED_HOSTS = ["localhost"]
    clear_url_caches()
