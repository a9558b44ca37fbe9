"""A language model is asked about payees on which the offline engine abstains."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs.actions.run import Run
from jobs.budgets.actions.learning import key_of, text_of
from jobs.budgets.engine import Method, looks_like_transfer, tidy
from jobs.budgets.engine.categories import ABSTAIN_BELOW
from jobs.budgets.ledger import LedgerTransaction
from jobs.budgets.models import Budget, Suggestion
from jobs.budgets.models.preferences import USE_PROVIDER
from jobs.budgets.models.suggestion import PartStatus as S
from workflows.core.errors import AdminRequired, Problem, Temporary
from workflows.core.llm import Provider, Usage, choose, provider

Columns = dict[str, Any]

# What one run asks at most; the next one goes on with the rest.
MOST_PAYEES = 50
MOST_SECONDS = 600.0
MOST_FAILURES = 3
# What is shown of one payee.
MOST_ROWS = 3
MOST_CHARACTERS = 200
# Right 5 times in 10 until people said otherwise, and that counts as ten payees seen.
PRIOR_RIGHT, PRIOR_SEEN = 5, 10
# People approved with the proposal before their eyes, which flatters it; and a payee's
# text may have been written to mislead. So it never is among the sure ones.
MOST_CONFIDENT = 0.8

INSTRUCTIONS = (
    "You sort bank transactions into the categories of a budget. The data are a few "
    "transactions of one payee as the bank wrote them, one JSON object a line. Choose "
    "the id of the one category that transactions of this payee belong to. Choose null "
    "if you do not know who is paid, or if several categories are as likely: no answer "
    "is better than a guess. The categories:\n"
)
# Whole units of whatever currency the budget is in.
SIZES = ((10, "below 10"), (50, "10 to 50"), (200, "50 to 200"), (1000, "200 to 1000"))
# Numbers of cards, accounts, telephones and receipts; addresses of people.
PRIVATE = re.compile(r"\S+@\S+|\+?\d(?:[ ./-]?\d){3,}|\b\w*\d{4,}\w*")


class Adviser:
    """Asks the language model, where there is one and the account wants it."""

    def __init__(self, run: Run, budget: Budget) -> None:
        self.run, self.budget = run, budget
        self.model: Provider | None = None
        self.asked = self.answered = 0
        self.usage = Usage()
        self.failure = ""
        if budget.account.preference(USE_PROVIDER):
            try:
                self.model = provider()
            except Problem as problem:
                self.failure = str(problem)

    def advise(
        self, rows: Iterable[LedgerTransaction], *, anew: bool = False
    ) -> dict[str, Columns]:
        """Return columns of a suggestion by transaction; a failure leaves them out.

        ``anew``: also those about whose payee it has been asked before.
        """
        found: dict[str, Columns] = {}
        payees = by_payee(rows)
        if self.model and payees:
            found = self.consult(self.model, payees, anew)
        if payees and (self.asked or self.failure):
            self.run.note(self.words())
        return {
            row.id: columns for key, columns in found.items() for row in payees[key]
        }

    def consult(
        self,
        model: Provider,
        payees: dict[str, list[LedgerTransaction]],
        anew: bool,
    ) -> dict[str, Columns]:
        names = {
            category.ledger_id: f"{category.group}: {category.name}"
            for category in self.budget.categories.filter(hidden=False)
        }
        right, seen = record(self.budget, model)
        confidence = trust(right, seen)
        if confidence < ABSTAIN_BELOW:
            self.failure = _(
                "The language model is not asked any more: people chose otherwise for "
                "most of the payees that it knew in this budget."
            )
        if self.failure or not names:
            return {}
        said = {} if anew else remembered(self.budget, model)
        answers = {key: said[key] for key in payees.keys() & said.keys()}
        unasked = {key: rows for key, rows in payees.items() if key not in answers}
        answers |= self.ask(model, names, unasked)
        return {
            key: {
                "category_proposal_id": answer,
                "category_confidence": confidence,
                "category_evidence": {
                    "method": str(Method.PROVIDER),
                    "payee": tidy(text_of(payees[key][0])) or key,
                    "n": right,
                    "total": seen,
                    "model": model.name,
                },
            }
            if answer in names
            # So that it is not asked again at every sync.
            else {"category_evidence": {"model": model.name}}
            for key, answer in answers.items()
        }

    def ask(
        self,
        model: Provider,
        names: dict[str, str],
        payees: dict[str, list[LedgerTransaction]],
    ) -> dict[str, str]:
        """Return its choice for each payee that it answered; "" is none of them."""
        listed = [{"id": pk, "name": name} for pk, name in names.items()]
        instructions = INSTRUCTIONS + json.dumps(listed, ensure_ascii=False)
        answers: dict[str, str] = {}
        failures, until = 0, time.monotonic() + MOST_SECONDS
        often = sorted(payees, key=lambda key: (-len(payees[key]), key))[:MOST_PAYEES]
        for done, key in enumerate(often):
            self.run.progress(done, len(often), _("Asking the language model"))
            if time.monotonic() >= until:
                break
            self.asked += 1
            try:
                choice = choose(
                    model,
                    instructions=instructions,
                    untrusted=described(payees[key]),
                    options=list(names),
                )
            except Problem as problem:
                self.failure = str(problem)
                failures += 1
                if is_final(problem) or failures == MOST_FAILURES:
                    break
                continue
            self.usage += choice.usage
            if choice.gap is None:
                answers[key] = choice.value or ""
                self.answered += bool(choice.value)
        return answers

    @property
    def report(self) -> dict[str, Any]:
        """Return what the job's result says of it: nothing where it was not needed."""
        if not self.asked and not self.failure:
            return {}
        told: dict[str, Any] = {"asked": self.asked, "answered": self.answered}
        if self.failure:
            told["failed"] = self.failure
        return {"provider": told | {"tokens": asdict(self.usage)}}

    def words(self) -> str:
        if not self.asked:
            return self.failure
        text = ngettext(
            "The language model was asked about %(n)s payee and knew %(known)s.",
            "The language model was asked about %(n)s payees and knew %(known)s.",
            self.asked,
        ) % {"n": self.asked, "known": self.answered}
        return f"{text} {self.failure}".strip()


def is_final(problem: Problem) -> bool:
    """Will the next question fail as well?"""
    return isinstance(problem, AdminRequired) or bool(
        isinstance(problem, Temporary) and problem.retry_after
    )


def by_payee(rows: Iterable[LedgerTransaction]) -> dict[str, list[LedgerTransaction]]:
    """Group what may be asked about: not transfers, which have no category."""
    found: dict[str, list[LedgerTransaction]] = {}
    for row in rows:
        key = key_of(row)
        if key and not looks_like_transfer(text_of(row)):
            found.setdefault(key, []).append(row)
    return found


# --- what is sent ---------------------------------------------------------------------
def described(rows: Iterable[LedgerTransaction]) -> str:
    """Return the latest rows of a payee as the model sees them, no two alike."""
    latest = sorted(rows, key=lambda row: (row.date, row.id), reverse=True)
    lines = dict.fromkeys(json.dumps(shown(row), ensure_ascii=False) for row in latest)
    return "\n".join([*lines][:MOST_ROWS])


def shown(row: LedgerTransaction) -> dict[str, str]:
    """Return all that leaves the house of a transaction."""
    units = abs(row.amount) // 100
    return {
        "payee": without_numbers(text_of(row)),
        "money": "out" if row.amount < 0 else "in",
        "amount": next((size for most, size in SIZES if units < most), "above 1000"),
        "account": without_numbers(row.account_name),
        "weekday": row.date.strftime("%A"),
    }


def without_numbers(text: str) -> str:
    return PRIVATE.sub("#", text[: MOST_CHARACTERS * 2])[:MOST_CHARACTERS]


# --- what is known of its answers -----------------------------------------------------
def trust(right: int, seen: int) -> float:
    """Return the share of its proposals that prove right (mean of a Beta posterior)."""
    return min((PRIOR_RIGHT + right) / (PRIOR_SEEN + seen), MOST_CONFIDENT)


def record(budget: Budget, model: Provider) -> tuple[int, int]:
    """Count the payees of this budget that people judged, and where they agreed.

    A payee is right if nobody ever chose otherwise: one answer is one piece of
    evidence, however many transactions it was approved for.
    """
    proposed = budget.suggestions.filter(
        category_evidence__method=str(Method.PROVIDER),
        category_evidence__model=model.name,
    )
    columns = ("payee_key", "category_proposal_id", "category_status")
    pairs: set[tuple[str, str]] = set()
    verdicts: dict[str, bool] = {}
    for key, proposal, status in proposed.values_list(*columns):
        pairs.add((key, proposal))
        if status == S.REJECTED:
            verdicts[key] = False
    lessons = budget.lessons.exclude(category_id="").exclude(proposal="")
    for key, proposal, chosen in lessons.values_list(
        "payee_key", "proposal", "category_id"
    ):
        if (key, proposal) in pairs:
            verdicts[key] = verdicts.get(key, True) and chosen == proposal
    return sum(verdicts.values()), len(verdicts)


def remembered(budget: Budget, model: Provider) -> dict[str, str]:
    """Return what it said of payees whose suggestions nobody has accepted yet.

    What was rejected is remembered as no answer.
    """
    rows = Suggestion.objects.filter(
        budget=budget,
        category_evidence__model=model.name,
        category_status__in=(S.PENDING, S.REJECTED),
    ).order_by("category_status", "id")
    return {
        key: proposal if status == S.PENDING else ""
        for key, proposal, status in rows.values_list(
            "payee_key", "category_proposal_id", "category_status"
        )
    }
