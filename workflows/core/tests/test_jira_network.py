"""What breaks on the way to Jira has its code, and says what to do."""

import socket
import threading
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.jira import TOKEN, jira_server
from tests.services import free_port
from workflows.core.jira import (
    AnswerTooLarge,
    CertificateUntrusted,
    ConnectionLost,
    ConnectionRefused,
    Credentials,
    HostNotFound,
    InvalidCredentials,
    Kind,
    NotJira,
    ProxyRefused,
    TimedOut,
    client,
)
from workflows.core.jira.client import Jira
from workflows.core.secrets import Secret
from workflows.core.tests.test_jira_errors import failing


def at(base_url):
    return Credentials(base_url=base_url, kind=Kind.DATA_CENTER, token=Secret(TOKEN))


def ask(base_url, **options):
    with Jira(at(base_url), **options) as jira:
        return jira.myself()


@contextmanager
def saying(answer):
    """Lend the address of a program that says the same to everybody, and is no Jira.

    With None it says nothing until the end of the block. What it hears is lent too.
    """
    heard = []
    closing = threading.Event()

    def listen():
        while not closing.is_set():
            connection, _address = listener.accept()
            with connection:
                if closing.is_set():
                    return
                heard.append(connection.recv(65536))
                if answer is None:
                    closing.wait(60)
                else:
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"127.0.0.1:{port}", heard
        finally:
            closing.set()
            # The listener waits in accept(): one more caller lets it see the end.
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


@contextmanager
def answering(answer):
    """Lend the address of a program that answers one request by its connection."""

    def listen():
        connection, _address = listener.accept()
        with connection, suppress(ConnectionError):
            connection.recv(65536)
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


# --- broken connections ---------------------------------------------------------------
@pytest.mark.parametrize("drop", ["at once", "reply", "in reply"])
def test_a_connection_that_breaks(server, jira, drop):
    server.fails(drop=drop)
    with failing(ConnectionLost, "broke", code="connection_lost"):
        jira.issue("ABC-1")
    assert len(server.requests) == 1


def test_a_refusal_that_breaks_off_still_refuses(server, jira):
    server.people[0].expired = True
    server.fails(drop="in reply")
    with failing(InvalidCredentials):
        jira.myself()


def test_an_answer_that_stops_coming(server, jira, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.2))
    server.fails(holds="reply")
    with failing(TimedOut, "in time", code="timed_out"):
        jira.issue("ABC-1")


def test_a_body_that_stops_coming(monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.2))

    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        connection.recv(1)  # until the client gives up

    with answering(answer) as address, failing(TimedOut):
        ask(f"http://{address}")


def test_a_body_without_end_is_left():
    sent = []

    def answer(connection):
        connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n"')
        while len(sent) < 128:
            connection.sendall(b"x" * client.MOST_BYTES)
            sent.append(client.MOST_BYTES)

    with answering(answer) as address, failing(AnswerTooLarge):
        ask(f"http://{address}")
    # What was on its way then, the sockets held.
    assert len(sent) < 64


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_speaks(monkeypatch, scheme):
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.2))
    with saying(None) as (address, _heard), failing(TimedOut):
        ask(f"{scheme}://{address}")


def test_nobody_listens():
    with failing(ConnectionRefused, "Nothing accepts", code="connection_refused"):
        ask(f"https://127.0.0.1:{free_port()}")


def test_nobody_has_that_name():
    with failing(HostNotFound, "No host of this name", code="host_not_found"):
        ask("https://no-such-host.invalid")


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example.com ESMTP\r\n\r\n",
        b"HTTP/1.1 twenty OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
    ],
)
def test_what_does_not_speak_http(answer):
    with saying(answer) as (address, _heard), failing(NotJira, "not as Jira does"):
        ask(f"http://{address}")


def test_a_body_in_pieces_that_are_none():
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    with saying(answer) as (address, _heard), failing(ConnectionLost):
        ask(f"http://{address}")


# --- certificates ---------------------------------------------------------------------
def test_a_certificate_that_nobody_vouches_for():
    with jira_server() as server:
        words, code = "certificate authority", "certificate_untrusted"
        with failing(CertificateUntrusted, words, code=code):
            ask(server.url)
        # Vouched for, but of another name.
        elsewhere = server.url.replace("localhost", "127.0.0.1")
        with failing(CertificateUntrusted, "nothing was sent"):
            ask(elsewhere, ca_file=server.ca_file)
        assert server.requests == []


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_a_file_of_authorities_that_cannot_be_used(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with failing(CertificateUntrusted, "cannot be read"):
        ask("https://jira.example.com", ca_file=path)


def test_a_setting_of_the_machine_that_names_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with failing(CertificateUntrusted, "cannot be read"):
        ask("https://jira.example.com")


def test_the_public_authorities_stay_trusted_beside_the_file():
    with jira_server() as server:
        alone = client.trusting(None).cert_store_stats()["x509_ca"]
        both = client.trusting(server.ca_file).cert_store_stats()["x509_ca"]
    assert both == alone + 1 > 50


def test_https_where_only_http_is_spoken():
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (address, heard):
        with failing(NotJira, "does not speak https"):
            ask(f"https://{address}")
        assert TOKEN.encode() not in b"".join(heard)


def test_a_handshake_that_breaks():
    with saying(b"") as (address, _heard), failing(ConnectionLost):
        ask(f"https://{address}")


# --- proxies --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"407 Proxy Authentication Required", "does not let Handrail through"),
        (b"403 Forbidden", "may reach Jira"),
        (b"502 Bad Gateway", "may reach Jira"),
    ],
)
def test_a_proxy_that_does_not_connect(monkeypatch, answer, words):
    with saying(b"HTTP/1.1 %s\r\n\r\n" % answer) as (address, heard):
        monkeypatch.setenv("HTTPS_PROXY", f"http://joe:proxy-password@{address}")
        with failing(ProxyRefused, words, code="proxy_refused") as caught:
            ask("https://jira.example.com")
        assert "proxy-password" not in str(caught.value)
    assert b"".join(heard).startswith(b"CONNECT jira.example.com:443 ")
    assert TOKEN.encode() not in b"".join(heard)


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "gopher://127.0.0.1:1", "http://127.0.0.1:port"]
)
def test_a_proxy_that_cannot_be_used(monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with failing(ProxyRefused, "HTTPS_PROXY"):
        ask("https://jira.example.com")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("place", "kind"),
    [("127.0.0.1", ConnectionRefused), ("no-such-proxy.invalid", HostNotFound)],
)
def test_a_proxy_that_is_away(monkeypatch, name, place, kind):
    monkeypatch.setenv(name, f"http://joe:proxy-password@{place}:{free_port()}")
    with failing(kind, "The proxy on the way to Jira cannot be reached") as caught:
        ask("https://jira.example.com")
    assert "HTTPS_PROXY" in str(caught.value)
    assert "proxy-password" not in str(caught.value)


def test_a_proxy_is_not_blamed_where_it_is_not_asked(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "no-such-host.invalid")
    with failing(HostNotFound, "No host of this name"):
        ask("https://no-such-host.invalid")
    with failing(ConnectionRefused, "Nothing accepts"):
        ask(f"https://127.0.0.1:{free_port()}")


def test_no_proxy_to_this_machine(monkeypatch, server):
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    with Jira(server.credentials(), ca_file=server.ca_file) as jira:
        assert jira.myself().display_name == "Alice"
