"""What people decide on the review page, and take back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.http.request import QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from jobs.budgets.actions import asking, deciding, reading, reviewing
from jobs.budgets.actions.payees import element_of
from jobs.budgets.actions.reviewing import Choice, Ticked
from jobs.budgets.forms import DecisionForm
from jobs.budgets.models import Budget, Suggestion
from jobs.budgets.views import review
from jobs.budgets.views.finding import can_keep, find_budget
from jobs.models.tracked import TERMINAL
from workflows.core.http import Conflict, SeeOther, UserRequest


@dataclass(slots=True)
class Sent:
    """A decision as the review sent it."""

    key: str
    show: str  # the tab whose suggestions the form is about
    tab: str  # the tab that the list beside it shows
    words: str
    verb: str
    state: str
    choice: Choice
    ticked: Ticked
    next: str | None

    @classmethod
    def read(cls, data: QueryDict) -> Sent:
        """Raises Conflict for what no page of ours sends."""
        form = DecisionForm(data)
        try:
            shown = frozenset(map(UUID, data.getlist("shown")))
            ticked = frozenset(map(UUID, data.getlist("row")))
        except ValueError:
            raise Conflict(incomplete()) from None
        if not form.is_valid():
            raise Conflict(incomplete())
        found = form.cleaned_data
        show, words = review.asked_for(data)
        choice = Choice(
            category_id=found["category"], rename=found["rename"], payee=found["name"]
        )
        return cls(
            key=found["payee"],
            show=show,
            tab=review.asked_for({"show": data.get("tab", show)})[0],
            words=words,
            verb=found["verb"],
            state=found["state"],
            choice=choice,
            ticked=Ticked(shown=shown, ticked=ticked, rest=found["rest"]),
            next=found["next"] if "next" in data else None,
        )

    @property
    def kept(self) -> dict[str, Any]:
        """Return what was typed, for the card that is shown again."""
        return {
            "kept": self.choice,
            "ticked": self.ticked.ticked,
            "kept_rest": self.ticked.rest,
        }


def incomplete() -> str:
    return _("The page was incomplete. Load the review again.")


@require_POST
@can_keep
def decide(request: UserRequest, pk: UUID) -> HttpResponse:
    """Approve a payee's suggestions as chosen, or leave them; then the next payee."""
    budget = find_budget(request, pk)
    sent, now = Sent.read(request.POST), timezone.now()
    rows = reading.shown(budget, sent.show).filter(payee_key=sent.key)
    approving = sent.verb == DecisionForm.APPROVE
    if not (sent.ticked.ticked or sent.ticked.rest):
        text = _("Tick at least one transaction.")
        return refuse(request, budget, sent, rows_error=text)
    try:
        changed = reviewing.settle(
            rows,
            by=request.user,
            seen=sent.state,
            choice=sent.choice if approving else None,
            ticked=sent.ticked,
            at=now,
        )
    except reviewing.NothingChosen:
        text = _("Nothing is proposed: choose a category, or leave it as it is.")
        return refuse(request, budget, sent, category_error=text)
    except deciding.UnknownCategory:
        text = _("The budget no longer has this category. Choose another.")
        return refuse(request, budget, sent, category_error=text)
    except reviewing.Outpaced:
        return outpaced(request, budget, sent)
    return decided(request, budget, sent, changed, now)


def refuse(
    request: UserRequest, budget: Budget, sent: Sent, *, status: int = 422, **said: Any
) -> HttpResponse:
    """Show the payee again with what is wrong, and with what was typed."""
    if not request.htmx:
        said |= {"show": sent.show, **sent.kept}
        return review.screen(request, budget, status=status, **said)
    context = review.focused(request, budget, sent.show, sent.key)
    context |= {"words": sent.words, "tab": sent.tab, **sent.kept, **said}
    return render(request, "budgets/_payee.html", context, status=status)


def outpaced(request: UserRequest, budget: Budget, sent: Sent) -> HttpResponse:
    """Tell who was faster; what was sent twice was decided the first time."""
    of_payee = budget.suggestions.filter(payee_key=sent.key)
    last = reviewing.who_decided(of_payee)
    left = reading.shown(budget, sent.show).filter(payee_key=sent.key).exists()
    if last and last.actor_id == request.user.pk and not left:
        return decided(request, budget, sent, [], None)
    moved = {"outpaced": True, "moved": last, "left": left}
    if left:
        return refuse(request, budget, sent, status=409, **moved)
    # Nothing of it is left in this tab: it is shown as it is now.
    sent.show = next(
        (
            show
            for show in ("open", "approved", "rejected", "applied", "skipped")
            if reading.shown(budget, show).filter(payee_key=sent.key).exists()
        ),
        sent.show,
    )
    return refuse(request, budget, sent, status=409, **moved)


def decided(
    request: UserRequest,
    budget: Budget,
    sent: Sent,
    changed: list[Suggestion],
    at: datetime | None,
) -> HttpResponse:
    """Show the next payee, or this one while something of it is left to decide."""
    listed = reading.shown(budget, sent.tab).filter(payee_key=sent.key)
    n = listed.count()
    left = n if sent.tab in {"open", "unsure"} else 0
    following = sent.key if left else sent.next
    text = said_of(sent, len(changed), left)
    if following is None or not request.htmx:
        if changed:
            messages.success(request, text)
        done = {"done": at.isoformat(), "done_payee": sent.key} if at else {}
        answer = to_review(budget, sent, following, **done)
        # Not as a redirect that htmx follows: that would use up the messages.
        return HttpResponseClientRedirect(answer.url) if request.htmx else answer
    context = review.focused(request, budget, sent.tab, following)
    if context["focus"] is None:  # somebody else took it meanwhile
        return HttpResponseClientRedirect(to_review(budget, sent, None).url)
    context |= {
        "words": sent.words,
        "gone": "" if n else element_of(sent.key),
        "counts": reading.counts_of([budget.pk])[budget.pk],
        "toast": text if changed else "",
        "done": at.isoformat() if at else "",
        "done_key": sent.key,
    }
    return render(request, "budgets/_decided.html", context)


def said_of(sent: Sent, n: int, left: int) -> str:
    if sent.verb == DecisionForm.APPROVE:
        text = ngettext("%(n)s approved.", "%(n)s approved.", n)
    else:
        text = ngettext("%(n)s left as it is.", "%(n)s left as they are.", n)
    text %= {"n": n}
    if left:
        more = ngettext(
            "%(n)s of this payee is left.", "%(n)s of this payee are left.", left
        )
        text += " " + more % {"n": left}
    return text


def to_review(
    budget: Budget, sent: Sent | None, key: str | None, **more: str
) -> SeeOther:
    query = dict(more)
    if sent and sent.tab != "open":
        query["show"] = sent.tab
    if sent and sent.words:
        query["q"] = sent.words
    if key is not None:
        query["payee"] = key
    address = reverse("budgets:review", args=[budget.pk])
    return SeeOther(f"{address}?{urlencode(query)}" if query else address)


@require_POST
@can_keep
def take_back(request: UserRequest, pk: UUID) -> HttpResponse:
    """Open a payee's decisions of a tab again, whoever made them."""
    budget = find_budget(request, pk)
    show, _words = review.asked_for(request.POST)
    key = review.key_in(request.POST.get("payee", "")) or ""
    rows = reading.shown(budget, show).filter(payee_key=key)
    changed = deciding.reopen(rows, by=request.user)
    said_taken_back(request, len(changed))
    return to_review(budget, None, key if changed else None)


def said_taken_back(request: UserRequest, n: int) -> None:
    if n:
        text = ngettext(
            "%(n)s is to be reviewed again.", "%(n)s are to be reviewed again.", n
        )
        messages.success(request, text % {"n": n})
    else:
        messages.info(
            request, _("There was nothing to take back: it went on from there.")
        )


@require_POST
@can_keep
def undo(request: UserRequest, pk: UUID) -> HttpResponse:
    """Take back one's own last decision; its payee is shown again."""
    budget = find_budget(request, pk)
    at = moment_in(request.POST.get("at", ""))
    key = review.key_in(request.POST.get("payee"))
    rows = budget.suggestions.all()
    if key is not None:
        rows = rows.filter(payee_key=key)
    changed = reviewing.undo(rows, by=request.user, at=at, now=timezone.now())
    said_taken_back(request, len(changed))
    return to_review(budget, None, key if changed else None)


def moment_in(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(_("This is not a moment.")) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@require_POST
@can_keep
def approve_sure(request: UserRequest, pk: UUID) -> HttpResponse:
    """Approve everything that is at least so sure."""
    budget, now = find_budget(request, pk), timezone.now()
    least = next(
        (sure for sure in reading.SURE if str(sure) == request.POST.get("least")), None
    )
    if least is None:
        raise Conflict(incomplete())
    rows = deciding.of_confidence(budget, least)
    changed = deciding.approve(rows, by=request.user, least=least, at=now)
    if not changed:
        messages.info(request, _("Nothing was left to approve."))
        return to_review(budget, None, None)
    text = ngettext("%(n)s approved.", "%(n)s approved.", len(changed))
    text %= {"n": len(changed)}
    if left := rows.count():
        text += " " + _("%(n)s more are as sure: approve again.") % {"n": left}
    messages.success(request, text)
    return to_review(budget, None, None, done=now.isoformat())


@require_POST
@can_keep
def look_again(request: UserRequest, pk: UUID) -> HttpResponse:
    """Have the engine look at a payee's open suggestions once more."""
    budget = find_budget(request, pk)
    key = review.key_in(request.POST.get("payee", "")) or ""
    job = asking.request_retry(budget, key, by=request.user)
    if not request.htmx:
        messages.info(request, _("It is looked at again. Load this page in a moment."))
        return to_review(budget, None, key)
    return render(
        request, "budgets/_looking.html", {"budget": budget, "key": key, "job": job}
    )


@require_safe
@can_keep
def looking(request: UserRequest, pk: UUID, job: UUID) -> HttpResponse:
    """How the second look stands; the new proposal is a click away once it is there."""
    budget = find_budget(request, pk)
    row = reading.job_of(budget, job)
    context = {
        "budget": budget,
        "job": row,
        "key": row.metadata.get("payeeKey", ""),
        "ended": row.status in TERMINAL,
    }
    return render(request, "budgets/_looking.html", context)
