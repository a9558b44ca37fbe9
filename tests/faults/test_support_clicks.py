"""Double clicks and two tabs, over HTTP: whatever many forms ask for is done once."""

from __future__ import annotations

from collections import Counter

import pytest

from jobs.models import Job
from l1walk.tests.test_concurrency import at_once
from tests.conftest import signed_in
from tests.faults.scene import ATTACH, FETCH, GENERATE, KEY
from tests.jira import jira_server
from workflows.core.tests.make import make_connection_to
from workflows.support.actions.verifying import use_connection, verify_issue
from workflows.support.tests.make import finish, make_archive, make_case, reread
from workflows.support.tests.pages import opened, url

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
]
ROUNDS = 3
TABS = 12


def pressed(case, slug, clicks):
    """Press buttons in tabs of their own at the same moment, as (who, which, data)."""
    now = reread(case)
    state = f"{now.current_step}/{now.failed_step}"
    address = url("page", case, slug)

    def click(tab, do, data):
        return lambda: tab.post(address, {"state": state, "do": do, **data})

    answers = at_once([click(signed_in(who), *what) for who, *what in clicks])
    for answer in answers:
        assert answer.status_code != 303 or answer.url == url("case", case)
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_many_clicks_have_one_report_made(alice, egon, install, round_):
    """Each is answered as if it had been the one."""
    install("good")
    case = make_case(alice)
    agreed = {"consent": "on"}
    clicks = [(who, "generate", agreed) for who in [alice, egon] * (TABS // 2)]
    assert pressed(case, "report", clicks) == {303: TABS}
    [job] = Job.objects.all()
    assert (job.type, job.status) == (GENERATE, "queued")
    assert finish(job).status == "succeeded"
    assert Counter(Job.objects.values_list("type", flat=True)) == {
        GENERATE: 1,
        FETCH: 1,
    }
    assert case.artifacts.count() == 1
    assert [move.name for move in case.moves()] == ["begin", "select"]
    assert reread(case).sosreport.moves().count() == 5


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_many_clicks_send_one_attachment(alice, settings, round_):
    with jira_server() as jira:
        jira.add_issue(KEY, "The disk is full")
        settings.JIRA_CA_FILE = str(jira.ca_file)
        case = make_case(alice, at="jira_attach")
        use_connection(case, by=alice, connection=make_connection_to(jira, alice))
        verify_issue(case, by=alice, key=KEY)
        clicks = [(alice, "attach", {})] * TABS
        assert pressed(case, "jira", clicks) == {303: TABS}
        [job] = Job.objects.all()
        assert (job.type, job.status) == (ATTACH, "queued")
        assert finish(job).status == "succeeded"
        jira.wait_until_idle()
        assert len(jira.issues[KEY].attachments) == 1
    assert reread(case).current_step == "completed"
    assert [move.name for move in reread(case).jira.moves()] == [
        "begin",
        "attach",
        "attached",
    ]


def test_clicks_on_both_buttons_of_two_tabs_do_one_thing(alice, egon):
    """One tab goes on to Jira with an earlier archive, the other has a new one made."""
    for _ in range(ROUNDS):
        case = make_case(alice)
        make_archive(case)
        clicks = [(alice, "generate", {"consent": "on"}), (egon, "jira", {})]
        assert pressed(case, "report", clicks) == {303: 1, 409: 1}
        began = Job.objects.filter(subject_id=case.pk).count()
        step = reread(case).current_step
        assert (began, step) in {(1, "sos_report"), (0, "jira_attach")}
        assert opened(signed_in(alice), case).status_code == 200
