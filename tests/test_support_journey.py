"""People with a case, at the product as `make run` starts it, with the real sos."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.desk import (
    PATIENCE,
    Desk,
    agree,
    archived,
    attach,
    bring,
    check_issue,
    connect,
    counted,
    generate,
    go_on,
    is_attached,
    new_case,
    packed,
    running_desk,
    slowly,
)
from tests.services import ServiceMissing
from workflows.support.tests.conftest import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]
QUICK = "host, login, networking"
MANY = f"{QUICK}, block, kernel, memory, process, python"  # to see them counted
# An archive is sent in many pieces: this one is seen on its way.
NOISE = 9 * 1024**2

SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Desk]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if shutil.which("sos") is None:
        pytest.skip("needs sos: apt-get install sosreport")
    try:
        with running_desk(tmp_path_factory.mktemp("desk"), browser) as running:
            yield running
    except ServiceMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def sign_in(desk: Desk, new_page: Callable[..., Any]) -> SignIn:
    def open_page(name: str, path: str = "/", **options: Any) -> Page:
        page: Page = new_page(base_url=f"http://localhost:{desk.up.port}", **options)
        desk.sign_in(page, name, path)
        return page

    return open_page


def test_a_report_of_this_machine_gets_onto_an_issue(desk, sign_in, allowed_errors):
    allowed_errors.append("422")
    jira = desk.jira
    tina = jira.add_person("tina", token="tokenOfTina")
    jira.add_issue("ABC-1", "The disk is full")
    page = sign_in("tina")
    new_case(page, "This machine")
    main = page.locator("main")
    expect(main).to_contain_text("This machine is ready", timeout=PATIENCE)
    expect(main).to_contain_text(re.compile(r"sos \d\.\d"))
    expect(main).to_contain_text("What the report contains")
    expect(page.get_by_label("Mask names and addresses")).to_be_checked()

    # Nothing is made before somebody has agreed; what was chosen is kept.
    page.get_by_text("Choose plugins, size and name").click()
    page.get_by_label("Only these plugins").fill(MANY)
    page.get_by_role("button", name="Generate the report").click()
    expect(page.get_by_role("alert")).to_contain_text("tick this box")
    expect(page.get_by_label("Only these plugins")).to_have_value(MANY)
    # It is counted, and goes on without anybody at the page.
    with slowly(desk.sos):
        agree(page)
        first, total = counted(page.locator(".progress-card"))
        assert first < total == len(MANY.split())
        context = page.context
        page.close()
        page = context.new_page()
        page.goto("/support/")
        page.get_by_role("link", name="This machine").first.click()
        card, badge = page.locator(".progress-card"), page.locator("#jobs-badge")
        more = "|".join(map(str, range(first + 1, total + 1)))
        higher = re.compile(rf"(?<!\d)({more}) of {total}")
        expect(card).to_contain_text(higher, timeout=PATIENCE)
        running = re.compile(r"1\s+running")
        expect(badge).to_have_text(running, timeout=PATIENCE)
        expect(card).to_contain_text("Masking names", timeout=PATIENCE)
    page.locator(".jobs-menu summary").click()
    expect(page.locator(".drawer")).to_contain_text("Generate a report")
    page.keyboard.press("Escape")

    # It has arrived: whole, masked, and nothing of it is left on the host.
    name, sha256 = archived(page)
    assert re.fullmatch(r"sosreport-.+-obfuscated\.tar\.xz", name)
    assert until(desk.sos.clean)
    expect(badge).not_to_contain_text("running", timeout=PATIENCE)
    page.get_by_role("link", name="Look through it").click()
    page.get_by_label("Part of a name").fill("/etc/hostname")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".files tbody tr")).to_have_count(1)
    page.get_by_role("link", name="This machine").click()
    go_on(page)

    # A wrong token, and a wrong key: what was typed stays, but for the token.
    connect(page, jira, tina, token="wrong")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Jira does not accept this token")
    expect(page.get_by_label("Address of Jira")).to_have_value(jira.url)
    expect(page.get_by_role("textbox", name="E-mail")).to_have_value(tina.email)
    expect(page.get_by_label("Token", exact=True)).to_have_value("")
    connect(page, jira, tina)
    expect(page.locator("main")).to_contain_text(f"Connected to {jira.url} as Tina")
    check_issue(page, "ABC-99")
    expect(alert).to_contain_text("This issue doesn't exist")
    expect(page.get_by_label("Key or address")).to_have_value("ABC-99")
    check_issue(page, "ABC-1")
    expect(page.locator("main")).to_contain_text("The disk is full")

    # Whoever is impatient clicks twice; there is one attachment.
    desk.hold("ABC-1/attachments")
    page.get_by_role("button", name="Attach the archive").dblclick()
    expect(page.locator(".progress-card")).to_contain_text(
        "Sending to Jira", timeout=PATIENCE
    )
    expect(badge).to_have_text(running, timeout=PATIENCE)
    jira.release()
    assert is_attached(page, jira, "ABC-1", name, sha256)
    expect(badge).not_to_contain_text("running", timeout=PATIENCE)
    page.go_back()
    expect(page.locator("h1")).to_have_text("The archive is on ABC-1")
    assert len(jira.issues["ABC-1"].attachments) == 1


def test_a_report_of_a_host_that_an_engineer_adds(desk, sign_in):
    jira = desk.jira
    tom = jira.add_person("tom", token="tokenOfTom")
    jira.add_issue("ABC-2", "The network is slow")
    page = sign_in("egon", "/support/hosts/new/")
    page.get_by_label("Name").fill("web-1")
    page.get_by_label("Address").fill(desk.server.address)
    page.get_by_label("Port").fill(str(desk.server.port))
    page.get_by_label("User", exact=True).fill("root")
    page.get_by_role("button", name="Add the host").click()
    line = page.get_by_label("Line for authorized_keys").input_value()
    assert line.startswith("ssh-ed25519 ")
    desk.keys.write_text(f"{line}\n")
    page.get_by_role("button", name="Ask the host for its key").click()
    fingerprint = page.locator(".fingerprint")
    expect(fingerprint).to_be_visible(timeout=PATIENCE)
    assert fingerprint.inner_text() == fingerprint_of(desk.server.host_key)
    page.get_by_role("button", name="It is the same: trust it").click()
    expect(page.locator("#toasts")).to_contain_text("is trusted from now on")
    page.get_by_role("button", name="Check the host").click()
    expect(page.locator("#check-found")).to_contain_text(
        "Nothing is missing", timeout=PATIENCE
    )

    # Tom has connected in another case.
    page = sign_in("tom")
    new_case(page, "I have an archive already")
    bring(page, packed())
    go_on(page)
    connect(page, jira, tom)
    expect(page.locator("main")).to_contain_text(f"Connected to {jira.url} as Tom")

    new_case(page, "web-1")
    expect(page.locator("main")).to_contain_text("web-1 is ready", timeout=PATIENCE)
    generate(page, QUICK)
    name, sha256 = archived(page)
    assert until(desk.sos.clean)
    go_on(page)
    expect(page.get_by_label(jira.url)).to_be_checked()
    page.get_by_role("button", name="Use it").click()
    check_issue(page, f"{jira.url}/browse/ABC-2")
    attach(page)
    assert is_attached(page, jira, "ABC-2", name, sha256)
    expect(page.locator("main")).to_contain_text("Linux, web-1")


def fingerprint_of(host_key: str) -> str:
    """Ask ssh-keygen, as an administrator does."""
    command = ["ssh-keygen", "-lf", "-"]
    said = subprocess.run(
        command, input=host_key, capture_output=True, text=True, check=True
    )
    return said.stdout.split()[1]


def test_an_archive_that_is_brought_along(desk, sign_in, allowed_errors):
    allowed_errors.append("409|422")
    jira = desk.jira
    erika = jira.add_person("erika", token="tokenOfErika")
    jira.add_issue("ABC-3", "It crashes")
    page = sign_in("erika")
    new_case(page, "I have an archive already")
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Hello"}
    bring(page, notes)
    expect(page.get_by_role("alert")).to_contain_text("not the archive of a report")
    expect(page.locator("main")).to_contain_text("choose it again")
    file = packed(NOISE)
    bring(page, file)
    name, sha256 = archived(page)
    assert name == file["name"]
    go_on(page)
    connect(page, jira, erika)
    check_issue(page, "ABC-3")

    # Half of it is there; the file cannot be taken away meanwhile.
    desk.hold("ABC-3/attachments")
    attach(page)
    assert jira.held.wait(30)
    done, total = counted(page.locator(".progress-card"))
    assert 0 <= done < total == 10
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("link", name=name).click()
    other.locator("summary", has_text="Delete").click()
    other.get_by_role("button", name="Delete it").click()
    expect(other.locator("main")).to_contain_text("on its way to Jira")
    jira.release()
    assert is_attached(page, jira, "ABC-3", name, sha256)


def test_what_goes_wrong_is_said_and_mended(desk, sign_in, allowed_errors):
    jira = desk.jira
    mona = jira.add_person("mona", token="tokenOfMona")
    jira.add_issue("ABC-4", "The disk is full")
    page = sign_in("mona")
    new_case(page, "This machine")
    expect(page.locator("main")).to_contain_text("is ready", timeout=PATIENCE)
    page.get_by_label("Mask names and addresses").uncheck()

    # Canceled on the way: nothing is left, and nothing has to be typed again.
    with slowly(desk.sos):
        generate(page, MANY)
        counted(page.locator(".progress-card"))
        page.get_by_role("button", name="Cancel").click()
    told = page.locator(".banner[role=alert]")
    expect(told).to_contain_text("It was canceled.", timeout=PATIENCE)
    banner = page.locator(".banner.tone-danger")
    expect(banner).to_have_count(0)
    assert until(desk.sos.clean)
    expect(page.get_by_label("Only these plugins")).to_have_value(MANY)
    expect(page.get_by_label("Mask names and addresses")).not_to_be_checked()
    agree(page)
    name, sha256 = archived(page)
    assert "obfuscated" not in name
    go_on(page)
    connect(page, jira, mona)
    check_issue(page, "ABC-4")

    # Jira finds it too large, then does not take the token any more.
    jira.fails("ABC-4/attachments", status=413)
    attach(page)
    expect(banner).to_contain_text("larger than Jira takes", timeout=PATIENCE)
    is_kept(page, name)
    expect(page.locator("main")).to_contain_text("ABC-4")
    jira.fails("ABC-4/attachments", status=401, early=True)
    attach(page)
    expect(banner).to_contain_text("does not accept this token", timeout=PATIENCE)
    is_kept(page, name)
    expect(page.locator("main")).to_contain_text("its token was removed")
    connect(page, jira, mona)
    expect(page.get_by_label("Key or address")).to_have_value("ABC-4")
    page.get_by_role("button", name="Check the issue").click()
    attach(page)
    assert is_attached(page, jira, "ABC-4", name, sha256)
    expect(page.locator(".timeline")).to_contain_text("The archive was not attached")


def is_kept(page: Page, name: str) -> None:
    expect(page.locator(".card.decided")).to_contain_text(name)
