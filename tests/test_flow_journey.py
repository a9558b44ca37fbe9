"""An engineer writes a flow, mends what is wrong with it, and a technician walks it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from l1walk.models import Flow
from l1walk.tests.make import make_flow

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_writing_mending_publishing_and_walking(visit, egon, alice, allowed_errors):
    allowed_errors.append("409|422")
    page = visit(egon, "/flows/new/")
    page.get_by_label("Title").fill("Scanner does not scan")
    page.get_by_label("Keywords").fill("scanner scan")
    page.get_by_role("button", name="Make the flow").click()

    page.get_by_label("Text").fill("Is the lid closed?")
    page.get_by_role("button", name="Add an answer").click()
    row = page.locator(".answer-row").last
    row.get_by_role("textbox").first.fill("It has no lid")
    row.get_by_role("combobox").select_option("new:instruction")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("main")).to_contain_text("It has no lid")

    page.get_by_role("link", name="Map and publish").click()
    expect(page.locator(".flowmap svg")).to_be_visible()
    page.get_by_role("button", name="Publish version 1").click()
    problems = page.locator("#problems")
    expect(problems).to_be_visible()
    assert Flow.objects.get().state == "draft"
    problems.get_by_role("link", name="Go to").first.click()
    page.get_by_label("Text").fill("Feed the page from the top")
    row = page.locator(".answer-row").first
    row.get_by_role("textbox").first.fill("Done")
    row.get_by_role("combobox").select_option("n2")
    page.get_by_label("Needs review").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Map and publish").click()
    page.get_by_role("button", name="Publish version 1").click()
    expect(page.locator("main")).to_contain_text("Published")
    assert Flow.objects.get().state == "published"

    page = visit(alice, "/walks/new/")
    page.get_by_label("What is the problem?").fill("my scanner does not scan")
    page.get_by_role("button", name="Find the flow and start").click()
    expect(page.locator("#question")).to_have_text("Is the lid closed?")
    page.get_by_role("button", name="It has no lid").click()
    expect(page.locator("#question")).to_have_text("Feed the page from the top")


def test_two_editors_of_one_node_lose_nothing(
    visit, account, egon, mona, allowed_errors
):
    allowed_errors.append("409")
    flow = make_flow(account)
    first = visit(egon, f"/flows/{flow.pk}/edit/?node=ok")
    second = visit(mona, f"/flows/{flow.pk}/edit/?node=ok")
    first.get_by_label("Text").fill("Egon's words")
    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.get_by_label("Text")).to_have_value("Egon's words")
    second.get_by_label("Text").fill("Mona's words")
    second.get_by_role("button", name="Save", exact=True).click()
    expect(second.get_by_label("Text")).to_have_value("Mona's words")
    expect(second.locator("main")).to_contain_text("Egon's words")
    second.get_by_role("button", name="Save mine over theirs").click()
    expect(second.get_by_label("Text")).to_have_value("Mona's words")
    assert any(
        node["text"] == "Mona's words" for node in Flow.objects.get().draft["nodes"]
    )


def test_a_real_file_is_imported_drawn_and_published(visit, egon):
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    file = Path(os.environ.get("HANDRAIL_DATA", default)) / "flows" / "004-sandy.mmd"
    if not file.is_file() and os.environ.get("CI") != "true":
        pytest.skip(f"needs the real flows: {file.name} is not there")
    page = visit(egon, "/flows/import/")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#problems")).to_contain_text("notes of the import")
    expect(page.locator(".flowmap svg")).to_be_visible()
    page.get_by_role("button", name="Publish version 1").click()
    expect(page.locator("main")).to_contain_text("Published")
