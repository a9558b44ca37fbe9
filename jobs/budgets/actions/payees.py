"""Suggestions by payee: the queue of the review, and the payee in focus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from string import capwords

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from jobs.budgets.actions.rationale import category_reason, odds, payee_reason
from jobs.budgets.actions.reviewing import STATE, state_text
from jobs.budgets.models import Suggestion
from jobs.budgets.models.suggestion import PartStatus as S

PAYEES_SHOWN = 50
ROWS_SHOWN = 50
NAMED = ~Q(payee_proposal="")
Suggestions = QuerySet[Suggestion]
Mark = tuple[int, str]  # how many suggestions the last payee of a page has, and its key


@dataclass(frozen=True, slots=True)
class Payee:
    """One line of the queue: a payee with what is proposed for it."""

    key: str
    n: int
    total: int  # cents
    latest: date
    text: str  # one of the texts as imported
    category_ids: tuple[str, str]  # the first and the last in their order
    names: tuple[str | None, str | None]  # that are proposed
    confidence: float | None  # of the least sure

    @property
    def element(self) -> str:
        return element_of(self.key)

    @property
    def name(self) -> str:
        """Return the name that is proposed, else the key."""
        first, last = self.names
        return first if first and first == last else spelled(self.key)

    @property
    def category_id(self) -> str:
        """Return the one proposed category; "" where there are none or several."""
        first, last = self.category_ids
        return first if first == last else ""

    @property
    def mixed(self) -> bool:
        return self.category_ids[0] != self.category_ids[1]


def element_of(key: str) -> str:
    """Return an id for a payee's part of the page: keys hold any letters."""
    return f"p{sha256(key.encode()).hexdigest()[:12]}"


def spelled(key: str) -> str:
    """Return a key as a name: keys are without capitals."""
    return capwords(key)


def page_of(rows: Suggestions, after: Mark | None) -> tuple[list[Payee], Mark | None]:
    """Return payees, those with most suggestions first, and where the next page begins.

    Two queries: which payees, then what is proposed for those of the page.
    """
    found = rows.order_by().values_list("payee_key").annotate(n=Count("id"))
    if after:
        most, key = after
        found = found.filter(Q(n__lt=most) | Q(n=most, payee_key__gt=key))
    page = [
        (key, n) for key, n in found.order_by("-n", "payee_key")[: PAYEES_SHOWN + 1]
    ]
    more = len(page) > PAYEES_SHOWN
    page = page[:PAYEES_SHOWN]
    told = described(rows, [key for key, _n in page])
    payees = [told[key] for key, _n in page if key in told]
    return payees, (page[-1][1], page[-1][0]) if more else None


def described(rows: Suggestions, keys: Sequence[str]) -> dict[str, Payee]:
    counted = (
        rows.filter(payee_key__in=keys)
        .order_by()
        .values_list("payee_key")
        .annotate(
            n=Count("id"),
            sum=Sum("amount"),
            latest=Max("date"),
            text=Max("imported_payee"),
            first=Min("category_proposal_id"),
            last=Max("category_proposal_id"),
            first_name=Min("payee_proposal", filter=NAMED),
            last_name=Max("payee_proposal", filter=NAMED),
            sure=Min("category_confidence"),
        )
    )
    return {
        key: Payee(key, n, total, latest, text, (first, last), (one, other), sure)
        for key, n, total, latest, text, first, last, one, other, sure in counted
    }


# --- the payee in focus ---------------------------------------------------------------
@dataclass(slots=True)
class Proposed:
    """One value that is proposed for some of a payee's suggestions."""

    value: str
    name: str
    n: int = 0
    odds: str = ""
    confidence: float | None = None
    reason: str = ""


@dataclass(slots=True)
class Focus:
    """A payee's suggestions as the review shows them."""

    key: str
    n: int
    total: int
    state: str
    rows: list[Suggestion]
    categories: list[Proposed] = field(default_factory=list)
    payees: list[Proposed] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def element(self) -> str:
        return element_of(self.key)

    @property
    def rest(self) -> int:
        """Return how many are not among the rows."""
        return self.n - len(self.rows)

    @property
    def name(self) -> str:
        if len(self.payees) == 1:
            return self.payees[0].name
        return spelled(self.key)

    @property
    def before(self) -> str:
        """Return the name that the proposed one would replace."""
        return next((r.present_payee for r in self.rows if r.payee_proposal), "")

    @property
    def proposal(self) -> Proposed | None:
        """Return the one category that is proposed for all of them."""
        named = [found for found in self.categories if found.value]
        return named[0] if len(self.categories) == len(named) == 1 else None

    @property
    def rename(self) -> Proposed | None:
        """Return the one name that is proposed."""
        return self.payees[0] if len(self.payees) == 1 else None

    @property
    def can_decide(self) -> bool:
        return bool(self.statuses.keys() & {S.PENDING, S.APPROVED, S.REJECTED})

    @property
    def can_take_back(self) -> bool:
        return bool(self.statuses.keys() & {S.APPROVED, S.REJECTED})


def focus_on(rows: Suggestions, key: str, names: Mapping[str, str]) -> Focus | None:
    """Return one payee of the rows, or None where it has none; two queries.

    ``names``: the categories' by their ids.
    """
    rows = rows.filter(payee_key=key)
    counted = list(
        rows.order_by()
        .values_list(*STATE)
        .annotate(
            n=Count("id"),
            sum=Sum("amount"),
            sure=Min("category_confidence"),
            sure_payee=Min("payee_confidence"),
        )
    )
    if not counted:
        return None
    focus = Focus(
        key=key,
        n=sum(line[-4] for line in counted),
        total=sum(line[-3] for line in counted),
        state=state_text(tuple(line[: len(STATE) + 1]) for line in counted),
        rows=list(rows.order_by("-date", "-id")[:ROWS_SHOWN]),
    )
    categories: dict[str, Proposed] = {}
    payees: dict[str, Proposed] = {}
    for line in counted:
        said = dict(zip((*STATE, "n", "sum", "sure", "sure_payee"), line, strict=True))
        n = said["n"]
        focus.statuses[said["category_status"]] += n
        focus.statuses[said["payee_status"]] += n
        category = said["category_id"] or said["category_proposal_id"]
        add(categories, category, names.get(category, ""), n, said["sure"])
        if name := said["payee"] or said["payee_proposal"]:
            add(payees, name, name, n, said["sure_payee"])
    explain(focus.rows, categories, payees, names)
    focus.categories = sorted(categories.values(), key=lambda found: -found.n)
    focus.payees = sorted(payees.values(), key=lambda found: -found.n)
    return focus


def add(
    found: dict[str, Proposed], value: str, name: str, n: int, sure: float | None
) -> None:
    """Count a value; what is said of it is true of the least sure one."""
    one = found.setdefault(value, Proposed(value, name))
    one.n += n
    if sure is not None:
        one.confidence = min(sure, one.confidence or 1.0)
        one.odds = odds(one.confidence)


def explain(
    rows: Sequence[Suggestion],
    categories: Mapping[str, Proposed],
    payees: Mapping[str, Proposed],
    names: Mapping[str, str],
) -> None:
    """Add the reason of each proposal, as the newest row that has it tells it."""
    for row in rows:
        category = categories.get(row.category_proposal_id)
        if category and category.value and not category.reason:
            category.reason = category_reason(row, names)
        name = payees.get(row.payee_proposal)
        if name and not name.reason:
            name.reason = payee_reason(row)
