"""A bookkeeper's day in a real Chromium: from the demo budget to the report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import Page, expect

from jobs.actions.claiming import claim
from jobs.actions.kinds import kind_of
from jobs.actions.run import CANCELED, Run
from jobs.actions.running import drain, execute
from jobs.budgets.actions import asking, deciding
from jobs.budgets.models import Budget
from jobs.budgets.tests.make import make_budget, make_demo, make_suggestions
from jobs.models import Job

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@contextmanager
def held(type: str) -> Iterator[Run]:
    """Take the queue's next job as a worker does; its work is done after the block."""
    jobs, _more = claim("budgets", "a worker")
    (job,) = jobs
    assert job.type == type
    run = Run(job, kind_of(type))
    yield run
    execute(run)


def title(page: Page) -> Any:
    return page.locator("#item-title")


def decide(page: Page, key: str) -> None:
    """Press a key and wait until another payee is in focus."""
    before = title(page).inner_text()
    page.keyboard.press(key)
    expect(title(page)).not_to_have_text(before)


@pytest.mark.smoke
def test_from_the_demo_budget_to_the_report(visit, berta):
    page = visit(berta, "/budgets/")
    page.get_by_role("button", name="Make the demo budget").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Demo")
    card = page.locator(".progress-card")
    expect(card).to_contain_text("Queued")
    with held("sync_and_suggest") as run:
        run.progress(40, 100, "Looking around")
        expect(card.locator("progress")).to_have_attribute("value", "40")
        expect(card).to_contain_text("Looking around")
        badge = page.locator("#jobs-badge")
        page.reload()
        expect(badge).to_contain_text("1")
        expect(badge).to_contain_text("running")
        page.locator(".jobs-menu summary").click()
        expect(page.locator(".drawer")).to_contain_text("Sync and suggest")
        page.keyboard.press("Escape")
    drain("budgets")
    page.get_by_role("link", name="Review them").click()

    budget = Budget.objects.get()
    first = title(page).inner_text()
    decide(page, "a")
    expect(page.get_by_role("status").last).to_contain_text("approved.")
    assert budget.suggestions.filter(category_status="approved").exists()
    second = title(page).inner_text()
    decide(page, "r")
    expect(page.locator("#payees")).not_to_contain_text(second)

    # Another category: its first letters, then Enter.
    corrected = page.locator("#decide input[name=payee]").input_value()
    page.keyboard.press("c")
    expect(page.locator("#category")).to_be_focused()
    page.keyboard.type("travel")
    expect(page.locator("#category option:checked")).to_have_text("Travel")
    before = title(page).inner_text()
    page.keyboard.press("Enter")
    expect(title(page)).not_to_have_text(before)
    (travel,) = budget.categories.filter(name="Travel")
    rows = budget.suggestions.filter(payee_key=corrected)
    assert {row.category_id for row in rows} == {travel.ledger_id}

    # Undo brings it back; then it is corrected once more.
    page.keyboard.press("u")
    expect(title(page)).to_have_text(before)
    expect(page.locator("#payees [aria-current]")).to_contain_text(before)
    assert not rows.filter(category_status="approved").exists()
    page.keyboard.press("c")
    page.keyboard.type("travel")
    page.keyboard.press("Enter")
    expect(title(page)).not_to_have_text(before)

    # The next and the one before, without deciding.
    here = title(page).inner_text()
    decide(page, "j")
    page.keyboard.press("k")
    expect(title(page)).to_have_text(here)

    page.get_by_text(re.compile(r"^95 %:")).click()
    page.get_by_role("button", name=re.compile(r"^Approve \d+$")).click()
    expect(page.get_by_role("status").last).to_contain_text("approved.")
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_have_text("What apply would change")
    expect(page.locator("main")).to_contain_text("Travel")
    page.get_by_role("link", name="Apply").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("into the budget?")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Applying")
    drain("budgets")
    expect(page.locator("main")).to_contain_text("All of it is in the budget.")
    expect(page.locator("main")).to_contain_text("Written")
    assert not budget.suggestions.filter(category_status="approved").exists()
    assert set(rows.values_list("category_status", flat=True)) == {"applied"}
    page.get_by_role("link", name="See the job").click()
    expect(page.locator("main")).to_contain_text("Apply approved suggestions")
    assert first != second


def test_a_running_job_is_canceled_and_tried_again(visit, account, berta):
    budget = make_demo(account, berta)
    page = visit(berta, f"/budgets/{budget.pk}/")
    page.get_by_role("button", name="Sync and suggest").click()
    with held("sync_and_suggest") as run:
        card = page.locator(".progress-card")
        expect(card).to_contain_text("Running")
        card.get_by_role("button", name="Cancel").click()
        expect(card).to_contain_text("It stops at the next safe moment")
        assert Job.objects.get(pk=run.job.pk).cancel_requested_at
        run.tell(CANCELED)  # as the guard does within a second
    expect(page.locator("main")).to_contain_text("was canceled.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("main")).to_contain_text("Tried again by Berta")
    drain("budgets")
    page.goto(f"/budgets/{budget.pk}/")
    expect(page.locator(".job-history")).to_contain_text("Canceled")
    expect(page.locator(".job-history tbody tr").first).to_contain_text("Succeeded")


def test_a_failed_job_says_why_and_is_tried_again(visit, account, berta):
    budget = make_demo(account, berta)
    with default_storage.open(budget.file) as archive:
        content = archive.read()
    default_storage.delete(budget.file)
    page = visit(berta, f"/budgets/{budget.pk}/")
    page.get_by_role("button", name="Sync and suggest").click()
    drain("budgets")
    banner = page.locator(".banner")
    expect(banner).to_contain_text("The file of this budget is missing")
    assert default_storage.save(budget.file, ContentFile(content)) == budget.file
    banner.get_by_role("button", name="Try again").click()
    drain("budgets")
    expect(page.locator("main")).to_contain_text("Succeeded")


def test_keys_never_fire_while_somebody_types(visit, account, berta):
    budget = make_budget(account)
    make_suggestions(budget, 2)
    make_suggestions(budget, key="aldi")
    page = visit(berta, f"/budgets/{budget.pk}/review/")
    page.locator("#q").click()
    page.keyboard.type("araruck")
    expect(page.locator("#q")).to_have_value("araruck")
    page.locator("#name").click()
    page.keyboard.type("Arka u")
    expect(page.locator("#rename")).to_be_checked()
    page.keyboard.press("Escape")
    expect(page.locator("#item")).to_be_focused()
    assert set(budget.suggestions.values_list("category_status", flat=True)) == {
        "pending"
    }
    page.keyboard.press("?")
    expect(page.locator("#keys-help")).to_be_visible()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(title(page)).to_have_text("Aldi")
    assert {row.payee for row in budget.suggestions.filter(payee_key="shell")} == {
        "Arka u"
    }


def test_keys_that_are_switched_off_do_nothing(visit, account, berta):
    berta.key_shortcuts = False
    berta.save()
    budget = make_budget(account)
    make_suggestions(budget)
    make_suggestions(budget, key="aldi")
    page = visit(berta, f"/budgets/{budget.pk}/review/")
    before = title(page).inner_text()
    for key in "arjuc":
        page.keyboard.press(key)
    expect(title(page)).to_have_text(before)
    expect(page.locator("#category")).not_to_be_focused()
    page.get_by_role("button", name="Approve", exact=False).first.click()
    expect(title(page)).not_to_have_text(before)


def test_some_of_a_payee_and_the_end_of_the_queue(visit, account, berta):
    budget = make_budget(account)
    make_suggestions(budget, 3)
    page = visit(berta, f"/budgets/{budget.pk}/review/")
    page.locator("[data-tick-all]").uncheck()
    page.locator("tbody [data-tick]").first.check()
    page.locator("#category").select_option(label="Coffee")
    page.get_by_role("button", name="Approve A").click()
    expect(page.locator("#item")).to_contain_text("2 transactions")
    expect(page.locator("#count-open")).to_have_text("2")
    page.keyboard.press("a")
    expect(page.locator("main")).to_contain_text("All reviewed")
    expect(page.get_by_role("status").last).to_contain_text("2 approved.")
    page.keyboard.press("u")
    expect(page.locator("#item")).to_contain_text("2 transactions")


def test_two_at_one_payee(visit, account, berta, mona, allowed_errors):
    allowed_errors.append("409")
    budget = make_budget(account)
    make_suggestions(budget, 2)
    make_suggestions(budget, key="aldi")
    page = visit(berta, f"/budgets/{budget.pk}/review/")
    page.locator("#category").select_option(label="Coffee")
    rows = budget.suggestions.filter(payee_key="shell")
    deciding.approve(rows, by=mona)
    page.get_by_role("button", name="Approve A").click()
    expect(page.get_by_role("alert")).to_contain_text("Mona was faster")
    expect(page.locator("#category option:checked")).to_have_text("Coffee")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Approve A").click()
    expect(title(page)).not_to_have_text("Shell")
    (coffee,) = budget.categories.filter(name="Coffee")
    assert set(rows.values_list("category_id", flat=True)) == {coffee.ledger_id}


def test_a_second_look_while_one_goes_on(visit, account, berta):
    budget = make_demo(account, berta)
    page = visit(berta, f"/budgets/{budget.pk}/review/")
    page.get_by_role("button", name="Look for a better suggestion").click()
    expect(page.locator("#again")).to_contain_text("You can go on meanwhile")
    drain("budgets")
    page.get_by_role("link", name="See what is suggested now").click()
    expect(title(page)).to_be_visible()


def test_the_whole_review_without_javascript(visit, account, berta):
    budget = make_demo(account, berta)
    page = visit(berta, f"/budgets/{budget.pk}/review/", java_script_enabled=False)
    first = title(page).inner_text()
    page.get_by_role("button", name="Approve A").click()
    expect(title(page)).not_to_have_text(first)
    page.get_by_role("button", name="Undo U").click()
    expect(title(page)).to_have_text(first)
    page.locator("#category").select_option(label="Travel")
    page.get_by_role("button", name="Approve A").click()
    page.get_by_role("button", name="Leave as it is R").click()
    page.get_by_role("link", name="See the plan P").click()
    expect(page.locator("main")).to_contain_text("Travel")
    page.get_by_role("link", name="Apply").click()
    page.get_by_role("button", name="Apply").click()
    drain("budgets")
    page.reload()
    expect(page.locator("main")).to_contain_text("All of it is in the budget.")


# --- accessibility --------------------------------------------------------------------
LOOKS = [
    pytest.param(1280, "light", id="wide-light"),
    pytest.param(1280, "dark", id="wide-dark"),
    pytest.param(390, "light", id="phone-light"),
    pytest.param(390, "dark", id="phone-dark"),
]
PAGES = (
    "/budgets/", "/budgets/connect/", "/budgets/import/", "/budgets/{demo}/",
    "/budgets/{demo}/review/", "/budgets/{demo}/review/?show=approved",
    "/budgets/{demo}/review/?show=skipped", "/budgets/{demo}/review/?q=nobody",
    "/budgets/{demo}/review/?payee={payee}", "/budgets/{demo}/plan/",
    "/budgets/{demo}/apply/", "/budgets/{demo}/apply/{report}/",
    "/budgets/{demo}/snapshots/", "/budgets/{demo}/snapshots/{snapshot}/restore/",
    "/budgets/{demo}/settings/", "/budgets/{server}/", "/budgets/{server}/settings/",
    "/budgets/{server}/snapshots/", "/budgets/{server}/plan/",
)  # fmt: skip


@pytest.fixture
def full(account, berta) -> dict[str, Any]:
    """An account in which every page of budgets has something to show."""
    demo = make_demo(account, berta)
    rows = demo.suggestions.order_by("-category_confidence")
    deciding.approve(rows.filter(pk__in=[row.pk for row in rows[:3]]), by=berta)
    report = asking.request_apply(demo, by=berta)
    drain("budgets")
    asking.request_snapshot(demo, by=berta)
    drain("budgets")
    deciding.approve(deciding.of_confidence(demo, 0.95), by=berta)
    broken = make_budget(account, name="Without its file")
    asking.request_sync(broken, by=berta)
    drain("budgets")
    pending = demo.suggestions.filter(category_status="pending").first()
    assert pending
    return {
        "demo": demo.pk,
        "server": broken.pk,
        "report": report.pk,
        "snapshot": demo.snapshots.get().pk,
        "payee": pending.payee_key,
        "suggestion": pending.pk,
    }


ADMIN = (
    "/admin/budgets/budget/", "/admin/budgets/budget/{demo}/change/",
    "/admin/budgets/suggestion/", "/admin/budgets/suggestion/{suggestion}/change/",
    "/admin/budgets/snapshot/", "/admin/budgets/snapshot/{snapshot}/change/",
)  # fmt: skip


def test_the_admin_of_budgets_breaks_no_wcag(visit, full, axe, mona):
    page = visit(mona, reduced_motion="reduce")
    found = []
    for path in ADMIN:
        page.goto(path.format(**full))
        found += [f"{path}: {violation}" for violation in axe(page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_no_page_of_budgets_breaks_wcag(visit, full, axe, berta, width, scheme):
    page = visit(
        berta,
        color_scheme=scheme,
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
    )
    found = []
    for path in PAGES:
        page.goto(path.format(**full))
        for details in page.locator("main details").all():
            details.evaluate("element => { element.open = true; }")
        found += [f"{path}: {violation}" for violation in axe(page)]
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} scrolls sideways at {width} px"
    assert not found, "\n".join(found)
