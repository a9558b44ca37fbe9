"""A run as the work sees it: where it may be stopped, and how it says how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import models, transaction

from jobs.actions.kinds import Kind
from jobs.actions.writing import lending, together
from jobs.models import Job, JobAttempt, JobEvent, JobStep, LeaseLost
from jobs.models.tracked import Status

PROGRESS_SECONDS = 1.0
CANCELED, TIMED_OUT, HANDED_BACK, LOST = "canceled", "timed_out", "handed_back", "lost"


class Stopped(Exception):
    """The run is to end at this safe point; let it through, and clean up on the way."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Run:
    """One attempt at a job, in the worker that has its lease."""

    def __init__(self, job: Job, kind: Kind) -> None:
        self.job = job
        self.kind = kind
        self.step: JobStep | None = next((s for s in job.ordered if not s.ended), None)
        # Merged into the job's result when the step ends.
        self.result: dict[str, Any] = {}
        self.started = time.monotonic()
        self.completed = 0
        self.told: tuple[str, float] | None = None  # why to stop, and since when
        self.killed: float | None = None  # when its processes were
        self.unwritten = False  # is there progress that nobody sees yet?
        self._written = 0.0
        self._shown: tuple[int, int | None, str] = (0, None, "")

    @property
    def subject(self) -> models.Model:
        """Return what the job works on. Raises SubjectGone when it was deleted."""
        found: models.Model | None = self.job.subject
        if found is None:
            raise SubjectGone(str(self.job.pk))
        return found

    def tell(self, why: str) -> None:
        """Ask the run to stop, from another thread; the first reason counts.

        Handing back waits for the work, so that every other reason goes before it.
        """
        if self.told is None or self.told[0] == HANDED_BACK != why:
            self.told = why, time.monotonic()

    def checkpoint(self) -> None:
        """End the run here if it was told to stop. Raises Stopped."""
        if self.told:
            raise Stopped(self.told[0])

    def progress(
        self, done: int, total: int | None = None, phase: str | None = None
    ) -> None:
        """Show how far the step is; at most one write a second. A safe point.

        What comes sooner is written by the guard, when the second is over. Raises
        Stopped; LeaseLost when another worker has the job.
        """
        self.checkpoint()
        words = self._shown[2] if phase is None else str(phase)[:200]
        self._shown = done, total, words
        self.unwritten = True
        if time.monotonic() - self._written >= PROGRESS_SECONDS and not self.show():
            raise LeaseLost(str(self.job.pk))

    def show(self) -> bool:
        """Write the progress; False when the job is no longer ours."""
        self.unwritten, self._written = False, time.monotonic()
        mine = Job.objects.held_by(self.job.fence).filter(pk=self.job.pk)
        return bool(mine.update(**self.shown()))

    def shown(self) -> dict[str, Any]:
        done, total, phase = self._shown
        return {"done": done, "total": total, "phase": phase}

    def note(self, message: str) -> None:
        """Leave a line in the job's history, for people. Raises LeaseLost."""
        with self.fenced():
            JobEvent.objects.create(
                job=self.job, step=self.step, status=Status.RUNNING, message=message
            )

    def remember(self, **facts: Any) -> None:
        """Write facts into the job's metadata, for whoever comes after this run.

        None takes one out again. Raises LeaseLost.
        """
        known = self.job.metadata | facts
        known = {name: fact for name, fact in known.items() if fact is not None}
        mine = Job.objects.held_by(self.job.fence).filter(pk=self.job.pk)
        if not mine.update(metadata=known):
            raise LeaseLost(str(self.job.pk))
        self.job.metadata = known

    @contextmanager
    def completing(self) -> Iterator[None]:
        """Write a step's effects and its completion in one transaction: both or none.

        The work returns after it. Raises LeaseLost, before the block, when another
        worker has the job: what it writes is then not written twice.
        """
        with self.fenced():
            yield
            self.complete()

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """Keep the job ours while the block lasts. Raises LeaseLost before it."""
        with transaction.atomic():
            mine = Job._base_manager.select_for_update()
            if not mine.filter(
                pk=self.job.pk,
                status=Status.RUNNING,
                worker=self.job.worker,
                attempt=self.job.attempt,
            ).exists():
                raise LeaseLost(str(self.job.pk))
            yield

    def complete(self) -> None:
        """End the present step, and begin the next one or end the job."""
        with together(), lending(self.job, self.job.ordered) as lend:
            if self.step:
                self.step.succeed()
            following = next((s for s in lend.steps if not s.ended), None)
            if self.result:
                lend.values["result"] = self.job.result | self.result
            lend.values |= self.shown()
            if following:
                following.begin()
                lend.values |= {"done": 0, "total": None, "phase": ""}
            else:
                self.job.succeed()
                lend.end_attempt(JobAttempt.Outcome.SUCCEEDED)
        self.completed += 1
        self.job.result |= self.result
        self.result = {}
        self._shown, self._written, self.unwritten = (0, None, ""), 0.0, False
        self.step = following


class SubjectGone(Exception):
    """What the job was about was deleted meanwhile: there is nothing left to do."""
