"""Plain helpers that make what most tests of cases need."""

from __future__ import annotations

import hashlib
import io
import tarfile
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncssh
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from jobs.actions.running import execute
from jobs.models import Job
from jobs.tests.engine import take
from workflows.core.accounts import Account, User
from workflows.core.ids import first_id_at
from workflows.core.secrets import Secret
from workflows.core.tests.make import make_connection
from workflows.support.actions import cases
from workflows.support.actions.generating import generate_sosreport
from workflows.support.collecting.options import ReportOptions
from workflows.support.models import (
    Artifact,
    Host,
    JiraAttachmentState,
    SosReportState,
    WorkflowSession,
)

MIB = 1024**2
STEPS = ("select_product", "sos_report", "jira_attach", "completed")
ARCHIVE = "sosreport-web-1-2026-03-01-abcdefg.tar.xz"
# What a host shows and an administrator has confirmed; nobody has the other half.
HOST_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGKV/Sdcenbx3Y1KXivMfInRJNSkWrq6Zu8u9kBCEjoo"
)


def make_host(account: Account, **over: Any) -> Host:
    """Return a host: over ssh unless said otherwise; of the others there is one each.

    Nothing listens at its address.
    """
    transport = over.setdefault("transport", Host.Transport.SSH)
    if transport != Host.Transport.SSH:
        name = Host.Transport(transport).label
        host, _new = Host.objects.get_or_create(
            account=account, transport=transport, defaults={"name": str(name), **over}
        )
        return host
    values: dict[str, Any] = {
        "name": f"web-{Host.objects.count() + 1}",
        "address": "192.0.2.1",
        "username": "handrail",
        "host_key": HOST_KEY,
    }
    if "private_key" not in over:
        key = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
        values["private_key"] = Secret(key.decode())
    return Host.objects.create(account=account, **values | over)


def make_case(
    by: User, *, at: str = "sos_report", host: Host | None = None
) -> WorkflowSession:
    """Return somebody's case at a step; "failed" is failed at the report.

    At Jira it has its archive, and completed a connection and an issue as well. Its
    host is this machine unless said otherwise.
    """
    assert by.account is not None
    case = cases.new_case(by, by.account)
    if at == "select_product":
        return case
    host = host or make_host(by.account, transport=Host.Transport.LOCAL)
    with WorkflowSession.moving(case.pk, by=by) as row:
        row.select("linux", host)
        if at == "failed":
            row.fail("host_unreachable", "The host does not answer. Try again.")
    if at in STEPS[2:]:
        make_archive(case)
        with WorkflowSession.moving(case.pk, by=by) as row:
            row.collected()
    if at == "completed":
        complete(case)
    return reread(case)


def make_archive(case: WorkflowSession, **over: Any) -> Artifact:
    """Return the case's archive, in the storage and as its report says: fetched."""
    content = over.pop("content", None) or packed()
    place = f"support/{case.pk}/{uuid4()}"
    values: dict[str, Any] = {
        "origin": Artifact.Origin.COLLECTED,
        "filename": ARCHIVE,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "file": default_storage.save(place, ContentFile(content)),
        "created_by": case.created_by,
    }
    archive = Artifact.objects.create(
        account=case.account, session=case, **values | over
    )
    with SosReportState.moving(report_of(case).pk, by=None) as report:
        if report.fetch_status in {"succeeded", "failed"}:
            report.forget_fetch()
        report.consented_by, report.consented_at = case.created_by, timezone.now()
        report.generate()
        promised = (archive.filename, archive.size, archive.sha256)
        report.generated(uuid4().hex, *promised)
        report.fetch()
        report.fetched(archive)
    return archive


def packed(**files: bytes) -> bytes:
    """Return a small tar.xz as sos would write it; names with __ for /."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w:xz") as tar:
        for name, content in (files or {"etc__hostname": b"web-1\n"}).items():
            member = tarfile.TarInfo(f"sosreport-web-1/{name.replace('__', '/')}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return into.getvalue()


def leave_on_host(case: WorkflowSession, *, size: int = 7 * MIB) -> WorkflowSession:
    """Have the case's report wait on its host: it was made, and did not arrive."""
    with SosReportState.moving(report_of(case).pk, by=None) as report:
        report.consented_by, report.consented_at = case.created_by, timezone.now()
        report.generate()
        report.generated("a" * 32, ARCHIVE, size, "b" * 64)
        report.fetch()
        report.not_fetched()
    cases.fail_case(case.pk, "copy_failed", "The archive did not arrive whole.")
    return reread(case)


def prepare(case: WorkflowSession, **over: Any) -> WorkflowSession:
    """Have everything ready for Jira: connected, and the issue is found."""
    with JiraAttachmentState.moving(jira_of(case).pk, by=case.created_by) as jira:
        jira.connection = make_connection(case.created_by)
        jira.issue_key, jira.issue_summary = "ABC-1", "The disk is full"
        jira.issue_url = f"{jira.connection.base_url}/browse/ABC-1"
        jira.issue_access_verified = True
        for name, value in over.items():
            setattr(jira, name, value)
    return reread(case)


def start_attaching(case: WorkflowSession) -> None:
    """Have the case's archive on its way to Jira."""
    prepare(case)
    with JiraAttachmentState.moving(jira_of(case).pk, by=case.created_by) as jira:
        jira.attach()


def complete(case: WorkflowSession) -> None:
    """Put the archive onto ABC-1, as if Jira had taken it."""
    start_attaching(case)
    with (
        WorkflowSession.moving(case.pk, by=case.created_by) as row,
        JiraAttachmentState.moving(jira_of(case).pk, by=case.created_by) as jira,
    ):
        jira.attached("10001", jira.issue_url)
        row.attached()


def aged(case: WorkflowSession, *, days: int) -> WorkflowSession:
    """Return the case as if it had been begun so many days ago: its key says when."""
    begun = first_id_at(timezone.now() - timedelta(days=days))
    WorkflowSession._base_manager.filter(pk=case.pk).update(id=begun)
    for part in (SosReportState, JiraAttachmentState, Artifact):
        part._base_manager.filter(session=case.pk).update(session=begun)
    return reread(WorkflowSession(pk=begun))


def finish(job: Job) -> Job:
    """Run all that is queued for cases to its end; return the job as it is then."""
    while runs := take(queue=job.queue):
        for run in runs:
            execute(run)
    return Job.objects.get(pk=job.pk)


def ask(
    case: WorkflowSession, by: User | None = None, options: ReportOptions | None = None
) -> Job:
    """Ask for a report, by whoever began the case unless said otherwise."""
    by, options = by or case.created_by, options or ReportOptions()
    return generate_sosreport(case, by=by, options=options, consent=True)


def states(case: WorkflowSession) -> tuple[str, str, str]:
    """Return how the case, its report and the way of its archive stand now."""
    report = report_of(case)
    return reread(case).current_step, report.generation_status, report.fetch_status


def failure(case: WorkflowSession) -> tuple[str, str, str]:
    """Return where, why and in which words the case has failed."""
    found = reread(case)
    assert found.current_step == "failed"
    return found.failed_step, found.last_error_code, found.last_error_text


def reread(case: WorkflowSession) -> WorkflowSession:
    """Return the case as it is now, with its report and its Jira."""
    found: WorkflowSession = WorkflowSession.objects.select_related(
        "host", "sosreport__artifact", "jira__connection"
    ).get(pk=case.pk)
    return found


def report_of(case: WorkflowSession) -> SosReportState:
    found: SosReportState = SosReportState.objects.get(session=case)
    return found


def jira_of(case: WorkflowSession) -> JiraAttachmentState:
    found: JiraAttachmentState = JiraAttachmentState.objects.get(session=case)
    return found
