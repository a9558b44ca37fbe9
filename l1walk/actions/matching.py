"""Which flow fits a problem text: one score in Python, the same on every database.

Asking PostgreSQL for the words costs more than reading the flows: for an account of 60
flows ``to_tsvector`` took 32 ms, reading them 1 ms. So an account's flows are scored
here, all of them up to CANDIDATES; beyond that PostgreSQL's trigrams choose which.
Altogether that is 10 ms for 60 flows and 171 ms for 2,000 of one account.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import fsum, log1p
from sys import intern

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Left

from l1walk.models import Flow
from workflows.core.accounts import User

# From STRONG on, and that far ahead of the next flow, the walk starts at once. From
# NEAR on, of what the most telling word weighs, a flow is suggested: where a team has
# a flow for every building, no word tells much. Measured in tests/test_matching.py.
STRONG, AHEAD = 0.42, 1.7
NEAR = 0.13
SHOWN = 6
CANDIDATES = 200
COMPARED = 400  # characters by which trigrams choose the candidates
MOST_WORDS = 100  # of a problem: comparing more for typing errors takes too long

# What a word counts by where the flow has it. A flow says in its first lines when to
# use it; its questions name everything that might be wrong.
IN_TITLE, IN_KEYWORDS, IN_SUMMARY, IN_QUESTIONS = 1.0, 0.9, 0.6, 0.3
UNKNOWN = 0.25  # what a word costs that no flow has: callers tell stories
DOUBT = 0.8  # what is always unsaid, so that one weak word is never a whole match
SIMILAR = 0.5  # from here on an unknown word counts as a typing error
SHORTEST_TYPO = 5  # letters; shorter words resemble everything

WORD = re.compile(r"[^\W_]+")
APOSTROPHE = re.compile("['\u2019]")
# Both are written with and without a hyphen, and with the one that does not break.
JOINED = re.compile(r"\b(wi|e)[-\u2010](fi|mails?)\b")
SAME_AS = {
    "pw": "password",
    "pwd": "password",
    "passwort": "password",
    "wlan": "wifi",
    "pc": "computer",
    "mic": "microphone",
}
_STOP = """
    a about after again all also am an and any are as at be because been before being
    but by can cannot cant come comes coming could did didnt do does doesnt doing dont
    down for from get gets getting go goes going got had has have havent having he hello
    help her here hi him his how i if im in into is isnt it its ive just keep keeps like
    made make makes me my need needed needs new no not now of off on one only or our out
    over please problem says see she should since so some still than thanks that the
    their them then there these they thing this to today too trying up us use used user
    uses using very want was wasnt we went were what when where which while who why will
    with wont work works working would yes yesterday you your
"""
STOP_WORDS = frozenset(_STOP.split())
ENDINGS = ("ings", "ing", "ers", "ed", "es", "er", "s")


@dataclass(frozen=True, slots=True)
class Match:
    """A flow, how well it fits, from 0 to 1, and whether to start on it unasked."""

    flow: Flow
    score: float
    strong: bool


def words(text: str) -> list[str]:
    """Return the telling words of a text, folded."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in folded if not unicodedata.combining(sign))
    found = WORD.findall(JOINED.sub(r"\1\2", APOSTROPHE.sub("", plain)))
    return [SAME_AS.get(w, w) for w in found if w not in STOP_WORDS and len(w) > 1]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Cut common English endings, so that "printing" and "prints" meet "print"."""
    if word.endswith("ies") and len(word) > 4:
        return intern(f"{word[:-3]}y")
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    else:
        word = word.removesuffix("e") if len(word) > 3 else word
    # "dropped" was "drop", and "call" becomes what "calling" became.
    return intern(word[:-1] if len(word) > 3 and word[-1] == word[-2] else word)


def telling(text: str) -> dict[str, str]:
    """Return the problem's words by their stems: what is said first, if it is long."""
    found = {stem(word): word for word in words(text)}
    return dict(islice(found.items(), MOST_WORDS))


def rank_flows(user: User, text: str) -> list[Match]:
    """Return the published flows that fit, best first, at most SHOWN. One query."""
    if not (asked := telling(text)):
        return []
    rows = Flow.objects.visible_to(user).filter(state=Flow.State.PUBLISHED)
    found = likeliest(rows, asked.values()).select_related("current_version")
    found = found.defer("draft", "draft_notes", "current_version__definition")
    return ranked(list(found), asked)


def likeliest(rows: QuerySet[Flow], asked: Iterable[str]) -> QuerySet[Flow]:
    """Return the rows worth scoring: all of an ordinary account."""
    if connection.vendor != "postgresql":
        return rows
    # The text begins with title and keywords or, where there are none, the questions.
    head = Left("search_text", COMPARED)
    near = TrigramWordSimilarity(" ".join(asked)[:COMPARED], head)
    return rows.order_by(near.desc(), "title")[:CANDIDATES]


def ranked(flows: list[Flow], asked: dict[str, str]) -> list[Match]:
    """Return what fits of the flows, best first."""
    scores, heaviest = scored([vocabulary(flow) for flow in flows], asked)
    near = NEAR * heaviest
    order = sorted(
        zip(scores, flows, strict=True), key=lambda row: (-row[0], row[1].title)
    )
    scores = sorted(scores, reverse=True)
    clear = len(scores) < 2 or scores[0] >= AHEAD * scores[1]
    return [
        Match(flow, score, strong=place == 0 and clear and score >= STRONG)
        for place, (score, flow) in enumerate(order[:SHOWN])
        if score >= near > 0
    ]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A flow's words: what each counts, and those that a typing error may mean."""

    counts: dict[str, float]
    heads: dict[str, float]

    def meaning(self, meant: dict[str, float]) -> float:
        """Return what the likeliest counts of the words that a misspelt one means."""
        found = meant.keys() & self.heads.keys()
        return max((meant[head] * self.heads[head] for head in found), default=0.0)


def vocabulary(flow: Flow) -> Vocabulary:
    category = flow.category.replace("_", " ")
    return _vocabulary(
        (flow.search_text, IN_QUESTIONS),
        (flow.summary, IN_SUMMARY),
        (f"{flow.keywords} {category}", IN_KEYWORDS),
        (flow.title, IN_TITLE),
    )


@lru_cache(maxsize=2_000)
def _vocabulary(*parts: tuple[str, float]) -> Vocabulary:
    found = Vocabulary({}, {})
    for text, count in parts:  # what counts most comes last
        for word in words(text):
            found.counts[stem(word)] = count
            if count >= IN_KEYWORDS:
                found.heads[intern(word)] = count
    return found


def scored(flows: list[Vocabulary], asked: dict[str, str]) -> tuple[list[float], float]:
    """Return for each flow the share that it explains, and the heaviest word's weight.

    A word weighs the less, the more of the flows have it: "computer" tells little,
    "vpn" much. ``asked`` is the problem's words by their stems.
    """
    told, heaviest, explained = DOUBT, 0.0, [0.0] * len(flows)
    heads = {head for flow in flows for head in flow.heads}
    for cut, word in asked.items():
        counts = [flow.counts.get(cut, 0.0) for flow in flows]
        if not any(counts) and len(word) >= SHORTEST_TYPO:
            meant = resembling(word, heads)
            counts = [flow.meaning(meant) for flow in flows]
        most = max(counts, default=0.0)
        if not most:
            told += UNKNOWN
            continue
        weight = rarity(fsum(counts) / most, len(flows))
        told, heaviest = told + weight, max(heaviest, weight)
        for place, count in enumerate(counts):
            explained[place] += weight * count
    return [value / told for value in explained], heaviest


def rarity(holders: float, flows: int) -> float:
    """Return how much a word tells, from 1 when one of very many flows has it."""
    return (log1p(flows / holders) / log1p(flows)) ** 2


def resembling(word: str, heads: set[str]) -> dict[str, float]:
    """Return which words a misspelt one may mean, and how alike they are."""
    mine, found = trigrams(word), {}
    for head in heads:
        theirs = trigrams(head)
        alike = 2 * len(mine & theirs) / (len(mine) + len(theirs))
        if alike >= SIMILAR:
            found[head] = alike
    return found


@lru_cache(maxsize=20_000)
def trigrams(word: str) -> frozenset[str]:
    """Return what pg_trgm calls a word's trigrams."""
    padded = f"  {word} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))
