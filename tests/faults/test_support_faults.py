"""Support cases whose worker dies, sleeps or has to stop in the middle of them."""

from __future__ import annotations

import os
import signal
from urllib.parse import urlsplit

import pytest

from tests.faults.ground import alive, kill, pid_of, release
from tests.faults.ledger import now
from tests.faults.scene import (
    ATTACH,
    FETCH,
    GENERATE,
    KEY,
    MIB,
    processes_of,
    recovered,
)

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis]
EXIT_SECONDS = 30.0  # a report is ended, its host asked to clear up


def workers_of(scene):
    """Return a worker at work, and one that waits for its turn."""
    scene.ground.scheduler()
    other = scene.ground.standby("two", concurrency=1)
    return scene.ground.worker("one", concurrency=2), other


@pytest.fixture
def at_jira(scene, jira):
    """The case is at Jira, with an archive; one like it is on the issue already."""

    def put(size=8 * MIB):
        path = scene.bring(size)
        known = jira.add_attachment(KEY, path.name, path.stat().st_size)
        scene.ask("connect", url=jira.url, token=jira.token, key=KEY)
        jira.requests.clear()
        return path, known

    return put


def has_one_more(scene, jira, path, known):
    """Is the archive on the issue, once, beside the one that was there before?"""
    jira.wait_until_idle()
    before, stored = jira.issues[KEY].attachments
    assert before == known
    sha256 = scene.of_report("archive_sha256")
    assert (stored.filename, stored.sha256) == (path.name, sha256)
    state = scene.of_jira("attachment_status, attachment_id, known_ids")
    assert state == ("succeeded", stored.id, [known.id])
    return scene.said() == ("completed", "", "")


def uploads(jira):
    return [asked for asked in jira.requests if asked.method == "POST"]


# --- in mid-report --------------------------------------------------------------------
@pytest.mark.parametrize("way", ["here", "over ssh"])
def test_the_worker_is_killed_in_the_middle_of_a_report(
    scene, ssh, way, record_property
):
    worker, other = workers_of(scene)
    if way == "here":
        scene.begin()
    else:
        scene.begin_over_ssh(ssh)
    scene.hold()
    scene.generate()
    scene.ground.wait("sos is at it", scene.copy.under_way)
    scene.let_go()
    killed_in_mid_report(scene, worker, other, way, record_property)


def test_the_worker_is_killed_in_the_middle_of_a_real_report(
    scene, make_copy, record_property
):
    make_copy(None)  # in the same place
    worker, other = workers_of(scene)
    scene.begin()
    scene.generate("host", "login", "networking", "process", "systemd", "kernel")
    phase = "SELECT phase FROM jobs_job WHERE status = 'running'"
    rows = scene.ground.ledger.rows
    scene.ground.wait("sos is at it", lambda: rows(phase) == [("Collecting",)])
    killed_in_mid_report(scene, worker, other, "the real sos", record_property)


def killed_in_mid_report(scene, worker, other, way, record_property):
    ground, folder = scene.ground, scene.copy.folder(scene.of_report("run_id"))
    tree = processes_of(scene)
    assert len(tree) >= 3
    assert folder.is_dir()
    fault = now()
    kill(worker)
    # Nobody else is awake: they end by themselves.
    ground.wait("root's silence", lambda: not any(map(alive, tree)))
    ground.wait("its folder is gone", lambda: not folder.exists())
    gone = now() - fault
    release(other)
    ground.wait_ended()
    assert scene.jobs() == [(GENERATE, "succeeded", 2), (FETCH, "succeeded", 1)]
    assert scene.outcomes() == {"lost": 1, "succeeded": 2}
    assert scene.said() == ("sos_report", "", "")
    assert scene.has_one_archive()
    assert not folder.exists()
    scene.ask("go_on")
    assert scene.said() == ("jira_attach", "", "")
    ended = f"{len(tree)} processes of root ended after {gone:.1f} s"
    name = f"worker killed in mid-report, {way}"
    record_property("figure", recovered(scene, fault, name, ended))


def test_a_report_that_outlives_its_lease_is_made_once(scene, record_property):
    """Its process is frozen, another worker makes the report, then it wakes up."""
    ground = scene.ground
    ground.scheduler()
    ground.worker("one", concurrency=1)
    ground.worker("two", concurrency=1)
    ground.wait("both", lambda: ground.workers() == 2)
    scene.begin()
    scene.hold()
    job = scene.generate()
    ground.wait("sos is at it", scene.copy.under_way)
    tree, sleeper = processes_of(scene), ground.ledger.job(job)[2]
    scene.let_go()
    fault = now()
    os.kill(pid_of(sleeper), signal.SIGSTOP)
    ground.wait_ended()
    assert not any(map(alive, tree))
    assert scene.has_one_archive()
    os.kill(pid_of(sleeper), signal.SIGCONT)
    # It is done with that run when it takes another job.
    taken = """SELECT count(*) FROM jobs_jobattempt
        WHERE worker = ? AND outcome = 'succeeded'"""

    def takes_more():
        scene.driver.start(2, rounds=3)
        ground.wait_ended()
        return ground.ledger.one(taken, sleeper)

    ground.wait("it takes jobs again", takes_more)
    assert scene.jobs() == [(GENERATE, "succeeded", 2), (FETCH, "succeeded", 1)]
    assert scene.said() == ("sos_report", "", "")
    assert scene.has_one_archive()
    name = "report outlives its lease, late finisher fenced off"
    record_property("figure", recovered(scene, fault, name))


def test_a_worker_asked_to_end_hands_a_report_back(scene, record_property):
    worker, other = workers_of(scene)
    ground = scene.ground
    scene.begin()
    scene.hold()
    scene.generate()
    ground.wait("sos is at it", scene.copy.under_way)
    tree = processes_of(scene)
    scene.let_go()
    fault = now()
    os.kill(worker.pid, signal.SIGTERM)
    ground.wait("it ends", lambda: worker.poll() is not None, EXIT_SECONDS)
    took = now() - fault
    assert worker.returncode == 0
    assert not any(map(alive, tree))
    assert scene.nothing_left()
    assert scene.jobs() == [(GENERATE, "queued", 1)]
    assert scene.of_report("generation_status") == "running"
    assert scene.said() == ("sos_report", "", "")
    release(other)
    ground.wait_ended()
    assert scene.outcomes() == {"handed_back": 1, "succeeded": 2}
    assert scene.jobs() == [(GENERATE, "succeeded", 2), (FETCH, "succeeded", 1)]
    assert scene.moves() == ["begin", "select"]  # the case never failed
    assert scene.has_one_archive()
    ended = f"{len(tree)} processes of root ended, worker gone after {took:.1f} s"
    name = "SIGTERM in mid-report"
    record_property("figure", recovered(scene, fault, name, ended))


def test_a_report_whose_worker_dies_each_time_fails_its_case(scene, record_property):
    ground = scene.ground
    ground.scheduler()
    scene.begin()
    scene.hold()
    job = scene.generate()
    for attempt in (1, 2):
        worker = ground.worker(f"worker {attempt}", concurrency=1)
        ground.wait("sos is at it", scene.copy.under_way)
        assert ground.ledger.job(job)[:2] == ("running", attempt)
        fault = now()
        kill(worker)
        ground.wait("root's silence", scene.nothing_left)
    ground.wait_ended()
    took = now() - fault
    assert scene.jobs() == [(GENERATE, "failed", 2)]
    assert scene.said() == ("failed", "sos_report", "generate_failed")
    assert scene.of_report("generation_status") == "failed"
    scene.let_go()
    ground.worker("worker 3", concurrency=1)
    scene.driver.tell("retry", id=job)
    ground.wait_ended()
    assert scene.said() == ("sos_report", "", "")
    assert scene.has_one_archive()
    words = (
        f"worker killed at each attempt: case failed {took:.1f} s after the last one"
    )
    record_property("figure", words)


# --- in mid-fetch ---------------------------------------------------------------------
def test_the_worker_is_killed_in_the_middle_of_a_fetch(
    scene, ssh, narrows, record_property
):
    worker, other = workers_of(scene)
    ground = scene.ground
    way = narrows(ssh.port, free=8 * MIB, rate=0)
    scene.program(size=24 * MIB)
    scene.begin_over_ssh(ssh, way.port)
    scene.generate()
    ground.wait("a part has arrived", lambda: any(map(size_of, scene.incoming())))
    assert way.reached.wait(60)
    [part] = scene.incoming()
    assert 0 < size_of(part) < scene.of_report("archive_size")
    fault = now()
    kill(worker)
    assert part.exists()  # nobody could remove it
    way.widen()
    release(other)
    ground.wait_ended()
    assert scene.jobs() == [(GENERATE, "succeeded", 1), (FETCH, "succeeded", 2)]
    assert scene.outcomes() == {"lost": 1, "succeeded": 2}
    assert scene.has_one_archive()
    assert scene.said() == ("sos_report", "", "")
    arrived = f"{scene.of_report('archive_size') / MIB:.0f} MiB whole"
    name = "worker killed in mid-fetch"
    record_property("figure", recovered(scene, fault, name, arrived))


def size_of(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


# --- in mid-upload --------------------------------------------------------------------
@pytest.mark.parametrize("at", ["midway", "reply"])
def test_the_worker_is_killed_in_the_middle_of_an_upload(
    scene, jira, at_jira, at, record_property
):
    """Midway in the file, or when Jira has it and was about to say so."""
    worker, other = workers_of(scene)
    path, known = at_jira()
    jira.fails("/attachments", holds=at)
    scene.ask("attach")
    assert jira.held.wait(60)
    assert scene.of_jira("attachment_status, known_ids") == ("running", [known.id])
    fault = now()
    kill(worker)
    jira.release()
    release(other)
    scene.ground.wait_ended()
    assert scene.jobs() == [(ATTACH, "succeeded", 2)]
    assert scene.outcomes() == {"lost": 1, "succeeded": 1}
    assert has_one_more(scene, jira, path, known)
    assert len(uploads(jira)) == {"midway": 2, "reply": 1}[at]
    sent = f"{len(uploads(jira))} uploads, 1 attachment"
    name = f"worker killed in an upload ({at})"
    record_property("figure", recovered(scene, fault, name, sent))


def test_the_worker_is_killed_while_jira_is_storing(
    scene, jira, at_jira, record_property
):
    """The next one finds nothing yet: it waits, and does not send it again."""
    worker, other = workers_of(scene)
    path, known = at_jira()
    jira.fails("/attachments", holds="reply", stores="late")
    scene.ask("attach")
    assert jira.held.wait(60)
    fault = now()
    kill(worker)
    jira.release()
    release(other)
    scene.ground.wait("somebody has looked", lambda: "failed" in scene.outcomes())
    assert scene.jobs() == [(ATTACH, "queued", 2)]
    jira.catch_up()
    scene.ground.wait_ended()
    assert scene.jobs() == [(ATTACH, "succeeded", 3)]
    assert scene.outcomes() == {"lost": 1, "failed": 1, "succeeded": 1}
    assert has_one_more(scene, jira, path, known)
    assert len(uploads(jira)) == 1
    name = "worker killed while Jira stores"
    record_property("figure", recovered(scene, fault, name, "1 upload, 1 attachment"))


def test_who_wakes_up_in_mid_upload_sends_no_second_attachment(
    scene, jira, at_jira, record_property
):
    ground = scene.ground
    ground.scheduler()
    ground.worker("one", concurrency=1)
    ground.worker("two", concurrency=1)
    ground.wait("both", lambda: ground.workers() == 2)
    path, known = at_jira(size=24 * MIB)
    jira.fails("/attachments", holds="midway")
    job = scene.ask("attach")["job"]
    assert jira.held.wait(60)
    sleeper = pid_of(ground.ledger.job(job)[2])
    fault = now()
    os.kill(sleeper, signal.SIGSTOP)
    ground.wait_ended()
    assert len(jira.issues[KEY].attachments) == 2
    os.kill(sleeper, signal.SIGCONT)
    jira.release()
    assert has_one_more(scene, jira, path, known)
    assert len(uploads(jira)) == 2
    assert scene.jobs() == [(ATTACH, "succeeded", 2)]
    name = "upload outlives its lease, late sender fenced off"
    record_property("figure", recovered(scene, fault, name))


def test_a_worker_asked_to_end_hands_an_upload_back(
    scene, jira, at_jira, narrows, record_property
):
    worker, other = workers_of(scene)
    way = narrows(urlsplit(jira.url).port, free=4 * MIB, rate=2 * MIB)
    path = scene.bring(24 * MIB)
    url = f"https://localhost:{way.port}"
    scene.ask("connect", url=url, token=jira.token, key=KEY)
    scene.ask("attach")
    assert way.reached.wait(60)
    fault = now()
    os.kill(worker.pid, signal.SIGTERM)
    scene.ground.wait("it ends", lambda: worker.poll() is not None, EXIT_SECONDS)
    took = now() - fault
    assert scene.jobs() == [(ATTACH, "queued", 1)]
    assert jira.issues[KEY].attachments == []
    way.widen()
    release(other)
    scene.ground.wait_ended()
    assert scene.outcomes() == {"handed_back": 1, "succeeded": 1}
    [stored] = jira.issues[KEY].attachments
    assert (stored.filename, stored.size) == (path.name, path.stat().st_size)
    assert scene.said() == ("completed", "", "")
    ended = f"worker gone after {took:.1f} s"
    record_property("figure", recovered(scene, fault, "SIGTERM in mid-upload", ended))


@pytest.mark.parametrize("drop", ["reply", "in reply"])
def test_a_lost_reply_makes_no_second_attachment(
    scene, jira, at_jira, drop, record_property
):
    scene.ground.scheduler()
    scene.ground.worker("one", concurrency=1)
    path, known = at_jira()
    jira.fails("/attachments", drop=drop)
    began = now()
    scene.ask("attach")
    scene.ground.wait_ended()
    took = now() - began
    assert scene.jobs() == [(ATTACH, "succeeded", 2)]
    assert scene.outcomes() == {"failed": 1, "succeeded": 1}
    assert len(uploads(jira)) == 1
    assert has_one_more(scene, jira, path, known)
    [(result,)] = scene.ground.ledger.rows("SELECT result FROM jobs_job")
    assert result["alreadyThere"] is True
    words = f"reply lost ({drop}): adopted after {took:.1f} s; 1 upload, 1 attachment"
    record_property("figure", words)
