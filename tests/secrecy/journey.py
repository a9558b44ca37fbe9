"""What Alice does with secrets, and how much of it goes wrong."""

from __future__ import annotations

import io
import json
import secrets as random
import shutil
import tarfile
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from tests.jira import jira_server
from tests.secrecy.product import Browser
from tests.secrecy.searching import new_token, planted, planted_key
from tests.sshd import sshd
from workflows.core.jira import Kind

ARCHIVE = "SELECT id FROM workflows_artifact ORDER BY id DESC LIMIT 1"
JOB = "SELECT id FROM jobs_job WHERE queue = 'support' ORDER BY id DESC LIMIT 1"
OVER = "UPDATE workflows_jiraconnection SET expires_at = '2026-01-01 00:00:00'"
DUE = """UPDATE jobs_schedule SET next_at = '2026-01-01 00:00:00'
    WHERE type = 'jobs.expire_connections'"""


class Case:
    """One run of the product: what goes into it, and what is secret of that."""

    def __init__(self, stack: ExitStack) -> None:
        # Harmless, and in every place: what is not found would not be found there.
        self.control = f"CTRL{random.randbelow(10**14):014}"
        self.data_center = stack.enter_context(jira_server())
        self.cloud = stack.enter_context(jira_server(kind=Kind.CLOUD))
        self.cloud.people[0].token = new_token("ATATT3xFf")
        self.data_center.people[0].token = new_token()
        self.wrong = new_token()
        self.issue = f"{self.control}-1"
        for jira in (self.data_center, self.cloud):
            jira.add_issue(self.issue, f"About {self.control}")
        self.sshd = stack.enter_context(sshd())
        self.key = self.sshd.private_key.reveal()
        self.secrets = [
            planted("the token of Data Center", self.data_center.token),
            planted("the token of Cloud", self.cloud.token),
            planted("the wrong token", self.wrong),
            planted_key("the private key", self.key),
        ]

    def archive(self) -> tuple[str, bytes]:
        into, content = io.BytesIO(), self.control.encode()
        with tarfile.open(fileobj=into, mode="w") as tar:
            member = tarfile.TarInfo(f"sosreport-web-1/{self.control}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        return f"sosreport-{self.control}.tar", into.getvalue()


class Journey:
    """Alice does all that can be done with secrets, and much of it goes wrong."""

    def __init__(self, product, case):
        self.product, self.case = product, case
        self.alice, self.olga = Browser(product, "alice"), Browser(product, "olga")

    # --- a host with a pasted key -----------------------------------------------------
    def add_host(self):
        alice, case, new = self.alice, self.case, "/support/hosts/new/"
        host = {"name": case.control, "address": "127.0.0.1", "username": "root"}
        host |= {"port": case.sshd.port, "private_key": case.key}
        torn = "\n".join(case.key.splitlines()[:-2])
        for wrong in ({"private_key": torn}, {"port": "none"}, {"name": ""}):
            alice.post(new, 422, **host | wrong)
        self.without("workflows_host", "private_key", lambda: self.broken(new, host))
        page = alice.post(new, **host).headers["Location"]
        shown = alice.post(f"{page}key/", 200).text.partition('name="shown" value="')[2]
        alice.post(f"{page}key/", shown=shown.partition('"')[0])
        alice.post(f"{page}check/", 200)
        alice.post(page, 422, **host | {"username": "Not A User"})
        alice.post(page, **host | {"name": f"{case.control} again"})
        alice.get(page)

    def broken(self, page, data, do=""):
        for accept in ("text/html", "text/plain"):
            if do:
                data = {**data, "state": self.alice.state(page), "do": do}
            self.alice.post(page, 500, accept=accept, **data)

    def without(self, table, column, act):
        """Act while a column is missing: no verb knows what to do about that."""
        rename = f"ALTER TABLE {table} RENAME COLUMN {column} TO away"
        self.product.change(rename)
        act()
        self.product.change(f"ALTER TABLE {table} RENAME COLUMN away TO {column}")

    # --- a case -----------------------------------------------------------------------
    def begin(self):
        name, content = self.case.archive()
        self.at = self.alice.post("/support/start/").headers["Location"]
        self.send("product", "choose", product="linux", host="upload")
        self.send("report", "bring", archive=(name, content))
        self.send("report", "jira")

    def send(self, page, do, status=303, **data):
        return self.alice.send(f"{self.at}{page}/", do, status, **data)

    def login(self, jira, **over):
        kind = "cloud" if jira is self.case.cloud else "data_center"
        told = {"kind": kind, "base_url": jira.url, "email": jira.email}
        return told | {"token": jira.token} | over

    def connect_badly(self, jira):
        """Be refused in every way; the answers quote what they were asked with."""
        token, echo = jira.token, jira.token.encode()
        self.trust(jira)
        for way in (
            {"status": 401, "body": echo, "headers": {"X-Echo": token}},
            {"status": 403, "body": echo},
            {"status": 500, "body": echo},
            {"status": 302, "headers": {"Location": f"https://sso.example/?t={token}"}},
            {"status": 200, "body": b'{"displayName": "' + echo + b'"'},
            {"status": 200, "body": b'{"key": 1, "displayName": "a"}'},
            {"drop": "at once"},
            {"drop": "in reply"},
        ):
            jira.fails("/myself", **way)
            self.send("jira", "connect", 422, **self.login(jira))
        for wrong in (
            {"token": self.case.wrong},
            {"token": f"{token} {token}"},
            {"token": f"{token}ä"},
            {"kind": ""},
            {"base_url": "https://elsewhere.example"},
            {"base_url": "https://localhost:1"},
        ):
            self.send("jira", "connect", 422, **self.login(jira, **wrong))
        self.trust(None)
        self.send("jira", "connect", 422, **self.login(jira))
        self.trust(jira)
        page = f"{self.at}jira/"
        columns = ("workflows_jiraconnection", "token")
        self.without(*columns, lambda: self.broken(page, self.login(jira), "connect"))

    def trust(self, jira):
        """Have the product trust this server and no other."""
        file = Path(self.product.environment["JIRA_CA_FILE"])
        file.write_bytes(jira.ca_file.read_bytes() if jira else b"")

    def connect(self, jira):
        """Connect, and have the issue checked, with slips on the way."""
        self.send("jira", "connect", **self.login(jira))
        self.send("jira", "issue", 422, key="NONE-1")
        jira.fails(f"/issue/{self.case.issue}", status=500, body=jira.token.encode())
        self.send("jira", "issue", 422, key=self.case.issue)
        self.send("jira", "issue", key=self.case.issue)

    # --- its attachment ---------------------------------------------------------------
    def attach(self):
        """Attach, wait for the first attempt, look everywhere; return how it ended."""
        self.send("jira", "attach")
        return self.attempted()

    def attempted(self):
        product = self.product
        id = product.one(JOB)
        ended = "SELECT outcome FROM jobs_jobattempt WHERE job_id = ?"
        [[outcome], *_] = product.wait("an attempt", lambda: product.rows(ended, id))
        pk = UUID(str(id))
        job = f"/jobs/{pk}/"
        for page in (job, f"{job}live/", f"/jobs/api/{pk}/", f"/jobs/api/{pk}/events/"):
            self.alice.get(page)
        if product.one("SELECT status FROM jobs_job WHERE id = ?", id) == "queued":
            self.alice.post(f"{job}cancel/")
        self.alice.get(self.at)
        self.olga.get(job)
        return outcome

    def attach_badly(self, jira):
        echo, path = jira.token.encode(), "/attachments"
        elsewhere = {"Location": f"https://sso.example/?t={jira.token}"}
        for way in (
            {"path": path, "status": 500, "body": echo},
            {"path": path, "status": 302, "headers": elsewhere},
            {"path": path, "status": 200, "body": b"[" + echo},
            {"path": path, "status": 413, "body": echo},
            {"path": path, "drop": "midway"},
            {"path": f"/issue/{self.case.issue}", "status": 404, "body": echo},
            {"path": "/myself", "status": 503, "body": echo},
        ):
            jira.fails(**way)
            assert self.attach() == "failed", way
            self.send("jira", "issue", key=self.case.issue)
            self.note({})  # else Jira gets time for what it has not confirmed
        self.trust(None)
        assert self.attach() == "failed"
        self.trust(jira)
        self.send("jira", "issue", key=self.case.issue)
        self.break_storage()
        self.break_notes(jira)
        for status in (401, 403):  # either ends the connection
            jira.fails(
                "/myself", status=status, body=echo, headers={"X-Echo": jira.token}
            )
            assert self.attach() == "failed"
            self.connect(jira)
        jira.fails(path, drop="reply")
        assert self.attach() == "failed"

    def break_storage(self):
        """Have a folder in the file's place."""
        sql = "SELECT file FROM workflows_artifact ORDER BY id DESC LIMIT 1"
        file = self.product.data / "files" / self.product.one(sql)
        shutil.move(file, file.with_suffix(".kept"))
        file.mkdir()
        assert self.attach() == "failed"
        file.rmdir()
        shutil.move(file.with_suffix(".kept"), file)
        self.send("jira", "issue", key=self.case.issue)

    def break_notes(self, jira):
        """Have something in a note that no verb knows: a word for a time."""
        issue = f"{jira.url}/browse/{self.case.issue}"
        about = {"archiveId": str(UUID(str(self.product.one(ARCHIVE))))}
        said = {"issue": issue, "since": self.case.control}
        self.note(about | {"unconfirmed": said})
        assert self.attach() == "failed"
        sql = "SELECT traceback FROM jobs_jobattempt ORDER BY id DESC LIMIT 1"
        assert "Invalid isoformat string" in self.product.one(sql)
        self.note({})
        self.send("jira", "issue", key=self.case.issue)

    def note(self, metadata):
        """Change what all jobs know that have not succeeded."""
        where = "WHERE status <> 'succeeded'"
        sql = f"UPDATE jobs_job SET metadata = '{json.dumps(metadata)}' {where}"  # noqa: S608
        self.product.change(sql)

    def look_around(self):
        """Open the pages where all this could be seen."""
        archive = f"{self.at}archives/{UUID(str(self.product.one(ARCHIVE)))}/"
        admin = [f"/admin/{it}/" for it in ("workflows/jiraconnection", "jobs/job")]
        admin += [f"/admin/workflows/{it}/" for it in ("workflowsession", "host")]
        pages = [archive, f"{archive}file/", "/", "/connections/", "/support/", *admin]
        pages += ["/support/cases.csv", "/support/hosts/", "/jobs/", "/jobs/jobs.csv"]
        for who in (self.alice, self.olga):
            for page in pages:
                who.get(page)
        for (pk,) in self.product.rows("SELECT id FROM workflows_jiraconnection"):
            self.olga.get(f"/admin/workflows/jiraconnection/{UUID(str(pk))}/change/")

    # --- the end ----------------------------------------------------------------------
    def end_connections(self):
        """Revoke one; the time of the others is over, and the schedule finds them."""
        active = "SELECT id FROM workflows_jiraconnection WHERE status = 'connected'"
        pk = UUID(str(self.product.one(f"{active} ORDER BY id LIMIT 1")))
        self.alice.post(f"/connections/{pk}/revoke/")
        self.product.change(OVER)
        self.product.change(DUE)
        self.product.wait("their end", lambda: not self.product.rows(active))
        assert self.product.one("SELECT max(token) FROM workflows_jiraconnection") == ""
        self.alice.get("/connections/")
