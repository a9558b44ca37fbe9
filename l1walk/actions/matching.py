"""Which flow fits a problem text: candidates from the database, one score for all."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.postgres.search import (
    SearchQuery,
    SearchVector,
    TrigramWordSimilarity,
)
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Greatest

from l1walk.models import Flow
from workflows.core.accounts import User

# From STRONG on the walk starts at once; from NEAR on the flow is suggested. Measured
# on the demo tickets (l1walk/tests/test_matching.py): no wrong start, no lost hint.
STRONG = 0.55
NEAR = 0.18
CANDIDATES = 60
SHOWN = 6

WORD = re.compile(r"[^\W_]+")
STOP_WORDS = frozenset(
    """a about after again all also am an and any are as at be because been before being
    but by can cannot cant could did didnt do does doesnt doing dont down for from get
    gets getting got had has have havent having he hello help her here hi him his how i
    if im in into is isnt it its ive just keep keeps like me my new no not now of off on
    one only or our out over please problem says see she should since so some still than
    thanks that the their them then there these they thing this to today too trying up
    us user very want was wasnt we were what when where which while who why will with
    wont work works working would yes yesterday you your""".split()
)


@dataclass(frozen=True, slots=True)
class Match:
    """A flow and how well it fits, from 0 to 1."""

    flow: Flow
    score: float

    @property
    def strong(self) -> bool:
        return self.score >= STRONG


def words(text: str) -> list[str]:
    """Return the telling words of a text, folded and with their endings cut."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in folded if not unicodedata.combining(c)).replace("'", "")
    found = WORD.findall(plain.replace("wi-fi", "wifi").replace("e-mail", "email"))
    return [stem(word) for word in found if word not in STOP_WORDS and len(word) > 1]


def stem(word: str) -> str:
    """Cut common English endings, so that "printing" and "prints" meet "print"."""
    for ending in ("ings", "ing", "ers", "ies", "ed", "es", "er", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            cut = word[: -len(ending)]
            return cut[:-1] if cut[-2:-1] == cut[-1:] else cut
    return word.removesuffix("e") if len(word) > 4 else word


def rank_flows(user: User, text: str) -> list[Match]:
    """Return the published flows that fit, best first, at most SHOWN."""
    asked = words(text)
    if not asked:
        return []
    rows = Flow.objects.visible_to(user).filter(state=Flow.State.PUBLISHED)
    rows = candidates(rows, text, asked).defer("draft")
    matches = [Match(flow, score) for flow, score in scored(list(rows), asked)]
    matches.sort(key=lambda match: (-match.score, match.flow.title))
    return [match for match in matches if match.score >= NEAR][:SHOWN]


def candidates(rows: QuerySet[Flow], text: str, asked: list[str]) -> QuerySet[Flow]:
    """Return the rows worth scoring: all of a small account, else the likeliest."""
    if connection.vendor != "postgresql":
        return rows.order_by("title")[: CANDIDATES * 10]
    query = SearchQuery(
        " | ".join(sorted(set(asked))), search_type="raw", config="english"
    )
    return (
        rows.annotate(
            near=Greatest(
                TrigramWordSimilarity(text[:300], "title"),
                TrigramWordSimilarity(text[:300], "keywords"),
            ),
            vector=SearchVector("search_text", config="english"),
        )
        .filter(Q(vector=query) | Q(near__gte=0.3))
        .order_by("-near", "title")[:CANDIDATES]
    )


def scored(flows: list[Flow], asked: list[str]) -> Iterable[tuple[Flow, float]]:
    """Yield each flow with the share of the problem's weight that it explains.

    A word weighs by how few of the candidates have it; it counts whole in title,
    keywords and category, less in the questions (BM25's idea of rarity, without its
    length terms: flows are short).
    """
    heads = [
        set(words(f"{flow.title} {flow.keywords} {flow.category.replace('_', ' ')}"))
        for flow in flows
    ]
    bodies = [set(words(flow.search_text)) for flow in flows]
    seen = Counter(word for body in bodies for word in body)
    weight = {
        word: math.log(1 + (len(flows) + 1) / (seen[word] + 0.5)) for word in set(asked)
    }
    total = sum(weight.values())
    for flow, head, body in zip(flows, heads, bodies, strict=True):
        found = sum(
            weight[word] * (1.0 if word in head else 0.35 if word in body else 0.0)
            for word in weight
        )
        yield flow, found / total
