"""Pages of jobs in a real Chromium: fresh without a reload, and undisturbed."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from jobs.actions.running import execute
from jobs.tests.engine import change, take_one
from jobs.tests.make import (
    BROKEN,
    STEPS,
    begin,
    done,
    make_job,
    past_job,
    register_kinds,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def kinds(kind):
    register_kinds()


def stay(page: Page) -> None:
    """Mark the page, so that a reload would be seen."""
    page.evaluate("window.stayed = true")


def stayed(page: Page) -> bool:
    return bool(page.evaluate("window.stayed === true"))


def row(page: Page, job: Any) -> Any:
    return page.locator(f"#job-{job.pk}")


def test_rows_move_while_the_reader_stays_where_they_are(visit, alice):
    older = [past_job(alice, timezone.now()) for _ in range(40)]
    make_job(alice, STEPS)
    run = take_one()
    page = visit(alice, "/jobs/")
    stay(page)
    page.evaluate("window.scrollTo(0, 400)")
    before = page.evaluate("window.scrollY")
    assert before > 300
    page.locator(f"#job-{run.job.pk}-link").evaluate(
        "link => link.focus({preventScroll: true})"
    )
    change(run.job, done=3, total=4, phase="Reading")
    expect(row(page, run.job)).to_contain_text("Reading, 3 of 4")
    expect(page.locator(f"#job-{run.job.pk}-link")).to_be_focused()
    execute(run)
    expect(row(page, run.job)).to_contain_text("Succeeded")
    assert page.evaluate("window.scrollY") == before
    assert stayed(page)
    assert page.locator("#jobs-live").get_attribute("hx-get") is None
    assert row(page, older[0]).count() == 1


def test_words_that_are_selected_stay_selected(visit, alice):
    job = begin(make_job(alice))
    page = visit(alice, "/jobs/")
    page.evaluate(
        "id => window.getSelection().selectAllChildren(document.getElementById(id))",
        f"job-{job.pk}",
    )
    change(job, done=3, total=4)
    page.wait_for_timeout(2500)  # one round of asking
    assert "kit.report" in page.evaluate("window.getSelection().toString()")
    assert "3 of 4" not in row(page, job).inner_text()
    page.evaluate("window.getSelection().removeAllRanges()")
    expect(row(page, job)).to_contain_text("3 of 4")


def test_a_job_is_followed_to_its_end(visit, alice):
    job = make_job(alice, STEPS)
    page = visit(alice, f"/jobs/{job.pk}/")
    stay(page)
    expect(page.locator("#job-state")).to_contain_text("You can leave this page")
    run = take_one()
    expect(page.locator("#job-head")).to_contain_text("Running")
    page.get_by_role("button", name="Cancel").focus()
    run.note("Page 3 is torn")
    expect(page.locator("#job-events")).to_contain_text("Page 3 is torn")
    expect(page.locator("#announce")).to_contain_text("Page 3 is torn")
    change(job, done=3, total=4)
    expect(page.locator(".progress-card")).to_contain_text("3 of 4")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    execute(run)
    expect(page.locator("#job-head")).to_contain_text("Succeeded")
    expect(page.locator("#announce")).to_contain_text("Succeeded")
    # The button is gone; whoever stood on it stands in what took its place.
    expect(page.locator("#job-state")).to_be_focused()
    expect(page.locator("#job-events > li")).to_have_count(job.events.count())
    assert stayed(page)


def test_cancel_and_try_again_in_a_browser(visit, alice):
    job = make_job(alice, BROKEN)
    page = visit(alice, f"/jobs/{job.pk}/")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#job-head")).to_contain_text("Canceled")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#job-head")).to_contain_text("Queued")
    expect(page.locator("main")).to_contain_text("The run before this one")
    page.go_back()
    page.reload()
    page.get_by_role("link", name="See the new run").click()
    expect(page.locator("#job-head")).to_contain_text("Queued")


def test_without_javascript(visit, alice):
    job = make_job(alice, BROKEN)
    page = visit(alice, "/jobs/", java_script_enabled=False)
    page.locator(".jobs-menu > summary").click()
    page.locator(".jobs-menu").get_by_role("link", name="All jobs").click()
    page.get_by_label("Status").select_option("queued")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name=BROKEN).click()
    page.get_by_role("link", name="Show how far it is now").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#job-head")).to_contain_text("Canceled")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#job-head")).to_contain_text("Queued")
    assert job.retries.count() == 1


def test_the_badge_and_its_drawer_by_keyboard(visit, alice):
    make_job(alice, STEPS)
    run = take_one()
    page = visit(alice, "/profile/")
    badge, drawer = page.locator("#jobs-badge"), page.locator(".jobs-menu .drawer")
    expect(badge).to_contain_text("1 running")
    summary = page.locator(".jobs-menu > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(drawer).to_contain_text("Running")
    page.keyboard.press("Tab")
    expect(drawer.get_by_role("link").first).to_be_focused()
    execute(run)
    expect(badge).to_be_hidden()
    expect(drawer).to_contain_text("Succeeded")
    expect(drawer.get_by_role("link").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{run.job.pk}/")


def test_a_failure_shows_in_the_badge(visit, alice):
    done(alice, BROKEN)
    page = visit(alice, "/profile/")
    expect(page.locator("#jobs-badge")).to_contain_text("1 failed")


@pytest.mark.parametrize("then", ["", "reload"])
def test_the_card_tells_its_page_of_the_end(visit, alice, then):
    make_job(alice, STEPS)
    run = take_one()
    page = visit(alice, "/profile/")
    stay(page)
    page.evaluate(
        """([url]) => {
          document.body.addEventListener("job-ended", (event) => {
            document.body.dataset.ended = event.detail.status;
          });
          return htmx.ajax("GET", url, {target: "#main", swap: "beforeend"});
        }""",
        [f"/jobs/{run.job.pk}/progress/?then={then}"],
    )
    card = page.locator(".progress-card")
    expect(card).to_contain_text("1 of 2")
    if then:
        with page.expect_event("load"):
            execute(run)
        assert not stayed(page)
    else:
        execute(run)
        expect(page.locator("body")).to_have_attribute("data-ended", "succeeded")
        expect(card).to_contain_text("See the job")
        expect(page.locator("#announce")).to_contain_text("Succeeded")
        assert stayed(page)


def test_a_server_that_is_away_for_a_moment_is_no_message(visit, alice, allowed_errors):
    allowed_errors += [
        "Failed to load resource",
        "net::ERR_FAILED",
        "htmx:(afterReq|sendErr)",
    ]
    job = begin(make_job(alice))
    page = visit(alice, f"/jobs/{job.pk}/")
    page.route("**/live/**", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        pass
    page.unroute("**/live/**")
    change(job, done=3, total=4)
    expect(page.locator(".progress-card")).to_contain_text("3 of 4")
    assert page.locator(".toast").count() == 0
