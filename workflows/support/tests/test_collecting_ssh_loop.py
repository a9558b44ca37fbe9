"""The event loop of ssh has a thread of its own, which comes and goes with it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

import asyncssh
import psutil
import pytest
from django.utils.functional import lazy
from django.utils.translation import get_language, override

from tests.services import free_port
from tests.sshd import connect, connections_to, cut, lent
from workflows.core.secrets import Secret
from workflows.support.collecting import loop
from workflows.support.collecting import ssh as module
from workflows.support.collecting.problems import (
    HostKeyChanged,
    HostUnreachable,
    LoginRefused,
    PathUnsafe,
)
from workflows.support.collecting.ssh import scan_host_key
from workflows.support.tests.conftest import until

MEBIBYTE = 1024**2


class Enough(Exception):
    """What a signal raises in whoever waits."""


@pytest.fixture(scope="module")
def server():
    yield from lent()


@pytest.fixture
def own_server():
    """Lend a server that may be broken."""
    yield from lent()


@pytest.fixture
def mute():
    """Lend a socket that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.enumerate()
    yield
    assert threads_since(before) == []


@pytest.fixture
def interrupted():
    """Have a signal raise Enough in this thread; lend what sends it a little later."""

    def stop(number, frame):
        raise Enough

    before = signal.signal(signal.SIGUSR1, stop)
    timers = []

    def soon():
        timers.append(threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)))
        timers[0].start()

    yield soon
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGUSR1, before)


def threads_since(before):
    return [thread for thread in threading.enumerate() if thread not in before]


def output_of(running):
    return b"".join(iter(lambda: running.read(5), b""))


def in_a_running_loop(call):
    """Call it as in a thread where a browser is driven, which has a running loop."""

    async def calling():
        return call()

    # In a thread of its own: this one may be driving a browser in fact.
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: asyncio.run(calling())).result()


# --- beside another loop --------------------------------------------------------------
def test_a_key_is_shown_beside_another_loop(server):
    found = in_a_running_loop(lambda: scan_host_key(server.address, server.port))
    assert found == server.host_key


def test_a_command_runs_beside_another_loop(server):
    def whole():
        with connect(server) as shell:
            running = shell.start(["/bin/sh", "-c", "echo hello; cat; exit 3"])
            assert running.read(5) == b"hello\n"
            assert running.wait(0.1) is None
            assert running.read(0.1) is None
            running.let_go()
            assert running.read(5) == b""
            assert running.wait(5) == 3
            running.drop()
            with pytest.raises(PathUnsafe):
                shell.open("/etc")

    in_a_running_loop(whole)


def test_a_file_is_read_beside_another_loop(server, tmp_path):
    content = os.urandom(3 * MEBIBYTE + 5)
    path = tmp_path / "file"
    path.write_bytes(content)

    def whole():
        with connect(server) as shell, shell.open(str(path)) as source:
            return b"".join(iter(lambda: source.read(MEBIBYTE), b""))

    assert in_a_running_loop(whole) == content


# --- its thread -----------------------------------------------------------------------
def test_a_thread_comes_when_it_is_needed_and_goes_with_the_shell(server):
    before = threading.enumerate()
    with connect(server) as shell:
        assert threads_since(before) == []
        assert shell.start(["/bin/true"]).wait(5) == 0
        [thread] = [one for one in threads_since(before) if one.name == "handrail-ssh"]
        assert thread.daemon
        shell.start(["/bin/sleep", "60"])
        shell.open("/etc/hostname")
        assert thread.is_alive()
    assert threads_since(before) == []
    assert connections_to(server) == 0
    shell.close()


def test_a_shell_that_was_never_used_has_no_thread(server):
    before = threading.enumerate()
    shell = connect(server)
    assert threads_since(before) == []
    shell.close()
    with pytest.raises(RuntimeError, match="closed"):
        shell.start(["/bin/true"])
    assert threads_since(before) == []


def test_a_failed_connection_leaves_no_thread(server, own_server, mute, monkeypatch):
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
    with (
        connect(server, private_key=Secret(stranger.decode())) as shell,
        pytest.raises(LoginRefused),
    ):
        shell.start(["/bin/true"])
    with (
        connect(own_server, host_key=server.host_key) as shell,
        pytest.raises(HostKeyChanged),
    ):
        shell.start(["/bin/true"])
    nobody = replace(server, port=free_port())
    with connect(nobody) as shell, pytest.raises(HostUnreachable):
        shell.open("/etc/hostname")
    with pytest.raises(HostUnreachable):
        scan_host_key(nobody.address, nobody.port)
    monkeypatch.setattr(module, "LOGIN_SECONDS", 0.3)
    silent = replace(server, port=mute.getsockname()[1])
    with connect(silent) as shell, pytest.raises(HostUnreachable):
        shell.start(["/bin/true"])
    with pytest.raises(HostUnreachable):
        scan_host_key(silent.address, silent.port)
    assert not any(map(connections_to, (server, own_server, nobody, silent)))


def test_no_thread_is_left_when_closing_fails(server, monkeypatch):
    def broken(connection):
        connection.abort()
        raise Enough

    monkeypatch.setattr(asyncssh.SSHClientConnection, "close", broken)
    shell = connect(server)
    shell.start(["/bin/sleep", "60"]).read(0.1)
    with pytest.raises(Enough):
        shell.close()
    assert not named("handrail-ssh")


def test_no_thread_is_left_when_closing_hangs(server, monkeypatch):
    never = partial(asyncio.sleep, 60)
    monkeypatch.setattr(asyncssh.SSHClientConnection, "wait_closed", never)
    with connect(server) as shell:
        shell.start(["/bin/sleep", "60"])
        monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)
        monkeypatch.setattr(loop, "CLOSE_SECONDS", 0.3)
    assert not named("handrail-ssh")


def test_a_loop_that_is_stuck_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)
    monkeypatch.setattr(loop, "CLOSE_SECONDS", 0.3)
    going_on = threading.Event()

    async def stuck():
        going_on.wait()

    shell = connect(server)
    with pytest.raises(TimeoutError):
        shell.await_(stuck, 0.1)
    shell.close()
    going_on.set()
    assert until(lambda: not named("handrail-ssh"))


def test_a_name_server_that_hangs_is_not_waited_for(server, monkeypatch):
    answer = threading.Event()

    def hang(*asked, **more):
        answer.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(module, "LOGIN_SECONDS", 0.3)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)
    monkeypatch.setattr(loop, "CLOSE_SECONDS", 0.3)
    before = threading.enumerate()
    elsewhere = replace(server, address="host.invalid")
    with connect(elsewhere) as shell, pytest.raises(HostUnreachable):
        shell.start(["/bin/true"])
    with pytest.raises(HostUnreachable):
        scan_host_key(elsewhere.address, elsewhere.port)
    assert threads_since(before)
    answer.set()
    assert until(lambda: threads_since(before) == [])


def test_where_no_thread_can_be_had_nothing_is_left(server, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    shell = connect(server)
    with monkeypatch.context() as full:
        full.setattr(loop.LoopThread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            shell.start(["/bin/true"])
    assert shell.start(["/bin/true"]).wait(5) == 0  # there is room again
    shell.close()


def named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


# --- several --------------------------------------------------------------------------
def test_two_shells_at_once(server):
    with connect(server) as one, connect(server) as other:
        echoing = [shell.start(["/bin/cat", "/dev/fd/0"]) for shell in (one, other)]
        assert len(named("handrail-ssh")) == 2
        assert [running.read(0.1) for running in echoing] == [None, None]
        one.close()
        assert echoing[1].wait(0.1) is None
        assert output_of(other.start(["/bin/echo", "hello"])) == b"hello\n"
        echoing[1].let_go()
        assert echoing[1].wait(5) == 0
    assert connections_to(server) == 0


def test_shells_in_several_threads(server):
    outputs = {}

    def work(number):
        with connect(server) as shell:
            outputs[number] = output_of(shell.start(["/bin/echo", str(number)]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == {number: b"%d\n" % number for number in range(4)}


def test_words_are_in_the_language_of_the_caller(server, monkeypatch):
    monkeypatch.setattr(PathUnsafe, "words", lazy(get_language, str)())
    with connect(server) as shell, override("de"), pytest.raises(PathUnsafe) as refused:
        shell.open("/etc")
    assert str(refused.value) == "de"


# --- whoever waits may be interrupted -------------------------------------------------
def test_an_interruption_cancels_what_was_waited_for(server, interrupted):
    canceled = threading.Event()

    async def work():
        interrupted()
        try:
            await asyncio.Event().wait()
        finally:
            canceled.set()

    with connect(server) as shell:
        with pytest.raises(Enough):
            shell.await_(work, 60)
        assert canceled.wait(5)


def test_a_command_outlives_an_interruption(server, interrupted, tmp_path):
    going_on = tmp_path / "going-on"
    wait = f"until [ -e {going_on} ]; do sleep 0.05; done; echo hello; cat"
    with connect(server) as shell:
        running = shell.start(["/bin/sh", "-c", wait])
        interrupted()
        with pytest.raises(Enough):
            running.read(60)
        going_on.touch()
        assert running.read(5) == b"hello\n"
        running.let_go()
        assert running.wait(5) == 0


def test_what_was_read_when_the_interruption_came_is_kept(server, monkeypatch):
    with connect(server) as shell:
        running = shell.start(["/bin/echo", "hello"])
        with monkeypatch.context() as once:
            once.setattr(shell, "await_", and_then(shell.await_, Enough))
            with pytest.raises(Enough):
                running.read(5)
        assert output_of(running) == b"hello\n"


def and_then(call, problem):
    """Return what does the same and comes to its end, but is not heard of any more."""

    def calling(*given):
        call(*given)
        raise problem

    return calling


def test_an_interrupted_connection_is_given_up(server, interrupted, mute):
    silent = replace(server, port=mute.getsockname()[1])
    with connect(silent) as shell:
        interrupted()
        with pytest.raises(Enough):
            shell.start(["/bin/true"])
        assert until(lambda: not connections_to(silent), 5)


def test_a_connection_that_nobody_heard_of_is_closed(server, monkeypatch):
    with connect(server) as shell:
        with monkeypatch.context() as once:
            once.setattr(shell, "await_", and_then(shell.await_, Enough))
            with pytest.raises(Enough):
                shell.start(["/bin/true"])
        assert connections_to(server) == 1
    assert connections_to(server) == 0


# --- while nobody waits ---------------------------------------------------------------
def test_a_host_that_falls_silent_is_noticed_while_nobody_waits(
    own_server, monkeypatch
):
    with connect(own_server) as shell:
        with monkeypatch.context() as hasty:
            hasty.setattr(module, "KEEPALIVE_SECONDS", 0.2)
            running = shell.start(["/bin/sleep", "60"])
        for session in psutil.Process(own_server.pid).children():
            session.suspend()
        try:
            assert until(lambda: not connections_to(own_server))
            with pytest.raises(HostUnreachable):
                running.read(5)
            assert shell.start(["/bin/true"]).wait(5) == 0
        finally:
            cut(own_server)


def test_who_reads_slowly_is_not_sent_more_than_fits(server):
    size = 64 * MEBIBYTE
    with connect(server) as shell:
        running = shell.start(["/usr/bin/head", "-c", str(size), "/dev/zero"])
        seen = []

        def stopped():
            seen.append(sent_by("head", server))
            return seen[-1] and len(seen) > 10 and seen[-1] == seen[-10]

        assert until(stopped)
        assert MEBIBYTE < seen[-1] < size / 4
        assert len(output_of(running)) == size
        assert running.wait(5) == 0


def sent_by(name, server):
    """Return how many bytes this program has written, none while it is not there."""
    for started in psutil.Process(server.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if started.name() == name:
                return started.io_counters().write_chars
    return 0
