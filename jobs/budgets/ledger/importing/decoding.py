"""The text of a file that does not say how it is encoded."""

from __future__ import annotations

import codecs

from jobs.budgets.ledger.importing.statements import empty, unreadable

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1a"))  # 1A: the end, to old programs


def decode(content: bytes) -> str:
    """Return the text. Raises UserFixable for what is none."""
    encodings = [name for mark, name in MARKS if content.startswith(mark)]
    encodings = encodings or guesses(content)
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not text.strip():
            raise empty()
        if "\0" in text:
            break
        return text
    raise unreadable()


def guesses(content: bytes) -> list[str]:
    """Return what to try, the strictest first: what is UTF-8 is so by no accident."""
    head = content[:2000]
    if b"\0" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        wide = len(head) // 4  # half of the characters are ASCII at least
        if odd > wide and not even:
            return ["utf-16-le"]
        if even > wide and not odd:
            return ["utf-16-be"]
        return []
    if len(head.translate(None, CONTROL)) < len(head):
        return []
    return ["utf-8", "cp1252"]
