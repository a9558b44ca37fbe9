"""The whole product, and what a case needs around it: a Jira, sos, a host over ssh."""

from __future__ import annotations

import io
import os
import re
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from l1walk.management.commands.demo import PASSWORD
from tests.jira import JiraServer, jira_server
from tests.jira.records import Person
from tests.services import free_port
from tests.sshd import Sshd, sshd
from tests.test_up import Up, own_machine, processes_of
from workflows.core.jira import Kind
from workflows.support.tests.conftest import Copy, copy_into

PATIENCE = 60_000  # milliseconds
NAME = "sosreport-web-1-2026-03-01-abcdefg.tar"


@dataclass(frozen=True)
class Desk:
    """What tests of the product in its own processes can reach."""

    up: Up
    jira: JiraServer
    sos: Copy
    server: Sshd
    keys: Path  # the authorized_keys of the server

    def sign_in(self, page: Page, name: str, path: str = "/") -> None:
        page.goto(f"http://localhost:{self.up.port}/login/?next={path}")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).not_to_contain_text("Sign in")

    def hold(self, path: str) -> None:
        """Let Jira take half of the next upload to this path, and then wait."""
        self.jira.held.clear()
        self.jira.released.clear()
        self.jira.fails(path, holds="midway")


@contextmanager
def running_desk(folder: Path, browser: Browser) -> Iterator[Desk]:
    """Start the product as `make run` does. Raises ServiceMissing."""
    keys, sos = folder / "authorized_keys", copy_into(folder, None)
    keys.touch()
    with (
        jira_server(kind=Kind.CLOUD) as jira,
        sshd(settings=f"AuthorizedKeysFile {keys}\n") as server,
        own_machine(folder / "data") as data,
    ):
        places = {"SOS_WRAPPER": sos.wrapper, "SOS_SPOOL": sos.spool}
        places |= {"JIRA_CA_FILE": str(jira.ca_file), "JIRA_LOOPBACK": "1"}
        up = Up(data, free_port(), **places)
        desk = Desk(up, jira, sos, server, keys)
        allow_jira(desk, browser)
        yield desk
        assert up.stop() == 0
        assert processes_of(data) == {}


def allow_jira(desk: Desk, browser: Browser) -> None:
    """Let tokens be sent to the stand-in, as the account's manager does."""
    with browser.new_context(locale="en") as context:
        page = context.new_page()
        desk.sign_in(page, "mona", "/account/")
        page.get_by_label("Jira servers that may be used").fill("localhost")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status").last).to_contain_text("saved")


@contextmanager
def slowly(sos: Copy) -> Iterator[None]:
    """Let the real sos work a fifth of the time: one can watch how it counts."""
    over = threading.Event()

    def pace() -> None:
        while not over.wait(0.1):
            found = [
                process
                for process, command in sos.working().items()
                if " report --batch " in command
            ]
            for step in (psutil.Process.suspend, psutil.Process.resume):
                for process in found:
                    with suppress(psutil.NoSuchProcess):
                        step(process)
                if step is psutil.Process.suspend:
                    time.sleep(0.4)

    thread = threading.Thread(target=pace)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# --- what people do, step by step -----------------------------------------------------
def new_case(page: Page, host: str) -> None:
    """Begin a case of this host, from the list."""
    page.get_by_role("link", name="Support cases").first.click()
    page.get_by_role("button", name="New case").click()
    page.get_by_label(host).check()
    page.get_by_role("button", name="Continue").click()


def generate(page: Page, plugins: str) -> None:
    """Agree to a report of these plugins alone."""
    page.get_by_text("Choose plugins, size and name").click()
    page.get_by_label("Only these plugins").fill(plugins)
    agree(page)


def agree(page: Page) -> None:
    """Agree to what a report contains, and have one made."""
    page.get_by_label("I know what the report contains").check()
    page.get_by_role("button", name="Generate the report").click()


def bring(page: Page, file: FilePayload) -> None:
    page.get_by_label("Archive").set_input_files(file)
    page.get_by_role("button", name="Bring it").click()


def go_on(page: Page) -> None:
    """Go on to Jira with the archive, as soon as it is here."""
    page.get_by_role("button", name="Go on to Jira").click(timeout=PATIENCE)
    expect(page.locator("h1")).to_have_text("Attach it to a Jira issue")


def connect(page: Page, jira: JiraServer, person: Person, token: str = "") -> None:
    page.get_by_label("Address of Jira").fill(jira.url)
    page.get_by_label("Jira Cloud").check()
    page.get_by_role("textbox", name="E-mail address").fill(person.email)
    page.get_by_label("Token", exact=True).fill(token or person.token)
    page.get_by_role("button", name="Connect").click()


def check_issue(page: Page, key: str) -> None:
    page.get_by_label("Key or address").fill(key)
    page.get_by_role("button", name="Check the issue").click()


def attach(page: Page) -> None:
    page.get_by_role("button", name="Attach the archive").click()


def archived(page: Page) -> tuple[str, str]:
    """Return name and checksum of the archive, as soon as its card is there."""
    card = page.locator(".card.archive")
    expect(card).to_be_visible(timeout=PATIENCE)
    [sha256] = re.findall(r"\b[0-9a-f]{64}\b", card.inner_text())
    return card.get_by_role("heading").inner_text().strip(), sha256


def counted(card: Locator) -> tuple[int, int]:
    """Return "n of N" of a progress card, as soon as it counts."""
    count = re.compile(r"(\d+) of (\d+)")
    expect(card).to_contain_text(count, timeout=PATIENCE)
    found = count.search(card.inner_text())
    assert found
    return int(found[1]), int(found[2])


def is_attached(page: Page, jira: JiraServer, key: str, name: str, sha256: str) -> bool:
    """The page says that it is done; Jira has the one archive, whole."""
    expect(page.locator("h1")).to_have_text(
        f"The archive is on {key}", timeout=PATIENCE
    )
    link = page.get_by_role("link", name=key)
    expect(link).to_have_attribute("href", f"{jira.url}/browse/{key}")
    jira.wait_until_idle()
    [stored] = jira.issues[key].attachments
    return (stored.filename, stored.sha256) == (name, sha256)


def packed(size: int = 0, name: str = NAME) -> FilePayload:
    """Return an archive as sos writes it, with so many bytes of noise."""
    into = io.BytesIO()
    kind = "w:xz" if name.endswith(".xz") else "w"
    with tarfile.open(fileobj=into, mode=kind) as tar:  # type: ignore[call-overload]
        for place, content in (
            ("etc/hostname", b"web-1\n"),
            ("var/log/noise", os.urandom(size)),
        ):
            member = tarfile.TarInfo(f"sosreport-web-1/{place}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return {"name": name, "mimeType": "application/x-tar", "buffer": into.getvalue()}
