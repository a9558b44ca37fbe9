"""The admin: looking is for the account's managers, moving is what the pages do."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_fsm import ConcurrentTransition

from l1walk.actions import escalations, flows, tickets, walks
from l1walk.models import Flow, FlowVersion, L1WalkSession, Ticket
from l1walk.tests.make import give, make_flow, make_walk, printer_graph, reread
from tests.conftest import make_user, signed_in
from workflows.core import adminactions
from workflows.core.accounts import Account, User

MODELS = (L1WalkSession, Flow, FlowVersion, Ticket)


@pytest.fixture
def flow(account):
    return make_flow(account)


@pytest.fixture
def rows(account, alice, egon, flow) -> dict[Any, Any]:
    """One row of each model, each with all that can hang on it."""
    ticket = tickets.open_ticket(account, by=alice, title="Toner is low")
    tickets.add_note(ticket, by=alice, text="Called back")
    walk = make_walk(account, alice, flow, ticket_id="EXT-77")
    give(walk, alice, "a1", note="Queue was full")
    walks.undo_step(walk, by=alice, version=walk.version)
    return {
        L1WalkSession: walk,
        Flow: flow,
        FlowVersion: flow.current_version,
        Ticket: ticket,
    }


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:l1walk_{model._meta.model_name}_{page}", args=args)


def run(user: User, model: Any, action: str, *chosen: Any, **over: Any) -> list[str]:
    """Take an admin action as its page posts it; return what it says."""
    data = {"action": action, "_selected_action": [row.pk for row in chosen]} | over
    response = signed_in(user).post(url(model, "changelist"), data)
    assert response.status_code == 302
    return [str(message) for message in get_messages(response.wsgi_request)]


def escalated(account: Account, by: User, flow: Flow, **over: Any) -> L1WalkSession:
    walk = make_walk(account, by, flow, **over)
    return escalations.escalate_walk(walk, by=by, version=0, category="security")


# --- looking --------------------------------------------------------------------------
@pytest.mark.parametrize("model", MODELS)
def test_managers_look_and_change_nothing(mona, rows, model):
    client, row = signed_in(mona), rows[model]
    page = client.get(url(model, "changelist"))
    assert page.status_code == 200
    assert str(row.pk) in page.text
    assert "add/" not in page.text.split('id="content"')[1]
    assert client.get(url(model, "history", row.pk)).status_code == 200
    assert client.get(url(model, "add")).status_code == 403
    assert client.get(url(model, "delete", row.pk)).status_code == 403
    detail = client.get(url(model, "change", row.pk))
    assert detail.status_code == 200
    assert 'name="_save"' not in detail.text
    assert client.post(url(model, "change", row.pk), {"status": "x"}).status_code == 403
    assert "delete_selected" not in page.text


@pytest.mark.parametrize("model", MODELS)
def test_the_other_roles_and_strangers_stay_outside(
    client, alice, egon, nora, rows, model
):
    nora.is_staff = True  # by hand, without a role
    nora.save()
    for address in (url(model, "changelist"), url(model, "change", rows[model].pk)):
        assert client.get(address).status_code == 302
        for user in (alice, egon, nora):
            assert signed_in(user).get(address).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_another_account_is_not_there(charlie, rows, model):
    client, row = signed_in(charlie), rows[model]
    page = client.get(url(model, "changelist"))
    assert str(row.pk) not in page.text
    # Nobody deletes here, so that page says no before it looks.
    for name, status in (("change", 404), ("history", 404), ("delete", 403)):
        answers = [client.get(url(model, name, pk)) for pk in (row.pk, uuid4())]
        assert [answer.status_code for answer in answers] == [status, status]


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (L1WalkSession, {"q": "EXT-77"}),
        (L1WalkSession, {"status__exact": "active"}),
        (L1WalkSession, {"ticket_kind__exact": "psa"}),
        (Flow, {"q": "Printer"}),
        (Flow, {"state__exact": "published"}),
        (Ticket, {"q": "1001"}),
        (Ticket, {"q": "toner"}),
    ],
)
def test_search_and_filters_find_ones_own_rows_alone(mona, charlie, rows, model, query):
    pk = str(rows[model].pk)
    assert pk in signed_in(mona).get(url(model, "changelist"), query).text
    assert pk not in signed_in(charlie).get(url(model, "changelist"), query).text


@pytest.mark.parametrize(
    "query",
    [
        {"flow__title__startswith": "P"},
        {"flow__account__slug": "acme"},
        {"created_by_user__password__startswith": "p"},
    ],
)
def test_filters_that_reach_beyond_the_row_are_refused(mona, rows, query):
    page = signed_in(mona).get(url(L1WalkSession, "changelist"), query)
    assert page.status_code == 400


@pytest.mark.parametrize("name", ["flow", "flow_version", "created_by_user"])
def test_completion_offers_no_row_of_another_account(charlie, alice, rows, name):
    query = {"app_label": "l1walk", "model_name": "l1walksession", "field_name": name}
    page = signed_in(charlie).get(reverse("admin:autocomplete"), query | {"term": ""})
    assert page.status_code in {200, 403, 404}
    for secret in ("Printer", "alice", "Alice"):
        assert secret not in page.text


@pytest.mark.parametrize("model", MODELS)
def test_the_shortcut_to_the_site_tells_nothing(charlie, mona, rows, model):
    kind = ContentType.objects.get_for_model(model)
    page = reverse("admin:view_on_site", args=[kind.pk, rows[model].pk])
    assert signed_in(charlie).get(page).status_code == 404


def test_a_walk_shows_its_path_and_history(mona, rows):
    walk = rows[L1WalkSession]
    page = signed_in(mona).get(url(L1WalkSession, "change", walk.pk)).text
    assert "Can anyone else print?" in page
    assert "Queue was full" in page
    assert "begin" in page
    assert reverse("l1walk:walk", args=[walk.pk]) in page


def test_flows_versions_and_tickets_lead_to_their_pages(mona, rows, flow):
    client = signed_in(mona)
    page = client.get(url(Flow, "change", flow.pk)).text
    assert reverse("l1walk:flow", args=[flow.pk]) in page
    assert url(FlowVersion, "change", flow.current_version_id) in page
    page = client.get(url(FlowVersion, "change", flow.current_version_id)).text
    assert reverse("l1walk:report_version", args=[flow.slug, 1]) in page
    assert "Clear the queue" in page
    page = client.get(url(Ticket, "change", rows[Ticket].pk)).text
    assert "Called back" in page
    assert reverse("l1walk:ticket", args=[rows[Ticket].pk]) in page


def test_a_flow_never_published_has_no_version(account, mona, egon):
    flow = flows.create_flow(account, by=egon, title="Not yet")
    page = signed_in(mona).get(url(Flow, "changelist"))
    assert "Not yet" in page.text
    page = signed_in(mona).get(url(Flow, "change", flow.pk))
    assert page.status_code == 200


@pytest.mark.parametrize("term", ["EXT-77", " #EXT-77 "])
def test_a_ticket_is_found_by_its_whole_number(account, alice, mona, rows, term):
    other = make_walk(account, alice, None, ticket_id="EXT-7")
    page = signed_in(mona).get(url(L1WalkSession, "changelist"), {"q": term}).text
    assert str(rows[L1WalkSession].pk) in page
    assert str(other.pk) not in page


def test_an_operator_sees_every_account(db, rows, charlie):
    make_flow(charlie.account, title="Theirs")
    operator = make_user(None, "root", is_superuser=True, is_staff=True)
    page = signed_in(operator).get(url(Flow, "changelist")).text
    assert "Printer" in page
    assert "Theirs" in page


# --- moving ---------------------------------------------------------------------------
def test_walks_are_closed_and_who_did_it_is_known(account, alice, mona, flow):
    walk, done = make_walk(account, alice, flow), escalated(account, alice, flow)
    said = run(mona, L1WalkSession, "abandon", walk, done)
    assert said == [
        "Done for one row.",
        "EXT-7: It does not print: it has ended already",
    ]
    assert reread(walk).status == "abandoned"
    assert walk.moves().last().actor == mona
    assert reread(done).status == "escalated"


def test_an_answer_in_the_meantime_wins(account, alice, mona, flow, monkeypatch):
    walk = make_walk(account, alice, flow)
    verb = walks.abandon_walk

    def slow(row: L1WalkSession, **over: Any) -> Any:
        give(reread(row), alice, "a1")
        return verb(row, **over)

    monkeypatch.setattr(walks, "abandon_walk", slow)
    [said] = run(mona, L1WalkSession, "abandon", walk)
    assert said.endswith("somebody answered it just now")
    assert reread(walk).status == "active"


def test_escalations_go_back_to_the_queue(account, alice, egon, mona, flow):
    claimed, waiting = (escalated(account, alice, flow) for _ in range(2))
    escalations.claim_walk(claimed, by=egon)
    active = make_walk(account, alice, flow)
    said = run(mona, L1WalkSession, "release", claimed, waiting, active)
    assert said[0] == "Done for one row."
    assert [text.rpartition(": ")[2] for text in said[1:]] == [
        "no engineer has claimed it"
    ] * 2
    assert reread(claimed).handoff == "waiting"


def test_flows_are_archived_and_published(account, egon, mona, flow):
    draft = flows.create_flow(
        account, by=egon, title="Draft", definition=printer_graph()
    )
    broken = flows.create_flow(account, by=egon, title="Broken")
    text = {"root": "a", "nodes": [{"id": "a", "type": "question", "text": ""}]}
    Flow.objects.filter(pk=broken.pk).update(draft=text | {"schema": 1})
    unread = flows.create_flow(account, by=egon, title="Unread")
    Flow.objects.filter(pk=unread.pk).update(draft={"schema": "?"})
    said = run(mona, Flow, "publish", draft, broken, unread, flow)
    assert said[0] == "Done for one row."
    assert said[1].startswith("Broken: its draft has ")
    assert said[2:] == [
        "Printer: its draft does not differ from what is in use",
        "Unread: its draft cannot be read",
    ]
    assert Flow.objects.get(pk=draft.pk).state == "published"

    assert run(mona, Flow, "archive", flow, draft) == ["Done for 2 rows."]
    assert run(mona, Flow, "archive", flow) == ["Printer: it is archived already"]
    assert Flow.objects.get(pk=flow.pk).state == "archived"
    Flow.objects.filter(pk=flow.pk).update(draft=printer_graph().to_dict())
    said = run(mona, Flow, "publish", flow)
    assert said == ["Printer: it is archived: reopen it first"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConcurrentTransition(), "somebody changed it in the meantime"),
        (L1WalkSession.DoesNotExist(), "it is gone"),
    ],
)
def test_no_accident_of_one_row_stops_the_others(
    account, alice, mona, flow, monkeypatch, error, reason
):
    first, second = (make_walk(account, alice, flow) for _ in range(2))
    verb = walks.abandon_walk

    def fails_once(row: L1WalkSession, **over: Any) -> Any:
        if row.pk == second.pk:
            raise error
        return verb(row, **over)

    monkeypatch.setattr(walks, "abandon_walk", fails_once)
    said = run(mona, L1WalkSession, "abandon", first, second)
    assert said[0] == "Done for one row."
    assert said[1].endswith(reason)


def test_actions_leave_other_accounts_alone(account, alice, charlie, flow):
    walk = make_walk(account, alice, flow)
    run(charlie, L1WalkSession, "abandon", walk)
    run(charlie, L1WalkSession, "abandon", walk, select_across="1")
    run(charlie, Flow, "archive", flow, select_across="1")
    assert reread(walk).status == "active"
    assert Flow.objects.get(pk=flow.pk).state == "published"


def test_actions_are_for_those_with_the_right(account, alice, mona, flow):
    walk = make_walk(account, alice, flow)
    for right in ("reassign_escalation", "publish_flow"):
        mona.groups.first().permissions.filter(codename=right).delete()
    for action, row in (("abandon", walk), ("archive", flow)):
        data = {"action": action, "_selected_action": [row.pk]}
        signed_in(mona).post(url(type(row), "changelist"), data)
    assert reread(walk).status == "active"
    assert Flow.objects.get(pk=flow.pk).state == "published"
    page = signed_in(mona).get(url(L1WalkSession, "changelist"))
    assert "Close without an outcome" not in page.text


def test_many_rows_are_taken_in_portions(account, alice, mona, flow, monkeypatch):
    monkeypatch.setattr(adminactions, "MOST_ROWS", 3)
    monkeypatch.setattr(adminactions, "REASONS_SHOWN", 1)
    chosen = [make_walk(account, alice, flow) for _ in range(4)]
    said = run(mona, L1WalkSession, "abandon", *chosen)
    assert said == [
        "Done for 3 rows.",
        "Only the first 3 rows were taken. Choose again for the others.",
    ]
    said = run(mona, L1WalkSession, "abandon", *chosen)
    assert said[:2] == [
        "EXT-7: It does not print: it has ended already",
        "And 2 more that could not be done.",
    ]


# --- cost -----------------------------------------------------------------------------
@pytest.mark.parametrize("model", MODELS)
def test_lists_cost_the_same_with_ten_times_the_rows(account, alice, mona, model):
    client = signed_in(mona)

    def fill(count: int) -> None:
        for number in range(count):
            flow = make_flow(account, title=f"Flow {number}")
            make_walk(account, alice, flow)
            tickets.open_ticket(account, by=alice, title="Toner")

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url(model, "changelist")).status_code == 200
        return len(queries)

    fill(3)
    cost()
    few = cost()
    fill(27)
    assert cost() == few <= 6


@pytest.mark.parametrize("model", MODELS)
def test_lists_load_no_graph(mona, rows, model):
    with CaptureQueriesContext(connection) as queries:
        signed_in(mona).get(url(model, "changelist"))
    assert not [
        q for q in queries if '"definition"' in q["sql"] or '"draft"' in q["sql"]
    ]
