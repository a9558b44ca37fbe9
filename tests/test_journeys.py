"""Journeys through the product in a real Chromium, as its people make them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from jobs.tests import kinds
from jobs.tests.make import BROKEN, STEPS, begin, done, make_job, register_kinds
from l1walk.actions import walks
from l1walk.actions.escalations import claim_walk, escalate_walk
from l1walk.actions.tickets import open_ticket
from l1walk.models import L1WalkSession, Ticket
from l1walk.tests.make import give, make_flow, make_walk
from workflows.core.accounts import Account, User

kind = kinds.kind
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ticket(account: Account, alice: User) -> Ticket:
    make_flow(account, title="Printer does not print", keywords="printer paper jam")
    return open_ticket(
        account,
        by=alice,
        title="Printer on floor 2",
        requester="Ann Field",
        contact="ext. 7",
        problem="The printer does not print, maybe a paper jam",
    )


def heading(page: Page) -> Any:
    return page.locator("#question")


@pytest.mark.smoke
def test_a_call_from_the_ticket_to_the_managers_numbers(
    visit, ticket, alice, egon, mona
):
    page = visit(alice, "/tickets/")
    page.get_by_role("link", name="#1001 Printer on floor 2").click()
    page.get_by_role("link", name="Walk this ticket").click()
    expect(page.get_by_label("Ticket number")).to_have_value("1001")
    page.get_by_role("button", name="Find the flow and start").click()

    expect(heading(page)).to_have_text("Can anyone else print?")
    page.keyboard.press("1")
    expect(heading(page)).to_have_text("Clear the queue")
    page.keyboard.press("1")
    expect(heading(page)).to_have_text("Does it print now?")
    page.keyboard.press("u")
    expect(heading(page)).to_have_text("Clear the queue")
    expect(page.locator("#path > li")).to_have_count(1)
    page.keyboard.press("n")
    page.keyboard.type("Queue had 12 jobs, the 1st from Monday")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#path")).to_contain_text("Queue had 12 jobs")
    page.keyboard.press("e")
    page.get_by_label("Needs access").check()
    page.get_by_label("What should the engineer know?").fill("No right on the server")
    page.get_by_role("button", name="Escalate to an engineer").click()
    expect(page.get_by_role("status").first).to_contain_text("Handed over")

    page = visit(egon, "/escalations/")
    page.get_by_role("button", name="Claim #1001").click()
    expect(page.locator("main")).to_contain_text("No right on the server")
    for words in ("Can anyone else print?", "Only I cannot", "Queue had 12 jobs",
                  "Ann Field", "ext. 7", "1 answer that was taken back"):  # fmt: skip
        expect(page.locator("main")).to_contain_text(words)
    page.get_by_label("Fixed").check()
    page.get_by_label("Notes").fill("Rights granted")
    page.get_by_role("button", name="Close with this outcome").click()
    expect(page.locator("main")).to_contain_text("Nothing here")

    page = visit(mona, "/reports/")
    expect(page.locator("main")).to_contain_text("Printer does not print")
    expect(page.locator("main")).to_contain_text("Needs access")
    page.get_by_role("link", name="Admin", exact=True).first.click()
    page.goto("/admin/l1walk/l1walksession/")
    page.locator("#result_list tbody tr a").first.click()
    expect(page.locator("#content")).to_contain_text("escalate")
    expect(page.locator("#content")).to_contain_text("Alice")


def test_the_whole_walk_with_the_keyboard_alone(visit, ticket, alice):
    page = visit(alice, f"/tickets/{ticket.pk}/")
    tab_to(page, "link", "Walk this ticket")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Ticket number")).to_have_value("1001")
    tab_to(page, "button", "Find the flow and start")
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("Can anyone else print?")
    page.keyboard.press("?")
    expect(page.locator("#keys-help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys-help")).to_be_hidden()
    # Focus goes to the new question, so that the next Tab reaches its first answer.
    page.keyboard.press("1")
    expect(heading(page)).to_have_text("Clear the queue")
    expect(page.locator("#step")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Done")).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("Does it print now?")
    page.keyboard.press("n")
    page.keyboard.type("1 2 3 u r e ?")
    expect(page.locator("#note")).to_have_value("1 2 3 u r e ?")
    expect(heading(page)).to_have_text("Does it print now?")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(heading(page)).to_have_text("It prints again")
    page.keyboard.press("r")
    expect(page.get_by_label("What solved it?")).to_be_visible()
    tab_to(page, "button", "Resolve the ticket")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Resume as a new walk")
    assert L1WalkSession.objects.get().status == "resolved"


def tab_to(page: Page, role: Any, name: str) -> None:
    """Press Tab until the named control has the focus."""
    wanted = page.get_by_role(role, name=name)
    for _ in range(60):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never reaches the {role} “{name}”")


def test_the_whole_walk_without_javascript(visit, ticket, alice, egon):
    page = visit(alice, "/walks/new/", java_script_enabled=False)
    page.get_by_label("What is the problem?").fill("printer paper jam")
    page.get_by_role("button", name="Find the flow and start").click()
    expect(heading(page)).to_have_text("Can anyone else print?")
    page.get_by_label("Note for this step").fill("By hand")
    page.get_by_role("button", name="Only I cannot").click()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Undo").click()
    expect(heading(page)).to_have_text("Clear the queue")
    page.get_by_role("link", name="Escalate").click()
    page.get_by_label("Security").check()
    page.get_by_role("button", name="Escalate to an engineer").click()
    expect(page.locator("main")).to_contain_text("By hand")
    page = visit(egon, "/escalations/", java_script_enabled=False)
    page.get_by_role("button", name="Claim").click()
    page.get_by_role("button", name="Give it back to the queue").click()
    expect(page.get_by_role("button", name="Claim")).to_be_visible()


def test_back_reload_and_a_second_tab(visit, ticket, account, alice, allowed_errors):
    allowed_errors.append("409")
    walk = make_walk(account, alice, make_flow(account))
    page = visit(alice, f"/walks/{walk.pk}/")
    other = page.context.new_page()
    other.goto(f"/walks/{walk.pk}/")
    page.keyboard.press("1")
    expect(heading(page)).to_have_text("Clear the queue")
    other.locator("#note").fill("Typed in the other tab")
    other.get_by_role("button", name="Nobody can").click()
    expect(other.get_by_role("alert")).to_contain_text("The walk has moved on")
    expect(heading(other)).to_have_text("Clear the queue")
    expect(other.locator("#note")).to_have_value("Typed in the other tab")
    page.reload()
    expect(heading(page)).to_have_text("Clear the queue")
    page.goto("/")
    page.go_back()
    expect(heading(page)).to_have_text("Clear the queue")
    assert walk.steps.count() == 1


def test_a_note_that_was_not_sent_is_there_after_a_reload(visit, account, alice):
    walk = make_walk(account, alice, make_flow(account))
    page = visit(alice, f"/walks/{walk.pk}/")
    page.locator("#note").press_sequentially("Half a sentence")
    page.reload()
    expect(page.locator("#note")).to_have_value("Half a sentence")
    page.get_by_role("button", name="Only I cannot").click()
    expect(heading(page)).to_have_text("Clear the queue")
    expect(page.locator("#note")).to_have_value("")
    page.reload()
    expect(page.locator("#note")).to_have_value("")


def test_words_for_a_ticket_and_a_handover_survive_a_reload(
    visit, account, alice, egon
):
    ticket = open_ticket(account, by=alice, title="Printer")
    page = visit(alice, f"/tickets/{ticket.pk}/")
    note = page.get_by_label("Note", exact=True)
    note.press_sequentially("Ann called again")
    page.reload()
    expect(note).to_have_value("Ann called again")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("main")).to_contain_text("Ann called again")
    expect(note).to_have_value("")
    walk = make_walk(account, alice)
    escalate_walk(walk, by=alice, version=0, category="security")
    claim_walk(walk, by=egon)
    page = visit(egon, f"/escalations/{walk.pk}/")
    page.get_by_label("Notes").press_sequentially("New driver")
    page.reload()
    expect(page.get_by_label("Notes")).to_have_value("New driver")


def test_who_is_quicker_than_the_page_keeps_the_field(visit, account, alice):
    walk = make_walk(account, alice, make_flow(account))
    page = visit(alice, f"/walks/{walk.pk}/")
    page.evaluate(
        """() => {
          // The header fills itself meanwhile; what is meant is the question.
          const on = (name, then) => document.addEventListener(name, (event) => {
            if (!event.target.closest(".site-header, .site-nav")) then();
          });
          on("htmx:afterSettle", () => { document.body.dataset.settled = "yes"; });
          on("htmx:afterSwap", () => document.getElementById("note").focus());
        }"""
    )
    page.keyboard.press("1")
    expect(page.locator("body")).to_have_attribute("data-settled", "yes")
    page.keyboard.type("1 e u")
    expect(page.locator("#note")).to_have_value("1 e u")
    expect(heading(page)).to_have_text("Clear the queue")


def test_keys_that_are_switched_off_do_nothing(visit, account, alice):
    User.objects.filter(pk=alice.pk).update(key_shortcuts=False)
    walk = make_walk(account, alice, make_flow(account))
    page = visit(alice, f"/walks/{walk.pk}/")
    page.keyboard.press("1")
    page.get_by_role("button", name="Nobody can").click()
    expect(heading(page)).to_have_text("Print team takes over")
    assert [step.answer_key for step in walk.steps.all()] == ["a2"]


def test_the_theme_is_kept(visit, alice):
    page = visit(alice, "/", color_scheme="light")
    with page.expect_response("**/theme/"):  # a reload before it would abort it
        page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


# --- accessibility --------------------------------------------------------------------
@pytest.fixture
def busy(account: Account, alice: User, egon: User, kind: Any) -> dict[str, Any]:
    """An account in which every page has something to show."""
    flow = make_flow(account, title="Printer does not print")
    draft = make_flow(account, title="Scanner")
    ticket = open_ticket(account, by=alice, title="Printer", requester="Ann Field")
    active = make_walk(account, alice, flow)
    give(active, alice, "a1", note="Anna tried")
    ended = give(make_walk(account, alice, flow), alice, "a1", "a1", "a1")
    walks.resolve_walk(ended, by=alice, version=3, notes="Cleared", helpful=True)
    escalated = give(make_walk(account, alice, flow), alice, "a2")
    escalate_walk(escalated, by=alice, version=1, category="security", reason="Odd")
    claim_walk(escalated, by=egon)
    waiting = make_walk(account, alice)
    escalate_walk(waiting, by=alice, version=0, category="time_box")
    at_end = give(make_walk(account, alice, flow), alice, "a2")
    adhoc = make_walk(account, alice)
    register_kinds()
    failed = done(alice, BROKEN, subject=ticket)
    running = begin(make_job(alice, STEPS, ticket))
    return {
        "flow": flow.pk, "slug": flow.slug, "draft": draft.pk, "ticket": ticket.pk,
        "active": active.pk, "ended": ended.pk, "escalated": escalated.pk,
        "waiting": waiting.pk, "at_end": at_end.pk, "adhoc": adhoc.pk,
        "failed": failed.pk, "running": running.pk,
    }  # fmt: skip


PAGES = {
    "alice": (
        "/", "/walks/", "/walks/new/", "/walks/{active}/", "/walks/{at_end}/",
        "/walks/{adhoc}/", "/walks/{ended}/", "/walks/{active}/resolve/",
        "/walks/{active}/escalate/", "/tickets/", "/tickets/new/",
        "/tickets/{ticket}/", "/flows/", "/flows/{flow}/", "/search/?q=printer",
        "/profile/", "/password/", "/no/such/page/", "/reports/", "/jobs/",
        "/jobs/{running}/", "/jobs/{failed}/",
    ),
    "egon": (
        "/", "/escalations/", "/escalations/{waiting}/", "/escalations/{escalated}/",
        "/flows/new/", "/flows/import/", "/flows/{flow}/edit/", "/flows/{flow}/",
        "/flows/{flow}/describe/", "/flows/{flow}/preview/",
        "/flows/{flow}/versions/1/",
    ),
    "mona": (
        "/", "/escalations/{escalated}/", "/reports/", "/reports/stale/",
        "/reports/flows/{slug}/v1/", "/account/", "/admin/",
        "/admin/l1walk/l1walksession/", "/admin/l1walk/l1walksession/{active}/change/",
        "/jobs/queues/", "/jobs/queues/?by=day", "/jobs/{failed}/", "/admin/jobs/job/",
        "/admin/jobs/job/{failed}/change/", "/admin/jobs/schedule/",
    ),
}  # fmt: skip
LOOKS = [
    pytest.param(1280, "light", id="wide-light"),
    pytest.param(1280, "dark", id="wide-dark"),
    pytest.param(390, "light", id="phone-light"),
    pytest.param(390, "dark", id="phone-dark"),
]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("who", PAGES)
def test_no_page_breaks_wcag(
    visit, busy, axe, request, who, width, scheme, allowed_errors, mona
):
    allowed_errors.append("40[34]")
    page = visit(
        request.getfixturevalue(who),
        color_scheme=scheme,
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
    )
    found = []
    for path in PAGES[who]:
        page.goto(path.format(**busy))
        found += [f"{path}: {violation}" for violation in axe(page)]
        if not path.startswith("/admin/"):
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} scrolls sideways at {width} px"
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_login_page_breaks_no_wcag(live_server, new_page, axe, width, scheme):
    page = new_page(
        base_url=live_server.url,
        color_scheme=scheme,
        viewport={"width": width, "height": 844},
    )
    page.goto("/login/")
    assert axe(page) == []
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text(re.compile("password", re.IGNORECASE))
    assert axe(page) == []
