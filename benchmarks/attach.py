"""What a large archive costs: python -m benchmarks.attach [MIB]

A sparse archive of one GiB is brought from a host of this machine into the storage,
hashed on its way, and goes to the tests' Jira over TLS; and the same by hand, with
nothing but the standard library, httpx or curl. "Attached by its job" is the whole job
as a worker runs it: it asks Jira four times besides. Each turn is a process of its own,
in turn for three rounds; Jira is one beside them. Figures are medians; "memory" is the
most by which a process grew over what it had when it was ready to begin, "peak" the
most it had at all.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import http.client
import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import django
from cryptography.fernet import Fernet

SELF, CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
MIB = 1024**2
ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
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


class Spent(NamedTuple):
    seconds: float
    cpu: float  # seconds
    growth: int  # bytes of memory
    peak: int  # bytes


# --- the turns: each returns what is measured, all prepared ---------------------------
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
    from workflows.core.connecting import connect_jira
    from workflows.core.jirahosts import JIRA_HOSTS
    from workflows.core.secrets import Secret
    from workflows.support.actions.archives import stored
    from workflows.support.actions.attaching import jira_attach_artifact
    from workflows.support.actions.cases import go_on_to_jira
    from workflows.support.actions.verifying import use_connection, verify_issue
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
    connection = connect_jira(
        by=user,
        kind="data_center",
        base_url=ground.url,
        email="",
        token=Secret(ground.token),
    )
    use_connection(case, by=user, connection=connection)
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


# --- one turn, in a process of its own ------------------------------------------------
def take_turn(name: str, ground: Ground) -> None:
    django.setup()  # in all of them: how large a heap is decides what a block costs
    turn = CONTENDERS[name].prepare(ground)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, cpu, started = memory("VmRSS"), cpu_seconds(), time.monotonic()
    turn()
    seconds, cpu = time.monotonic() - started, cpu_seconds() - cpu
    peak = memory("VmHWM")
    print(json.dumps(Spent(seconds, cpu, peak - before, peak)))


def cpu_seconds() -> float:
    """Return what this process has used, with the programs that it has run."""
    used = (resource.getrusage(who) for who in (SELF, CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory(line: str) -> int:
    """Return bytes: VmRSS is what the process has, VmHWM the most it had."""
    for each in Path("/proc/self/status").read_text().splitlines():
        if each.startswith(f"{line}:"):
            return int(each.split()[1]) * 1024
    raise LookupError(line)


# --- all of them ----------------------------------------------------------------------
def serve() -> None:
    """Be a Jira until the input ends."""
    django.setup()
    from tests.jira import jira_server

    with jira_server() as jira:
        jira.add_issue("ABC-1")
        print(json.dumps([jira.url, str(jira.ca_file), jira.token]), flush=True)
        sys.stdin.read()


@contextmanager
def ground_of(size: int) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="config.settings",
            DATA_DIR=folder,
            DEBUG="0",
            SECRET_KEY="x" * 64,
            SEAL_KEYS=Fernet.generate_key().decode(),
            ALLOWED_HOSTS="localhost",
            LOG_LEVEL="WARNING",
        )
        with subprocess.Popen(
            [*command(), "--serve"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as jira:
            assert jira.stdin
            assert jira.stdout
            ground = Ground(folder, size, "", *json.loads(jira.stdout.readline()))
            ground.source.parent.mkdir(parents=True)
            with ground.source.open("wb") as file:
                file.truncate(size)
            with ground.source.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.environ["JIRA_CA_FILE"] = ground.ca_file
            yield ground._replace(sha256=digest)
            jira.stdin.close()


def command() -> list[str]:
    return [sys.executable, "-m", "benchmarks.attach"]


def measure(ground: Ground) -> dict[str, Spent]:
    figures: dict[str, list[Spent]] = {name: [] for name in CONTENDERS}
    for round_number in range(ROUNDS):
        # Back and forth: what one leaves in the page cache is another's advantage.
        for name in list(figures)[:: -1 if round_number % 2 else 1]:
            done = subprocess.run(
                [*command(), "--turn", name, json.dumps(ground)],
                cwd=ROOT,
                check=True,
                stdout=subprocess.PIPE,
            )
            figures[name].append(Spent(*json.loads(done.stdout)))
    return {name: middle(spent) for name, spent in figures.items()}


def middle(spent: list[Spent]) -> Spent:
    columns: list[Any] = [median(column) for column in zip(*spent, strict=True)]
    return Spent(*columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mib", type=int, nargs="?", default=1024)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--turn", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return serve()
    if asked.turn:
        name, ground = asked.turn
        return take_turn(name, Ground(*json.loads(ground)))
    with ground_of(asked.mib * MIB) as ground:
        figures = measure(ground)
    print(f"| an archive of {asked.mib:,} MiB | MiB/s | ratio | CPU | memory | peak |")
    print("|---|---|---|---|---|---|")
    for name, contender in CONTENDERS.items():
        spent, base = figures[name], figures[contender.base]
        print(
            f"| {name} | {asked.mib / spent.seconds:.0f} "
            f"| {base.seconds / spent.seconds:.2f} | {spent.cpu / base.cpu:.2f} "
            f"| {spent.growth / MIB:.1f} | {spent.peak / MIB:.0f} |"
        )
    return None


if __name__ == "__main__":
    main()
