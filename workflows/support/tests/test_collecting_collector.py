"""A report is made and fetched on this machine, and everything that can go wrong."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest

from workflows.support.collecting import collector as module
from workflows.support.collecting.collector import (
    VERSION,
    Collector,
    Fetched,
    Installed,
    Report,
)
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import (
    ArchiveNotFound,
    CopyFailed,
    DependencyMissing,
    DiskFull,
    NoRoomHere,
    PathUnsafe,
    PrivilegeRequired,
    ReadFailed,
    TimedOut,
)
from workflows.support.collecting.shell import LocalShell, ProgramMissing
from workflows.support.tests.scripts import (
    OPTIONS,
    Enough,
    enough,
    local,
    scripted_wrapper,  # noqa: F401  (a fixture)
    silent,
)

GONE = Installed("/nowhere/handrail-sos", "/nowhere")


# --- the whole way --------------------------------------------------------------------
def test_a_report_is_made_fetched_and_removed(make_copy, run_id):
    copy = make_copy()
    collector = local(copy)
    shown, bytes_shown, into = [], [], io.BytesIO()
    report = collector.generate(
        run_id, OPTIONS, progress=lambda *now: shown.append(now), timeout=60
    )
    assert report.name == "sosreport-x.tar.xz"
    assert (2, 2, "Collecting") in shown
    assert [words for _done, _total, words in shown][-1] == "Checking the archive"
    fetched = collector.fetch(
        report, run_id, into, progress=lambda *now: bytes_shown.append(now)
    )
    assert fetched == Fetched(report.size, report.sha256)
    assert hashlib.sha256(into.getvalue()).hexdigest() == report.sha256
    assert bytes_shown[-1][:2] == (report.size, report.size)
    collector.remove(run_id)
    assert copy.clean()
    collector.remove(run_id)


def test_options_reach_sos(make_copy, run_id):
    copy = make_copy()
    options = ReportOptions(enable=("a", "b"), label="night", log_size=3)
    report = local(copy).generate(run_id, options, progress=silent, timeout=60)
    path = copy.folder(run_id) / "archive" / report.name
    assert path.exists()


# --- what a host lacks ----------------------------------------------------------------
def test_what_a_host_has_is_told(make_copy, monkeypatch):
    monkeypatch.setattr(module, "LEAST_FREE", 1)
    found = local(make_copy()).prerequisites()
    assert (found.sos_version, found.wrapper_version) == ("?", VERSION)
    assert found.free_bytes > 0
    assert found.problems == ()


def test_what_a_host_lacks_is_told_with_its_remedy(make_copy, monkeypatch):
    monkeypatch.setattr(module, "LEAST_FREE", 1024**5)
    copy = make_copy(SOS=("/nowhere/sos",), VERSION=VERSION + 1)
    found = local(copy).prerequisites()
    assert found.sos_version is None
    assert [type(problem) for problem in found.problems] == [
        PrivilegeRequired,
        DependencyMissing,
        DiskFull,
    ]
    assert found.problems[1].command  # of this machine's own distribution


@pytest.mark.parametrize("as_root", [True, False])
def test_a_wrapper_that_is_not_there_takes_an_administrator(as_root):
    shell = LocalShell()
    collector = Collector(shell, as_root=as_root, installed=GONE)
    found = collector.prerequisites()
    [problem] = found.problems
    assert isinstance(problem, PrivilegeRequired)
    assert problem.command.endswith(f"install.sh {shell.user}")
    assert (found.sos_version, found.wrapper_version, found.free_bytes) == (None,) * 3
    with pytest.raises(PrivilegeRequired):
        collector.generate("0" * 32, OPTIONS, progress=silent, timeout=60)


@pytest.mark.parametrize("code", [1, 126, 127])
def test_a_refusal_without_an_answer_is_a_missing_right(scripted, run_id, code):
    collector = scripted(f"echo 'sudo: a password is required' >&2; exit {code}")
    with pytest.raises(PrivilegeRequired):
        collector.generate(run_id, OPTIONS, progress=silent, timeout=60)
    with pytest.raises(PrivilegeRequired):
        collector.remove(run_id)


# --- ending ---------------------------------------------------------------------------
def test_a_stop_in_the_middle_leaves_nothing(make_copy, run_id):
    copy = make_copy("endless")

    def progress(done, total, words):
        if copy.under_way():
            raise Enough

    with pytest.raises(Enough):
        local(copy).generate(run_id, OPTIONS, progress=progress, timeout=60)
    assert copy.clean()


def test_a_stop_that_comes_too_late_leaves_nothing_either(make_copy, run_id):
    copy = make_copy()

    def progress(done, total, words):
        if (copy.folder(run_id) / "archive").exists():
            raise Enough

    class Late(LocalShell):
        """Hears of each answer when the wrapper is done."""

        def start(self, argv):
            running = super().start(argv)
            if "run" in argv:
                running.process.wait()
            return running

    collector = Collector(Late(), as_root=True, installed=copy)
    with pytest.raises(Enough):
        collector.generate(run_id, OPTIONS, progress=progress, timeout=60)
    assert copy.clean()


def test_a_stop_goes_through_even_when_the_host_does_not_obey(
    scripted,
    run_id,
    monkeypatch,
    caplog,
):
    for name in ("END", "CLEAN", "LEAVE"):
        monkeypatch.setattr(module, f"{name}_SECONDS", 0.2)
    collector = scripted("trap '' TERM; while :; do sleep 1; done")
    with pytest.raises(Enough):
        collector.generate(run_id, OPTIONS, progress=enough, timeout=60)
    assert "could not be ended: TimedOut" in caplog.text


def test_a_host_that_says_nothing_has_its_time(make_copy, run_id, monkeypatch):
    copy = make_copy("endless")
    monkeypatch.setattr(module, "MARGIN_SECONDS", -58.0)
    with pytest.raises(TimedOut):
        local(copy).generate(run_id, OPTIONS, progress=silent, timeout=60)
    assert copy.clean()


# --- fetching -------------------------------------------------------------------------
@pytest.fixture
def kept(tmp_path, run_id):
    """Lend a collector, and a report that waits to be fetched."""
    folder = tmp_path / run_id / "archive"
    folder.mkdir(parents=True)
    content = os.urandom(3 * module.CHUNK + 5)
    (folder / "sosreport-x.tar.xz").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    report = Report("sosreport-x.tar.xz", len(content), sha256)
    return local(Installed("", str(tmp_path))), report, folder / report.name


def test_it_comes_in_pieces(kept, run_id):
    collector, report, _path = kept
    shown = []
    collector.fetch(
        report, run_id, io.BytesIO(), progress=lambda *now: shown.append(now[0])
    )
    assert shown == [0, module.CHUNK, 2 * module.CHUNK, 3 * module.CHUNK, report.size]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"",
    ],
)
def test_what_has_changed_on_the_way_does_not_count(kept, run_id, change):
    collector, report, path = kept
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CopyFailed):
        collector.fetch(report, run_id, io.BytesIO(), progress=silent)


def test_a_place_that_takes_no_more_is_named(kept, run_id):
    collector, report, _path = kept
    with open("/dev/full", "wb", buffering=0) as into, pytest.raises(NoRoomHere):
        collector.fetch(report, run_id, into, progress=silent)


def test_a_place_that_cannot_be_written_is_tried_again(kept, run_id):
    collector, report, _path = kept
    with open(os.devnull, "rb", buffering=0) as into, pytest.raises(CopyFailed):
        collector.fetch(report, run_id, into, progress=silent)


def test_a_fetch_can_be_stopped(kept, run_id):
    collector, report, path = kept
    with pytest.raises(Enough):
        collector.fetch(report, run_id, io.BytesIO(), progress=enough)
    assert path.exists()


def test_what_is_gone_is_named(kept, run_id):
    collector, report, path = kept
    path.unlink()
    with pytest.raises(ArchiveNotFound):
        collector.fetch(report, run_id, io.BytesIO(), progress=silent)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "other owner"])
def test_something_else_in_its_place_is_not_read(kept, run_id, kind):
    collector, report, path = kept
    secret = path.with_name("secret")
    path.rename(secret)
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif os.geteuid() != 0:
        pytest.skip("needs root")
    else:
        secret.rename(path)
        os.chown(path, 65534, 65534)
    into = io.BytesIO()
    with pytest.raises(PathUnsafe):
        collector.fetch(report, run_id, into, progress=silent)
    assert into.getvalue() == b""


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "sosreport-../x.tar",
        "sosreport-x.tar\n",
        "x.tar",
        "sosreport-" + "x" * 250 + ".tar",
    ],
)
def test_a_name_that_is_a_path_is_refused(kept, run_id, name):
    collector, report, _path = kept
    bad = Report(name, report.size, report.sha256)
    with pytest.raises(PathUnsafe):
        collector.fetch(bad, run_id, io.BytesIO(), progress=silent)


@pytest.mark.parametrize(
    "bad", ["", "../" + "0" * 29, "0" * 31, "A" * 32, "0" * 32 + "\n"]
)
def test_a_run_id_that_is_a_path_is_refused(kept, bad):
    collector, report, _path = kept
    with pytest.raises(PathUnsafe):
        collector.fetch(report, bad, io.BytesIO(), progress=silent)
    with pytest.raises(PathUnsafe):
        collector.generate(bad, OPTIONS, progress=silent, timeout=60)
    with pytest.raises(PathUnsafe):
        collector.remove(bad)


# --- this machine's shell -------------------------------------------------------------
def test_what_cannot_be_read_is_named():
    with pytest.raises(ReadFailed):
        LocalShell().open("/etc/hostname/x")
    with LocalShell().open("/proc/self/mem") as source, pytest.raises(ReadFailed):
        source.read(10)


def test_secrets_of_ours_do_not_reach_the_command(monkeypatch):
    monkeypatch.setenv("SEAL_KEYS", "planted")
    running = LocalShell().start(["/usr/bin/env"])
    output = b""
    while block := running.read(5):
        output += block
    assert b"PATH=" in output
    assert b"planted" not in output
    assert running.wait(5) == 0
    running.let_go()
    running.drop()


def test_a_command_that_is_not_there_is_told_apart():
    with pytest.raises(ProgramMissing):
        LocalShell().start(["/nowhere/at/all"])
    assert Path("/").exists()
