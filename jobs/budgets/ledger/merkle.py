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

    Old branches may have been pruned on either side: where one lacks a branch, all
    that lies under its parent counts as different.
    """
    if digest(ours) == digest(theirs):
        return None
    path = ""
    while len(path) < DIGITS:
        branch = next(
            (key for key in "012" if differs(ours.get(key), theirs.get(key))), None
        )
        if branch is None or not (ours.get(branch) and theirs.get(branch)):
            break
        ours, theirs = ours[branch], theirs[branch]
        path += branch
    return EPOCH + timedelta(minutes=int(path.ljust(DIGITS, "0"), 3))


def differs(ours: Trie | None, theirs: Trie | None) -> bool:
    if ours is None or theirs is None:
        return ours is not theirs
    return digest(ours) != digest(theirs)


def digest(trie: Trie) -> int:
    return int(trie.get("hash") or 0)
