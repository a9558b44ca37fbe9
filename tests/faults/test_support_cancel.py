"""A support case is canceled in each of its phases: nothing of it stays or goes on."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.faults.ground import alive
from tests.faults.ledger import now
from tests.faults.names import STUCK_GRACE
from tests.faults.scene import ATTACH, FETCH, GENERATE, KEY, MIB, processes_of

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
# The guard's look, the next safe point, the host's own clearing up, a busy machine.
HEARD_SECONDS = 20.0
# Where nothing arrives at all a run cannot hear: then its grace is over first.
STUCK_SECONDS = STUCK_GRACE.total_seconds() + 12


@pytest.fixture
def worker(scene):
    scene.ground.scheduler()
    return lambda: scene.ground.worker("one", concurrency=1)


def canceled(scene, job, step, limit=HEARD_SECONDS):
    """Cancel a job; return after how many seconds it had ended, and all with it."""
    began = now()
    scene.driver.tell("cancel", id=job)
    ledger = scene.ground.ledger
    scene.ground.wait("its end", lambda: ledger.job(job)[0] == "canceled")
    took = now() - began
    assert scene.said() == ("failed", step, "canceled")
    assert scene.words()
    assert took <= limit
    return took


def words(phase, took, limit=HEARD_SECONDS, more="nothing left"):
    return f"canceled in {phase}: ended after {took:.1f} s of {limit:.0f} s; {more}"


def job_of(scene, type):
    """Return the id of its newest job of a type."""
    sql = """SELECT id FROM jobs_job WHERE subject_id = ? AND type = ?
        ORDER BY id DESC LIMIT 1"""
    return str(scene.ground.ledger.one(sql, scene.case, type))


def succeeded(scene):
    """Is the archive fetched after all, and nothing else there?"""
    scene.ground.wait_ended()
    assert scene.said() == ("sos_report", "", "")
    return scene.has_one_archive()


# --- a report -------------------------------------------------------------------------
def test_a_report_that_waits_is_canceled(scene, worker, record_property):
    scene.begin()
    job = scene.generate()
    took = canceled(scene, job, "sos_report")
    assert scene.of_report("generation_status") == "failed"
    assert scene.nothing_left()
    worker()
    scene.generate()
    assert succeeded(scene)
    assert scene.jobs() == [
        (GENERATE, "canceled", 0),
        (GENERATE, "succeeded", 1),
        (FETCH, "succeeded", 1),
    ]
    record_property("figure", words("a report that waits", took))


@pytest.mark.parametrize("way", ["here", "over ssh"])
@pytest.mark.parametrize("again", ["generate", "retry"])
def test_a_running_report_is_canceled(scene, worker, ssh, way, again, record_property):
    worker()
    if way == "here":
        scene.begin()
    else:
        scene.begin_over_ssh(ssh)
    scene.hold()
    job = scene.generate()
    scene.ground.wait("sos is at it", scene.copy.under_way)
    tree = processes_of(scene)
    scene.let_go()
    took = canceled(scene, job, "sos_report")
    assert not any(map(alive, tree))
    assert scene.nothing_left()
    assert scene.files() == []
    assert scene.of_report("generation_status, fetch_status") == ("failed", "pending")
    if again == "generate":
        scene.generate()
    else:
        scene.driver.tell("retry", id=job)
    assert succeeded(scene)
    ended = f"{len(tree)} processes of root ended"
    record_property("figure", words(f"a report, {way}", took, more=ended))


# --- a fetch --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rate", "limit"), [(MIB, HEARD_SECONDS), (0, STUCK_SECONDS)], ids=["slow", "stuck"]
)
def test_a_running_fetch_is_canceled(
    scene, worker, ssh, narrows, rate, limit, record_property
):
    """Also where nothing arrives any more, and nobody says that it will not."""
    worker()
    way = narrows(ssh.port, free=8 * MIB, rate=rate)
    scene.program(size=64 * MIB)
    scene.begin_over_ssh(ssh, way.port)
    scene.generate()
    scene.ground.wait("a part has arrived", lambda: any(scene.incoming()))
    assert way.reached.wait(60)
    took = canceled(scene, job_of(scene, FETCH), "sos_report", limit)
    scene.ground.wait("nothing has arrived", lambda: not scene.incoming(), 5.0)
    assert scene.files() == []
    assert scene.copy.working() == {}
    run_id, status = scene.of_report("fetch_reference, fetch_status")
    assert status == "failed"
    assert scene.copy.folder(run_id).is_dir()  # it can be fetched again
    way.widen()
    scene.ask("fetch")
    assert succeeded(scene)
    assert scene.jobs()[1:] == [(FETCH, "canceled", 1), (FETCH, "succeeded", 1)]
    phase = "a fetch that is slow" if rate else "a fetch that is stuck"
    record_property("figure", words(phase, took, limit))


# --- an upload ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rate", "limit"),
    [(2 * MIB, HEARD_SECONDS), (0, STUCK_SECONDS)],
    ids=["slow", "stuck"],
)
def test_a_running_upload_is_canceled(
    scene, jira, worker, narrows, rate, limit, record_property
):
    worker()
    way = narrows(urlsplit(jira.url).port, free=4 * MIB, rate=rate)
    path = scene.bring(40 * MIB)
    address = f"https://localhost:{way.port}"
    scene.ask("connect", url=address, token=jira.token, key=KEY)
    job = scene.ask("attach")["job"]
    assert way.reached.wait(60)
    took = canceled(scene, job, "jira_attach", limit)
    assert scene.of_jira("attachment_status") == "failed"
    way.widen()
    jira.wait_until_idle()
    assert jira.issues[KEY].attachments == []
    assert scene.nothing_left()
    scene.ask("attach")
    scene.ground.wait_ended()
    [stored] = jira.issues[KEY].attachments
    assert (stored.filename, stored.size) == (path.name, path.stat().st_size)
    assert stored.sha256 == scene.of_report("archive_sha256")
    assert scene.said() == ("completed", "", "")
    assert scene.jobs() == [(ATTACH, "canceled", 1), (ATTACH, "succeeded", 1)]
    phase = "an upload that is slow" if rate else "an upload that is stuck"
    record_property("figure", words(phase, took, limit, "no attachment"))
