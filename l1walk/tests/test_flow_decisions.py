"""Publishing, archiving, restoring: what the buttons do, and when they are late."""

import pytest

from l1walk.actions.drafting import blank_definition, draft_of
from l1walk.actions.flows import archive_flow, create_flow, publish_flow
from l1walk.graphs.definition import Problem, Severity
from l1walk.models import Flow
from l1walk.tests.make import make_walk
from l1walk.tests.make_flows import blank_flow, node_form, node_of, now, url, words
from tests.conftest import signed_in

State = Flow.State


@pytest.fixture
def flow(account) -> Flow:
    return blank_flow(account)


@pytest.fixture
def manager(mona):
    return signed_in(mona)


def change(manager, flow, **over):
    form = node_form(node_of(flow, "n2"), **over)
    assert manager.post(url("flow_node", flow), form).status_code == 303


def press(manager, name, flow, **kwargs):
    """Press a button of the page as it is now."""
    sent = {"revision": now(flow).draft_revision}
    return manager.post(url(name, flow, **kwargs), sent, follow=True)


def test_a_draft_is_published(manager, flow):
    change(manager, flow, text="It prints")
    page = manager.get(url("flow", flow))
    assert "Publish version 2" in words(page)
    assert "Walks start on version 1 until the draft is published" in words(page)
    page = press(manager, "flow_publish", flow)
    assert page.redirect_chain == [(url("flow", flow), 303)]
    assert "Published. New walks start on it" in words(page)
    assert now(flow).current_version.number == 2
    assert now(flow).draft is None
    assert "There is no draft" in words(press(manager, "flow_publish", flow))
    assert flow.versions.count() == 2


def test_errors_refuse_it_and_link_to_where_they_are(manager, flow):
    change(manager, flow, text="")
    sent = {"revision": now(flow).draft_revision}
    page = manager.post(url("flow_publish", flow), sent)
    assert page.status_code == 409
    assert "Not published: mend these first" in words(page)
    assert f'href="{url("flow_edit", flow)}?node=n2"' in page.content.decode()
    assert now(flow).current_version.number == 1
    assert now(flow).draft is not None


def test_only_the_draft_that_was_seen_is_published(manager, flow):
    change(manager, flow, text="Seen")
    seen = {"revision": now(flow).draft_revision}
    change(manager, flow, text="Unseen")
    for sent in (seen, {}):
        page = manager.post(url("flow_publish", flow), sent, follow=True)
        assert "Somebody changed the draft in the meantime" in words(page)
    assert now(flow).current_version.number == 1


def test_archived_and_taken_back(manager, flow):
    assert "Nobody starts on it" in words(press(manager, "flow_archive", flow))
    assert now(flow).state == State.ARCHIVED
    page = press(manager, "flow_archive", flow)
    assert "Not possible now: the flow is archived" in words(page)
    page = press(manager, "flow_reopen", flow)
    assert "It is a draft again" in words(page)
    assert now(flow).state == State.DRAFT
    page = press(manager, "flow_reopen", flow)
    assert "Not possible now: the flow is draft" in words(page)
    assert "Publish version 2" in words(page)
    press(manager, "flow_publish", flow)
    assert now(flow).state == State.PUBLISHED


def test_an_archived_draft_is_not_published(account, manager, mona):
    draft = create_flow(account, by=mona, title="Draft")
    archive_flow(draft, by=mona)
    page = press(manager, "flow_publish", draft)
    assert "Not possible now: the flow is archived" in words(page)


def test_a_draft_is_discarded(manager, flow):
    change(manager, flow, text="It prints")
    page = press(manager, "flow_discard", flow)
    assert "The draft is gone" in words(page)
    assert draft_of(now(flow)) == blank_definition()
    assert "There is no draft" in words(press(manager, "flow_discard", flow))


def test_an_old_version_becomes_the_draft(manager, flow):
    change(manager, flow, text="It prints")
    press(manager, "flow_publish", flow)
    page = press(manager, "flow_restore", flow, number=1)
    assert "Version 1 is the draft now" in words(page)
    assert draft_of(now(flow)) == blank_definition()
    assert now(flow).current_version.number == 2
    assert manager.post(url("flow_restore", flow, number=3)).status_code == 404


def test_restoring_does_not_give_up_an_unseen_draft(manager, flow):
    change(manager, flow, text="It prints")
    sent = {"revision": now(flow).draft_revision - 1}
    page = manager.post(url("flow_restore", flow, number=1), sent, follow=True)
    assert "Somebody changed the draft in the meantime" in words(page)
    assert node_of(flow, "n2").text == "It prints"


def test_a_running_walk_keeps_its_version(manager, flow, account, alice):
    walk = make_walk(account, alice, flow)
    change(manager, flow, text="It prints")
    press(manager, "flow_publish", flow)
    page = manager.get(url("flow", flow))
    assert [(v.number, n) for v, n in page.context["versions"]] == [(2, 0), (1, 1)]
    press(manager, "flow_archive", flow)
    assert signed_in(alice).get(f"/walks/{walk.pk}/").status_code == 200


def test_the_history_says_who_did_what(manager, flow, mona):
    press(manager, "flow_archive", flow)
    page = words(manager.get(url("flow", flow)))
    assert "Archived, Mona, " in page
    assert "Published, Handrail, " in page


def test_a_long_list_of_problems_is_shown_whole_on_request(account, manager):
    notes = [Problem(Severity.WARNING, "x", f"Note {n}.", "n2", n) for n in range(150)]
    flow = create_flow(account, by=None, title="Notes", notes=notes)
    page = words(manager.get(url("flow", flow)))
    assert "150 notes of the import" in page
    assert "Note 99. Go to n2 line 99" in page
    assert "Note 100." not in page
    assert "Show 50 more" in page
    every = words(manager.get(url("flow", flow) + "?all=1"))
    assert "Note 149. Go to n2 line 149" in every


def test_readers_are_led_to_the_outline(account, alice):
    notes = [Problem(Severity.WARNING, "x", "Look at this.", "n2")]
    flow = create_flow(account, by=None, title="Notes", notes=notes)
    html = signed_in(alice).get(url("flow", flow)).content.decode()
    assert 'href="#node-n2"' in html
    assert 'id="node-n2"' in html
    publish_flow(flow, by=None)
    html = signed_in(alice).get(url("flow", flow)).content.decode()
    assert "Look at this." not in html
