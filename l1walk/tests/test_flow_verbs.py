"""A flow's life: written, described, published, archived, restored, imported."""

import json
from dataclasses import replace

import pytest
from django.db import IntegrityError
from django_fsm import TransitionNotAllowed

from l1walk.actions import flows
from l1walk.actions.drafting import (
    blank_definition,
    draft_of,
    fingerprint,
    save_node,
)
from l1walk.actions.flows import (
    DescriptionChanged,
    DraftChanged,
    HasErrors,
    NothingToPublish,
    archive_flow,
    create_flow,
    describe_flow,
    description_mark,
    discard_draft,
    import_flow,
    publish_flow,
    reopen_flow,
    restore_version,
)
from l1walk.graphs.importing import ImportRefused
from l1walk.models import Flow
from l1walk.tests.make_flows import node_of, now
from tests.conftest import make_account
from workflows.core.ids import uuid7
from workflows.core.moves import Move

State = Flow.State


@pytest.fixture
def draft(account, egon) -> Flow:
    return create_flow(account, by=egon, title="Printer jams")


@pytest.fixture
def flow(draft, mona) -> Flow:
    publish_flow(draft, by=mona)
    return now(draft)


def save(flow, by, node, **over):
    over.setdefault("base", fingerprint(draft_of(now(flow)).node(node.id)))
    return save_node(flow, by=by, node=node, **over)


# --- create ---------------------------------------------------------------------------


def test_a_new_flow_is_a_draft_that_could_be_published(draft, egon):
    assert draft.state == State.DRAFT
    assert draft.slug == "printer-jams"
    assert draft_of(draft) == blank_definition()
    assert [(m.name, m.actor_id) for m in draft.moves()] == [("begin", egon.pk)]


def test_short_names_are_unique_within_an_account(account, egon, draft):
    again = create_flow(account, by=egon, title="Printer jams")
    unnamed = create_flow(account, by=egon, title="打印机")
    elsewhere = create_flow(make_account("other"), by=None, title="Printer jams")
    assert (again.slug, unnamed.slug) == ("printer-jams-2", "flow")
    assert elsewhere.slug == "printer-jams"


def test_a_form_sent_twice_makes_one_flow(account, egon):
    key = uuid7()
    first = create_flow(account, by=egon, title="VPN", key=key)
    again = create_flow(account, by=egon, title="VPN", key=key)
    assert first.pk == again.pk == key
    assert Flow.objects.count() == 1


def test_a_key_of_another_account_opens_nothing(account, egon, draft):
    other = make_account("other")
    made = create_flow(other, by=None, title="VPN", key=draft.pk)
    assert made.pk != draft.pk
    assert made.account == other


def test_another_broken_rule_is_not_taken_for_a_taken_name(account, egon, monkeypatch):
    def refuse(**_fields):
        raise IntegrityError("ck_something")

    monkeypatch.setattr(Flow, "begin", refuse)
    with pytest.raises(IntegrityError, match="ck_something"):
        create_flow(account, by=egon, title="VPN")


def test_a_thousand_flows_of_one_name_are_enough(account, egon, draft, monkeypatch):
    monkeypatch.setattr(flows, "range", lambda *_: range(1, 2), raising=False)
    with pytest.raises(IntegrityError, match="no free short name"):
        create_flow(account, by=egon, title="Printer jams")


# --- describe -------------------------------------------------------------------------


def describe(flow, by, base, **over):
    said = {"title": "T", "category": "c", "summary": "s", "keywords": "k"} | over
    return describe_flow(flow, by=by, base=base, **said)


def test_a_description_counts_at_once(flow, draft, egon):
    describe(flow, egon, description_mark(flow), keywords="paper stuck")
    row = now(flow)
    assert (row.title, row.category, row.summary) == ("T", "c", "s")
    assert "paper stuck" in row.search_text
    assert row.current_version.number == 1


def test_a_draft_is_found_only_when_published(draft, egon):
    describe(draft, egon, description_mark(draft))
    assert now(draft).search_text == ""


def test_two_descriptions_at_once(draft, egon, mona):
    base = description_mark(draft)
    describe(draft, mona, base, title="Mona's")
    describe(draft, mona, base, title="Mona's")
    with pytest.raises(DescriptionChanged) as refused:
        describe(draft, egon, base, title="Egon's")
    assert refused.value.flow.title == now(draft).title == "Mona's"


# --- publish, archive, restore --------------------------------------------------------


def test_publishing_makes_a_version_that_intake_finds(draft, mona):
    version = publish_flow(draft, by=mona, revision=0)
    row = now(draft)
    assert (row.state, row.current_version, row.draft) == (
        State.PUBLISHED,
        version,
        None,
    )
    assert (version.number, version.published_by) == (1, mona)
    assert version.sha256 == blank_definition().sha256
    assert "Does it work now?" in row.search_text


def test_publishing_needs_a_draft_without_errors(flow, egon, mona):
    with pytest.raises(NothingToPublish):
        publish_flow(flow, by=mona)
    save(flow, egon, replace(node_of(flow, "n2"), text=""))
    with pytest.raises(HasErrors) as refused:
        publish_flow(flow, by=mona)
    assert [p.code for p in refused.value.problems] == ["empty_text"]
    assert now(flow).current_version.number == 1
    assert Move.objects.filter(object_id=flow.pk, name="publish").count() == 1


def test_only_what_was_seen_is_published(draft, egon, mona):
    save(draft, egon, replace(node_of(draft, "n2"), text="Unseen"))
    with pytest.raises(DraftChanged):
        publish_flow(draft, by=mona, revision=0)
    assert publish_flow(draft, by=mona, revision=1).number == 1


def test_a_second_version_leaves_the_first(flow, egon, mona):
    save(flow, egon, replace(node_of(flow, "n2"), text="Changed"))
    assert publish_flow(flow, by=mona).number == 2
    assert flow.versions.get(number=1).definition == blank_definition().to_dict()


def test_archived_and_taken_back(flow, mona):
    archive_flow(flow, by=mona)
    with pytest.raises(TransitionNotAllowed):
        archive_flow(flow, by=mona)
    reopen_flow(flow, by=mona)
    row = now(flow)
    assert (row.state, row.draft) == (State.DRAFT, row.current_version.definition)
    with pytest.raises(TransitionNotAllowed):
        reopen_flow(flow, by=mona)
    assert publish_flow(flow, by=mona).number == 2


def test_a_draft_survives_the_archive(draft, egon, mona):
    archive_flow(draft, by=mona)
    with pytest.raises(TransitionNotAllowed):
        publish_flow(draft, by=mona)
    reopen_flow(draft, by=mona)
    assert now(draft).draft == draft.draft


def test_discarding_goes_back_to_the_version_in_use(flow, egon):
    save(flow, egon, replace(node_of(flow, "n2"), text="Changed"))
    with pytest.raises(DraftChanged):
        discard_draft(flow, by=egon, revision=0)
    discard_draft(flow, by=egon, revision=now(flow).draft_revision)
    assert now(flow).draft is None
    with pytest.raises(NothingToPublish):
        discard_draft(flow, by=egon)


def test_a_first_draft_cannot_be_discarded(draft, egon):
    with pytest.raises(NothingToPublish):
        discard_draft(draft, by=egon)


def test_discarding_after_taking_back_keeps_something_to_publish(flow, egon, mona):
    archive_flow(flow, by=mona)
    reopen_flow(flow, by=mona)
    save(flow, egon, replace(node_of(flow, "n2"), text="Changed"))
    discard_draft(flow, by=egon)
    assert now(flow).draft == flow.current_version.definition


def test_an_old_version_becomes_the_draft(flow, egon, mona):
    save(flow, egon, replace(node_of(flow, "n2"), text="Changed"))
    publish_flow(flow, by=mona)
    first = flow.versions.get(number=1)
    revision = now(flow).draft_revision
    restore_version(flow, by=egon, version=first, revision=revision)
    restore_version(flow, by=egon, version=first, revision=revision)
    row = now(flow)
    assert row.draft == first.definition
    assert row.current_version.number == 2
    assert row.draft_revision == revision + 1


def test_restoring_gives_up_only_the_draft_that_was_seen(flow, egon, mona):
    save(flow, mona, replace(node_of(flow, "n2"), text="Mona's"))
    version = flow.versions.get(number=1)
    with pytest.raises(DraftChanged):
        restore_version(flow, by=egon, version=version, revision=flow.draft_revision)
    assert node_of(flow, "n2").text == "Mona's"


# --- import ---------------------------------------------------------------------------


def test_an_import_is_a_draft_with_what_was_noticed(account, egon):
    data = b"flowchart TD\n a{Works?} --> b[Fine]\n a --> c[Call]\n a --> "
    flow, read = import_flow(account, by=egon, filename="vpn.mmd", data=data)
    assert (flow.state, flow.title, read.format) == (State.DRAFT, "vpn", "mermaid")
    codes = {note["code"] for note in flow.draft_notes}
    assert codes >= {"unlabelled", "not_understood"}
    found = {problem.code for problem in read.problems}
    assert codes <= found


def test_a_refused_import_makes_nothing(account, egon):
    with pytest.raises(ImportRefused):
        import_flow(account, by=egon, filename="x.mmd", data=b"\0")
    assert not Flow.objects.exists()


def test_what_a_file_says_too_long_is_cut_and_said(account, egon):
    data = {
        "format": "handrail-flow",
        "title": "T",
        "category": "c" * 101,
        "definition": blank_definition().to_dict(),
    }
    key = uuid7()
    for _twice in range(2):
        flow, _read = import_flow(
            account, by=egon, filename="f.json", data=json.dumps(data).encode(), key=key
        )
    assert len(flow.category) == 100
    assert [note["code"] for note in flow.draft_notes] == ["category_too_long"]
    assert Flow.objects.count() == 1
