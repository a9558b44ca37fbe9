"""A machine seen one page at a time: safe to leave, to come back to and to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views import View
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from workflows.core.http import UserRequest, see_other
from workflows.core.machine import Machine, states

STATE = "state"  # the hidden field that says which state the form was made for


@dataclass(frozen=True, slots=True)
class Step:
    """A page's place in the progress bar."""

    slug: str
    title: str
    url: str
    state: str  # done | current | open | blocked
    why: str


class Page:
    """One page of a wizard. Subclasses say when it is done, open, and what it does."""

    slug: ClassVar[str]
    title: ClassVar[str | Promise]
    template: ClassVar[str]
    form_class: ClassVar[type[forms.Form]] = forms.Form

    def __init__(self, request: UserRequest, machine: Any) -> None:
        self.request = request
        self.machine = machine

    def done(self) -> bool:
        """Tell whether the machine holds what this page asks for."""
        raise NotImplementedError

    def blocked(self) -> str:
        """Return why the page cannot be opened now, in words; "" when it can."""
        return ""

    def form(self, data: Any = None, files: Any = None) -> forms.Form:
        return self.form_class(data, files)

    def act(self, form: forms.Form) -> None:
        """Call the page's one verb with the valid form."""
        raise NotImplementedError

    def context(self) -> dict[str, Any]:
        """Return what the template needs besides form, steps and machine."""
        return {}


class WizardView(View):
    """Serves the pages of one kind of machine under ``<pk>/`` and ``<pk>/<page>/``.

    A page that is not open redirects to the first one that is not done. A form made
    for another state of the machine is answered 409, shown again as it was typed.
    """

    machine_class: ClassVar[type[Machine]]
    pages: ClassVar[tuple[type[Page], ...]]
    resume_url: ClassVar[str]  # names of URLs: <pk>/, <pk>/<page>/ and the end
    page_url: ClassVar[str]
    finished_url: ClassVar[str]

    request: UserRequest

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.load()
        slug = kwargs.get("page")
        if slug is None:
            return see_other(self.first_open_url())
        if slug not in {page.slug for page in self.pages}:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def load(self) -> None:
        """Read the machine as it is now."""
        rows = self.machine_class.objects.visible_to(self.request.user)
        self.machine: Machine = get_object_or_404(rows, pk=self.kwargs["pk"])
        self.all_pages = [page(self.request, self.machine) for page in self.pages]

    @property
    def page(self) -> Page:
        return next(p for p in self.all_pages if p.slug == self.kwargs["page"])

    def url_of(self, page: Page) -> str:
        return reverse(self.page_url, kwargs={"pk": self.machine.pk, "page": page.slug})

    def first_open_url(self) -> str:
        """Return where to go on: the first open page that is not done."""
        for page in self.all_pages:
            if not page.done() and not page.blocked():
                return self.url_of(page)
        return reverse(self.finished_url, kwargs={"pk": self.machine.pk})

    def steps(self) -> list[Step]:
        """Return the progress bar, one step for each page."""
        return [
            Step(
                page.slug,
                str(page.title),
                self.url_of(page),
                self.step_state(page),
                page.blocked(),
            )
            for page in self.all_pages
        ]

    def step_state(self, page: Page) -> str:
        if page is self.page:
            return "current"
        if page.blocked():
            return "blocked"
        return "done" if page.done() else "open"

    def state(self) -> str:
        return "/".join(
            str(getattr(self.machine, f.name)) for f in states(self.machine_class)
        )

    def show(
        self, form: forms.Form, *, status: int = 200, moved: str = ""
    ) -> HttpResponse:
        context = {
            "form": form,
            "page": self.page,
            "machine": self.machine,
            "state": self.state(),
            "steps": self.steps(),
            "moved": moved,
            **self.page.context(),
        }
        return render(self.request, self.page.template, context, status=status)

    def get(self, request: UserRequest, pk: UUID, page: str) -> HttpResponse:
        if why := self.page.blocked():
            messages.info(request, why)
            return see_other(self.first_open_url())
        return self.show(self.page.form())

    def post(self, request: UserRequest, pk: UUID, page: str) -> HttpResponse:
        form = self.page.form(request.POST, request.FILES)
        if request.POST.get(STATE) != self.state() or self.page.blocked():
            return self.conflict(form)
        if not form.is_valid():
            return self.show(form, status=422)
        try:
            self.page.act(form)
        except (TransitionNotAllowed, ConcurrentTransition):
            self.load()
            return self.conflict(form)
        return see_other(self.resume_url, pk=pk)

    def conflict(self, form: forms.Form) -> HttpResponse:
        text = _(
            "This was changed in the meantime, so nothing was saved. What you typed is "
            "still here: look at the present state, then send it again."
        )
        moved = f"{text} {self.page.blocked()}".strip()
        return self.show(form, status=409, moved=moved)
