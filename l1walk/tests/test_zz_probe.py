from __future__ import annotations
from uuid import uuid4
import pytest
from django.urls import reverse
from django.db import connection
from django.test.utils import CaptureQueriesContext
from l1walk.actions import walks
from l1walk.actions.escalations import escalate_walk, notify_engineers, claim_walk
from l1walk.actions.tickets import open_ticket
from l1walk.actions.flows import create_flow
from l1walk.models import *
from l1walk.tests.make import *
from tests.conftest import make_user, make_account, signed_in
from workflows.core.accounts import User

pytestmark = pytest.mark.django_db


def test_p1_nul_note(account, alice):
    walk = make_walk(account, alice, make_flow(account))
    r = signed_in(alice).post(
        reverse("l1walk:answer", args=[walk.pk]), posted(walk, "a1", note="a\0b")
    )
    assert r.status_code < 500


def test_p2_nul_q(account, alice):
    for name in (
        "l1walk:flows",
        "search",
        "l1walk:walks",
        "l1walk:tickets",
        "l1walk:suggestions",
        "l1walk:intake",
    ):
        for p in (
            "q",
            "status",
            "flow",
            "state",
            "ticket",
            "who",
            "after",
            "before",
            "problem_text",
            "page",
        ):
            r = signed_in(alice).get(reverse(name), {p: "a\0b"})
            assert r.status_code < 500, (name, p)


def test_p2b_nul_admin(account, mona, alice):
    make_walk(account, alice, make_flow(account))
    c = signed_in(mona)
    for m in (
        "l1walk_l1walksession",
        "l1walk_flow",
        "l1walk_ticket",
        "l1walk_flowversion",
        "workflows_user",
        "workflows_move",
        "workflows_account",
    ):
        for p in (
            "q",
            "status__exact",
            "state__exact",
            "handoff__exact",
            "ticket_kind__exact",
            "is_active__exact",
            "o",
            "p",
            "e",
            "id",
            "slug",
            "title",
        ):
            for v in ("a\0b", "9" * 30, "-1", "x"):
                r = c.get(reverse(f"admin:{m}_changelist"), {p: v})
                assert r.status_code < 500, (m, p, v)


def test_p3_restart_nul(account, alice):
    walk = make_walk(account, alice, make_flow(account))
    r = signed_in(alice).post(
        reverse("l1walk:restart", args=[walk.pk]), {"flow": "a\0", "start_key": uuid4()}
    )
    assert r.status_code == 404


def test_p4_key_reused(account, alice):
    walk = make_walk(account, alice, make_flow(account))
    k = uuid4()
    c = signed_in(alice)
    c.post(reverse("l1walk:answer", args=[walk.pk]), posted(walk, "a1", key=k))
    walk = reread(walk)
    r = c.post(reverse("l1walk:answer", args=[walk.pk]), posted(walk, "a1", key=k))
    assert r.status_code == 303


def test_p6_operator_restart(account, alice, charlie):
    flow = make_flow(account)
    make_flow(charlie.account)
    olga = User.objects.create_superuser("olga", "o@e.com", "x")
    walk = make_walk(account, alice, flow)
    r = signed_in(olga).post(
        reverse("l1walk:restart", args=[walk.pk]),
        {"flow": flow.slug, "start_key": uuid4()},
    )
    assert r.status_code == 303


def test_p6b_operator_foreign_flow(account, alice, charlie):
    flow = make_flow(charlie.account, title="Theirs")
    olga = User.objects.create_superuser("olga", "o@e.com", "x")
    walk = make_walk(account, alice, make_flow(account))
    r = signed_in(olga).post(
        reverse("l1walk:restart", args=[walk.pk]),
        {"flow": flow.slug, "start_key": uuid4()},
    )
    assert r.status_code == 404


def nodeform(flow, **over):
    from l1walk.actions.drafting import draft_of, fingerprint

    node = draft_of(flow).node("scope") or draft_of(flow).node("n1")
    d = {
        "node": node.id,
        "base": fingerprint(node),
        "type": "question",
        "text": "T",
        "guidance": "",
        "category": "",
        "answers-TOTAL_FORMS": "2",
        "answers-INITIAL_FORMS": "2",
        "answers-0-key": "a1",
        "answers-0-label": "Yes",
        "answers-0-to": "n2",
        "answers-0-ORDER": "1",
        "answers-1-key": "a2",
        "answers-1-label": "No",
        "answers-1-to": "n3",
        "answers-1-ORDER": "2",
    }
    return d | over


@pytest.mark.parametrize(
    "over",
    [
        {"answers-1-key": "a1"},
        {"category": "x\x01y", "type": "escalate"},
        {"category": "\ufffe"},
    ],
)
def test_p7_brick(account, egon, over):
    flow = create_flow(account, by=egon, title="New")
    c = signed_in(egon)
    r = c.post(reverse("l1walk:flow_node", args=[flow.pk]), nodeform(flow, **over))
    assert r.status_code in (303, 422)
    c.raise_request_exception = False
    r = c.get(reverse("l1walk:flow", args=[flow.pk]))
    assert r.status_code == 200


def test_p8_newline_subject(account, alice, egon, mailoutbox):
    c = signed_in(alice)
    r = c.post(
        reverse("l1walk:intake"),
        {
            "start_key": uuid4(),
            "problem_text": "x",
            "ticket": "other",
            "ticket_number": "12\n34",
            "flow": "adhoc",
        },
    )
    w = L1WalkSession.objects.first()
    print(r.status_code)
    if w is None:
        return
    escalate_walk(w, by=alice, version=0, category="security")
    other = make_walk(account, alice)
    escalate_walk(other, by=alice, version=0, category="security")
    notify_engineers()
    assert len(mailoutbox) == 2


def test_p9_nplus1(account, alice):
    flow = make_flow(account)
    c = signed_in(alice)
    counts = {}
    for n, keys in ((1, ["a1"]), (2, ["a1", "a1", "a3", "a1", "a1", "a3", "a1"])):
        walk = make_walk(account, alice, flow)
        give(walk, alice, *keys)
        for name in ("resolve", "escalate"):
            c.get(reverse(f"l1walk:{name}", args=[walk.pk]))
            with CaptureQueriesContext(
                connection,
            ) as q:
                c.get(reverse(f"l1walk:{name}", args=[walk.pk]))
            counts.setdefault(name, []).append(len(q))
        with CaptureQueriesContext(connection) as q:
            c.post(
                reverse("l1walk:answer", args=[walk.pk]),
                {**posted(walk, "a1"), "version": 0, "key": uuid4()},
                headers={"HX-Request": "true"},
            )
        counts.setdefault("stale", []).append(len(q))
    print(counts)
    assert all(a == b for a, b in counts.values()), counts


def test_p10_close_keeps(account, alice, egon):
    walk = make_walk(account, alice)
    escalate_walk(walk, by=alice, version=0, category="security")
    erika = make_user(account, "erika", "engineer")
    claim_walk(walk, by=erika)
    r = signed_in(egon).post(
        reverse("l1walk:close", args=[walk.pk]),
        {"outcome": "fixed", "notes": "long notes typed"},
        follow=True,
    )
    assert "long notes typed" in r.content.decode()


@pytest.mark.parametrize("how", ["resolve", "escalate"])
def test_p10b_end_keeps(account, alice, how):
    walk = make_walk(account, alice)
    walks.abandon_walk(walk, by=None, version=0)
    r = signed_in(alice).post(
        reverse(f"l1walk:{how}", args=[walk.pk]),
        {
            "version": 0,
            "notes": "long notes typed",
            "category": "security",
            "reason": "long notes typed",
        },
        follow=True,
    )
    assert "long notes typed" in r.content.decode()


def test_p10c_record_keeps(account, alice):
    walk = make_walk(account, alice)
    walks.abandon_walk(walk, by=None, version=0)
    r = signed_in(alice).post(
        reverse("l1walk:record", args=[walk.pk]),
        {
            "version": 0,
            "key": uuid4(),
            "question": "long q",
            "finding": "long notes typed",
        },
        follow=True,
    )
    assert "long notes typed" in r.content.decode()


def test_p11_login_after_post(account, alice, client):
    walk = make_walk(account, alice, make_flow(account))
    r = client.post(
        reverse("l1walk:answer", args=[walk.pk]),
        posted(walk, "a1"),
        headers={"referer": f"http://testserver/walks/{walk.pk}/"},
    )
    c2 = signed_in(alice)
    from urllib.parse import unquote

    nxt = unquote(r.url.partition("next=")[2])
    assert c2.get(nxt).status_code == 200, nxt


def test_p12_theme(account, alice):
    walk = make_walk(account, alice, make_flow(account))
    c = signed_in(alice)
    give(walk, alice, "a1")
    r = c.post(
        reverse("l1walk:answer", args=[walk.pk]), {**posted(walk, "a1"), "version": 0}
    )
    assert r.status_code == 409
    import re

    nxt = re.search(r'name="next" value="([^"]*)"', r.content.decode())[1]
    assert c.get(nxt).status_code == 200


def test_p13_psa(account, alice):
    t = open_ticket(account, by=alice, title="Other thing", requester="Somebody else")
    walk = make_walk(account, alice, make_flow(account), ticket_id=str(t.number))
    c = signed_in(alice)
    page = c.get(reverse("l1walk:walk", args=[walk.pk])).content.decode()
    import re

    href = re.search(r'href="(/walks/new/[^"]+)"', page)[1].replace("&amp;", "&")
    assert "Somebody else" not in c.get(href).content.decode()
