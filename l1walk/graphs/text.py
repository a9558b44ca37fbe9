"""Text of nodes and answers: shortened, freed of markup, decoded, cleaned."""

import html
import re
from html.entities import html5

WHITESPACE = " \t\r\n"
UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_LINK = re.compile(r"!?\[([^\]\n]{0,500})\]\([^)\s]{0,2000}\)")
_EMPHASIS = re.compile(r"(?<!\w)([*_]{1,3}|`)(?=\S)(.{1,500}?)(?<=\S)\1(?!\w)")
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]{0,15})(?:[\s/][^<>]*)?>")
_BREAKING_TAG = re.compile(r"br|hr|p|div|li|ul|ol|tr|table|h[1-6]|blockquote|pre")
_INLINE_TAG = re.compile(
    r"a|abbr|b|big|button|center|cite|code|del|em|font|i|iframe|img|input|ins|kbd|mark"
    r"|o|q|s|samp|script|small|span|strike|strong|style|sub|sup|svg|tbody|td|tfoot|th"
    r"|thead|tt|u|var|video|vr"
)


def shorten(text: str, limit: int) -> str:
    """Fit a text on one line of a message or a drawing, in time free of its length."""
    line = " ".join(text[: limit * 4].split())
    if len(line) <= limit and len(text) <= limit * 4:
        return line
    return line[: limit - 1].rstrip() + "…"


def plain(markdown: str) -> str:
    """Drop the marks of Markdown where only letters can be shown."""
    return _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", markdown))


def clean(text: str) -> str:
    """Replace what neither JSON columns of PostgreSQL nor XML can hold."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def decode_entities(text: str) -> str:
    """Decode complete, known entities once; anything else is somebody's text."""

    def decoded(match: re.Match[str]) -> str:
        name = match[1]
        known = name.startswith("#") or f"{name};" in html5
        return html.unescape(match[0]) if known else match[0]

    return _ENTITY.sub(decoded, text)


def strip_tags(text: str) -> tuple[str, list[str]]:
    """Give the words of an HTML label and the tags that had a meaning we drop.

    Only names of HTML elements count as tags: "press <Enter>" stays as it is.
    """
    dropped: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        name = match[1].lower()
        breaking = _BREAKING_TAG.fullmatch(name)
        if not breaking and not _INLINE_TAG.fullmatch(name):
            return match[0]
        if name != "br" and not match[0].startswith("</"):
            dropped.append(match[0])
        return "\n" if breaking else ""

    words = _TAG.sub(replaced, text)
    if not dropped:
        return words, []
    lines = (line.strip(WHITESPACE) for line in words.split("\n"))
    return "\n".join(line for line in lines if line), dropped
