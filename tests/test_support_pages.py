"""Cases with the keyboard alone, without JavaScript, and for everybody's eyes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from jobs.actions.running import drain
from jobs.tests.engine import take_one
from tests.desk import (
    agree,
    archived,
    attach,
    bring,
    check_issue,
    connect,
    is_attached,
    new_case,
    packed,
)
from tests.jira import JiraServer
from tests.sshd import Sshd, lent
from tests.test_journeys import LOOKS, tab_to
from workflows.core.accounts import Account, User
from workflows.core.connecting import revoke_connection
from workflows.core.tests.make import allow_hosts, lent_jira
from workflows.support.actions.archives import delete_artifact
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.cases import fail_case
from workflows.support.models import Host, WorkflowSession
from workflows.support.tasks import QUEUE
from workflows.support.tests.conftest import copy_into
from workflows.support.tests.make import (
    ask,
    leave_on_host,
    make_archive,
    make_case,
    make_host,
    prepare,
    reread,
)
from workflows.support.tests.make import packed as packed_files

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FILES = dict.fromkeys(("etc__hostname", f"var__log__{'long' * 30}"), b"noise")


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    yield from lent()


@pytest.fixture
def sos(tmp_path: Any, settings: Any) -> None:
    """Let reports be made of this machine by a program that is quickly done."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    copy = copy_into(tmp_path, "good")
    settings.SOS_WRAPPER, settings.SOS_SPOOL = copy.wrapper, copy.spool


@pytest.fixture
def jira(settings: Any, account: Account) -> Iterator[JiraServer]:
    with lent_jira(account, settings) as running:
        yield running


@pytest.fixture
def local(account: Account) -> Host:
    return make_host(account, transport="local", name="This machine")


# --- without a mouse, without scripts -------------------------------------------------
def test_a_report_with_the_keyboard_alone(visit, alice, local, sos, allowed_errors):
    allowed_errors.append("422")
    page = visit(alice, "/support/")
    tab_to(page, "button", "New case")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("What is the report of?")
    expect(page.get_by_label("Linux")).to_be_checked()
    tab_to(page, "button", "Continue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("Choose a host")
    page.keyboard.press("Tab")  # to the link in it, which leads to what is wrong
    page.keyboard.press("Enter")
    tab_to(page, "radio", "This machine")
    page.keyboard.press("Space")
    tab_to(page, "button", "Continue")
    page.keyboard.press("Enter")
    expect(page.locator("#host-check")).to_contain_text("This machine is ready")
    tab_to(page, "checkbox", "I know what the report contains")
    page.keyboard.press("Space")
    tab_to(page, "button", "Generate the report")
    page.keyboard.press("Enter")
    expect(page.locator(".progress-card")).to_contain_text("Queued")
    work()
    archived(page)
    tab_to(page, "button", "Go on to Jira")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Attach it to a Jira issue")


def work() -> None:
    """Do what is queued, as a worker does."""
    while drain(QUEUE):
        pass


def test_a_whole_case_without_javascript(visit, alice, local, sos, jira):
    page = visit(alice, "/", java_script_enabled=False)
    new_case(page, "This machine")
    page.get_by_role("link", name="Check the host").click()
    expect(page.locator("main")).to_contain_text("This machine is ready")
    page.get_by_role("link", name="Back to the case").click()
    agree(page)
    expect(page.locator(".progress-card")).to_contain_text("Queued")
    work()
    page.get_by_role("link", name="Show how far it is now").click()
    name, sha256 = archived(page)
    page.get_by_role("link", name="Look through it").click()
    expect(page.locator(".files")).to_contain_text("arguments")
    page.go_back()
    page.get_by_role("button", name="Go on to Jira").click()
    connect(page, jira, jira.people[0])
    check_issue(page, "ABC-1")
    attach(page)
    work()
    page.get_by_role("link", name="Show how far it is now").click()
    assert is_attached(page, jira, "ABC-1", name, sha256)


def test_two_tabs_and_an_archive_that_somebody_deletes(
    visit, account, alice, egon, allowed_errors
):
    allowed_errors.append("409|410")
    page = visit(alice, "/")
    new_case(page, "I have an archive already")
    other = page.context.new_page()
    other.goto(page.url)
    bring(page, packed(name="sosreport-web-1.tar.xz"))
    archived(page)
    # The page of before takes the same step again: the archive is another one then.
    bring(other, packed(name="sosreport-web-2.tar.xz"))
    assert archived(other)[0] == "sosreport-web-2.tar.xz"
    other.get_by_role("button", name="Go on to Jira").click()
    page.get_by_role("button", name="Go on to Jira").click()
    expect(page.get_by_role("alert")).to_contain_text("changed in the meantime")
    page.goto(other.url)
    page.get_by_role("link", name="sosreport-web-2.tar.xz").click()
    case = WorkflowSession.objects.get()
    archive = reread(case).sosreport.artifact
    assert archive
    delete_artifact(archive, by=egon)
    page.reload()
    expect(page.locator("main")).to_contain_text("was deleted")
    page.get_by_role("link", name="Back to the case").click()
    expect(page.locator("main")).to_contain_text("The archive of this case was deleted")


# --- accessibility --------------------------------------------------------------------
def failed(case: WorkflowSession, code: str, text: str) -> WorkflowSession:
    fail_case(case.pk, code, text)
    return case


def checked(by: User, **over: Any) -> WorkflowSession:
    """Return a case of theirs that could attach: connected, and the issue is found."""
    return prepare(make_case(by, at="jira_attach"), **over)


def running(job: Any) -> None:
    """Let a worker be at it."""
    take_one(queue=QUEUE).progress(3, 11, "Collecting")


@pytest.fixture
def full(
    account: Account, alice: User, egon: User, local: Host, server: Sshd, settings: Any
) -> dict[str, Any]:
    """An account in which every page of cases has something to show."""
    settings.SOS_WRAPPER = "/nowhere/handrail-sos"  # a host that lacks it
    allow_hosts(account, "jira.example.com")
    ssh = {"address": server.address, "port": server.port, "username": "root"}
    confirmed = make_host(account, name="web-1", **ssh)
    strange = make_host(account, name="web-2", host_key="", **ssh)
    make_host(account, name="old", retired_at=timezone.now())
    cases = {
        "new": make_case(alice, at="select_product"),
        "report": make_case(alice),
        "masked": failed(make_case(alice), "canceled", "The report was canceled."),
        "long": failed(make_case(alice), "disk_full", f"No room in {'/spool' * 20}."),
        "waiting": leave_on_host(make_case(alice)),
        "heavy": leave_on_host(make_case(alice), size=9 * 1024**3),
        "upload": make_case(alice, host=make_host(account, transport="upload")),
        "here": make_case(alice),
        "jira": make_case(alice, at="jira_attach"),
        "theirs": checked(egon),
        "connected": checked(alice, issue_access_verified=False),
        "checked": checked(alice),
        "large": checked(alice, upload_limit=100),
        "refused": failed(checked(alice), "forbidden", "Jira does not let you attach."),
        "ended": checked(alice),
        "gone": make_case(alice, at="jira_attach"),
        "done": make_case(alice, at="completed"),
        "generating": make_case(alice),
        "attaching": checked(alice),
    }
    archive = make_archive(cases["here"], content=packed_files(**FILES))
    ended, gone = cases["ended"].jira.connection, reread(cases["gone"]).sosreport
    assert ended
    assert gone.artifact
    revoke_connection(ended, by=alice)
    delete_artifact(gone.artifact, by=egon)
    running(ask(cases["generating"]))
    running(jira_attach_artifact(cases["attaching"], by=alice))
    found = {name: case.pk for name, case in cases.items()}
    hosts = {"local": local.pk, "confirmed": confirmed.pk, "strange": strange.pk}
    return {**found, **hosts, "archive": archive.pk, "deleted": gone.artifact.pk}


PAGES = {
    "alice": (
        "/", "/support/", "/support/?step=failed",
        "/support/?host={local}&step=select_product", "/connections/",
        "/support/{new}/", "/support/{new}/product/?q=nothing",
        "/support/{report}/", "/support/{report}/product/",
        "/support/{report}/host/", "/support/{masked}/", "/support/{long}/",
        "/support/{waiting}/", "/support/{heavy}/", "/support/{generating}/",
        "/support/{upload}/",
        "/support/{here}/", "/support/{jira}/", "/support/{jira}/report/",
        "/support/{theirs}/", "/support/{connected}/", "/support/{checked}/",
        "/support/{large}/", "/support/{refused}/", "/support/{ended}/",
        "/support/{gone}/", "/support/{attaching}/", "/support/{done}/",
        "/support/{here}/archives/{archive}/",
        "/support/{here}/archives/{archive}/?q=nothing",
        "/support/{gone}/archives/{deleted}/",
    ),
    "egon": (
        "/support/hosts/", "/support/hosts/?show=retired", "/support/hosts/new/",
        "/support/hosts/{local}/", "/support/hosts/{confirmed}/",
        "/support/hosts/{strange}/", "/connections/",
    ),
    "mona": ("/support/failures/", "/support/failures/?days=30", "/support/"),
}  # fmt: skip
# What is shown when a button of a page was pressed.
PRESSED = {
    "/support/hosts/{confirmed}/": "Ask the host for its key",
    "/support/hosts/{strange}/": "Ask the host for its key",
    "/support/hosts/{local}/": "Check the host",
    "/support/hosts/new/": "Add the host",
    "/support/{new}/": "Continue",
    "/support/{report}/": "Generate the report",
    "/support/{upload}/": "Bring it",
}
OUT_AT_THE_LEFT = """() => [...document.querySelectorAll("main details > *")]
    .some((element) => element.getBoundingClientRect().left < 0)"""


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("who", PAGES)
def test_no_page_of_cases_breaks_wcag(
    visit, full, axe, request, who, width, scheme, allowed_errors
):
    allowed_errors.append("410|422")
    page = visit(
        request.getfixturevalue(who),
        color_scheme=scheme,
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
    )
    found = []
    for path in PAGES[who]:
        page.goto(path.format(**full))
        found += look(page, path, axe, width)
        if button := PRESSED.get(path):
            page.get_by_role("button", name=button).first.click()
            found += look(page, f"{path} {button}", axe, width)
    assert not found, "\n".join(found)


def look(page: Page, path: str, axe: Any, width: int) -> list[str]:
    """Return what is wrong with a page when all of it is unfolded."""
    expect(page.locator(".htmx-request")).to_have_count(0)
    for details in page.locator("main details").all():
        details.evaluate("element => { element.open = true; }")
    found = [f"{path}: {violation}" for violation in axe(page)]
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        found.append(f"{path} scrolls sideways at {width} px")
    # What hangs out there cannot even be scrolled to.
    if page.evaluate(OUT_AT_THE_LEFT):
        found.append(f"{path} hangs out at the left at {width} px")
    return found


def test_pages_with_nothing_on_them_break_no_wcag(visit, charlie, axe):
    page = visit(charlie, "/support/")
    found = look(page, "no case", axe, 1280)
    page.get_by_role("button", name="New case").click()
    found += look(page, "no host to choose", axe, 1280)
    for path in ("/support/hosts/", "/support/hosts/?show=retired", "/connections/"):
        page.goto(path)
        found += look(page, path, axe, 1280)
    assert not found, "\n".join(found)
