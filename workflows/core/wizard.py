"""A machine seen one page at a time: safe to leave, to come back to and to repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views import View
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from workflows.core.errors import Problem
from workflows.core.http import UserRequest, see_other
from workflows.core.machine import Machine, states

# What a form says besides its own fields, none of which may have these names:
STATE = "state"  # the state of the machine that it was made for
DO = "do"  # which of the page's actions it asks for


@dataclass(frozen=True, slots=True)
class Step:
    """A page's place in the progress bar."""

    slug: str
    title: str
    url: str
    state: str  # done | current | open | blocked
    why: str


class Page:
    """One page of a wizard. Subclasses say when it is done, open, and what it does.

    Its one action has a ``form_class`` and the method ``act``. Each of several has a
    name in ``form_classes`` and the method ``do_<name>``; "" is the name of ``act``.
    """

    slug: ClassVar[str]
    title: ClassVar[str | Promise]
    template: ClassVar[str]
    form_class: ClassVar[type[forms.Form]] = forms.Form
    form_classes: ClassVar[dict[str, type[forms.Form]]] = {"": forms.Form}
    blames: ClassVar[dict[str, str]] = {}  # which field an action's Problem is about

    def __init_subclass__(cls) -> None:
        own = vars(cls)
        if "form_class" in own:
            cls.form_classes = {"": cls.form_class, **own.get("form_classes", {})}
        for do in cls.form_classes:
            if not hasattr(cls, verb_name(do)):
                raise TypeError(f"{cls.__name__} has no {verb_name(do)}()")

    def __init__(self, request: UserRequest, machine: Any) -> None:
        self.request = request
        self.machine = machine

    def shows(self, do: str) -> bool:
        """Tell whether the action's form is on the page as the machine is now."""
        return True

    def done(self) -> bool:
        """Tell whether the machine holds what this page asks for."""
        raise NotImplementedError

    def blocked(self) -> str:
        """Return why the page cannot be opened now, in words; "" when it can."""
        return ""

    def form(
        self, do: str = "", data: Any = None, files: Any = None, **options: Any
    ) -> forms.Form:
        """Build an action's form; subclasses add ``initial`` and the like."""
        # Names in the POST stay plain; ids are told apart, as all stand on one page.
        auto_id = f"id_{do}_%s" if do else "id_%s"
        form = self.form_classes[do](data, files, auto_id=auto_id, **options)
        form.do = do  # type: ignore[attr-defined]  # for wizard/_hidden.html
        return form

    def act(self, form: forms.Form) -> str | None:
        """Call one verb with the valid form. What is returned is said as a message.

        A Problem that it raises is shown above the form, which keeps what was typed.
        """
        raise NotImplementedError

    def context(self) -> dict[str, Any]:
        """Return what the template needs besides form, forms, steps and machine."""
        return {}


def verb_name(do: str) -> str:
    """Return which method of a page is the action of this name."""
    return f"do_{do}" if do else "act"


class WizardView(View):
    """Serves the pages of one kind of machine under ``<pk>/`` and ``<pk>/<page>/``.

    A page that is not open redirects to the first one that is not done. A form made
    for another state of the machine is answered 409, one that its verb refuses with a
    Problem 422; both are shown again as they were typed.
    """

    machine_class: ClassVar[type[Machine]]
    pages: ClassVar[tuple[type[Page], ...]]
    resume_url: ClassVar[str]  # names of URLs: <pk>/, <pk>/<page>/ and the end
    page_url: ClassVar[str]
    finished_url: ClassVar[str]
    permission: ClassVar[str] = ""  # "" lets everybody of the account in

    request: UserRequest

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.load()  # first: another account's is 404, whatever one may do in one's own
        if self.permission and not self.request.user.has_perm(self.permission):
            raise PermissionDenied
        slug = kwargs.get("page")
        if slug is None:
            return see_other(self.first_open_url())
        if slug not in {page.slug for page in self.pages}:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def queryset(self) -> QuerySet[Any]:
        """Return what can be seen; subclasses join what their pages show."""
        return self.machine_class.objects.visible_to(self.request.user)

    def load(self) -> None:
        """Read the machine as it is now."""
        self.machine: Machine = get_object_or_404(self.queryset(), pk=self.kwargs["pk"])
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
            Step(page.slug, str(page.title), self.url_of(page), *self.standing(page))
            for page in self.all_pages
        ]

    def standing(self, page: Page) -> tuple[str, str]:
        """Return a step's state, and why it is blocked."""
        why = page.blocked()
        if page is self.page:
            return "current", why
        if why:
            return "blocked", why
        return "done" if page.done() else "open", ""

    def state(self) -> str:
        return "/".join(
            str(getattr(self.machine, f.name)) for f in states(self.machine_class)
        )

    def show(
        self, posted: forms.Form | None = None, *, status: int = 200, moved: str = ""
    ) -> HttpResponse:
        """Render the page; of its forms only the posted one has data and errors."""
        page = self.page
        shown = {
            do: posted if posted and do == self.asked else page.form(do)
            for do in page.form_classes
        }
        context = {
            "form": posted or shown.get("") or next(iter(shown.values()), None),
            "forms": shown,
            "page": page,
            "machine": self.machine,
            "state": self.state(),
            "steps": self.steps(),
            "moved": moved,
            **page.context(),
        }
        return render(self.request, page.template, context, status=status)

    def get(self, request: UserRequest, pk: UUID, page: str) -> HttpResponse:
        if why := self.page.blocked():
            messages.info(request, why)
            return see_other(self.first_open_url())
        return self.show()

    @property
    def asked(self) -> str:
        """Return the name of the action that the form is for."""
        return self.request.POST.get(DO, "")

    def post(self, request: UserRequest, pk: UUID, page: str) -> HttpResponse:
        if self.asked not in self.page.form_classes:
            raise BadRequest(f"{self.page.slug} has no such action")
        form = self.page.form(self.asked, request.POST, request.FILES)
        if request.POST.get(STATE) != self.state() or self.page.blocked():
            return self.conflict(form)
        if not form.is_valid():
            return self.show(form, status=422)
        verb: Callable[[forms.Form], str | None]
        verb = getattr(self.page, verb_name(self.asked))
        try:
            said = verb(form)
        except (TransitionNotAllowed, ConcurrentTransition):
            self.load()
            return self.conflict(form)
        except Problem as problem:
            self.load()
            form.add_error(self.page.blames.get(self.asked), str(problem))
            return self.show(form, status=422)
        if said:
            messages.success(request, said)
        return see_other(self.resume_url, pk=pk)

    def conflict(self, form: forms.Form) -> HttpResponse:
        if self.page.shows(self.asked):
            text = _(
                "This was changed in the meantime, so nothing was saved. What you "
                "typed is still here: look at the present state, then send it again."
            )
        else:
            text = _(
                "This was changed in the meantime, so nothing was saved. Look at how "
                "it stands now, and go on from there."
            )
        moved = f"{text} {self.page.blocked()}".strip()
        return self.show(form, status=409, moved=moved)
