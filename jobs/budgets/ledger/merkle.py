"""When two copies of a budget began to differ, told from their Merkle tries.

Actual sums every message's timestamp up in a trie whose keys are base-3 digits of the
minute since 1970. A client that asks only for messages after its own clock misses those
that another device made earlier and sent later; the tries show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIGITS = 16  # of a minute in base 3
Trie = Mapping[str, Any]


def first_difference(ours: Trie, theirs: Trie) -> datetime | None:
    """Return a time at or before the earliest difference, ``None`` if there is none.

    Old branches may have been pruned on either side. Where one lacks a branch, or where
    the branches left do not add up to the difference of their parent, all that lies
    under the parent counts as different.
    """
    if digest(ours) == digest(theirs):
        return None
    path = ""
    while len(path) < DIGITS:
        branch = next(
            (key for key in "012" if differs(ours.get(key), theirs.get(key))), None
        )
        if branch is None or hides_some(ours, theirs):
            break
        if not (ours.get(branch) and theirs.get(branch)):
            break
        ours, theirs = ours[branch], theirs[branch]
        path += branch
    return EPOCH + timedelta(minutes=int(path.ljust(DIGITS, "0"), 3))


def differs(ours: Trie | None, theirs: Trie | None) -> bool:
    if ours is None or theirs is None:
        return ours is not theirs
    return digest(ours) != digest(theirs)


def hides_some(ours: Trie, theirs: Trie) -> bool:
    """Is there a difference in a branch that is no longer there?"""
    rest = digest(ours) ^ digest(theirs)
    for key in "012":
        rest ^= digest(ours.get(key) or {}) ^ digest(theirs.get(key) or {})
    return rest != 0


def digest(trie: Trie) -> int:
    return int(trie.get("hash") or 0)
