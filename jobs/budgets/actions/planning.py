"""The plan: what apply would change, grouped by payee."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Case, Count, F, Max, Min, Sum, Value, When, Window
from django.db.models.functions import RowNumber

from jobs.budgets.actions.payees import element_of, spelled
from jobs.budgets.actions.reading import shown
from jobs.budgets.models import Budget, Suggestion
from jobs.budgets.models.suggestion import PartStatus as S

PAYEES_SHOWN = 50
ROWS_SHOWN = 5  # of each payee; the review shows all
EVIDENCE = ("category_evidence", "payee_evidence", "notes", "remark")


@dataclass(frozen=True, slots=True)
class Change:
    """A value before and after, and how many transactions it is about."""

    before: str
    after: str
    n: int


@dataclass(slots=True)
class Planned:
    """What apply would do to one payee's transactions."""

    key: str
    n: int
    total: int  # cents
    categories: list[Change] = field(default_factory=list)
    payees: list[Change] = field(default_factory=list)
    rows: list[Suggestion] = field(default_factory=list)

    @property
    def element(self) -> str:
        return element_of(self.key)

    @property
    def name(self) -> str:
        return spelled(self.key)

    @property
    def rest(self) -> int:
        return self.n - len(self.rows)


@dataclass(frozen=True, slots=True)
class Totals:
    """What apply would do in all."""

    n: int
    categories: int
    payees: int
    total: int  # cents


def totals_of(budget: Budget) -> Totals:
    found = (
        shown(budget, "approved")
        .order_by()
        .aggregate(
            n=Count("id"),
            categories=Count(Case(When(category_status=S.APPROVED, then=1))),
            payees=Count(Case(When(payee_status=S.APPROVED, then=1))),
            total=Sum("amount"),
        )
    )
    return Totals(found["n"], found["categories"], found["payees"], found["total"] or 0)


def plan_of(
    budget: Budget, names: Mapping[str, str], after: str | None
) -> tuple[list[Planned], str | None]:
    """Return a page of payees by key, and after which key the next one begins.

    Four queries. ``names``: the categories' by their ids.
    """
    rows = shown(budget, "approved")
    counted = rows.order_by().values_list("payee_key")
    if after is not None:
        counted = counted.filter(payee_key__gt=after)
    page = [
        Planned(key, n, total)
        for key, n, total in counted.annotate(
            n=Count("id"), sum=Sum("amount")
        ).order_by("payee_key")[: PAYEES_SHOWN + 1]
    ]
    more = len(page) > PAYEES_SHOWN
    page = page[:PAYEES_SHOWN]
    by_key = {planned.key: planned for planned in page}
    add_changes(budget, by_key, names)
    add_rows(budget, by_key)
    return page, page[-1].key if more else None


def add_changes(
    budget: Budget, by_key: Mapping[str, Planned], names: Mapping[str, str]
) -> None:
    """Add before and after; what stays as it is has no line."""
    approved = Value(S.APPROVED.value)
    counted = (
        shown(budget, "approved")
        .filter(payee_key__in=by_key)
        .order_by()
        .values_list(
            "payee_key",
            Case(
                When(category_status=approved, then=F("category_id")), default=Value("")
            ),
            Case(When(payee_status=approved, then=F("payee")), default=Value("")),
            "present_category_id",
        )
        .annotate(n=Count("id"), first=Min("present_payee"), last=Max("present_payee"))
    )
    categories: dict[tuple[str, str, str], int] = defaultdict(int)
    payees: dict[tuple[str, str], tuple[str, str, int]] = {}
    for key, category, payee, before, n, first, last in counted:
        if category:
            categories[key, before, category] += n
        if payee:
            one, other, count = payees.get((key, payee), (first, last, 0))
            payees[key, payee] = min(one, first), max(other, last), count + n
    for (key, before, category), n in categories.items():
        change = Change(names.get(before, ""), names.get(category, "?"), n)
        by_key[key].categories.append(change)
    for (key, payee), (first, last, n) in payees.items():
        before = first if first == last else f"{first} …"
        by_key[key].payees.append(Change(before, payee, n))


def add_rows(budget: Budget, by_key: Mapping[str, Planned]) -> None:
    """Add the newest transactions of each payee: first which, by ids alone."""
    placed = (
        shown(budget, "approved")
        .filter(payee_key__in=by_key)
        .order_by()
        .values("pk")
        .annotate(
            place=Window(
                RowNumber(),
                partition_by=F("payee_key"),
                order_by=[F("date").desc(), F("id").desc()],
            )
        )
        .filter(place__lte=ROWS_SHOWN)
        .values_list("pk", flat=True)
    )
    rows = budget.suggestions.filter(pk__in=list(placed)).defer(*EVIDENCE)
    for row in rows.order_by("-date", "-id"):
        by_key[row.payee_key].rows.append(row)
