"""Two tries tell since when two copies differ, and never too late a time."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2s

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.budgets.ledger.merkle import DIGITS, EPOCH, first_difference

MINUTES = st.sets(st.integers(29_000_000, 29_000_400), max_size=30)


def base_3(number):
    digits = ""
    while number:
        digits, number = str(number % 3) + digits, number // 3
    return digits.rjust(DIGITS, "0")


def trie(minutes):
    """Sum the minutes up as Actual does, with another hash of 32 bits.

    Not with a CRC: being linear, the sums of some sets cancel each other out.
    """
    root = {}
    for minute in minutes:
        digest = blake2s(str(minute).encode(), digest_size=4).digest()
        node, hash_ = root, int.from_bytes(digest)
        for digit in ["", *base_3(minute)]:
            node = node.setdefault(digit, {}) if digit else node
            node["hash"] = node.get("hash", 0) ^ hash_
    return root


def pruned(node):
    """Keep the two newest branches of each node, as the server does."""
    keys = sorted(key for key in node if key != "hash")[-2:]
    kept = {key: pruned(node[key]) for key in keys}
    return {**kept, **({"hash": node["hash"]} if "hash" in node else {})}


def at(minute):
    return EPOCH + timedelta(minutes=minute)


@settings(deadline=None, max_examples=300)
@given(MINUTES, MINUTES)
def test_the_time_is_never_too_late(ours, theirs):
    for prune in (lambda node: node, pruned):
        found = first_difference(prune(trie(ours)), prune(trie(theirs)))
        if ours == theirs:
            assert found is None
        else:
            assert found <= at(min(ours ^ theirs))


@settings(deadline=None)
@given(MINUTES.filter(bool), st.integers(29_000_401, 29_000_500))
def test_what_is_new_is_not_all_that_there_is(known, new):
    known = known | {new - 3}  # a copy that has seen a neighbour
    found = first_difference(trie(known), trie(known | {new}))
    assert at(new) - found <= timedelta(minutes=3**7)


def test_what_came_late_under_a_pruned_branch_is_not_hidden_by_what_is_new():
    seen = {29_000_000, 29_000_027, 29_000_054}
    ours = pruned(trie(seen))
    theirs = pruned(trie(seen | {29_000_001, 29_000_055}))
    assert first_difference(ours, theirs) <= at(29_000_001)


def test_a_first_copy_lacks_everything():
    assert first_difference({}, {}) is None
    assert first_difference({}, trie({29_000_000})) == EPOCH
