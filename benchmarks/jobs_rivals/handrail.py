"""Our own contender. Its kind stands in `noop_kind`, which needs the engine."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.jobs_rivals.contenders import CELERY_WORKER, Contender, count

KIND = "benchmarks.noop"
# The clock may start jobs of the product's own schedules meanwhile.
OURS = f"FROM jobs_job job WHERE job.type = '{KIND}'"


class Handrail(Contender):
    """Recorded with one step, an attempt and every event; leased and fenced."""

    name = "handrail"
    kept = "job, step, attempt, events; delivered again"
    environ = {"BENCH_IMPORTS": "benchmarks.jobs_rivals.noop_kind"}
    tables = ("jobs_job",)  # what hangs on it goes with it

    def commands(self, workers: int) -> list[Sequence[str]]:
        # With its clock, as in production: what that costs is ours to pay.
        return [
            (*CELERY_WORKER, "--concurrency", str(workers)),
            ("manage.py", "scheduler"),
        ]

    def enqueue(self, index: int) -> None:
        from benchmarks.jobs_rivals import noop_kind

        noop_kind.enqueue(index)

    def finished(self, jobs: int) -> bool:
        return count(f"SELECT count(*) {OURS} AND status = 'succeeded'") >= jobs

    def check(self, jobs: int) -> None:
        """Every job, its one step, its one attempt and the five events of both."""
        assert count(f"SELECT count(*) {OURS}") == jobs
        whole = f"""
            SELECT count(*) {OURS} AND status = 'succeeded'
            AND (SELECT array_agg(status || ' ' || step_type)
                 FROM jobs_jobstep WHERE job_id = job.id) = '{{succeeded work}}'
            AND (SELECT array_agg(outcome || ' ' || number)
                 FROM jobs_jobattempt WHERE job_id = job.id) = '{{succeeded 1}}'
            AND (SELECT array_agg(status::text ORDER BY created_at, id)
                 FROM jobs_jobevent
                 WHERE job_id = job.id AND step_id IS NULL)
                = '{{queued,running,succeeded}}'
            AND (SELECT array_agg(status::text ORDER BY created_at, id)
                 FROM jobs_jobevent
                 WHERE job_id = job.id AND step_id IS NOT NULL)
                = '{{running,succeeded}}'
        """  # noqa: S608  (nothing of it comes from outside)
        assert count(whole) == jobs, "a job without its step, attempt or events"
