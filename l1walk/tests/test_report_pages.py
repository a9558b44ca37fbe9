"""The pages and files of the manager's view."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from l1walk.actions.drafting import draft_of
from l1walk.actions.flows import publish_flow
from l1walk.actions.reports import Figures
from l1walk.models import Flow
from l1walk.tests.make import give, make_flow, make_walk
from l1walk.tests.test_reports import (
    START,
    abandoned,
    after,
    escalated,
    resolved,
    second_version,
)
from l1walk.views.reports import rate_change, walks_change
from tests.conftest import make_account, make_user, signed_in

IN_MARCH = {"from": "2025-03-01", "to": "2025-03-31"}
PAGES = ["reports", "reports_csv", "report_stale"]
VERSION_PAGES = ["report_version", "report_version_csv"]


@pytest.fixture
def flow(account):
    return make_flow(account)


def urls(flow: Flow) -> list[str]:
    version = [flow.slug, 1]
    return [reverse(f"l1walk:{name}") for name in PAGES] + [
        reverse(f"l1walk:{name}", args=version) for name in VERSION_PAGES
    ]


def test_who_may_see_reports(client, alice, egon, nora, mona, charlie, flow):
    for url in urls(flow):
        assert client.get(url).status_code == 302
        for user in (alice, egon, nora):
            assert signed_in(user).get(url).status_code == 403
        assert signed_in(mona).get(url).status_code == 200
        assert signed_in(mona).post(url).status_code == 405
        foreign = 404 if "/flows/" in url else 200
        assert signed_in(charlie).get(url).status_code == foreign


def test_no_figure_holds_walks_of_another_account(account, alice, charlie, flow):
    resolved(account, alice, flow, 1, problem_text="Our secret")
    abandoned(account, alice, None, problem_text="Our secret")
    client = signed_in(charlie)
    page = client.get(reverse("l1walk:reports"), IN_MARCH)
    assert page.context["now"] == Figures()
    assert "Our secret" not in page.text
    assert "Printer" not in page.text
    assert "Printer" not in body(client.get(reverse("l1walk:reports_csv"), IN_MARCH))
    assert not client.get(reverse("l1walk:report_stale")).context["list"].rows


def test_an_operator_sees_every_account(db, alice, account, flow):
    other = make_account("third")
    make_flow(other)  # the same short name
    operator = make_user(None, "root", is_superuser=True)
    for url in urls(flow):
        assert signed_in(operator).get(url).status_code == 200


@pytest.mark.parametrize("number", [2, 10**30])
def test_a_version_that_is_not_there(mona, flow, number):
    url = reverse("l1walk:report_version", args=[flow.slug, number])
    assert signed_in(mona).get(url).status_code == 404


def test_the_overview(account, alice, mona, flow):
    resolved(account, alice, flow, 2, helpful=True)
    resolved(account, alice, flow, 3, helpful=True)
    escalated(account, alice, flow, 4)
    abandoned(account, alice, None, problem_text="The <b>lamp</b> smokes")
    earlier = START - timedelta(days=31)
    resolved(account, alice, flow, 4, at=earlier, helpful=False)
    escalated(account, alice, flow, 4, at=earlier)
    page = signed_in(mona).get(reverse("l1walk:reports"), IN_MARCH)
    tiles = [(t.value, t.change, t.direction) for t in page.context["tiles"]]
    assert tiles == [
        ("4", "100% more", "up"),
        ("50%", "unchanged", "same"),
        ("25%", "25 points less", "down"),
        ("25%", "25 points more", "up"),
        ("100%", "100 points more", "up"),
        ("3 min", "1 min shorter", "down"),
    ]
    assert "The &lt;b&gt;lamp&lt;/b&gt; smokes" in page.text
    version = reverse("l1walk:report_version", args=[flow.slug, 1])
    assert f'href="{version}?from=2025-03-01&amp;to=2025-03-31"' in page.text
    assert "style=" not in page.text
    assert "<script>" not in page.text


def test_bad_days_say_so_beside_the_field(mona, flow):
    page = signed_in(mona).get(reverse("l1walk:reports"), {"from": "soon", "to": "x"})
    assert page.status_code == 200
    assert list(page.context["form"].errors) == ["from", "to"]
    assert page.text.count('class="field-error"') == 2
    assert page.context["period"].days == 30
    # Links lead to the days that are shown, not to those that were refused.
    assert page.context["query"] == ""


def test_a_version_without_walks(mona, flow):
    url = reverse("l1walk:report_version", args=[flow.slug, 1])
    page = signed_in(mona).get(url, {"from": "2001-01-01", "to": "2001-01-01"})
    assert "Nobody walked this version" in page.text
    assert [tile.change for tile in page.context["tiles"]] == 6 * [""]


def test_a_version_with_its_map_and_its_older_self(account, alice, egon, mona, flow):
    second_version(flow, egon)
    escalated(account, alice, flow, 2)
    url = reverse("l1walk:report_version", args=[flow.slug, 1])
    page = signed_in(mona).get(url, IN_MARCH)
    assert 'id="node-scope"' in page.text
    assert [v.number for v in page.context["versions"]] == [2, 1]
    assert page.context["now"].walks == 1
    if page.context["map"]:  # where Graphviz is installed
        assert 'href="#node-scope"' in page.context["map"]
        assert "heat-4" in page.context["map"]
    assert reverse("admin:l1walk_flow_change", args=[flow.pk]) in page.text


def test_without_graphviz_the_table_stands_alone(
    account, alice, mona, flow, monkeypatch
):
    monkeypatch.setattr("l1walk.views.reports.drawing", lambda *_a, **_k: None)
    escalated(account, alice, flow, 2)
    url = reverse("l1walk:report_version", args=[flow.slug, 1])
    page = signed_in(mona).get(url, IN_MARCH)
    assert 'class="flowmap"' not in page.text
    assert 'id="node-scope"' in page.text


def test_idle_walks_are_listed(account, alice, mona):
    make_walk(account, alice, None, now=START, ticket_id="OLD")
    page = signed_in(mona).get(reverse("l1walk:report_stale"))
    assert [row.ticket_id for row in page.context["list"].rows] == ["OLD"]
    overview = signed_in(mona).get(reverse("l1walk:reports"))
    assert overview.context["stale"] == 1
    assert reverse("l1walk:report_stale") in overview.text


# --- files ----------------------------------------------------------------------------
def body(response: Any) -> str:
    return b"".join(response.streaming_content).decode()


def lines(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body(response).removeprefix("\ufeff"))))


def test_versions_as_a_file(account, alice, mona):
    flow = make_flow(account, title="=SUM(A1)")
    resolved(account, alice, flow, 2.5, helpful=True)
    escalated(account, alice, None, 1)
    response = signed_in(mona).get(reverse("l1walk:reports_csv"), IN_MARCH)
    assert "flows-2025-03-01-2025-03-31.csv" in response["Content-Disposition"]
    one, two = lines(response)
    assert one["flow"] == "'=SUM(A1)"
    assert (one["version"], one["walks"], one["median_seconds"]) == ("1", "1", "150.0")
    assert (one["helpful_yes"], one["walks_before"]) == ("1", "0")
    assert (two["flow"], two["version"], two["escalated"]) == (
        "Without a flow",
        "",
        "1",
    )
    assert two["median_seconds_before"] == ""


def test_steps_as_a_file(account, alice, egon, mona, flow):
    graph = draft_of(flow).to_dict()
    graph["nodes"][0]["text"] = "@home?"
    Flow.objects.filter(pk=flow.pk).update(draft=graph)
    version = publish_flow(flow, by=egon)
    walk = make_walk(account, alice, Flow.objects.get(pk=flow.pk), now=START)
    give(walk, alice, "a1", now=after(0.5))
    url = reverse("l1walk:report_version_csv", args=[flow.slug, version.number])
    response = signed_in(mona).get(url, IN_MARCH)
    assert "printer-v2-2025-03-01-2025-03-31.csv" in response["Content-Disposition"]
    first = lines(response)[0]
    assert first["text"] == "'@home?"
    assert (first["node_id"], first["visits"]) == ("scope", "1")
    assert (first["median_seconds"], first["drop_off"]) == ("30.0", "0")


# --- cost -----------------------------------------------------------------------------
def test_pages_cost_the_same_with_ten_times_the_rows(account, alice, mona, flow):
    client = signed_in(mona)

    def fill(count: int) -> None:
        for number in range(count):
            other = make_flow(account, title=f"Flow {number}")
            give(make_walk(account, alice, flow, now=START), alice, "a1", now=after(1))
            resolved(account, alice, other, number)
            escalated(account, alice, other, number)
            make_walk(account, alice, None, problem_text=f"P {number}", now=START)

    def cost(url: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(url, IN_MARCH)
            assert response.status_code == 200
            list(response)
        return len(queries)

    fill(3)
    for url in urls(flow):  # what is cached once for the process
        cost(url)
    few = {url: cost(url) for url in urls(flow)}
    fill(27)
    assert {url: cost(url) for url in urls(flow)} == few
    assert max(few.values()) <= 20


def test_a_change_from_next_to_nothing_is_said_as_it_was():
    assert walks_change(149, 3) == ("3 before", "up")
    assert walks_change(8, 2) == ("300% more", "up")
    assert walks_change(1, 2) == ("50% fewer", "down")
    assert walks_change(1, 0) == ("", "")
    assert rate_change(0.51, 0.5) == ("1 point more", "up")
    assert rate_change(0.5, 0.53) == ("3 points less", "down")
