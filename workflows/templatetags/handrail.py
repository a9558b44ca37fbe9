"""Tags and filters of every page. A builtin: templates need no load tag for them."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.contrib.staticfiles import finders
from django.forms import BoundField
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import dateformat, timezone
from django.utils.functional import Promise
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400
MONTH = 30 * DAY


class UnknownIcon(LookupError):
    """No such file in static/img/icons: a slip in a template, so it is never hidden."""


@cache
def svg(name: str) -> str:
    """Return an icon's markup after ``<svg``."""
    path = finders.find(f"img/icons/{name}.svg")
    if not isinstance(path, str):
        raise UnknownIcon(name)
    return Path(path).read_text().strip().removeprefix("<svg")


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """Inline an icon. It is decoration: the word beside it carries the meaning."""
    names = f"icon {css}".strip()
    start = format_html('<svg class="{}" aria-hidden="true" focusable="false"', names)
    return SafeString(start + svg(name))  # our own file


# --- states ---------------------------------------------------------------------------
# Value of a state: tone (as in site.css), icon, word where the caller gives none.
CHIPS: dict[str, tuple[str, str, str | Promise]] = {
    "abandoned": ("neutral", "ban", gettext_lazy("Abandoned")),
    "active": ("info", "footprints", gettext_lazy("In progress")),
    "archived": ("neutral", "archive", gettext_lazy("Archived")),
    "canceled": ("neutral", "ban", gettext_lazy("Canceled")),
    "claimed": ("info", "user-check", gettext_lazy("Claimed")),
    "closed": ("neutral", "check", gettext_lazy("Closed")),
    "connected": ("success", "check-circle", gettext_lazy("Connected")),
    "draft": ("neutral", "pencil", gettext_lazy("Draft")),
    "error": ("danger", "octagon-alert", gettext_lazy("Error")),
    "escalated": ("warning", "corner-up-right", gettext_lazy("Escalated")),
    "expired": ("warning", "clock", gettext_lazy("Expired")),
    "failed": ("danger", "x-circle", gettext_lazy("Failed")),
    "handed_back": ("neutral", "undo-2", gettext_lazy("Handed back")),
    "info": ("info", "info", gettext_lazy("Note")),
    "lost": ("warning", "alert-triangle", gettext_lazy("Lost")),
    "open": ("info", "circle-dot", gettext_lazy("Open")),
    "published": ("success", "check-circle", gettext_lazy("Published")),
    "queued": ("neutral", "clock", gettext_lazy("Queued")),
    "resolved": ("success", "check-circle", gettext_lazy("Resolved")),
    "revoked": ("neutral", "ban", gettext_lazy("Revoked")),
    "running": ("info", "loader", gettext_lazy("Running")),
    "stale": ("warning", "clock", gettext_lazy("Idle")),
    "stalled": ("danger", "alert-triangle", gettext_lazy("Stalled")),
    "stopping": ("warning", "ban", gettext_lazy("Stopping …")),
    "strong": ("success", "check", gettext_lazy("Fits well")),
    "succeeded": ("success", "check-circle", gettext_lazy("Succeeded")),
    "timed_out": ("danger", "clock", gettext_lazy("Took too long")),
    "waiting": ("warning", "clock", gettext_lazy("Waiting")),
    "warning": ("warning", "alert-triangle", gettext_lazy("Warning")),
}


@register.inclusion_tag("includes/_chip.html")
def chip(value: str, label: str | Promise = "", icon: str = "") -> dict[str, Any]:
    """Show a state as icon and word; what has no entry in CHIPS is neutral."""
    tone, own_icon, word = CHIPS.get(str(value), ("neutral", "circle", str(value)))
    return {"tone": tone, "icon_name": icon or own_icon, "label": label or word}


# --- Markdown -------------------------------------------------------------------------
LINKS = ("http:", "https:", "mailto:", "tel:")


class ProseRenderer(RendererHTML):
    """Leaves pages their own headings, and the reader the page they are on."""

    def heading_open(
        self, tokens: list[Token], idx: int, options: Any, env: Any
    ) -> str:
        return "<p><strong>"

    def heading_close(
        self, tokens: list[Token], idx: int, options: Any, env: Any
    ) -> str:
        return "</strong></p>\n"

    def link_open(self, tokens: list[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrSet("rel", "noopener noreferrer")
        if str(tokens[idx].attrGet("href")).lower().startswith("http"):
            tokens[idx].attrSet("target", "_blank")
        return self.renderToken(tokens, idx, options, env)


class Prose(MarkdownIt):
    """Markdown as people type it into notes and guidance, safe to show to others."""

    def __init__(self) -> None:
        # maxNesting: what is nested deeper is shown as text.
        super().__init__(
            "commonmark",
            {"html": False, "breaks": True, "maxNesting": 20},
            renderer_cls=ProseRenderer,
        )
        self.disable(["html_block", "html_inline", "image"])

    def validateLink(self, url: str) -> bool:  # noqa: N802  (markdown-it's name)
        return url.lower().startswith(LINKS)


PROSE = Prose()


@register.filter
def markdown(text: object) -> SafeString:
    """Render Markdown without raw HTML, images and links of other schemes."""
    return SafeString(PROSE.render("" if text is None else str(text)))


@register.filter
def markdown_inline(text: object) -> SafeString:
    """Render one line of Markdown, to be placed within a paragraph or heading."""
    return SafeString(PROSE.renderInline("" if text is None else str(text)))


# --- times ----------------------------------------------------------------------------
@register.filter
def ago(when: datetime | None) -> SafeString | str:
    """Say how long ago it was; the title has the account's local time."""
    if when is None:
        return ""
    seconds = int((timezone.now() - when).total_seconds())
    local = timezone.localtime(when)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        when.isoformat(timespec="seconds"),
        dateformat.format(local, "j M Y, H:i T"),
        in_words(seconds, local),
    )


def in_words(seconds: int, local: datetime) -> str:
    """Say a distance to now as people do. static/js/app.js counts on in these words."""
    if seconds <= -MINUTE:
        return dateformat.format(local, "j M Y, H:i")
    if seconds < MINUTE:
        return _("just now")
    if seconds < HOUR:
        return _("%(count)s min ago") % {"count": seconds // MINUTE}
    if seconds < DAY:
        return _("%(count)s h ago") % {"count": seconds // HOUR}
    if seconds < MONTH:
        days = seconds // DAY
        return ngettext("%(count)s day ago", "%(count)s days ago", days) % {
            "count": days
        }
    return dateformat.format(local, "j M Y")


def whole_seconds(length: float | timedelta) -> int:
    return int(length.total_seconds() if isinstance(length, timedelta) else length)


@register.filter
def duration(length: float | timedelta | None) -> str:
    """Say a length of time (seconds or timedelta) in its two largest units."""
    if length is None:
        return ""
    left = max(whole_seconds(length), 0)
    units = [(DAY, _("d")), (HOUR, _("h")), (MINUTE, _("min")), (1, _("s"))]
    size, first = next((unit for unit in units if left >= unit[0]), units[-1])
    smaller, second = units[min(units.index((size, first)) + 1, len(units) - 1)]
    words = f"{left // size} {first}"
    rest = left % size // smaller
    return f"{words} {rest} {second}" if rest else words


@register.filter
def clock(length: float | timedelta | None) -> str:
    """Show a length of time as a clock does: 3:07, 1:02:03."""
    minutes, seconds = divmod(max(whole_seconds(length or 0), 0), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.simple_tag
def timer(since: datetime) -> SafeString:
    """Count up from a moment; without JavaScript it shows the state of the page."""
    return format_html(
        '<span class="timer" role="timer" data-timer-since="{}">{}</span>',
        since.isoformat(timespec="seconds"),
        clock(timezone.now() - since),
    )


# --- forms ----------------------------------------------------------------------------
KINDS = {
    "checkbox": "checkbox",
    "checkboxselectmultiple": "group",
    "radioselect": "group",
}


@register.inclusion_tag("includes/_field.html")
def field(
    bound: BoundField, label: str = "", hint: str = "", css: str = "", **attrs: Any
) -> dict[str, Any]:
    """Render one field: label, hint, error and control, tied together for readers.

    Further keywords become attributes of the control, "_" read as "-". The words
    "(optional)" are left out with ``optional=False``.
    """
    kind = "hidden" if bound.is_hidden else KINDS.get(bound.widget_type, "control")
    hint = str(hint or bound.help_text)
    described = [f"{bound.auto_id}_helptext"] * bool(hint)
    described += [f"{bound.auto_id}_error"] * bool(bound.errors)
    if described and kind in {"control", "checkbox"}:
        attrs["aria_describedby"] = " ".join(described)
    optional = attrs.pop("optional", True) and not bound.field.required
    named = {name.replace("_", "-"): value for name, value in attrs.items()}
    control = "" if kind == "group" else bound.as_widget(attrs=named)
    if bound.field.show_hidden_initial:
        control += bound.as_hidden(only_initial=True)
    return {
        "field": bound,
        "kind": kind,
        "label": label or bound.label,
        "hint": hint,
        "optional": optional,
        "css": css,
        "described": " ".join(described),
        "control": control,
    }


@register.filter
def control_id(bound: BoundField) -> str:
    """Return the id for links to the field: of the first choice, if it has many."""
    return bound.id_for_label or f"{bound.auto_id}_0"


# --- addresses ------------------------------------------------------------------------
@register.inclusion_tag("includes/_nav_link.html", takes_context=True)
def nav_link(
    context: template.Context,
    view: str,
    label: str,
    icon: str,
    match: str = "",
    badge: int | str = "",
    badge_url: str = "",
) -> dict[str, Any]:
    """Link to a view; marked as current there, and in views whose name has a prefix.

    ``match`` holds the prefixes, separated by spaces: ``"l1walk:walk l1walk:step"``.
    ``badge_url`` names a view whose ``.badge`` is shown and kept fresh.
    """
    try:
        url = reverse(view)
    except NoReverseMatch:
        # A workflow that is not installed leaves no dead entry.
        return {}
    request = context.get("request")
    found = getattr(request, "resolver_match", None)
    here = found.view_name if found else ""
    within = any(here.startswith(prefix) for prefix in match.split())
    return {
        "url": url,
        "label": label,
        "icon_name": icon,
        "current": "page" if here == view else "true" if within else "",
        "badge": badge,
        "badge_url": reverse(badge_url) if badge_url else "",
    }


@register.simple_tag(takes_context=True)
def query_with(context: template.Context, **changes: Any) -> SafeString:
    """Return the page's query string with changes; None or "" removes a parameter."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = str(value)
    return SafeString(escape(f"?{query.urlencode()}"))
