"""The same over a real sshd: pinned keys, lost connections, streamed files."""

# ruff: noqa: S607 - programs of our own

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
import traceback
from dataclasses import replace

import asyncssh
import pytest

from tests.services import free_port
from tests.sshd import connect, connections_to, cut, lent, sshd
from workflows.core.secrets import Secret
from workflows.support.collecting import ssh as module
from workflows.support.collecting.collector import Collector, Installed
from workflows.support.collecting.options import ReportOptions
from workflows.support.collecting.problems import (
    ArchiveNotFound,
    CopyFailed,
    HostKeyChanged,
    HostUnreachable,
    LoginRefused,
    PathUnsafe,
    PrivilegeRequired,
    ReadFailed,
    ValidationFailed,
)
from workflows.support.collecting.ssh import fingerprint, scan_host_key
from workflows.support.tests.conftest import until

OPTIONS = ReportOptions()


class Enough(Exception):
    """What a job raises to stop."""


def silent(done, total, words):
    """Show nothing."""


@pytest.fixture(scope="module")
def server():
    yield from lent()


@pytest.fixture
def own_server():
    """Lend a server that may be broken."""
    yield from lent()


@pytest.fixture
def shell(server):
    with connect(server) as shell:
        yield shell


def over(shell, installed):
    return Collector(shell, as_root=True, installed=installed)


# --- the whole way --------------------------------------------------------------------
def test_a_report_is_made_fetched_and_removed(shell, make_copy, run_id):
    copy = make_copy()
    collector = over(shell, copy)
    found = collector.prerequisites()
    assert found.wrapper_version == 1
    shown, into = [], io.BytesIO()
    options = ReportOptions(enable=("a", "b"), label="it-s")
    report = collector.generate(
        run_id, options, progress=lambda *now: shown.append(now), timeout=60
    )
    assert (2, 2, "Collecting") in shown
    fetched = collector.fetch(report, run_id, into, progress=silent)
    assert fetched.sha256 == hashlib.sha256(into.getvalue()).hexdigest()
    collector.remove(run_id)
    assert copy.clean()


def test_words_arrive_as_they_were_sent(shell):
    odd = ["/usr/bin/printf", "%s|", "a b", "$HOME", "'x'", "`id`", "new\nline", ""]
    running = shell.start(odd)
    output = b""
    while block := running.read(5):
        output += block
    assert output == b"a b|$HOME|'x'|`id`|new\nline||"
    assert running.wait(5) == 0
    running.drop()


def test_a_command_that_is_dropped_leaves_the_connection_as_it_is(server, caplog):
    with connect(server) as shell:
        running = shell.start(["/bin/sleep", "60"])
        assert running.read(0.1) is None
        running.drop()
        assert shell.start(["/bin/true"]).wait(5) == 0
        assert shell.start(["/bin/sleep", "60"]).read(0.1) is None
    assert not caplog.text


def test_a_stop_in_the_middle_leaves_nothing(shell, make_copy, run_id):
    copy = make_copy("endless")

    def progress(done, total, words):
        if copy.under_way():
            raise Enough

    with pytest.raises(Enough):
        over(shell, copy).generate(run_id, OPTIONS, progress=progress, timeout=60)
    assert copy.clean()


def test_a_lost_connection_ends_the_run(own_server, make_copy, run_id):
    copy = make_copy("endless")

    lost = []

    def progress(done, total, words):
        if copy.under_way() and not lost:  # what has arrived before is still shown
            lost.append(cut(own_server))

    with connect(own_server) as shell, pytest.raises(HostUnreachable):
        over(shell, copy).generate(run_id, OPTIONS, progress=progress, timeout=60)
    assert lost
    assert copy.clean()


def test_a_closed_shell_ends_what_it_started(server, make_copy, run_id):
    copy = make_copy("endless")
    with connect(server) as shell:
        running = shell.start([copy.wrapper, "run", run_id])
        while not copy.under_way():
            assert running.read(1) != b""
        assert running.wait(0.1) is None
        assert running.read(0.1) is None
        assert running.read(0.1) is None
    assert until(copy.clean)


def test_a_wrapper_that_is_not_there_takes_an_administrator(shell):
    collector = over(shell, Installed("/nowhere/handrail-sos"))
    [problem] = collector.prerequisites().problems
    assert isinstance(problem, PrivilegeRequired)
    assert "copy the folder" in str(problem)


# --- who is trusted -------------------------------------------------------------------
def test_a_key_is_shown_before_it_is_trusted(server):
    found = scan_host_key(server.address, server.port)
    assert found == server.host_key
    shown = subprocess.run(
        ["ssh-keygen", "-lf", "-"],
        input=found,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split()[1] == fingerprint(found)


def test_no_key_where_nobody_listens():
    with pytest.raises(HostUnreachable):
        scan_host_key("127.0.0.1", free_port())


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_another_key_of_the_host_is_refused(server, kind):
    with sshd(kind=kind) as other, connect(other, host_key=server.host_key) as shell:
        with pytest.raises(HostKeyChanged):
            shell.start(["/bin/true"])
        [problem] = Collector(shell, as_root=True).prerequisites().problems
    assert problem.code == "host_key_changed"


def test_neither_agent_nor_files_of_ours_are_asked(server, tmp_path, monkeypatch):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  Port 1\n  User nobody\n")
    (tmp_path / ".ssh" / "known_hosts").write_text("")
    (tmp_path / ".ssh" / "id_ed25519").write_text(server.private_key.reveal())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with connect(server) as shell:
        assert shell.start(["/bin/true"]).wait(5) == 0
    other = asyncssh.generate_private_key("ssh-ed25519")
    stranger = Secret(other.export_private_key().decode())
    with (
        connect(server, private_key=stranger) as shell,
        pytest.raises(LoginRefused) as refused,
    ):
        shell.start(["/bin/true"])
    assert refused.value.code == "privilege_required"
    assert other.export_public_key().decode().strip() in str(refused.value)
    assert "authorized_keys" in str(refused.value)


def test_a_user_who_is_not_there_is_refused(server):
    stranger = connect(server, user="nobody-of-this-name")
    with stranger as shell, pytest.raises(LoginRefused):
        shell.open("/etc/hostname")


@pytest.mark.parametrize("broken", ["host_key", "private_key"])
def test_a_key_that_is_none_is_named_and_not_quoted(server, broken):
    planted = "-----BEGIN OPENSSH PRIVATE KEY-----\nplanted\n"
    value = planted if broken == "host_key" else Secret(planted)
    with pytest.raises(ValidationFailed) as refused:
        connect(server, **{broken: value})
    text = "".join(traceback.format_exception(refused.value))
    assert "planted" not in text
    assert "KeyImportError" not in text


def test_a_key_with_a_passphrase_is_named(server):
    sealed = asyncssh.import_private_key(server.private_key.reveal())
    text = sealed.export_private_key("pkcs8-pem", passphrase="x").decode()
    with pytest.raises(ValidationFailed):
        connect(server, private_key=Secret(text))


# --- when nobody answers --------------------------------------------------------------
def test_a_closed_port_is_unreachable(server):
    with connect(replace(server, port=free_port())) as shell:
        with pytest.raises(HostUnreachable):
            shell.start(["/bin/true"])
        [problem] = Collector(shell, as_root=True).prerequisites().problems
    assert problem.code == "host_unreachable"


def test_a_host_that_says_nothing_is_unreachable(server, monkeypatch):
    monkeypatch.setattr(module, "LOGIN_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        nobody = replace(server, port=mute.getsockname()[1])
        with connect(nobody) as shell, pytest.raises(HostUnreachable):
            shell.start(["/bin/true"])


def all_of(source):
    while source.read(1024**2):
        pass


def to_the_end(running):
    while running.read(1) != b"":
        pass


@pytest.mark.parametrize("waiting", [to_the_end, lambda running: running.wait(5)])
def test_it_connects_again_after_a_loss(own_server, waiting):
    with connect(own_server) as shell:
        running = shell.start(["/bin/sleep", "60"])
        cut(own_server)
        with pytest.raises(HostUnreachable):
            waiting(running)
        running.let_go()
        running.drop()
        again = shell.start(["/bin/true"])
        assert again.wait(5) == 0


def test_it_connects_again_after_a_loss_that_nobody_saw(own_server):
    with connect(own_server) as shell:
        assert shell.start(["/bin/true"]).wait(5) == 0
        cut(own_server)
        assert until(lambda: not connections_to(own_server))
        assert shell.start(["/bin/true"]).wait(5) == 0


def test_a_host_that_takes_no_commands_is_unreachable(server):
    with sshd(settings="MaxSessions 0\n") as strict, connect(strict) as shell:
        with pytest.raises(HostUnreachable):
            shell.start(["/bin/true"])
        with pytest.raises(ReadFailed):
            shell.open("/etc/hostname")


# --- files ----------------------------------------------------------------------------
def test_what_has_changed_on_the_way_does_not_count(shell, kept, run_id):
    report, path, installed = kept
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CopyFailed):
        over(shell, installed).fetch(report, run_id, io.BytesIO(), progress=silent)


def test_links_and_folders_are_not_read(shell, kept, run_id):
    report, path, installed = kept
    secret = path.with_name("secret")
    path.rename(secret)
    with pytest.raises(ArchiveNotFound):
        shell.open(str(path))
    path.symlink_to(secret)
    with pytest.raises(PathUnsafe):
        shell.open(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(PathUnsafe):
        over(shell, installed).fetch(report, run_id, io.BytesIO(), progress=silent)


def test_a_file_that_cannot_be_read_is_named(shell):
    with pytest.raises(ReadFailed):
        shell.open("/etc/" + "x" * 300)
    with shell.open("/proc/self/mem") as source, pytest.raises(ReadFailed):
        source.read(10)


def test_a_connection_that_breaks_while_reading_is_named(own_server, kept):
    _report, path, _installed = kept
    with connect(own_server) as shell, shell.open(str(path)) as source:
        assert source.read(1024**2)
        cut(own_server)
        with pytest.raises(ReadFailed):
            all_of(source)
