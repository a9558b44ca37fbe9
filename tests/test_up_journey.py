"""A bookkeeper at the product as `make run` starts it, with workers of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from l1walk.management.commands.demo import PASSWORD
from tests.test_up import Up, data, free_port, processes_of  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PATIENCE = 60_000  # milliseconds
PLACES = ("Corner", "Super", "City", "Metro", "Harbour", "Garden", "Castle", "Valley")
SHOPS = {"Coffee": "Roastery", "Groceries": "Mart", "Fuel": "Petrol", "Books": "Barn"}


@pytest.fixture
def product(data: Path) -> Iterator[Up]:  # noqa: F811
    """The product with its demo team, as at its first start."""
    found = Up(data, free_port())
    yield found
    assert found.stop() == 0
    assert processes_of(data) == {}


def bank_csv(rows: int) -> bytes:
    """Return what a bank gives: enough to be busy with for some seconds."""
    lines = ["Date,Payee,Amount,Category"]
    names = [
        (f"{first} {second} {shop}".upper(), category)
        for first, second in permutations(PLACES, 2)
        for category, shop in SHOPS.items()
    ]
    for place in range(rows):
        day = date(2026, 10, 31) - timedelta(days=place // 40)
        payee, category = names[place % len(names)]
        if place < rows // 2:
            category = ""  # nobody has looked at what is new
        lines.append(f"{day},{payee} {place % 97},-{place % 50 + 1}.10,{category}")
    return "\n".join(lines).encode()


def sign_in(page: Page, product: Up, name: str) -> None:
    page.goto(f"http://localhost:{product.port}/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).not_to_contain_text("Sign in")


def import_file(page: Page, name: str, content: bytes) -> None:
    page.goto(page.url.partition("/budgets/")[0] + "/budgets/import/")
    file: FilePayload = {
        "name": "bank.csv",
        "mimeType": "text/csv",
        "buffer": content,
    }
    page.locator("input[type=file]").set_input_files(file)
    # The demo has this name already: the file is kept, another name is asked for.
    page.get_by_label("Name").fill("Household (demo)")
    page.get_by_role("button", name="Import it").click()
    expect(page.locator("main")).to_contain_text("“bank.csv” is kept")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Import it").click(timeout=PATIENCE)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(name, timeout=PATIENCE)


def value_of(bar: Any) -> int:
    return int(bar.get_attribute("value") or 0)


def test_sync_cancel_retry_review_and_apply(new_page, product, allowed_errors):
    allowed_errors.append("422")
    page = new_page()
    sign_in(page, product, "berta")
    page.goto(f"http://localhost:{product.port}/budgets/")
    expect(page.locator("main")).to_contain_text("Household (demo)")
    import_file(page, "Bank", bank_csv(60_000))
    budget = page.url

    # It runs by itself, and is canceled before it is through.
    main, badge = page.locator("main"), page.locator("#jobs-badge")
    card = page.locator(".progress-card")
    expect(badge).to_contain_text("running", timeout=PATIENCE)
    card.get_by_role("button", name="Cancel").click()
    expect(main).to_contain_text("was canceled.", timeout=PATIENCE)
    expect(badge).not_to_contain_text("running", timeout=PATIENCE)

    # Tried again it goes through: a bar that moves, and the drawer.
    page.get_by_role("button", name="Try again").click()
    expect(main).to_contain_text("Tried again by Berta", timeout=PATIENCE)
    page.goto(budget)
    bar = card.locator("progress[value]")
    expect(bar).to_be_visible(timeout=PATIENCE)
    expect(bar).not_to_have_attribute("value", str(value_of(bar)), timeout=PATIENCE)
    page.locator(".jobs-menu summary").click()
    expect(page.locator(".drawer")).to_contain_text("Sync and suggest")
    page.keyboard.press("Escape")
    history = page.locator(".job-history tbody tr").first
    expect(history).to_contain_text("Succeeded", timeout=PATIENCE)

    # Review with the keyboard: approve one, correct one, take the rest at once.
    page.goto(f"{budget}review/")
    title = page.locator("#item-title")
    before = title.inner_text()
    page.keyboard.press("a")
    expect(title).not_to_have_text(before)
    corrected = title.inner_text()
    page.keyboard.press("c")
    page.keyboard.type("books")
    expect(page.locator("#category option:checked")).to_have_text("Books")
    page.keyboard.press("Enter")
    expect(title).not_to_have_text(corrected)
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_have_text("What apply would change")
    expect(main).to_contain_text("Books")
    page.get_by_role("link", name="Apply").click()
    page.get_by_role("button", name="Apply").click()
    expect(main).to_contain_text("All of it is in the budget.", timeout=PATIENCE)
    expect(main).to_contain_text(re.compile(r"Written\s*[1-9]"))
