"""Lists at a thousand and at a million rows: python -m benchmarks.lists [ROWS]

As many walks as jobs and support cases. Both databases stand side by side on one server
and are asked in turn; a figure is the median time of a whole request, and the ratio is
the large over the small one. Reports of queues count what ended: they grow with the
days they show.
"""

from __future__ import annotations

import base64
import json
import statistics
import sys
import time
from datetime import timedelta
from typing import Any

import psycopg

from benchmarks.ground import Browser, product, signed_in

SMALL, LARGE = 1_000, 1_000_000
ROUNDS = 25

# Walks of one account over a year: 1 in 50 waits or is claimed, 1 in 5 was closed by an
# engineer, 1 in 100 is still open. Ids are UUIDv7 of the start, as the product's are.
WALKS = """
INSERT INTO l1_walk_sessions (
    id, account_id, created_by_user_id, start_key, ticket_id, ticket_kind, caller_name,
    caller_contact, session_kind, problem_text, flow_id, flow_version_id,
    current_node_id, version, last_seq, status, handoff, handoff_outcome, handoff_notes,
    claimed_by_id, claimed_at, handoff_closed_at, escalation_reason_category,
    started_at, last_step_at, resolved_at, escalated_at
)
SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
    %(account)s, CASE WHEN n %% 7 = 0 THEN %(me)s ELSE %(other)s END::uuid,
    gen_random_uuid(), n::text, 'psa', 'Caller ' || n, 'ext. ' || n, 'flow',
    'Problem number ' || n, %(flow)s, %(version)s, 'again', 3, 3, status,
    CASE status WHEN 'escalated' THEN
        CASE WHEN n %% 50 = 1 THEN 'waiting' ELSE 'closed' END ELSE '' END,
    CASE WHEN status = 'escalated' AND n %% 50 <> 1 THEN 'fixed' ELSE '' END, '',
    CASE WHEN status = 'escalated' AND n %% 50 <> 1 THEN %(other)s END::uuid,
    CASE WHEN status = 'escalated' AND n %% 50 <> 1 THEN at END,
    CASE WHEN status = 'escalated' AND n %% 50 <> 1 THEN at END,
    CASE status WHEN 'escalated' THEN 'needs_access' END,
    at, at, CASE status WHEN 'resolved' THEN at END,
    CASE status WHEN 'escalated' THEN at END
FROM (
    SELECT n, now() - interval '1 year' * (1 - n / %(rows)s::float) AS at,
        CASE WHEN n %% 50 = 1 OR n %% 5 = 2 THEN 'escalated'
             WHEN n %% 100 = 0 THEN 'active'
             WHEN n %% 11 = 0 THEN 'abandoned' ELSE 'resolved' END AS status
    FROM generate_series(1, %(rows)s) AS n
) AS made
"""
STEPS = """
INSERT INTO l1_walk_steps (
    id, session_id, seq, node_id, node_type, question_text, answer_key, answer_label,
    note, actor_id, shown_at, answered_at, idempotency_key
)
SELECT gen_random_uuid(), id, 1, 'scope', 'question', 'Can anyone else print?', 'a1',
    'Only I cannot', '', created_by_user_id, started_at, last_step_at, gen_random_uuid()
FROM l1_walk_sessions
"""

# Jobs of 30 days, as long as they are kept: 1 in 20 failed, 1 in 50 was canceled, the
# last three run and forty wait. Twenty of them share a subject.
JOBS = """
INSERT INTO jobs_job (
    id, account_id, created_by_id, type, status, queue, created_at, run_after,
    started_at, completed_at, failure_reason, lease_until, worker, attempt,
    max_attempts, subject_type_id, subject_id, metadata, result, exclusive_key,
    unique_key, timed_out, done, phase
)
SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
    %(account)s, CASE WHEN n %% 7 = 0 THEN %(me)s ELSE %(other)s END::uuid,
    CASE WHEN n %% 500 = 0 THEN 'jobs.purge' WHEN n %% 3 = 0
        THEN 'l1walk.abandon_walks' ELSE 'l1walk.notify_engineers' END,
    status, 'default', at, at,
    CASE WHEN status <> 'queued' THEN at + interval '1 second' END,
    CASE WHEN status NOT IN ('queued', 'running') THEN at + interval '9 seconds' END,
    CASE status WHEN 'failed' THEN 'The other side did not answer.' END,
    CASE status WHEN 'running' THEN now() + interval '1 day' END,
    CASE status WHEN 'queued' THEN '' ELSE 'host:1:abcd' END,
    CASE status WHEN 'queued' THEN 0 ELSE 1 END, 4, %(type)s,
    md5((n / 20)::text)::uuid, '{}', '{}', '', '', false, 0, ''
FROM (
    SELECT n, now() - interval '1 minute'
            - interval '30 days' * (1 - n / %(rows)s::float) AS at,
        CASE WHEN n > %(rows)s - 3 THEN 'running'
             WHEN n > %(rows)s - 43 THEN 'queued'
             WHEN n %% 20 = 1 THEN 'failed'
             WHEN n %% 50 = 2 THEN 'canceled' ELSE 'succeeded' END AS status
    FROM generate_series(1, %(rows)s) AS n
) AS made
"""
ATTEMPTS = """
INSERT INTO jobs_jobattempt (
    id, job_id, number, worker, started_at, ended_at, outcome, category, reason,
    traceback
)
SELECT gen_random_uuid(), id, 1, worker, started_at, completed_at, 'failed',
    'temporary', failure_reason, ''
FROM jobs_job WHERE status = 'failed'
"""

# Support cases of a year on twenty hosts: 1 in 10 failed, 1 in 50 is under way.
CASES = """
INSERT INTO workflows_workflowsession (
    id, account_id, created_by_id, host_id, selected_product, current_step, failed_step,
    last_error_code, last_error_text, created_at, updated_at
)
SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
    %(account)s, CASE WHEN n %% 7 = 0 THEN %(me)s ELSE %(other)s END::uuid,
    (%(hosts)s::uuid[])[1 + n %% 20], 'linux', step,
    CASE step WHEN 'failed' THEN 'sos_report' ELSE '' END,
    CASE step WHEN 'failed' THEN 'timeout' ELSE '' END, '', at, at
FROM (
    SELECT n, now() - interval '1 year' * (1 - n / %(rows)s::float) AS at,
        CASE WHEN n %% 10 = 1 THEN 'failed' WHEN n %% 50 = 2 THEN 'sos_report'
             ELSE 'completed' END AS step
    FROM generate_series(1, %(rows)s) AS n
) AS made
"""
REPORTS = """
INSERT INTO workflows_sosreportstate (
    id, account_id, session_id, generation_status, fetch_status, options, run_id,
    fetch_reference, archive_name, archive_sha256
)
SELECT gen_random_uuid(), account_id, id, 'pending', 'pending', '{}', '', '', '', ''
FROM workflows_workflowsession
"""
ATTACHMENTS = """
INSERT INTO workflows_jiraattachmentstate (
    id, account_id, session_id, issue_key, issue_summary, issue_access_verified,
    attachment_status, attachment_id, issue_url
)
SELECT gen_random_uuid(), account_id, id, 'OPS-1', '', false, 'pending', '', ''
FROM workflows_workflowsession
"""


def main() -> None:
    large = int(sys.argv[1]) if len(sys.argv) > 1 else LARGE
    with product():
        report(measure(large), large)


def report(times: dict[str, dict[str, list[float]]], large: int) -> None:
    print(f"| list | {SMALL:,} rows, ms | {large:,} rows, ms | ratio |")
    print("|---|---|---|---|")
    for name, by_size in times.items():
        small, big = (statistics.median(by_size[size]) for size in ("small", "large"))
        print(f"| {name} | {small * 1e3:.1f} | {big * 1e3:.1f} | {big / small:.2f} |")


def measure(large: int) -> dict[str, dict[str, list[float]]]:
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import connection

    from jobs.actions import figures

    figures.KEPT_SECONDS = {"hour": 0, "day": 0}  # each time is measured
    database = settings.DATABASES["default"]
    server = f"postgres://handrail@{database['HOST']}:{database['PORT']}/postgres"
    make_people()
    connection.close()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE small TEMPLATE handrail")
        names = {"small": "small", "large": database["NAME"]}
    application = get_wsgi_application()
    browsers: dict[str, dict[str, Browser]] = {}
    places: dict[str, dict[str, str]] = {}
    for size, rows in (("small", SMALL), ("large", large)):
        use(names[size])
        fill(rows)
        browsers[size] = people_signed_in(application)
        places[size] = job_places(rows)
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(ROUNDS + 2):
        for size, name in names.items():
            use(name)
            for page, (who, path) in pages(places[size]).items():
                seconds = timed(browsers[size][who], path)
                times.setdefault(page, {}).setdefault(size, []).append(seconds)
    return {
        page: {size: taken[2:] for size, taken in by_size.items()}
        for page, by_size in times.items()
    }


def pages(places: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return who opens what, by the name of the list."""
    days = "?time=7"
    return {
        "escalation queue": ("egon", "/escalations/"),
        "my walks": ("alice", "/walks/?who=me"),
        "my open walks (home)": ("alice", "/"),
        "all walks": ("mona", "/walks/"),
        "walks by status": ("mona", "/walks/?status=escalated"),
        "admin list": ("mona", "/admin/l1walk/l1walksession/"),
        "admin list, filtered": (
            "mona",
            "/admin/l1walk/l1walksession/?status__exact=resolved",
        ),
        "jobs": ("alice", "/jobs/"),
        "jobs, deep": ("alice", f"/jobs/?after={places['middle']}"),
        "jobs, failed and deep": (
            "alice",
            f"/jobs/?status=failed&after={places['middle']}",
        ),
        "jobs by kind": ("alice", "/jobs/?kind=l1walk.abandon_walks"),
        "jobs of a rare kind": ("alice", "/jobs/?kind=jobs.purge"),
        "failed jobs": ("alice", "/jobs/?status=failed"),
        "running jobs": ("alice", "/jobs/?status=running"),
        "my jobs": ("alice", "/jobs/?who=me"),
        "a colleague's jobs": ("alice", f"/jobs/?who={places['other']}"),
        "jobs about a subject": ("alice", f"/jobs/?subject={places['subject']}"),
        "jobs of 7 days": ("alice", f"/jobs/{days}"),
        "jobs of some days": ("alice", places["days"]),
        "my failed ones of a kind, 7 days": (
            "alice",
            f"/jobs/{days}&status=failed&who=me&kind=l1walk.abandon_walks",
        ),
        "my canceled ones of a rare kind": (
            "alice",
            "/jobs/?status=canceled&who=me&kind=jobs.purge",
        ),
        "jobs, JSON": ("alice", "/jobs/api/?status=failed"),
        "badge": ("alice", "/jobs/badge/"),
        "drawer": ("alice", "/jobs/drawer/"),
        "a job": ("alice", places["job"]),
        "admin list of jobs": ("mona", "/admin/jobs/job/"),
        "admin list of failed jobs": ("mona", "/admin/jobs/job/?status__exact=failed"),
        "support cases": ("alice", "/support/"),
        "my support cases": ("alice", "/support/?who=me"),
        "failed support cases": ("alice", "/support/?step=failed"),
        "support cases failed of one thing, 30 days": (
            "mona",
            "/support/?step=failed&code=timeout&days=30",
        ),
        "failures of support cases, 30 days": ("mona", "/support/failures/?days=30"),
        "support cases of a host": ("alice", f"/support/?host={places['host']}"),
        "admin list of support cases": ("mona", "/admin/workflows/workflowsession/"),
        "queues, by hour": ("mona", "/jobs/queues/"),
        "queues, by day": ("mona", "/jobs/queues/?by=day"),
    }


def make_people() -> None:
    from l1walk.tests.make import make_flow
    from tests.conftest import make_account, make_user
    from workflows.support.tests.make import make_host

    account = make_account("bench")
    make_flow(account)
    for number in range(20):
        make_host(account, transport="ssh", name=f"host{number:02}")
    make_user(account, "alice", "technician")
    make_user(account, "egon", "engineer")
    make_user(account, "mona", "manager", is_staff=True)


def use(name: str) -> None:
    """Turn the product to another database of the same server."""
    from django.db import connection

    if connection.settings_dict["NAME"] != name:
        connection.close()
        connection.settings_dict["NAME"] = name


def fill(rows: int) -> None:
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection

    from l1walk.models import Flow, L1WalkSession
    from workflows.core.accounts import User
    from workflows.support.models import Host

    flow = Flow.objects.get()
    people = {user.username: user for user in User.objects.all()}
    values = {
        "rows": rows,
        "type": ContentType.objects.get_for_model(L1WalkSession).pk,
        "account": flow.account_id,
        "flow": flow.pk,
        "version": flow.current_version_id,
        "me": people["alice"].pk,
        "other": people["egon"].pk,
        "hosts": list(Host.objects.order_by("name").values_list("pk", flat=True)),
    }
    with connection.cursor() as cursor:
        cursor.execute(WALKS, values)
        cursor.execute(STEPS)
        cursor.execute(JOBS, values)
        cursor.execute(ATTEMPTS)
        cursor.execute(CASES, values)
        cursor.execute(REPORTS)
        cursor.execute(ATTACHMENTS)
        cursor.execute("VACUUM ANALYZE")


def job_places(rows: int) -> dict[str, str]:
    """Return addresses that depend on the rows: deep pages, a subject, some days."""
    from jobs.models import Job
    from workflows.core.accounts import User
    from workflows.support.models import Host

    middle = Job.objects.order_by("-id")[rows // 2]
    mark = json.dumps([str(middle.pk), str(middle.pk)]).encode()
    day = middle.created_at.date()
    return {
        "middle": base64.urlsafe_b64encode(mark).decode(),
        "other": str(User.objects.get(username="egon").pk),
        "subject": str(middle.subject_id),
        "host": str(Host.objects.get(name="host07").pk),
        "days": f"/jobs/?from={day - timedelta(days=2)}&to={day}",
        "job": middle.get_absolute_url(),
    }


def people_signed_in(application: Any) -> dict[str, Browser]:
    from workflows.core.accounts import User

    return {user.username: signed_in(application, user) for user in User.objects.all()}


def timed(browser: Browser, path: str) -> float:
    # The query string belongs in its own variable of WSGI.
    route, _, query = path.partition("?")
    started = time.perf_counter()
    status, _headers, body = browser.request("GET", route, query=query)
    seconds = time.perf_counter() - started
    assert status.startswith("200"), (path, status, body[:300])
    return seconds


if __name__ == "__main__":
    main()
