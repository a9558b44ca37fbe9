"""How amounts look on the budgets' pages: {% load budgets %}."""

from __future__ import annotations

from django import template

register = template.Library()

MINUS = "\N{MINUS SIGN}"  # as wide as a plus, so that columns stay in line


@register.filter
def money(cents: int | None) -> str:
    """Show integer cents with sign and thousands; no float, no currency."""
    if cents is None:
        return ""
    whole, rest = divmod(abs(cents), 100)
    sign = MINUS if cents < 0 else "+" if cents else ""
    return f"{sign}{whole:,}.{rest:02}"


@register.filter
def signed(count: int) -> str:
    """Show a difference of counts with its sign."""
    return f"{MINUS if count < 0 else '+' if count else '±'}{abs(count):,}"


@register.filter
def thousands(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


@register.filter
def as_percent(share: float | None) -> str:
    """Show a confidence, rounded down: it never says more than was measured."""
    return "" if share is None else f"{int(share * 100 + 1e-9)} %"


@register.filter
def named(names: dict[str, str], key: str) -> str:
    """Return the name of a category; "" for none, or one that is gone."""
    return names.get(key, "")
