"""A file becomes a budget; what it leaves open is asked, and the file is kept."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l
from django.views.decorators.http import require_http_methods

from jobs.budgets import ledger as ledgers
from jobs.budgets.actions.connecting import import_budget
from jobs.budgets.actions.uploads import (
    UploadGone,
    drop_upload,
    keep_upload,
    open_upload,
)
from jobs.budgets.forms import ChoiceForm, ImportForm, name_is_taken
from jobs.budgets.models import Budget
from jobs.budgets.views.finding import can_connect, own_account, posted
from workflows.core.errors import Problem
from workflows.core.http import UserRequest, see_other

# The upload that a question is open about: its name in the storage, and the answers.
KEPT = "budgets.import"
WORDS: dict[str, Promise] = {
    "dmy": _l("Day first: 31/12/2025"),
    "mdy": _l("Month first: 12/31/2025"),
    "ymd": _l("Year first: 2025-12-31"),
    ".": _l("A point: 1,234.56"),
    ",": _l("A comma: 1.234,56"),
}


@require_http_methods(["GET", "POST"])
@can_connect
def import_file(request: UserRequest) -> HttpResponse:
    """Take a file and a name for it; a file that was sent is not asked for again."""
    account = own_account(request)
    if request.method == "GET":
        return show(request, ImportForm(account=account))
    kept = request.session.get(KEPT)
    if kept and request.POST.get("kept") != kept["upload"]:
        kept = None  # of another try, perhaps in another tab
    form = ImportForm(request.POST, request.FILES, account=account, kept=bool(kept))
    valid = form.is_valid()
    if upload := form.cleaned_data.get("file"):
        forget(request)
        kept = {"upload": keep_upload(upload), "filename": upload.name}
        request.session[KEPT] = kept
    if valid and kept:
        name = form.cleaned_data["name"]
        answer = attempt(request, {**kept, "name": name, "choices": {}})
        if isinstance(answer, HttpResponse):
            return answer
        form.add_error(*answer)
        kept = request.session.get(KEPT)
    return show(request, form, kept=kept, status=422)


def show(
    request: UserRequest,
    form: ImportForm,
    *,
    kept: dict[str, Any] | None = None,
    status: int = 200,
    **more: str,
) -> HttpResponse:
    context = {"form": form, "kept": kept, **more}
    if kept:
        form["file"].help_text = _(
            "“%(name)s” is kept: choose a file only to take another one instead."
        ) % {"name": kept["filename"]}
    return render(request, "budgets/import.html", context, status=status)


@require_http_methods(["GET", "POST"])
@can_connect
def import_choice(request: UserRequest) -> HttpResponse:
    """Ask what the file leaves open, and go on with the file that is kept."""
    account, kept = own_account(request), request.session.get(KEPT)
    if kept is None or "asked" not in kept:
        messages.info(request, _("Give the file first."))
        return see_other("budgets:import_file")
    asked = kept["asked"]
    form = ChoiceForm(
        posted(request),
        question=asked["question"],
        options=[(value, WORDS.get(value, value)) for value in asked["options"]],
    )
    if request.method == "POST" and form.is_valid():
        kept["choices"][asked["choice"]] = form.cleaned_data["choice"]
        answer = attempt(request, kept)
        if isinstance(answer, HttpResponse):
            return answer
        # It is not about the answer: the file, or its name, has to be given anew.
        again = ImportForm(account=account, initial={"name": kept["name"]})
        kept = request.session.get(KEPT)
        return show(request, again, kept=kept, status=422, problem=answer[1])
    context = {"form": form, "filename": kept["filename"], "name": kept["name"]}
    status = 422 if form.is_bound else 200
    return render(request, "budgets/import_choice.html", context, status=status)


def attempt(
    request: UserRequest, kept: dict[str, Any]
) -> HttpResponse | tuple[str, str]:
    """Import what is kept: the answer, or the field with what is wrong with it."""
    try:
        budget = imported(request, kept)
    except ledgers.Choose as question:
        kept["asked"] = {
            "question": str(question),
            "choice": question.choice,
            "options": list(question.options),
        }
        request.session[KEPT] = kept
        return see_other("budgets:import_choice")
    except Problem as problem:
        field, text = "file", str(problem)
    except UploadGone:
        field, text = "file", _("The file is no longer kept here. Choose it again.")
    except IntegrityError:  # somebody took the name in this very moment
        request.session[KEPT] = {name: kept[name] for name in ("upload", "filename")}
        return "name", name_is_taken()
    else:
        drop(request, kept)
        text = _("“%(name)s” is imported. Suggestions are looked for now.")
        messages.success(request, text % {"name": budget.name})
        return see_other(budget)
    drop(request, kept)
    return field, text


def imported(request: UserRequest, kept: dict[str, Any]) -> Budget:
    with open_upload(kept["upload"]) as upload:
        return import_budget(
            own_account(request),
            by=request.user,
            name=kept["name"],
            upload=upload,
            filename=kept["filename"],
            **kept["choices"],
        )


def drop(request: UserRequest, kept: dict[str, Any]) -> None:
    drop_upload(kept["upload"])
    request.session.pop(KEPT, None)


def forget(request: UserRequest) -> None:
    """Drop a file whose question was left unanswered."""
    if kept := request.session.get(KEPT):
        drop(request, kept)
