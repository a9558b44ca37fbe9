"""The pages about flows: who may see them, the list, descriptions, exports."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from l1walk.actions.drafting import blank_definition, draft_of
from l1walk.actions.flows import (
    archive_flow,
    create_flow,
    description_mark,
)
from l1walk.graphs.importing import read_flow
from l1walk.models import Flow
from l1walk.tests.make import make_walk
from l1walk.tests.make_flows import blank_flow, node_form, node_of, now, words
from tests.conftest import signed_in
from workflows.core.ids import uuid7


@pytest.fixture
def flow(account) -> Flow:
    return blank_flow(account)


LOOK = [
    "flows",
    "flow",
    "flow_version",
    "flow_preview",
    "flow_export",
]
EDIT_GET = ["flow_new", "flow_import", "flow_describe", "flow_edit"]
EDIT_POST = [
    "flow_new",
    "flow_import",
    "flow_describe",
    "flow_node",
    "flow_node_delete",
    "flow_discard",
    "flow_restore",
]
PUBLISH_POST = ["flow_publish", "flow_archive", "flow_reopen"]
WITHOUT_FLOW = {"flows", "flow_new", "flow_import"}


def address(name: str, flow: Flow) -> str:
    kwargs: dict[str, Any] = {} if name in WITHOUT_FLOW else {"pk": flow.pk}
    if name in {"flow_version", "flow_restore"}:
        kwargs["number"] = 1
    if name == "flow_export":
        kwargs["format"] = "json"
    return reverse(f"l1walk:{name}", kwargs=kwargs)


@pytest.mark.parametrize("who", ["alice", "egon", "mona", "nora"])
@pytest.mark.parametrize("name", LOOK)
def test_everybody_of_the_account_can_look(name, who, flow, request):
    client = signed_in(request.getfixturevalue(who))
    assert client.get(address(name, flow)).status_code == 200


@pytest.mark.parametrize(("who", "status"), [("alice", 403), ("nora", 403)])
@pytest.mark.parametrize("name", EDIT_GET)
def test_only_authors_see_forms(name, who, status, flow, request):
    client = signed_in(request.getfixturevalue(who))
    assert client.get(address(name, flow)).status_code == status
    for author in ("egon", "mona"):
        author_client = signed_in(request.getfixturevalue(author))
        assert author_client.get(address(name, flow)).status_code == 200


@pytest.mark.parametrize("who", ["alice", "nora"])
@pytest.mark.parametrize("name", EDIT_POST + PUBLISH_POST)
def test_nobody_else_changes_anything(name, who, flow, request):
    before = Flow.objects.values().get(pk=flow.pk)
    client = signed_in(request.getfixturevalue(who))
    assert client.post(address(name, flow)).status_code == 403
    assert Flow.objects.values().get(pk=flow.pk) == before


@pytest.mark.parametrize("name", sorted({*LOOK, *EDIT_GET} - WITHOUT_FLOW))
def test_another_account_finds_nothing(name, flow, charlie):
    assert signed_in(charlie).get(address(name, flow)).status_code == 404


@pytest.mark.parametrize("name", sorted({*EDIT_POST, *PUBLISH_POST} - WITHOUT_FLOW))
def test_another_account_changes_nothing(name, flow, charlie):
    before = Flow.objects.values().get(pk=flow.pk)
    assert signed_in(charlie).post(address(name, flow)).status_code == 404
    assert Flow.objects.values().get(pk=flow.pk) == before


@pytest.mark.parametrize("name", sorted({*LOOK, *EDIT_GET}))
def test_strangers_are_sent_to_the_login(name, flow, client):
    response = client.get(address(name, flow))
    assert response.status_code == 302
    assert response.url.startswith(reverse("login"))


def test_get_changes_nothing_and_wrong_methods_are_refused(flow, mona):
    client = signed_in(mona)
    for name in {*EDIT_POST, *PUBLISH_POST} - set(EDIT_GET):
        assert client.get(address(name, flow)).status_code == 405
    for name in LOOK:
        assert client.post(address(name, flow)).status_code == 405


def test_pages_show_only_what_the_role_may_do(flow, alice, mona):
    url = address("flow", flow)
    assert b"flow_edit" not in signed_in(alice).get(url).content
    assert reverse("l1walk:flow_edit", args=[flow.pk]).encode() not in (
        signed_in(alice).get(url).content
    )
    page = signed_in(mona).get(url).content
    assert reverse("l1walk:flow_edit", args=[flow.pk]).encode() in page
    assert reverse("l1walk:flow_archive", args=[flow.pk]).encode() in page


# --- list -----------------------------------------------------------------------------


def test_the_list_filters_and_searches(account, flow, alice, mona):
    vpn = create_flow(account, by=None, title="VPN", keywords="tunnel remote")
    old = blank_flow(account, "Fax")
    archive_flow(old, by=mona)
    client = signed_in(alice)
    assert [f.title for f, _n in client.get("/flows/").context["rows"]] == [
        "Printer jams",
        "VPN",
    ]

    def found(query: str) -> list[str]:
        return [f.title for f, _n in client.get(f"/flows/?{query}").context["rows"]]

    assert found("state=archived") == ["Fax"]
    assert found("state=draft") == [vpn.title]
    assert found("state=nonsense&page=zero") == ["Printer jams", "VPN"]
    assert found("q=tunnel+vpn") == ["VPN"]
    assert found("q=tunnel+printer") == []
    assert "No flow is like this" in words(client.get("/flows/?q=zzz"))


def test_an_empty_list_offers_the_first_step(alice, egon):
    assert "No flows yet" in words(signed_in(alice).get("/flows/"))
    page = signed_in(egon).get("/flows/")
    assert "Write the first flow" in words(page)


def test_the_list_counts_open_walks(account, flow, alice):
    for ticket in ("1", "2"):
        make_walk(account, alice, flow, ticket_id=ticket)
    rows = signed_in(alice).get("/flows/").context["rows"]
    assert [count for _flow, count in rows] == [2]


def count_queries(client, url) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_the_list_costs_the_same_for_many_rows(account, flow, alice):
    client = signed_in(alice)
    client.get("/flows/")  # roles are cached from here on
    few = count_queries(client, "/flows/")
    for number in range(60):
        row = blank_flow(account, f"Flow {number:02}")
        make_walk(account, alice, row)
    assert count_queries(client, "/flows/") == few <= 6
    second = client.get("/flows/?page=2")
    assert len(second.context["rows"]) == 11
    assert count_queries(client, "/flows/?page=2") == few


def test_the_page_of_a_flow_costs_the_same_for_many_versions(account, flow, alice):
    client = signed_in(alice)
    url = address("flow", flow)
    client.get(url)
    few = count_queries(client, url)
    for number in range(3):
        make_walk(account, alice, now(flow))
        flow.versions.create(
            number=number + 2, definition=blank_definition().to_dict(), sha256="x"
        )
    assert count_queries(client, url) == few <= 7


# --- new and description --------------------------------------------------------------


def test_a_new_flow_opens_in_the_editor(egon):
    client = signed_in(egon)
    key = client.get("/flows/new/").context["form"]["key"].value()
    for _twice in range(2):
        response = client.post("/flows/new/", {"title": "VPN", "key": str(key)})
        assert response.status_code == 303
    flow = Flow.objects.get()
    assert response.url == reverse("l1walk:flow_edit", args=[flow.pk])
    assert draft_of(flow) == blank_definition()


def test_a_new_flow_needs_a_title(egon):
    form = {"summary": "kept words", "key": str(uuid7())}
    response = signed_in(egon).post("/flows/new/", form)
    assert response.status_code == 422
    assert b"kept words" in response.content
    assert not Flow.objects.exists()


def test_operators_have_no_account_to_put_a_flow_into(django_user_model):
    olga = django_user_model.objects.create_superuser("olga")
    form = {"title": "VPN", "key": str(uuid7())}
    response = signed_in(olga).post("/flows/new/", form)
    assert response.status_code == 422
    assert "Operators belong to no account" in words(response)


def described(flow, **over):
    form = {"title": "T", "category": "c", "summary": "s", "keywords": "k"}
    return form | {"base": description_mark(flow)} | over


def test_a_description_is_saved(flow, egon):
    url = address("flow_describe", flow)
    client = signed_in(egon)
    assert description_mark(flow).encode() in client.get(url).content
    response = client.post(url, described(flow))
    assert (response.status_code, response.url) == (303, address("flow", flow))
    assert now(flow).title == "T"


def test_a_description_with_an_error_is_kept_in_the_form(flow, egon):
    response = signed_in(egon).post(
        address("flow_describe", flow), described(flow, title="", summary="kept words")
    )
    assert response.status_code == 422
    assert b"kept words" in response.content
    assert now(flow).title == flow.title


def test_of_two_descriptions_both_are_shown(flow, egon, mona):
    url = address("flow_describe", flow)
    signed_in(mona).post(url, described(flow, title="Mona's title"))
    client = signed_in(egon)
    response = client.post(url, described(flow, title="Egon's title"))
    assert response.status_code == 409
    assert "Mona&#x27;s title" in response.content.decode()
    form = response.context["form"]
    assert form["title"].value() == "Egon's title"
    # From the page that showed both, mine goes over theirs.
    again = described(flow, title="Egon's title", base=form["base"].value())
    assert client.post(url, again).status_code == 303
    assert now(flow).title == "Egon's title"


# --- versions and exports -------------------------------------------------------------


def test_a_version_is_shown_as_it_was(flow, alice):
    page = signed_in(alice).get(address("flow_version", flow))
    assert "Does it work now?" in words(page)
    for number in (2, 10**30):
        url = reverse("l1walk:flow_version", args=[flow.pk, number])
        assert signed_in(alice).get(url).status_code == 404


@pytest.mark.parametrize("format", ["json", "mermaid", "dot"])
def test_exports_can_be_imported_again(flow, alice, format):
    url = reverse("l1walk:flow_export", args=[flow.pk, format])
    for query, name in (("", "printer-jams"), ("?version=1", "printer-jams-v1")):
        response = signed_in(alice).get(url + query)
        assert f'filename="{name}.' in response["Content-Disposition"]
        read = read_flow("x", response.content)
        assert read.definition == blank_definition()
        assert read.title == flow.title


def test_a_draft_is_exported_as_one(flow, egon, alice):
    client = signed_in(egon)
    form = node_form(node_of(flow, "n2"), text="New")
    assert client.post(address("flow_node", flow), form).status_code == 303
    response = signed_in(alice).get(address("flow_export", flow))
    assert 'filename="printer-jams-draft.json"' in response["Content-Disposition"]
    assert b'"New"' in response.content
    before = signed_in(alice).get(address("flow_export", flow) + "?version=1")
    assert b'"New"' not in before.content


@pytest.mark.parametrize("query", ["version=2", "version=x", "version=²", "version=-1"])
def test_what_cannot_be_exported(flow, alice, query):
    client = signed_in(alice)
    assert client.get(f"{address('flow_export', flow)}?{query}").status_code == 404
    url = reverse("l1walk:flow_export", args=[flow.pk, "exe"])
    assert client.get(url).status_code == 404


def test_a_category_is_read_as_words():
    assert Flow(category="os_restart_update").category_words == "Restarts and updates"
    assert Flow(category="till_system").category_words == "till system"
