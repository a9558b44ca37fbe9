"""The walk screen as a browser sees it, with and without JavaScript."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from l1walk.actions import walks
from l1walk.actions.drafting import draft_of, fingerprint, save_node
from l1walk.actions.escalations import escalate_walk
from l1walk.actions.flows import archive_flow, publish_flow
from l1walk.actions.tickets import open_ticket
from l1walk.models import L1WalkSession, WalkStep
from l1walk.tests.make import give, key, make_flow, make_walk, posted, reread
from tests.conftest import signed_in
from workflows.core.accounts import User

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def flow(account):
    return make_flow(account)


@pytest.fixture
def walk(account, alice, flow):
    ticket = open_ticket(account, by=alice, title="Printer", requester="Ann Field")
    return make_walk(
        account, alice, flow, ticket_kind="internal", ticket_id=str(ticket.number)
    )


@pytest.fixture
def client(alice):
    return signed_in(alice)


def url(name, walk):
    return reverse(f"l1walk:{name}", args=[walk.pk])


def statements(captured):
    """The queries without what only begins and ends transactions."""
    skipped = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
    return [q["sql"] for q in captured if not q["sql"].startswith(skipped)]


def test_the_screen_has_the_question_its_answers_and_the_ticket(client, walk):
    page = client.get(url("walk", walk)).content.decode()
    for words in (
        "Can anyone else print?",
        "Ask for a <strong>colleague</strong>",
        "Only I cannot",
        "Nobody can",
        'data-key="1"',
        'data-key="2"',
        "Ann Field",
        "It does not print",
    ):
        assert words in page


def test_answering_without_javascript_redirects_to_the_next_question(client, walk):
    response = client.post(url("answer", walk), posted(walk, "a1", note=" Anna tried "))
    assert (response.status_code, response.url) == (303, url("walk", walk))
    page = client.get(response.url).content.decode()
    assert "Clear the queue" in page
    assert "Anna tried" in page
    assert WalkStep.objects.get(session=walk).note == "Anna tried"


def test_answering_with_htmx_swaps_question_path_and_version(client, walk):
    response = client.post(url("answer", walk), posted(walk, "a1"), **HTMX)
    page = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in page
    assert "Clear the queue" in page
    assert 'hx-swap-oob="beforeend"' in page
    assert 'id="undo-version" type="hidden" name="version" value="1"' in page


def test_the_label_is_the_servers_and_not_the_browsers(client, walk):
    client.post(url("answer", walk), posted(walk, "a1", label="I am the boss"))
    assert WalkStep.objects.get(session=walk).answer_label == "Only I cannot"


def test_a_double_click_answers_once(client, walk):
    form = posted(walk, "a1")
    for _ in range(2):
        response = client.post(url("answer", walk), form)
        assert (response.status_code, response.url) == (303, url("walk", walk))
    again = client.post(url("answer", walk), form, **HTMX)
    assert again.status_code == 200
    assert "Clear the queue" in again.content.decode()
    assert WalkStep.objects.filter(session=walk).count() == 1


def test_reloading_and_going_back_shows_the_present(client, walk):
    client.post(url("answer", walk), posted(walk, "a1"))
    for _ in range(2):
        assert "Clear the queue" in client.get(url("walk", walk)).content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_answer_from_a_page_gone_back_to_is_refused_with_its_note(
    client, walk, headers, egon
):
    stale = posted(walk, "a2", note="Typed with care")
    give(walk, egon, "a1")
    response = client.post(url("answer", walk), stale, **headers)
    page = response.content.decode()
    assert response.status_code == 409
    assert "Clear the queue" in page
    assert "Egon" in page
    assert "Only I cannot" in page
    assert "Typed with care" in page
    assert WalkStep.objects.filter(session=walk).count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_note_is_shown_too_where_the_walk_now_has_no_field_for_it(
    client, walk, headers, egon
):
    stale = posted(walk, "a1", note="Typed with care")
    give(walk, egon, "a2")
    response = client.post(url("answer", walk), stale, **headers)
    page = response.content.decode()
    assert response.status_code == 409
    assert "Print team takes over" in page
    assert "Your note was not sent." in page
    assert "Typed with care" in page


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_answer_to_an_ended_walk_is_refused_and_its_note_shown(
    client, walk, headers, alice
):
    stale = posted(walk, "a1", note="Typed with care")
    walks.resolve_walk(walk, by=alice, version=0)
    response = client.post(url("answer", walk), stale, **headers)
    page = response.content.decode()
    assert response.status_code == 409
    assert "This walk has ended: Resolved" in page
    assert "Typed with care" in page
    assert not WalkStep.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"version": "x", "node": "scope", "key": "k", "answer": "a1"},
        {"version": "0", "node": "scope", "key": "no-key", "answer": "a1"},
    ],
)
def test_a_form_that_is_not_ours_is_a_clear_409(client, walk, form):
    response = client.post(url("answer", walk), form)
    assert response.status_code == 409
    assert "Load the walk again" in response.content.decode()


def test_an_answer_the_question_does_not_have_shows_the_question(client, walk):
    response = client.post(url("answer", walk), posted(walk, "a9", note="Kept"))
    assert response.status_code == 409
    assert "Kept" in response.content.decode()
    assert reread(walk).version == 0


def test_undo_takes_back_one_answer(client, walk, alice):
    give(walk, alice, "a1", "a1")
    response = client.post(url("undo", walk), {"version": 2}, **HTMX)
    page = response.content.decode()
    assert "Clear the queue" in page
    assert '<ol id="path" class="timeline" hx-swap-oob="true">' in page
    assert "Can anyone else print?" in page
    response = client.post(url("undo", walk), {"version": 3})
    assert response.status_code == 303
    page = client.post(url("undo", walk), {"version": 4}, follow=True).content.decode()
    assert "This is the first question" in page
    at_once = client.post(url("undo", walk), {"version": 4}, **HTMX)
    assert "This is the first question" in at_once.content.decode()
    assert client.post(url("undo", walk), {"version": "x"}).status_code == 303
    give(reread(walk), alice, "a1")
    assert client.post(url("undo", walk), {"version": "x"}).status_code == 409


def test_both_ends_offer_their_form(client, walk, alice):
    give(walk, alice, "a1", "a1", "a1")
    page = client.get(url("walk", walk)).content.decode()
    assert "Resolve the ticket" in page
    walks.undo_step(walk, by=alice, version=3)
    give(walk, alice, "a2")
    page = client.get(url("walk", walk)).content.decode()
    assert "Escalate to an engineer" in page
    assert 'value="steps_exhausted" ' in page
    assert "checked" in page


def test_resolving_with_notes(client, walk):
    assert "What solved it?" in client.get(url("resolve", walk)).content.decode()
    response = client.post(
        url("resolve", walk), {"version": 0, "notes": "Cleared", "helpful": "no"}
    )
    assert (response.status_code, response.url) == (303, url("walk", walk))
    walk = reread(walk)
    assert (walk.status, walk.resolution_notes, walk.helpful) == (
        "resolved",
        "Cleared",
        False,
    )
    page = client.get(url("walk", walk)).content.decode()
    assert "Cleared" in page
    assert "Resume as a new walk" in page
    assert client.get(url("resolve", walk)).status_code == 303
    again = client.post(url("resolve", walk), {"version": 0}, follow=True)
    assert "This walk had ended already" in again.content.decode()


def test_a_resolve_form_of_an_older_question_is_shown_again_with_its_words(
    client, walk, egon
):
    give(walk, egon, "a1")
    response = client.post(url("resolve", walk), {"version": 0, "notes": "Kept words"})
    page = response.content.decode()
    assert response.status_code == 409
    assert "Kept words" in page
    assert 'name="version" value="1"' in page


def test_a_form_that_ends_without_its_version_is_told(client, walk):
    assert client.post(url("resolve", walk), {"notes": "x"}).status_code == 422


def test_closing_without_an_outcome_and_resuming(client, walk, alice):
    give(walk, alice, "a1", note="Anna tried")
    assert client.post(url("abandon", walk), {"version": 9}).status_code == 409
    assert client.post(url("abandon", walk), {}).status_code == 409
    response = client.post(url("abandon", walk), {"version": 1})
    assert response.status_code == 303
    key = uuid4()
    responses = [client.post(url("resume", walk), {"start_key": key}) for _ in range(2)]
    assert responses[0].url == responses[1].url != url("walk", walk)
    page = client.get(responses[0].url).content.decode()
    assert "Clear the queue" in page
    assert "Anna tried" in page
    page = client.get(url("walk", walk)).content.decode()
    assert "a later walk" in page


def test_a_running_walk_cannot_be_resumed(client, walk):
    response = client.post(url("resume", walk), {"start_key": uuid4()}, follow=True)
    assert "This walk is still running" in response.content.decode()
    assert client.post(url("resume", walk), {}).status_code == 409


def test_restarting_on_another_flow(client, walk, account, egon, alice):
    other = make_flow(account, title="Scanner")
    form = {"flow": other.slug, "start_key": uuid4()}
    response = client.post(url("restart", walk), form)
    new = L1WalkSession.objects.get(flow=other)
    assert response.url == url("walk", new)
    assert reread(walk).status == "abandoned"
    form["start_key"] = uuid4()
    assert client.post(url("restart", walk), form).status_code == 409
    form["flow"] = "nonsense"
    assert client.post(url("restart", new), form).status_code == 404


def test_restarting_on_an_archived_flow_is_refused_in_words(client, walk, egon, flow):
    archive_flow(flow, by=egon)
    form = {"flow": flow.slug, "start_key": uuid4()}
    response = client.post(url("restart", walk), form)
    assert response.status_code == 409
    assert "is not in use any more" in response.content.decode()
    assert reread(walk).status == "active"
    assert client.post(url("restart", walk), {"flow": flow.slug}).status_code == 409


def test_a_newer_version_shows_a_quiet_banner(client, walk, egon, flow):
    page = client.get(url("walk", walk)).content.decode()
    assert "A newer version" not in page
    node = draft_of(flow).node("ok")
    better = replace(node, text="Say goodbye")
    save_node(flow, by=egon, node=better, base=fingerprint(node))
    publish_flow(flow, by=egon)
    page = client.get(url("walk", walk)).content.decode()
    assert "A newer version of this flow is out" in page


def test_an_adhoc_walk_on_the_screen(client, account, alice):
    walk = make_walk(account, alice)
    page = client.get(url("walk", walk)).content.decode()
    assert "What do you check next?" in page
    form = {"version": 0, "key": uuid4(), "question": "Cable?", "finding": "Loose"}
    assert client.post(url("record", walk), form).status_code == 303
    assert client.post(url("record", walk), form).status_code == 303
    stale = form | {"key": uuid4(), "finding": "Kept finding"}
    response = client.post(url("record", walk), stale)
    assert response.status_code == 409
    assert "Kept finding" in response.content.decode()
    empty = client.post(url("record", walk), {"version": 1, "key": uuid4()})
    assert empty.status_code == 422
    assert WalkStep.objects.filter(session=walk).count() == 1


def test_a_walk_with_a_flow_takes_no_findings_and_the_other_way_round(
    client, walk, account, alice
):
    assert client.post(url("record", walk), {}).status_code == 409
    adhoc = make_walk(account, alice)
    response = client.post(url("answer", adhoc), posted(adhoc, "a1", node="scope"))
    assert response.status_code == 409


def test_the_summary_is_plain_text(client, walk, alice):
    give(walk, alice, "a1")
    response = client.get(url("summary", walk))
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert "1. Can anyone else print? → Only I cannot" in response.content.decode()


def test_any_technician_of_the_account_continues_and_signs_their_step(
    walk, account, egon
):
    signed_in(egon).post(url("answer", walk), posted(walk, "a1"))
    assert WalkStep.objects.get(session=walk).actor == egon


def test_a_manager_looks_and_does_not_walk(walk, mona):
    client = signed_in(mona)
    page = client.get(url("walk", walk)).content.decode()
    assert "Can anyone else print?" in page
    assert 'name="answer"' not in page
    assert client.post(url("answer", walk), posted(walk, "a1")).status_code == 403


def test_keys_can_be_switched_off(client, walk, alice):
    assert 'data-shortcuts="off"' not in client.get(url("walk", walk)).content.decode()
    client.post(reverse("profile"), {"first_name": "Alice", "email": "a@example.com"})
    assert 'data-shortcuts="off"' in client.get(url("walk", walk)).content.decode()


def test_what_people_type_is_never_markup(client, account, alice):
    walk = make_walk(account, alice, problem_text="<script>alert(1)</script>")
    form = {
        "version": 0, "key": uuid4(), "question": "<img src=x onerror=alert(1)>",
        "finding": "<b>x</b>", "note": "<svg/onload=alert(1)>",
    }  # fmt: skip
    client.post(url("record", walk), form)
    page = client.get(url("walk", walk)).content.decode()
    for markup in ("<script>alert", "<img src=x", "<b>x</b>", "<svg/onload"):
        assert markup not in page


def test_an_answer_costs_at_most_six_queries_and_the_next_page_eight(
    client, walk, alice
):
    client.get(url("walk", walk))  # roles and the flow are read once a process
    with CaptureQueriesContext(connection) as captured:
        client.post(url("answer", walk), posted(walk, "a1"))
    assert len(statements(captured)) <= 6, statements(captured)
    with CaptureQueriesContext(connection) as captured:
        client.get(url("walk", walk))
    assert len(statements(captured)) <= 8, statements(captured)
    for _ in range(15):
        give(reread(walk), alice, "a1", "a3", "a1")
    with CaptureQueriesContext(connection) as captured:
        client.get(url("walk", walk))
    assert len(statements(captured)) <= 8, statements(captured)


def test_the_htmx_answer_costs_no_more(client, walk):
    client.get(url("walk", walk))
    with CaptureQueriesContext(connection) as captured:
        client.post(url("answer", walk), posted(walk, "a1"), **HTMX)
    assert len(statements(captured)) <= 6, statements(captured)


def test_queue_and_handoff_cost_the_same_for_many(account, alice, egon, flow):
    client = signed_in(egon)
    client.get(reverse("l1walk:queue"))  # roles are read once a process
    costs = []
    for rows in (3, 30):
        for number in range(rows):
            walk = make_walk(account, alice, flow, ticket_id=f"T{rows}-{number}")
            give(walk, alice, "a1")
            escalate_walk(walk, by=alice, version=1, category="security")
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("l1walk:queue"))
        with CaptureQueriesContext(connection) as handoff:
            client.get(url("handoff", walk))
        costs.append((len(statements(captured)), len(statements(handoff))))
    assert costs[0] == costs[1]


def test_another_systems_ticket_gets_the_summary_by_hand(client, account, alice, flow):
    walk = make_walk(account, alice, flow, ticket_kind="psa", ticket_id="INC-7")
    page = client.get(url("resolve", walk)).content.decode()
    assert "Goes into the summary" in page
    assert "Goes on the ticket" not in page
    done = client.post(url("resolve", walk), {"version": 0}, follow=True)
    assert "Copy the summary into ticket INC-7" in done.content.decode()


@pytest.mark.parametrize("how", ["resolve", "escalate"])
def test_a_note_that_was_not_sent_is_offered_where_the_walk_ends(client, walk, how):
    page = client.get(url(how, walk)).content.decode()
    assert f'data-draft-key="walk-{walk.pk}-0"' in page
    assert "data-draft>" in page or "data-draft " in page


@pytest.mark.parametrize("how", ["resolve", "escalate"])
def test_what_was_typed_for_an_ended_walk_is_given_back(client, walk, alice, how):
    walks.abandon_walk(walk, by=alice, version=0)
    data = {"version": 0, "category": "security", "notes": "Mine", "reason": "Mine"}
    response = client.post(url(how, walk), data)
    assert response.status_code == 409
    page = response.content.decode()
    assert "This walk has ended: Abandoned" in page
    assert "<blockquote>Mine</blockquote>" in page


def test_a_resolve_form_sent_twice_is_no_conflict(client, walk):
    data = {"version": 0, "notes": "Cleared"}
    assert client.post(url("resolve", walk), data).status_code == 303
    assert client.post(url("resolve", walk), data).status_code == 303


def test_a_finding_for_an_ended_walk_is_given_back(client, account, alice):
    walk = make_walk(account, alice)
    walks.abandon_walk(walk, by=alice, version=0)
    data = {"version": 0, "key": key(), "question": "Cable?", "finding": "Loose"}
    response = client.post(url("record", walk), data)
    assert response.status_code == 409
    assert "<blockquote>Cable?<br>Loose</blockquote>" in response.content.decode()


def test_a_note_is_kept_as_it_was_typed(client, walk):
    note = "a\r\n" * 1_996 + "\0the end"  # 3,999 signs, as a browser counts them
    assert client.post(url("answer", walk), posted(walk, "a1", note=note)).status_code
    assert walk.steps.get().note == "a\n" * 1_996 + "the end"


def test_a_key_that_made_an_earlier_step_leads_to_the_present(client, walk):
    used = key()
    client.post(url("answer", walk), posted(walk, "a1", key=used))
    walk = reread(walk)
    response = client.post(url("answer", walk), posted(walk, "a1", key=used))
    assert (response.status_code, response.url) == (303, url("walk", walk))
    assert reread(walk).version == 1


def test_a_restart_stays_in_the_walks_account(walk, flow, charlie):
    theirs = make_flow(charlie.account, title="Theirs")
    make_flow(charlie.account, title=flow.title)
    olga = User.objects.create_superuser("olga")
    operator = signed_in(olga)
    data = {"flow": theirs.slug, "start_key": key()}
    assert operator.post(url("restart", walk), data).status_code == 404
    data = {"flow": flow.slug, "start_key": key()}
    assert operator.post(url("restart", walk), data).status_code == 303
    assert walk.resumed_as.get().flow == flow


def test_the_forms_that_end_a_walk_cost_the_same_for_a_long_path(
    client, walk, alice, django_assert_max_num_queries
):
    give(walk, alice, "a1", "a1", "a3", "a1", "a1", "a3")
    for name in ("resolve", "escalate"):
        with django_assert_max_num_queries(8):
            client.get(url(name, walk))
    stale = {**posted(walk, "a1"), "version": 0}
    with django_assert_max_num_queries(12):
        client.post(url("answer", walk), stale, headers={"HX-Request": "true"})


def test_the_same_ticket_with_another_flow_takes_the_call_along(client, walk):
    number = walk.ticket_id
    form = client.get(reverse("l1walk:intake"), {"walk": walk.pk}).context["form"]
    assert form.initial["ticket"] == "existing"
    assert form.initial["ticket_number"] == number
    assert form.initial["problem_text"] == "It does not print"


def test_a_ticket_of_another_system_is_not_taken_for_one_of_ours(
    client, walk, account, alice
):
    elsewhere = make_walk(account, alice, ticket_id=walk.ticket_id, caller_name="Bo")
    shown = client.get(url("walk", elsewhere)).content.decode()
    address = f"{reverse('l1walk:intake')}?walk={elsewhere.pk}"
    assert address in shown
    form = client.get(address).context["form"]
    assert form.initial["ticket"] == "other"
    assert form.initial["caller_name"] == "Bo"


@pytest.mark.parametrize(
    "walk_id", ["", "no-id", "00000000-0000-0000-0000-000000000000"]
)
def test_an_intake_link_without_a_walk_is_an_empty_form(client, walk_id):
    form = client.get(reverse("l1walk:intake"), {"walk": walk_id}).context["form"]
    assert "ticket_number" not in form.initial


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_note_that_is_too_long_is_refused_whole_and_shown_whole(
    client, walk, headers
):
    note = "long " * 900
    response = client.post(
        url("answer", walk), posted(walk, "a1", note=note), **headers
    )
    page = response.content.decode()
    assert response.status_code == 422
    assert "4499 signs are too many: 4000 fit." in page
    assert note.strip() in page
    assert "Can anyone else print?" in page
    assert not WalkStep.objects.exists()


def test_long_words_are_refused_where_they_end_a_walk(client, walk):
    notes = "x" * 4001
    response = client.post(url("resolve", walk), {"version": 0, "notes": notes})
    page = response.content.decode()
    assert response.status_code == 422
    assert "4001 signs are too many" in page
    assert notes in page
    assert "maxlength" not in page.partition("<textarea")[2].partition(">")[0]
