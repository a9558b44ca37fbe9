"""The real sos, as root and as a user who has nothing but the rule for sudo."""

# ruff: noqa: S603, S607 - programs of our own

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import pwd
import stat
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.services import ServiceMissing
from tests.sshd import sshd
from workflows.support.collecting.archive import list_archive
from workflows.support.collecting.collector import VERSION, Collector, Installed
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import PrivilegeRequired
from workflows.support.collecting.shell import LocalShell
from workflows.support.collecting.ssh import SshShell
from workflows.support.tests.conftest import REAL, SHIPPED, commands_with, has, until

pytestmark = pytest.mark.slow
USER = "handrail-test"
QUICK = ReportOptions(
    only=("host", "login", "networking"), label="quick", case_id="C_1"
)
PLACES = Installed()
RULE = Path("/etc/sudoers.d/handrail-sos")
CLEARING = Path("/etc/tmpfiles.d/handrail-sos.conf")


class Enough(Exception):
    """What a job raises to stop."""


def made_and_fetched(collector, run_id, options=QUICK):
    """Return the archive, and what was shown while it was made."""
    shown, into = [], io.BytesIO()
    report = collector.generate(
        run_id,
        options,
        progress=lambda *now: shown.append((time.monotonic(), *now)),
        timeout=3600,
    )
    collector.fetch(report, run_id, into, progress=lambda *now: None)
    assert hashlib.sha256(into.getvalue()).hexdigest() == report.sha256
    collector.remove(run_id)
    into.seek(0)
    return report, shown, into


def members(file):
    listing = list_archive(file, most=20_000, unpacked=256 * 1024**2)
    return [entry.name for entry in listing.entries]


# --- as root --------------------------------------------------------------------------
def test_a_real_report_is_made(make_copy, run_id, record_property):
    copy = make_copy(None)
    collector = Collector(LocalShell(), as_root=True, installed=copy)
    assert collector.prerequisites().sos_version[0] == "4"
    started = time.monotonic()
    report, shown, into = made_and_fetched(collector, run_id)
    seconds = time.monotonic() - started
    assert "-quick-" in report.name
    counted = [now for now in shown if now[3] == "Collecting"]
    assert [now[1] for now in counted] == sorted(now[1] for now in counted)
    assert {now[2] for now in counted} == {3}
    assert counted[-1][1] == 3
    assert counted[0][0] < shown[-1][0]  # live, not at the end
    names = members(into)
    assert any(
        name.endswith("/etc/hostname") or "sos_commands/host" in name for name in names
    )
    assert copy.clean()
    record_property("figure", f"sos: 3 plugins reported and fetched in {seconds:.1f} s")


def test_names_are_masked_and_the_map_stays(make_copy, run_id):
    copy = make_copy(None)
    collector = Collector(LocalShell(), as_root=True, installed=copy)
    options = ReportOptions(only=QUICK.only, clean=True)
    report, shown, into = made_and_fetched(collector, run_id, options)
    assert "obfuscated" in report.name
    names = members(into)
    assert names
    assert not any("private_map" in name for name in names)
    assert "Masking names" in {now[3] for now in shown}
    assert copy.clean()


def test_a_real_run_leaves_nothing_when_it_is_stopped(make_copy, run_id):
    copy = make_copy(None)

    def progress(done, total, words):
        if total:
            raise Enough

    collector = Collector(LocalShell(), as_root=True, installed=copy)
    with pytest.raises(Enough):
        collector.generate(run_id, ReportOptions(), progress=progress, timeout=3600)
    assert copy.clean()


def test_a_real_run_whose_wrapper_was_killed_leaves_nothing(make_copy, run_id):
    copy = make_copy(None)
    with copy.start("run", run_id) as process:
        # sos, and what it has begun so far
        assert until(lambda: len(carrying(copy.spool)) >= 2)
        process.kill()
    assert copy.call("stop", run_id).last == {"phase": "stopped"}
    assert not carrying(copy.spool)
    assert copy.clean()


def carrying(folder):
    """Return the processes whose environment names the folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if folder in " ".join(process.environ().values()):
                found.append(process)
    return found


def test_a_plugin_that_sos_does_not_have_is_named(make_copy, run_id):
    copy = make_copy(None)
    ended = copy.call("run", run_id, "--only=host,no-such-plugin")
    assert (ended.code, ended.last["code"]) == (1, "validation_error")
    assert copy.clean()


def test_a_full_disk_of_a_real_run_is_named(make_copy, run_id, small_disk):
    copy = make_copy(None, SPOOL=str(small_disk / "spool"), FULL_BELOW=0)
    assert copy.call("run", run_id).last["code"] == "disk_full"
    assert copy.clean()


# --- installed ------------------------------------------------------------------------
@pytest.fixture
def user():
    """Lend a user of this machine, and see that nothing stays installed for them."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if Path("/run/systemd/system").exists() and os.environ.get("CI") != "true":
        pytest.skip("would change this machine: made in containers, or with CI=true")
    if not (REAL.exists() and has("visudo") and has("useradd")):
        pytest.skip("needs sos and sudo: apt-get install sosreport sudo")
    # There is one such place on a machine, and tests run side by side.
    with (Path(tempfile.gettempdir()) / "handrail-installed").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {account.pw_name for account in pwd.getpwall()}
        remove = ["userdel", "-f", "-r", USER]
        if USER in known:  # a run that was killed has left it
            subprocess.run(remove, check=True, capture_output=True)
        elif Path(PLACES.wrapper).exists():
            pytest.skip(f"{PLACES.wrapper} is installed here")
        # Without a password, but not locked, which sshd would refuse.
        add = ["useradd", "-m", "-s", "/bin/sh", "-p", "*", USER]
        subprocess.run(add, check=True)
        try:
            yield USER
        finally:
            subprocess.run(["sh", SHIPPED / "install.sh", "--uninstall"], check=True)
            subprocess.run(remove, check=True, capture_output=True)
        installed = (PLACES.wrapper, PLACES.spool, RULE, CLEARING)
        assert not any(map(os.path.exists, installed))


@pytest.fixture
def ready(user):
    """Have it installed."""
    subprocess.run(["sh", SHIPPED / "install.sh", user], check=True)
    yield user
    assert list(Path(PLACES.spool).iterdir()) == []


@pytest.fixture
def login(user):
    """Lend a shell of the user: by ssh, where nothing of root's is handed down."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(sshd())
        except ServiceMissing as missing:
            pytest.skip(str(missing))
        keys = {"host_key": server.host_key, "private_key": server.private_key}
        yield stack.enter_context(SshShell(server.address, server.port, user, **keys))


def at_work():
    return commands_with(PLACES.spool)


def nothing_left():
    return not at_work() and not any(Path(PLACES.spool).iterdir())


def test_what_is_missing_is_installed_by_one_command(user, login):
    collector = Collector(login, as_root=False)
    [problem] = collector.prerequisites().problems
    assert isinstance(problem, PrivilegeRequired)
    assert "password" not in str(problem)
    install = ["sh", SHIPPED / "install.sh", user]
    for _ in range(2):  # it may be run again
        said = subprocess.run(install, check=True, capture_output=True, text=True)
    by_itself = Path("/run/systemd/system").exists()
    assert ("by systemd within two days" in said.stdout) is by_itself
    assert ("There is no systemd here" in said.stdout) is not by_itself
    found = collector.prerequisites()
    assert (found.sos_version[0], found.wrapper_version) == ("4", VERSION)
    assert problem.rule in RULE.read_text()
    assert stat.S_IMODE(RULE.stat().st_mode) == 0o440
    installed = Path(PLACES.wrapper).stat()
    assert (installed.st_uid, stat.S_IMODE(installed.st_mode)) == (0, 0o755)
    for added in (RULE, CLEARING) if has("systemd-tmpfiles") else (RULE,):
        assert list(added.parent.glob("*handrail*")) == [added]
    subprocess.run(["sh", SHIPPED / "install.sh", "--uninstall"], check=True)
    assert not any(map(os.path.exists, (PLACES.wrapper, RULE, CLEARING)))


def test_an_ordinary_user_gets_a_report(ready, login, run_id):
    _report, shown, into = made_and_fetched(Collector(login, as_root=False), run_id)
    assert (3, 3, "Collecting") in [now[1:] for now in shown]
    assert members(into)
    assert nothing_left()


def test_an_archive_that_nobody_fetches_is_cleared_away(ready, login, run_id, tmp_path):
    if not has("systemd-tmpfiles"):
        pytest.skip("needs systemd-tmpfiles: apt-get install systemd")
    Collector(login, as_root=False).generate(
        run_id, QUICK, progress=lambda *now: None, timeout=3600
    )

    def clear(age):
        rule = tmp_path / f"{age}.conf"
        rule.write_text(CLEARING.read_text().replace(" 1d\n", f" {age}\n"))
        subprocess.run(["systemd-tmpfiles", "--clean", rule], check=True)
        return nothing_left()

    assert not clear("1d")
    assert len(list(Path(PLACES.spool).glob(f"{run_id}/archive/*"))) == 1
    assert until(lambda: clear("1s"))
    spool = Path(PLACES.spool).stat()
    assert (spool.st_uid, stat.S_IMODE(spool.st_mode)) == (0, 0o711)


def test_a_stop_ends_what_root_does(ready, login, run_id):
    def progress(done, total, words):
        if total:
            raise Enough

    with pytest.raises(Enough):
        Collector(login, as_root=False).generate(
            run_id, ReportOptions(), progress=progress, timeout=3600
        )
    assert nothing_left()


def as_user(*argv, **options):
    account = pwd.getpwnam(USER)
    return subprocess.Popen(
        argv,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def sudo(*argv):
    with as_user("sudo", "-n", *argv) as process:
        output = process.stdout.read()
    return process.returncode, output


def test_nothing_else_is_allowed(ready, run_id):
    for argv in (
        ["/bin/sh", "-c", "id"],
        [PLACES.wrapper],
        [PLACES.wrapper, "check", "more"],
        [PLACES.wrapper, "help"],
        ["-u", "nobody", PLACES.wrapper, "check"],
        ["SUDO_UID=0", PLACES.wrapper, "check"],
    ):
        code, output = sudo(*argv)
        assert code == 1, argv
        assert "{" not in output, argv
    assert sudo(PLACES.wrapper, "check")[0] == 0
    for argv in (
        ["run", run_id, "--only", "../../x"],
        ["run", "../x"],
        ["stop", "x y"],
    ):
        assert '"validation_error"' in sudo(PLACES.wrapper, *argv)[1]


@pytest.mark.parametrize("how", ["sudo killed", "caller killed", "input closed"])
def test_no_orphan_goes_on(ready, run_id, how):
    program = (
        "import subprocess, sys, time\n"
        "process = subprocess.Popen(sys.argv[1:], stdin=-1, stdout=-1)\n"
        "print(process.pid, flush=True)\n"
        "sys.stdin.read()\n"
        "process.stdin.close()\n"
        "time.sleep(900)\n"
    )
    command = ["sudo", "-n", PLACES.wrapper, "run", run_id]
    with as_user("/usr/bin/python3", "-I", "-c", program, *command) as caller:
        sudo_pid = int(caller.stdout.readline())
        assert until(lambda: any("--batch" in c for c in at_work().values()))
        if how == "sudo killed":
            os.kill(sudo_pid, 9)
        elif how == "caller killed":
            caller.kill()
        else:
            caller.stdin.close()
        gone = until(nothing_left, 10)
        caller.kill()
    assert gone


@pytest.mark.parametrize(
    "name", ["", "-x", "no such user", "nobody-of-this-name", "a/b", "a\nb"]
)
def test_only_a_user_is_installed_for(name):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    ended = subprocess.run(
        ["sh", SHIPPED / "install.sh", name], capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "install.sh: " in ended.stderr
    assert not list(RULE.parent.glob("handrail-sos.*"))
