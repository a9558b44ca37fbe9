"""What the nightly purge costs: python -m benchmarks.purge [JOBS] [--only turns,claims]

A million jobs that ended long ago, with two steps, three to six events and an attempt
each, beside a tenth as many that are kept. `manage.py purge`, a process as cron starts
it, and SQL written by hand delete them from equal copies, in turn. Then a purge runs
beside fifty claims a second, and one is killed in the middle and run again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from benchmarks.ground import product
from benchmarks.purge_rivals import by_hand, children_first

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("jobs_job", "jobs_jobstep", "jobs_jobevent", "jobs_jobattempt")
CLAIMS = 50  # a second
LOOK_SECONDS = 0.01
TURN_SECONDS = 1.0

# Ids are UUIDv7 of the start, as the product's are.
UUID7 = """
CREATE FUNCTION uuid7_of(at timestamptz, salt text) RETURNS uuid LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(salt), 1, 3) || '8' || substr(md5(salt), 4, 15))::uuid $$
"""
JOBS = """
INSERT INTO jobs_job (
    id, account_id, type, status, created_at, started_at, completed_at, failure_reason,
    metadata, result, queue, run_after, exclusive_key, unique_key, attempt,
    max_attempts, worker, lease_until, timed_out, done, phase
)
SELECT uuid7_of(at, status || n), %(account)s, 'bench.old', status, at,
    CASE WHEN status <> 'queued' THEN at END,
    CASE WHEN status NOT IN ('queued', 'running') THEN at + interval '2 s' END,
    CASE status WHEN 'failed' THEN 'The other side did not answer.' END,
    '{"trigger": "schedule"}', '{"rows": 12}', 'old', at, '', '', 1, 4, 'host:1:abcdef',
    CASE status WHEN 'running' THEN now() + interval '1 day' END, false, 12, 'Reading'
FROM (
    SELECT n, now() - interval '1 day'
            * (%(youngest)s + %(days)s * (1 - n / %(rows)s::float)) AS at,
        coalesce(%(status)s, CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END)
            AS status
    FROM generate_series(1, %(rows)s) AS n
) AS made
"""
CHILDREN = (
    """
    INSERT INTO jobs_jobstep (
        id, job_id, step_type, position, status, started_at, completed_at
    )
    SELECT uuid7_of(created_at, 's' || n || id), id, 'step ' || n, n, 'canceled',
        started_at, coalesce(completed_at, now())
    FROM jobs_job, generate_series(1, 2) AS n ORDER BY id, n
    """,
    """
    INSERT INTO jobs_jobevent (id, job_id, status, message, created_at)
    SELECT uuid7_of(created_at, 'e' || n || id), id, 'running', '', created_at
    FROM jobs_job, generate_series(1, 3 + abs(hashtext(id::text)) % 4) AS n
    ORDER BY id, n
    """,
    """
    INSERT INTO jobs_jobattempt (
        id, job_id, number, worker, started_at, outcome, category, reason, traceback
    )
    SELECT uuid7_of(created_at, 'a' || id), id, 1, worker, started_at, 'succeeded', '',
        '', ''
    FROM jobs_job
    """,
)
OLDEST = """
SELECT max(clock_timestamp() - xact_start) FROM pg_stat_activity
WHERE datname = %s AND backend_type = 'client backend' AND application_name <> 'claims'
"""
OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()
AND backend_type = 'client backend'
"""
CHECKSUM = """
SELECT count(*), sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint)
FROM {table} AS t
"""


class Turn(NamedTuple):
    """What one purge took."""

    seconds: float
    longest: float  # transaction, in seconds
    peak: float  # MB of the process


def main() -> None:
    options = arguments()
    with product():
        server = Server()
        server.fill(options.jobs)
        if "plans" in options.only:
            print_plans(server)
        if "turns" in options.only:
            print_turns(in_turn(server, options.rounds), options.jobs)
        if "claims" in options.only:
            print_claims(server)
        if "killed" in options.only:
            print_killed(server)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quiet", type=float, default=20, help="seconds of claims alone"
    )
    parser.add_argument("--only", default="plans,turns,claims,killed")
    return parser.parse_args()


class Server:
    """The lent PostgreSQL, its filled database and copies of it."""

    def __init__(self) -> None:
        self.url, _, self.name = os.environ["DATABASE_URL"].rpartition("/")

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(f"{self.url}/{database}", autocommit=True)

    def fill(self, jobs: int) -> None:
        from django.db import connection

        from tests.conftest import make_account

        account = make_account("bench").pk
        connection.close()
        with self.connect(self.name) as database:
            database.execute(UUID7)
            for rows, youngest, days, status in (
                (jobs, 31, 60, None),
                (jobs // 10, 1, 28, None),
                (100, 40, 60, "queued"),
                (50, 40, 60, "running"),
            ):
                values = {"rows": rows, "youngest": youngest, "days": days}
                values |= {"status": status, "account": account}
                database.execute(JOBS, values)
            for statement in CHILDREN:
                database.execute(statement)
            database.execute("VACUUM ANALYZE")

    @contextmanager
    def copy(self) -> Iterator[str]:
        """Lend a copy of the filled database."""
        with self.connect() as admin:
            admin.execute(f"CREATE DATABASE copied TEMPLATE {self.name}")
            admin.execute("CHECKPOINT")
            try:
                yield "copied"
            finally:
                admin.execute("DROP DATABASE copied WITH (FORCE)")

    @contextmanager
    def watched(self, database: str) -> Iterator[list[float]]:
        """Look every 10 ms how old the database's oldest transaction is."""
        seen, stop = [0.0], threading.Event()

        def look() -> None:
            with self.connect() as watcher:
                while not stop.wait(LOOK_SECONDS):
                    row = watcher.execute(OLDEST, [database]).fetchone()
                    if row and row[0]:
                        seen.append(row[0].total_seconds())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join()

    def fingerprint(self, database: str) -> tuple[Any, ...]:
        """Return how much is in each table, and a checksum of all that it says."""
        with self.connect(database) as connection:
            # The server may still be ending what a killed process has left.
            while connection.execute(OTHERS, [database]).fetchone() != (0,):
                time.sleep(LOOK_SECONDS)
            return tuple(
                connection.execute(CHECKSUM.format(table=table)).fetchone()
                for table in TABLES
            )


# --- the contenders -------------------------------------------------------------------
def start_purge(server: Server, database: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "purge", "--only=jobs"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"{server.url}/{database}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def end_of(process: subprocess.Popen[str]) -> float:
    """Wait for the process; return its peak memory in MB."""
    peak = 0
    while process.poll() is None:
        # The kernel's own high-water mark; a process that ends has none any more.
        with suppress(OSError, TypeError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]
        time.sleep(LOOK_SECONDS)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return peak / 1024


def handrail(server: Server, database: str) -> float:
    return end_of(start_purge(server, database))


def rival(
    purge: Callable[[psycopg.Connection[Any]], None],
) -> Callable[[Server, str], float]:
    def run(server: Server, database: str) -> float:
        with server.connect(database) as connection:
            purge(connection)
        return 0  # this process has other things in memory

    return run


CONTENDERS = {
    "`manage.py purge`": handrail,
    "by hand": rival(by_hand),
    "by hand, children first": rival(children_first),
}


def in_turn(server: Server, rounds: int) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {name: [] for name in CONTENDERS}
    ends = set()
    for number in range(rounds):
        for name, contender in CONTENDERS.items():
            with server.copy() as database:
                with server.watched(database) as seen:
                    started = time.monotonic()
                    peak = contender(server, database)
                    seconds = time.monotonic() - started
                turns[name].append(Turn(seconds, max(seen), peak))
                ends.add(server.fingerprint(database))
            print(f"round {number + 1}: {name} {turns[name][-1]}", file=sys.stderr)
    assert len(ends) == 1, "the contenders do not agree on what is old"
    return turns


# --- what is printed ------------------------------------------------------------------
def print_turns(turns: dict[str, list[Turn]], jobs: int) -> None:
    print(
        f"\n| purge of {jobs:,} jobs | seconds | ratio | longest transaction | peak |"
    )
    print("|---|---|---|---|---|")
    for name, taken in turns.items():
        # Of the same round: the machine's speed drifts between rounds.
        pairs = zip(taken, turns["by hand"], strict=True)
        ratio = statistics.median(own.seconds / hand.seconds for own, hand in pairs)
        seconds = statistics.median(turn.seconds for turn in taken)
        longest = statistics.median(turn.longest for turn in taken)
        peak = max(turn.peak for turn in taken)
        shown = f"{peak:.0f} MB" if peak else "-"
        print(f"| {name} | {seconds:.1f} | {ratio:.2f} | {longest:.2f} s | {shown} |")


def print_plans(server: Server) -> None:
    """Print by which index each statement of a chunk goes, in the full table."""
    from django.db import connection, transaction

    from jobs.actions.retention import CHILDREN as MODELS
    from jobs.models import Job
    from workflows.core.purge import Pace, delete_ranges

    seen: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if re.match("SELECT|DELETE", sql):
            seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - interval '30 days'")
        old = Job.objects.filter(completed_at__lt=cursor.fetchone()[0])
        with transaction.atomic():
            ranges = delete_ranges(old, *MODELS, pace=Pace(5_000, most=5_000))
            next(ranges)
            with connection.execute_wrapper(note):
                next(ranges)
            transaction.set_rollback(True)
        print("\n| statement | goes by |\n|---|---|")
        for sql, params in seen:
            cursor.execute(f"EXPLAIN {sql}", params)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert not re.search("Seq Scan|Nested Loop", plan), plan
            indexes = re.findall(r"(?:using|Scan on) (ix_\w+|uq_\w+|\w+_pkey)", plan)
            [table] = re.findall(r'FROM "(\w+)"', sql)[:1]
            print(f"| {sql.split()[0]} {table} | {', '.join(indexes)} |")
    connection.close()


def print_claims(server: Server) -> None:
    """Print what claims take beside a purge, and while the same purge is held up.

    It works and stands still in turns of a second: the machine's speed drifts, the
    ratio stays.
    """
    with server.copy() as database, claiming(server, database) as claims:
        turns: dict[str, list[tuple[float, float]]] = {
            "alone": [],
            "beside a purge": [],
        }
        process = start_purge(server, database)
        while process.poll() is None:
            for name, order in zip(
                turns, (signal.SIGSTOP, signal.SIGCONT), strict=True
            ):
                process.send_signal(order)
                began = time.monotonic()
                time.sleep(TURN_SECONDS)
                # What the order before began is over by then.
                turns[name].append((began + TURN_SECONDS / 5, time.monotonic()))
        assert end_of(process) == 0
    figures = {
        name: [ms for at, ms in claims if any(a <= at <= b for a, b in spans)]
        for name, spans in turns.items()
    }
    print(f"\n| {CLAIMS} claims a second | claims | median, ms | p95, ms |")
    print("|---|---|---|---|")
    ends = []
    for name, taken in figures.items():
        ends.append((statistics.median(taken), statistics.quantiles(taken, n=20)[-1]))
        print(f"| {name} | {len(taken)} | {ends[-1][0]:.2f} | {ends[-1][1]:.2f} |")
    (alone, alone95), (beside, beside95) = ends
    print(f"| ratio | | {beside / alone:.2f} | {beside95 / alone95:.2f} |")


@contextmanager
def claiming(server: Server, database: str) -> Iterator[list[tuple[float, float]]]:
    """Claim at a steady rate in a process beside; the list is filled at the end."""
    environ = {"DATABASE_URL": f"{server.url}/{database}", "PGAPPNAME": "claims"}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.purge_claims", str(CLAIMS)],
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.readline()  # it is warm
    claims: list[tuple[float, float]] = []
    yield claims
    claims += [(at, ms) for at, ms in json.loads(process.communicate()[0])]


def print_killed(server: Server) -> None:
    """SIGKILL in the middle, then a second run: it ends where an unbroken one does."""
    with server.copy() as database:
        full = server.fingerprint(database)
        started = time.monotonic()
        handrail(server, database)
        seconds = time.monotonic() - started
        unbroken = server.fingerprint(database)
    with server.copy() as database:
        process = start_purge(server, database)
        time.sleep(seconds * 0.6)
        process.kill()
        process.communicate()
        half = server.fingerprint(database)
        handrail(server, database)
        again = server.fingerprint(database)
    assert full[0] > half[0] > unbroken[0], "it was not killed in the middle"
    assert again == unbroken
    print("\n| killed in the middle | jobs | steps | events | attempts | checksum |")
    print("|---|---|---|---|---|---|")
    for name, state in (
        ("before", full),
        ("when killed", half),
        ("run again", again),
        ("never killed", unbroken),
    ):
        counts = " | ".join(f"{count:,}" for count, _sum in state)
        checksum = sum(part for _count, part in state) % 16**8
        print(f"| {name} | {counts} | {int(checksum):08x} |")


if __name__ == "__main__":
    main()
