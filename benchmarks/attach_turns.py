"""What `benchmarks.attach` measures: each returns its turn, all prepared."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

MIB = 1024**2
RUN_ID = "0" * 32
NAME = "sosreport-bench.tar"
BOUNDARY = "0123456789abcdef"
HEAD = (
    f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
    f'name="file"; filename="{NAME}"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


class Ground(NamedTuple):
    """Where a turn finds what it needs; as JSON it is the turn's argument."""

    folder: str
    size: int  # bytes
    sha256: str
    url: str
    ca_file: str
    token: str

    @property
    def source(self) -> Path:
        return Path(self.folder) / "spool" / RUN_ID / "archive" / NAME


Turn = Callable[[], None]


def copy_by_hand(ground: Ground) -> Turn:
    """Read, hash, write, flush to the disk, rename."""
    part, place = (Path(ground.folder) / name for name in ("part", "copy"))

    def turn() -> None:
        digest = hashlib.sha256()
        with ground.source.open("rb") as source, part.open("wb") as into:
            while block := source.read(MIB):
                digest.update(block)
                into.write(block)
            into.flush()
            os.fsync(into.fileno())
        part.rename(place)
        assert digest.hexdigest() == ground.sha256
        place.unlink()

    return turn


def our_copy(ground: Ground) -> Turn:
    from django.core.files.storage import default_storage

    from workflows.support.actions.archives import receiving, stored
    from workflows.support.collecting.collector import Collector, Installed, Report
    from workflows.support.collecting.shell import LocalShell
    from workflows.support.models import WorkflowSession

    spool = Installed(spool=str(Path(ground.folder) / "spool"))
    collector = Collector(LocalShell(), as_root=True, installed=spool)
    report = Report(NAME, ground.size, ground.sha256)
    case = WorkflowSession()

    def turn() -> None:
        with receiving(uuid4().hex) as into:
            collector.fetch(report, RUN_ID, into, progress=lambda *shown: None)
            name = stored(into.path, case)
        default_storage.delete(name)

    return turn


def send_by_http_client(ground: Ground) -> Turn:
    address = urlsplit(ground.url)
    connection = http.client.HTTPSConnection(
        str(address.hostname),
        address.port,
        context=ssl.create_default_context(cafile=ground.ca_file),
        blocksize=MIB,
    )
    connection.connect()

    def turn() -> None:
        connection.request("POST", path(), body(ground), headers(ground))
        check(connection.getresponse().read(), ground)

    return turn


def send_by_httpx(ground: Ground) -> Turn:
    import httpx

    context = ssl.create_default_context(cafile=ground.ca_file)
    client = httpx.Client(base_url=ground.url, verify=context, timeout=60)

    def turn() -> None:
        answer = client.post(path(), content=body(ground), headers=headers(ground))
        check(answer.content, ground)

    return turn


def our_sending(ground: Ground) -> Turn:
    from django.core.files.storage import default_storage

    from workflows.core.jira import Credentials, Kind
    from workflows.core.jira.client import Jira
    from workflows.core.secrets import Secret
    from workflows.support.actions.archives import open_archive, stored
    from workflows.support.models import Artifact, WorkflowSession

    copy = Path(ground.folder) / "sparse"
    with copy.open("wb") as sparse:
        sparse.truncate(ground.size)
    archive = Artifact(file=stored(copy, WorkflowSession()))
    with open_archive(archive) as file:  # into the page cache, where the rivals' is
        while file.read(MIB):
            pass
    jira = Jira(
        Credentials(
            base_url=ground.url, kind=Kind.DATA_CENTER, token=Secret(ground.token)
        ),
        ca_file=Path(ground.ca_file),
    )
    jira.myself()

    def turn() -> None:
        with open_archive(archive) as file:
            found = jira.attach(
                "ABC-1",
                file,
                name=NAME,
                size=ground.size,
                progress=lambda sent: None,
            )
        assert found.size == ground.size
        default_storage.delete(archive.file)

    return turn


def our_job(ground: Ground) -> Turn:
    """Be a worker with one job to do, in a database of its own."""
    from django.core.files.storage import default_storage
    from django.core.management import call_command

    import config.celery  # noqa: F401  (a worker has it loaded)
    from jobs.actions.running import drain
    from jobs.models import Job
    from tests.conftest import make_account, make_user
    from workflows.core.jirahosts import JIRA_HOSTS
    from workflows.core.secrets import Secret
    from workflows.support.actions.archives import stored
    from workflows.support.actions.attaching import jira_attach_artifact
    from workflows.support.actions.cases import go_on_to_jira
    from workflows.support.actions.verifying import connect_case, verify_issue
    from workflows.support.tasks import QUEUE
    from workflows.support.tests.make import make_archive, make_case

    call_command("migrate", verbosity=0)
    account = make_account(uuid4().hex, settings={JIRA_HOSTS.key: ["localhost"]})
    user = make_user(account, uuid4().hex, "technician")
    case = make_case(user, at="sos_report")
    copy = Path(ground.folder) / "sparse"
    with copy.open("wb") as sparse:
        sparse.truncate(ground.size)
    archive = make_archive(case, filename=NAME, size=ground.size, sha256=ground.sha256)
    archive.file = stored(copy, case)
    archive.save()
    with default_storage.open(archive.file) as file:  # into the page cache
        while file.read(MIB):
            pass
    go_on_to_jira(case, by=user)
    connect_case(
        case,
        by=user,
        kind="data_center",
        base_url=ground.url,
        email="",
        token=Secret(ground.token),
    )
    verify_issue(case, by=user, key="ABC-1")
    job = jira_attach_artifact(case, by=user)

    def turn() -> None:
        drain(QUEUE)
        assert Job.objects.get(pk=job.pk).status == "succeeded"
        default_storage.delete(archive.file)

    return turn


def send_by_curl(ground: Ground) -> Turn:
    """The file goes as curl sends forms: read and framed by itself."""
    command = [
        *("curl", "--silent", "--show-error", "--fail", "--cacert", ground.ca_file),
        *("--header", "X-Atlassian-Token: no-check", "--header", "Expect:"),
        *("--header", f"Authorization: Bearer {ground.token}"),
        *("--form", f"file=@{ground.source};filename={NAME}"),
        f"{ground.url}{path()}",
    ]

    def turn() -> None:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        check(done.stdout, ground)

    return turn


def path() -> str:
    return "/rest/api/2/issue/ABC-1/attachments"


def headers(ground: Ground) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {ground.token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(HEAD) + ground.size + len(TAIL)),
        "X-Atlassian-Token": "no-check",
    }


def body(ground: Ground) -> Iterator[bytes]:
    yield HEAD
    with ground.source.open("rb") as file:
        while block := file.read(MIB):
            yield block
    yield TAIL


def check(answer: bytes, ground: Ground) -> None:
    [found] = json.loads(answer)
    assert found["size"] == ground.size


class Contender(NamedTuple):
    prepare: Callable[[Ground], Turn]
    base: str  # whose ratio is 1


CONTENDERS = {
    "copy and hash by hand": Contender(copy_by_hand, "copy and hash by hand"),
    "fetched and stored": Contender(our_copy, "copy and hash by hand"),
    "http.client by hand": Contender(send_by_http_client, "curl"),
    "httpx by hand": Contender(send_by_httpx, "curl"),
    "curl": Contender(send_by_curl, "curl"),
    "attached": Contender(our_sending, "curl"),
    "attached by its job": Contender(our_job, "curl"),
}
