"""The editor: one node at a time, and nothing that was typed is lost."""

from dataclasses import replace

import pytest

from l1walk.actions.drafting import draft_of, save_node
from l1walk.actions.flows import archive_flow, create_flow
from l1walk.forms.flows import MAX_ROWS, MAX_SELECT
from l1walk.graphs.definition import Answer, Definition, Node, NodeType
from l1walk.models import Flow
from l1walk.tests.make_flows import (
    blank_flow,
    node_form,
    node_of,
    now,
    rows,
    url,
    words,
)
from tests.conftest import signed_in


@pytest.fixture
def flow(account) -> Flow:
    return blank_flow(account)


@pytest.fixture
def author(egon):
    return signed_in(egon)


def edit(author, flow, node_id=""):
    return author.get(url("flow_edit", flow), {"node": node_id} if node_id else {})


def test_it_opens_at_the_first_node_with_spare_rows(author, flow):
    page = edit(author, flow)
    assert page.context["node"].id == "n1"
    assert len(page.context["rows"].forms) == 2 + 2
    assert "nothing is changed yet" in words(page)
    html = page.content.decode()
    assert "Hand over to an engineer · n3" in html
    assert 'value="new:instruction"' in html


def test_each_node_has_its_form_and_a_lost_one_says_so(author, flow):
    assert edit(author, flow, "n3").context["node"].id == "n3"
    page = edit(author, flow, "n99")
    assert page.context["node"].id == "n1"
    assert "n99 is not in this flow any more" in words(page)


def test_a_node_is_saved_as_it_was_typed(author, flow):
    form = node_form(
        node_of(flow, "n3"),
        text="Call\r\nthe engineer",
        guidance="  - **one**\r\n  - two",
        category="security",
        needs_review="on",
    )
    response = author.post(url("flow_node", flow), form)
    assert response.status_code == 303
    assert response.url == url("flow_edit", flow) + "?node=n3"
    assert node_of(flow, "n3") == Node(
        "n3",
        NodeType.ESCALATE,
        "Call\nthe engineer",
        "  - **one**\n  - two",
        category="security",
        needs_review=True,
    )
    page = words(author.get(response.url))
    assert "Saved." in page
    assert "1 warning" in page


def test_saving_what_was_not_changed_leaves_no_draft(author, flow):
    for node_id in ("n1", "n2", "n3"):
        form = node_form(node_of(flow, node_id))
        assert author.post(url("flow_node", flow), form).status_code == 303
    assert now(flow).draft is None


def test_answers_are_added_ordered_and_removed(author, flow):
    answers = rows(
        ("a1", "Yes", "n2", 3),
        ("a2", "No", "n3", 2, "on"),
        ("", "Sometimes", "n3", 1),
        ("", "", "", 4),
        initial=2,
    )
    form = node_form(node_of(flow, "n1")) | answers
    assert author.post(url("flow_node", flow), form).status_code == 303
    assert node_of(flow, "n1").answers == (
        Answer("a3", "Sometimes", "n3"),
        Answer("a1", "Yes", "n2"),
    )


def test_new_nodes_are_made_where_answers_lead(author, flow):
    answers = rows(
        ("a1", "Yes", "n2", 1),
        ("a2", "No", "new:question", 2),
        ("", "Never did", "new:resolved"),
        initial=2,
    )
    form = node_form(node_of(flow, "n1")) | answers
    response = author.post(url("flow_node", flow), form, follow=True)
    assert "Write the new nodes next: n4 , n5" in words(response)
    assert f'href="{url("flow_edit", flow)}?node=n4"' in response.content.decode()
    assert [a.to for a in node_of(flow, "n1").answers] == ["n2", "n4", "n5"]
    assert node_of(flow, "n4").type == NodeType.QUESTION
    page = edit(author, flow, "n4")
    assert "Node “n4” has no text" in words(page)
    again = author.post(url("flow_node", flow), form)  # the double click
    assert again.status_code == 303
    assert len(draft_of(now(flow)).nodes) == 5


def test_one_new_node_is_named_alone(author, flow):
    answers = rows(("a1", "Yes", "n2", 1), ("a2", "No", "new:escalate", 2), initial=2)
    form = node_form(node_of(flow, "n1")) | answers
    response = author.post(url("flow_node", flow), form, follow=True)
    assert "Write the new node next: n4" in words(response)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "riddle"},
        {"text": "x" * 4001},
        {"answers-0-label": "x" * 201},
        {"answers-1-to": "new:riddle"},
        {"answers-1-to": "../../etc"},
        {"answers-0-ORDER": "first"},
        {"answers-TOTAL_FORMS": MAX_ROWS + 1},
    ],
)
def test_an_error_keeps_what_was_typed(author, flow, wrong):
    form = node_form(node_of(flow, "n1"), guidance="typed with care") | wrong
    response = author.post(url("flow_node", flow), form)
    assert response.status_code == 422
    assert "typed with care" in response.content.decode()
    assert response.context["rows"].forms[1]["label"].value() == "No"
    assert "look at" in words(response)
    assert now(flow).draft is None


@pytest.mark.parametrize("missing", ["node", "type", "answers-TOTAL_FORMS"])
def test_an_incomplete_page_changes_nothing(author, flow, missing):
    form = node_form(node_of(flow, "n1"))
    del form[missing]
    assert author.post(url("flow_node", flow), form).status_code == 422
    assert now(flow).draft is None


def test_of_two_people_both_texts_are_shown(author, flow, mona):
    form = node_form(
        node_of(flow, "n1"), text="Egon's text", **{"answers-1-label": "Egon's no"}
    )
    theirs = node_form(
        node_of(flow, "n1"), text="Mona's text", **{"answers-0-label": "Mona's yes"}
    )
    assert signed_in(mona).post(url("flow_node", flow), theirs).status_code == 303
    response = author.post(url("flow_node", flow), form)
    assert response.status_code == 409
    page = words(response)
    for kept in ("Mona&#x27;s text", "Mona&#x27;s yes", "Egon&#x27;s text"):
        assert kept in page
    assert response.context["rows"].forms[1]["label"].value() == "Egon's no"
    assert node_of(flow, "n1").text == "Mona's text"
    # Sent again from the page that showed both, mine goes over theirs.
    form["base"] = response.context["form"]["base"].value()
    assert author.post(url("flow_node", flow), form).status_code == 303
    assert node_of(flow, "n1").text == "Egon's text"


def test_an_added_answer_that_equals_theirs_is_not_lost(author, flow, mona):
    """A row that Django compares with the present one would count as untouched."""
    mine = node_form(node_of(flow, "n1"), text="Egon's text")
    mine |= rows(
        ("a1", "Yes", "n2", 1),
        ("a2", "No", "n3", 2),
        ("", "Maybe", "n3"),
        initial=2,
    )
    present = node_of(flow, "n1")
    theirs = (*present.answers, Answer("", "Maybe", "n3"))
    save_node(
        flow, by=mona, node=replace(present, answers=theirs), base=str(mine["base"])
    )
    response = author.post(url("flow_node", flow), mine)
    mine["base"] = response.context["form"]["base"].value()
    assert author.post(url("flow_node", flow), mine).status_code == 303
    assert [a.label for a in node_of(flow, "n1").answers] == ["Yes", "No", "Maybe"]


def test_a_node_deleted_meanwhile_keeps_what_was_typed(author, flow, mona):
    form = node_form(node_of(flow, "n3"), text="Typed on")
    delete = {"node": "n3", "base": form["base"]}
    assert signed_in(mona).post(url("flow_node_delete", flow), delete)
    response = author.post(url("flow_node", flow), form)
    assert response.status_code == 409
    assert "Somebody deleted this node" in words(response)
    assert "Typed on" in response.content.decode()
    form["base"] = response.context["form"]["base"].value()
    assert author.post(url("flow_node", flow), form).status_code == 303
    assert node_of(flow, "n3").text == "Typed on"


def test_a_node_can_be_added_and_made_the_first(author, flow):
    page = author.get(url("flow_edit", flow), {"add": "1"})
    form = page.context["form"]
    assert form["node"].value() == "n4"
    sent = {"node": "n4", "base": "", "type": "question", "text": "Plugged in?"}
    sent |= {"first": "on"} | rows(("", "Yes", "n1"), ("", "No", "n3"))
    response = author.post(url("flow_node", flow), sent)
    assert response.url.endswith("?node=n4")
    graph = draft_of(now(flow))
    assert graph.root == "n4"
    assert [a.key for a in graph.node("n4").answers] == ["a1", "a2"]


def test_an_empty_flow_offers_its_first_node(account, author, egon):
    empty = create_flow(account, by=egon, title="E", definition=Definition("", ()))
    page = edit(author, empty)
    assert page.status_code == 200
    assert "write the first" in words(page)
    assert page.context["form"]["node"].value() == "n1"


def test_deleting_a_node(author, flow):
    form = node_form(node_of(flow, "n3"))
    sent = {"node": "n3", "base": form["base"]}
    response = author.post(url("flow_node_delete", flow), sent, follow=True)
    assert "n3 is deleted" in words(response)
    assert "leads nowhere" in words(response)
    assert draft_of(now(flow)).node("n3") is None


def test_deleting_is_refused_with_a_reason(author, flow, mona):
    first = {"node": "n1", "base": node_form(node_of(flow, "n1"))["base"]}
    response = author.post(url("flow_node_delete", flow), first, follow=True)
    assert "Walks begin here" in words(response)
    stale = {"node": "n2", "base": "0" * 16}
    response = author.post(url("flow_node_delete", flow), stale, follow=True)
    assert "Somebody saved this node in the meantime" in words(response)
    response = author.post(url("flow_node_delete", flow), {}, follow=True)
    assert "The page was incomplete" in words(response)
    assert len(draft_of(now(flow)).nodes) == 3


def test_an_archived_flow_can_be_written_on(author, flow, mona):
    archive_flow(flow, by=mona)
    assert "Archived: you can write" in words(edit(author, flow))
    form = node_form(node_of(flow, "n2"), text="New")
    assert author.post(url("flow_node", flow), form).status_code == 303
    assert node_of(flow, "n2").text == "New"


def test_what_a_file_brought_can_be_shown_and_mended(account, author, egon):
    node = Node(
        "n1",
        NodeType.QUESTION,
        "Q",
        category="from elsewhere",
        answers=(Answer("a1", "two\nlines", "lost"), Answer("a2", "End", "n2")),
    )
    graph = Definition("n1", (node, Node("n2", NodeType.RESOLVED, "End")))
    flow = create_flow(account, by=egon, title="F", definition=graph)
    page = edit(author, flow)
    html = page.content.decode()
    assert "lost: not in this flow any more" in html
    assert "from elsewhere" in html
    assert author.post(url("flow_node", flow), node_form(node)).status_code == 303
    assert node_of(flow, "n1") == node


def test_large_flows_offer_one_list_of_targets(account, author, egon):
    ends = tuple(Node(f"e{n}", NodeType.RESOLVED, "End") for n in range(MAX_SELECT))
    graph = Definition("e0", (*ends, Node("last", NodeType.RESOLVED, "Last")))
    flow = create_flow(account, by=egon, title="Large", definition=graph)
    html = edit(author, flow).content.decode()
    assert html.count('value="last"') == 1
    assert 'list="targets"' in html


def test_more_answers_than_a_form_holds_are_not_cut(account, author, egon):
    answers = tuple(Answer(f"a{n}", f"A{n}", "n2") for n in range(MAX_ROWS + 1))
    node = Node("n1", NodeType.QUESTION, "Q", answers=answers)
    graph = Definition("n1", (node, Node("n2", NodeType.RESOLVED, "End")))
    flow = create_flow(account, by=egon, title="Wide", definition=graph)
    page = edit(author, flow)
    assert "too many to edit here" in words(page)
    assert b'id="node-form"' not in page.content
    response = author.post(url("flow_node", flow), node_form(node))
    assert response.status_code == 422
    assert node_of(flow, "n1") == node


def test_markup_in_texts_is_shown_as_text(author, flow):
    form = node_form(node_of(flow, "n1"), text="<script>x</script> **bold**")
    author.post(url("flow_node", flow), form)
    for name in ("flow_edit", "flow", "flow_preview"):
        html = author.get(url(name, flow)).content.decode()
        assert "<script>x" not in html


def test_what_a_crafted_form_sends_can_still_be_read(author, flow):
    """A draft that could not be read would close its pages to everybody."""
    node = node_of(flow, "n1")
    form = node_form(node, category="odd\x01") | {"answers-1-key": "a1"}
    assert author.post(url("flow_node", flow), form).status_code == 303
    assert edit(author, flow).status_code == 200
    saved = node_of(now(flow), "n1")
    assert [answer.key for answer in saved.answers] == ["a1", "a3"]
    assert saved.category == "odd\N{REPLACEMENT CHARACTER}"
