"""Everybody who can be named on the command line, in the order of the table."""

from __future__ import annotations

from benchmarks.jobs_rivals import contenders
from benchmarks.jobs_rivals.contenders import Contender
from benchmarks.jobs_rivals.handrail import Handrail

LIMIT = contenders.Celery.name
CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        contenders.Celery(),
        Handrail(),
        contenders.Procrastinate(),
        contenders.DjangoQRedis(),
        contenders.DjangoQUnsaved(),
        contenders.DjangoQOrm(),
    )
}
