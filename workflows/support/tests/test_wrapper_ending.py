"""However a run is ended, nothing of it goes on and nothing of it stays."""

# ruff: noqa: S603, S607 - programs of our own

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest

from workflows.support.tests.conftest import until

NOBODY = {"SUDO_UID": "65534", "SUDO_GID": "65534"}


@pytest.fixture
def endless(make_copy, run_id):
    """Lend a run that goes on for ever."""
    copy = make_copy("endless")
    with copy.start("run", run_id) as process:
        assert until(copy.under_way)
        yield copy, process
        process.kill()
        for left in copy.working():
            with suppress(psutil.NoSuchProcess):
                left.kill()


def last(process):
    return [json.loads(line) for line in process.stdout][-1]


def test_its_closed_input_ends_it(endless):
    copy, process = endless
    process.stdin.close()
    assert until(lambda: process.poll() == 1)
    assert last(process)["code"] == "canceled"
    assert copy.clean()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it(endless, number):
    copy, process = endless
    process.send_signal(number)
    assert last(process)["code"] == "canceled"
    assert process.wait() == 1
    assert copy.clean()


def test_a_second_signal_breaks_nothing_off(endless):
    copy, process = endless
    process.terminate()
    for _ in range(50):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    assert last(process)["code"] == "canceled"
    assert copy.clean()


def test_a_caller_who_listens_no_more_ends_it(endless):
    copy, process = endless
    process.stdout.close()
    process.stdin.close()
    process.wait()
    assert copy.clean()


def test_a_killed_caller_ends_it(make_copy, run_id):
    copy = make_copy("endless")
    program = (
        "import subprocess, sys, time\n"
        "process = subprocess.Popen(sys.argv[1:], stdin=-1, stdout=-1)\n"
        "time.sleep(900)\n"
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", program, copy.wrapper, "run", run_id]
    )
    assert until(copy.under_way)
    caller.kill()
    caller.wait()
    assert until(copy.clean, 8)


def test_its_own_time_ends_it(make_copy, run_id):
    copy = make_copy("endless", SHORTEST=1)
    assert copy.call("run", run_id, "--timeout=2").last["code"] == "timeout"
    assert copy.clean()


def test_a_closed_input_from_the_start_begins_nothing(make_copy, run_id):
    copy = make_copy("endless")
    command = f"exec {copy.wrapper} run {run_id} <&-"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["phase"] == "failed"
    assert not copy.working()
    empty = subprocess.run(
        [copy.wrapper, "run", run_id],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert '"canceled"' in empty.stdout
    assert copy.clean()


def test_stop_ends_it(endless, run_id):
    copy, process = endless
    assert copy.call("remove", run_id).last["code"] == "validation_error"
    assert copy.call("stop", run_id, **NOBODY).last["code"] == "validation_error"
    assert process.poll() is None
    assert copy.call("stop", run_id).last == {"phase": "stopped"}
    assert last(process)["code"] == "canceled"
    assert copy.clean()
    assert copy.call("stop", run_id).code == 0


def test_stop_ends_what_does_not_listen(make_copy, run_id):
    copy = make_copy("endless", ENDING_SECONDS=1)
    with copy.start("run", run_id) as process:
        assert until(copy.under_way)
        process.send_signal(signal.SIGSTOP)
        assert copy.call("stop", run_id).code == 0
        assert process.wait() == -signal.SIGKILL
    assert copy.clean()


def test_another_process_of_the_same_number_is_left_alone(make_copy, run_id):
    copy = make_copy()
    copy.call("run", run_id)
    folder = copy.folder(run_id)
    folder.chmod(0o700)  # as if it had not come to its end
    note = {"owner": 0, "pid": os.getpid(), "started": 1}
    (folder / "note").write_text(json.dumps(note))
    assert copy.call("stop", run_id).code == 0
    assert not folder.exists()


def test_what_a_plugin_leaves_running_is_ended(make_copy, run_id):
    copy = make_copy("leaving")
    assert copy.call("run", run_id).code == 0
    assert not copy.working()


@pytest.mark.parametrize("verb", ["stop", "remove", "check"])
def test_what_a_killed_run_leaves_goes_at_the_next_occasion(endless, run_id, verb):
    copy, process = endless
    process.kill()
    process.wait()
    # sos dies with the wrapper; what sos had started goes on.
    assert until(lambda: not any("--batch" in c for c in copy.working().values()))
    assert copy.under_way()
    assert copy.folder(run_id).exists()
    assert copy.call(*((verb,) if verb == "check" else (verb, run_id))).code == 0
    assert copy.clean()


def test_another_run_is_left_alone(endless, run_id):
    copy, process = endless
    other = uuid4().hex
    with copy.start("run", other) as going_on:
        assert until(lambda: len(sleeping(copy)) == 8)
        process.kill()
        process.wait()
        assert copy.call("stop", run_id).last == {"phase": "stopped"}
        assert len(sleeping(copy)) == 4
        assert going_on.poll() is None
        assert copy.call("stop", other).last == {"phase": "stopped"}
    assert copy.clean()


def sleeping(copy):
    return [text for text in copy.working().values() if "/sleep 98" in text]
