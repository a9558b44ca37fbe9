"""From "I cannot solve this" to "it is done": the engineers' side."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone
from django_fsm import TransitionNotAllowed

from jobs.actions.running import drain
from jobs.models import Job
from l1walk.actions import escalations, walks
from l1walk.actions.tickets import open_ticket
from l1walk.models import L1WalkSession, Ticket
from l1walk.tests.make import give, make_flow, make_walk, reread
from tests.conftest import make_user, signed_in

pytestmark = pytest.mark.django_db
H = L1WalkSession.Handoff


@pytest.fixture
def walk(account, alice):
    return give(make_walk(account, alice, make_flow(account)), alice, "a1")


@pytest.fixture
def escalated(walk, alice):
    return escalations.escalate_walk(
        walk, by=alice, version=1, category="needs_access", reason="No admin right"
    )


@pytest.fixture
def erika(account):
    return make_user(account, "erika", "engineer", first_name="Erika")


def url(name, walk):
    return reverse(f"l1walk:{name}", args=[walk.pk])


def test_handing_over_puts_the_walk_in_the_queue_and_words_on_the_ticket(
    account, alice, egon
):
    ticket = open_ticket(account, by=alice, title="Printer")
    walk = make_walk(
        account, alice, ticket_kind="internal", ticket_id=f"{ticket.number}"
    )
    data = {"version": 0, "category": "security", "reason": "Looks like phishing"}
    response = signed_in(alice).post(url("escalate", walk), data)
    assert response.status_code == 303
    walk = reread(walk)
    assert (walk.status, walk.handoff) == ("escalated", "waiting")
    assert walk.escalated_at == walk.last_step_at
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert ticket.status == Ticket.Status.ESCALATED
    assert "Looks like phishing" in ticket.notes.get().text
    page = signed_in(egon).get(reverse("l1walk:queue")).content.decode()
    assert f"#{ticket.number}" in page
    assert "Security" in page


def test_other_needs_words_and_keeps_what_was_typed(walk, alice):
    client = signed_in(alice)
    response = client.post(
        url("escalate", walk), {"version": 1, "category": "other", "reason": " "}
    )
    assert response.status_code == 422
    assert "Say why, since no category fits." in response.content.decode()
    assert reread(walk).status == "active"


def test_a_walk_that_moved_on_is_shown_before_it_is_handed_over(walk, alice, egon):
    mine = reread(walk)
    give(walk, egon, "a1")
    with pytest.raises(walks.Moved):
        escalations.escalate_walk(mine, by=alice, version=1, category="security")
    response = signed_in(alice).post(
        url("escalate", mine),
        {"version": 1, "category": "security", "reason": "Typed with care"},
    )
    page = response.content.decode()
    assert response.status_code == 409
    assert "Typed with care" in page
    assert 'name="version" value="2"' in page
    assert reread(walk).status == "active"


def test_an_ended_walk_is_not_handed_over_again(escalated, alice):
    with pytest.raises(walks.Ended):
        escalations.escalate_walk(escalated, by=alice, version=1, category="security")


def test_two_engineers_claim_and_the_second_is_told_who_won(escalated, egon, erika):
    assert signed_in(egon).post(url("claim", escalated)).status_code == 303
    response = signed_in(erika).post(url("claim", escalated), follow=True)
    page = response.content.decode()
    assert "Egon claimed it at" in page
    assert reread(escalated).claimed_by == egon
    with pytest.raises(TransitionNotAllowed):
        escalations.claim_walk(escalated, by=erika)


def test_claiming_ones_own_again_says_so(escalated, egon):
    client = signed_in(egon)
    client.post(url("claim", escalated))
    page = client.post(url("claim", escalated), follow=True).content.decode()
    assert "It is yours already." in page


def test_the_handoff_page_leaves_nothing_to_ask(account, alice, egon):
    ticket = open_ticket(
        account, by=alice, title="Printer", requester="Ann Field", contact="ext. 7"
    )
    walk = make_walk(
        account, alice, make_flow(account), ticket_kind="internal",
        ticket_id=str(ticket.number), caller_name="Ann Field", caller_contact="ext. 7",
    )  # fmt: skip
    give(walk, alice, "a1", note="Anna tried")
    give(walk, alice, "a1")
    walks.undo_step(walk, by=alice, version=2)
    escalations.escalate_walk(
        walk, by=alice, version=3, category="time_box", reason="Meeting at noon"
    )
    page = signed_in(egon).get(url("handoff", walk)).content.decode()
    for words in (
        "Ann Field", "ext. 7", "It does not print", "Can anyone else print?",
        "Only I cannot", "Anna tried", "Meeting at noon", "Time is up", "Alice",
        "1 answer that was taken back",
    ):  # fmt: skip
        assert words in page


def test_release_gives_it_back(escalated, egon, erika):
    escalations.claim_walk(escalated, by=egon)
    signed_in(egon).post(url("release", escalated))
    walk = reread(escalated)
    assert (walk.handoff, walk.claimed_by, walk.claimed_at) == ("waiting", None, None)
    escalations.claim_walk(escalated, by=erika)
    page = signed_in(egon).post(url("release", escalated), follow=True).content.decode()
    assert "Erika claimed it at" in page
    assert reread(escalated).claimed_by == erika


def test_releasing_what_waits_says_so(escalated, egon):
    page = signed_in(egon).post(url("release", escalated), follow=True).content.decode()
    assert "It is back in the queue: claim it first." in page


def test_a_manager_gives_it_to_an_engineer(
    escalated, mona, egon, erika, alice, charlie
):
    client = signed_in(mona)
    for engineer in (egon, erika):
        client.post(url("reassign", escalated), {"engineer": engineer.pk})
        assert reread(escalated).claimed_by == engineer
    for stranger in (alice, charlie):
        page = client.post(
            url("reassign", escalated), {"engineer": stranger.pk}, follow=True
        ).content.decode()
        assert "Choose an engineer of this account." in page
        with pytest.raises(escalations.NotAnEngineer):
            escalations.reassign_walk(escalated, by=mona, engineer=stranger)
    assert reread(escalated).claimed_by == erika
    assert [move.name for move in escalated.moves()][-2:] == ["reassign", "reassign"]


def test_closing_puts_the_outcome_on_the_ticket(account, alice, egon, mona):
    ticket = open_ticket(account, by=alice, title="Printer")
    walk = make_walk(
        account, alice, ticket_kind="internal", ticket_id=f"{ticket.number}"
    )
    escalations.escalate_walk(walk, by=alice, version=0, category="needs_access")
    escalations.claim_walk(walk, by=egon)
    data = {"outcome": "fixed", "notes": "New driver on the server"}
    assert signed_in(egon).post(url("close", walk), data).status_code == 303
    walk = reread(walk)
    assert (walk.handoff, walk.handoff_outcome) == ("closed", "fixed")
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert ticket.status == Ticket.Status.RESOLVED
    assert "New driver on the server" in ticket.notes.last().text
    page = signed_in(egon).post(url("close", walk), data, follow=True).content.decode()
    assert "Egon closed it already." in page
    page = (
        signed_in(mona)
        .post(url("reassign", walk), {"engineer": egon.pk}, follow=True)
        .content.decode()
    )
    assert "Egon closed it already." in page


def test_closing_needs_an_outcome_and_keeps_the_notes(escalated, egon):
    escalations.claim_walk(escalated, by=egon)
    response = signed_in(egon).post(url("close", escalated), {"notes": "Kept text"})
    assert response.status_code == 422
    assert "Kept text" in response.content.decode()


def test_only_the_holder_or_a_manager_closes(escalated, egon, erika, mona):
    escalations.claim_walk(escalated, by=egon)
    with pytest.raises(escalations.NotYours):
        escalations.close_escalation(escalated, by=erika, outcome="fixed")
    escalations.close_escalation(escalated, by=mona, outcome="passed_on")
    assert reread(escalated).handoff == H.CLOSED


def test_the_queue_by_tab_and_category(account, alice, egon):
    made = {}
    for number, category in enumerate(("security", "needs_access", "time_box")):
        walk = make_walk(account, alice, ticket_id=f"EXT-{number}")
        escalations.escalate_walk(walk, by=alice, version=0, category=category)
        made[category] = walk
    escalations.claim_walk(made["needs_access"], by=egon)
    escalations.claim_walk(made["time_box"], by=egon)
    escalations.close_escalation(made["time_box"], by=egon, outcome="fixed")
    client = signed_in(egon)

    def shown(query):
        page = client.get(reverse("l1walk:queue") + query).content.decode()
        return {
            name
            for name, walk in made.items()
            if f"#{walk.ticket_id}<" in page.replace(" ", "<")
        }

    assert shown("") == {"security", "needs_access"}
    assert shown("?show=waiting") == {"security"}
    assert shown("?show=mine") == {"needs_access"}
    assert shown("?show=closed") == {"time_box"}
    assert shown("?category=security") == {"security"}
    assert shown("?category=nonsense&show=nonsense") == {"security", "needs_access"}


def test_the_queue_is_oldest_first(account, alice, egon):
    now = timezone.now()
    for hours in (1, 3, 2):
        walk = make_walk(account, alice, ticket_id=f"AGE-{hours}")
        escalations.escalate_walk(
            walk,
            by=alice,
            version=0,
            category="security",
            now=now - timedelta(hours=hours),
        )
    page = signed_in(egon).get(reverse("l1walk:queue")).content.decode()
    assert page.index("AGE-3") < page.index("AGE-2") < page.index("AGE-1")


def test_the_navigation_counts_what_waits(account, alice, egon, monkeypatch):
    client, url = signed_in(egon), reverse("l1walk:queue_badge")
    assert "badge" not in client.get(url).content.decode()
    for number in range(3):
        walk = make_walk(account, alice, ticket_id=f"EXT-{number}")
        escalations.escalate_walk(walk, by=alice, version=0, category="security")
    escalations.claim_walk(walk, by=egon)
    assert '<span class="badge">2<' in client.get(url).content.decode()
    monkeypatch.setattr("l1walk.views.escalations.MOST_COUNTED", 1)
    assert '<span class="badge">1+<' in client.get(url).content.decode()
    assert url in client.get("/").content.decode()
    assert url not in signed_in(alice).get("/").content.decode()


# --- telling the engineers ------------------------------------------------------------
def notices(walk):
    return Job.objects.filter(type=escalations.NOTICE, subject_id=walk.pk)


def test_engineers_get_one_mail(escalated, egon, erika, mona, charlie, settings):
    settings.PUBLIC_URL = "https://handrail.example.com"
    drain("default")
    drain("default")
    (message,) = mail.outbox
    assert sorted(message.bcc) == ["egon@example.com", "erika@example.com"]
    assert "EXT-7" in message.subject
    assert f"https://handrail.example.com/escalations/{escalated.pk}/" in message.body
    job = notices(escalated).get()
    assert (job.status, job.result) == ("succeeded", {"addresses": 2})
    assert job.account_id == escalated.account_id


def test_an_account_may_do_without_mails(account, alice, egon):
    account.settings["l1walk.notify_engineers"] = False
    account.save()
    walk = make_walk(type(account).objects.get(pk=account.pk), alice)
    escalations.escalate_walk(walk, by=alice, version=0, category="security")
    drain("default")
    assert mail.outbox == []
    assert not notices(walk).exists()


def test_a_mail_server_that_is_down_delays_the_mail(escalated, egon, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    drain("default")
    waiting = notices(escalated).get()
    assert waiting.status == "queued"
    assert waiting.run_after > waiting.created_at + timedelta(seconds=4)
    assert waiting.attempts.get().category == "temporary"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    drain("default")
    assert mail.outbox == []  # not yet
    notices(escalated).update(run_after=waiting.created_at)
    drain("default")
    assert len(mail.outbox) == 1


def test_without_an_address_nothing_is_sent_and_nothing_stays_due(escalated, egon):
    type(egon).objects.filter(pk=egon.pk).update(email="")
    drain("default")
    assert mail.outbox == []
    assert notices(escalated).get().result == {"addresses": 0}


def test_who_closes_too_late_keeps_the_notes(escalated, egon, erika):
    escalations.claim_walk(escalated, by=erika)
    data = {"outcome": "fixed", "notes": "Cleared the spooler"}
    response = signed_in(egon).post(url("close", escalated), data)
    assert response.status_code == 409
    page = response.content.decode()
    assert "Erika claimed it at" in page
    assert "Cleared the spooler" in page
    assert reread(escalated).handoff == H.CLAIMED


def test_closing_twice_is_closing_once(escalated, egon):
    escalations.claim_walk(escalated, by=egon)
    data = {"outcome": "fixed", "notes": "Cleared the spooler"}
    client = signed_in(egon)
    assert client.post(url("close", escalated), data).status_code == 303
    again = client.post(url("close", escalated), data)
    assert (again.status_code, again.url) == (303, url("handoff", escalated))


def test_a_ticket_number_of_two_lines_still_makes_a_mail(account, alice, egon):
    walk = make_walk(account, alice, ticket_id="EXT\n7")
    escalations.escalate_walk(walk, by=alice, version=0, category="security")
    drain("default")
    assert mail.outbox[0].subject == "Escalated: ticket EXT 7, Security"
