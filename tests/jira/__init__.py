"""A Jira for tests, Data Center or Cloud, over real HTTP and TLS.

It knows people by their tokens, keeps issues and what is attached to them (size and
digest, never the content), and fails as a test tells it to. Its errors quote the login,
as an unkind server might. workflows/core/tests/test_jira_wire.py holds it against the
description that Atlassian publishes.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from tests.certificates import make_certificates
from tests.jira.bodies import PIECE, Body
from tests.jira.records import Asked, Reply
from tests.jira.state import EMAIL, TOKEN, JiraServer
from workflows.core.jira import Kind

__all__ = ["EMAIL", "TOKEN", "JiraServer", "jira_server"]


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the Jira of its server, and breaks them on demand."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # 40 ms between the head and the body of a reply
    jira: ClassVar[JiraServer]

    def do_GET(self) -> None:
        with self.jira.quiet:
            self.jira.running += 1
        try:
            self.serve()
        except ConnectionError:
            self.close_connection = True
        finally:
            with self.jira.quiet:
                self.jira.running -= 1
                self.jira.quiet.notify_all()

    do_POST = do_GET  # noqa: N815

    def serve(self) -> None:
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(target.query))
        asked = Asked(self.command, target.path, query, headers)
        self.jira.requests.append(asked)
        fault = self.jira.due(asked.path)

        def midway() -> None:
            if fault.holds == "midway":
                self.jira.hold()
            if fault.drop == "midway":
                self.hang_up()
                raise ConnectionAbortedError

        length = int(headers.get("content-length", 0))
        body = Body(self.rfile, length, asked, midway)
        if fault.drop == "at once":
            return self.hang_up()
        if fault.early and fault.status:
            self.say(asked, Reply(fault.status, fault.body, fault.headers))
            return self.linger()
        asked.late = fault.stores == "late"
        if fault.stores or not fault.status:
            reply = self.jira.answer(asked, body)
        if fault.status:
            reply = Reply(fault.status, fault.body, fault.headers)
        body.skip()
        if fault.holds == "reply":
            self.jira.hold()
        if fault.drop == "reply":
            return self.hang_up()
        self.say(asked, reply, cut=fault.drop == "in reply")
        return None

    def say(self, asked: Asked, reply: Reply, *, cut: bool = False) -> None:
        asked.status, asked.answer = reply.status, reply.body
        self.send_response(reply.status)
        for name, value in {
            "Content-Type": "application/json;charset=UTF-8",
            "Content-Length": str(len(reply.body)),
            "Set-Cookie": "JSESSIONID=0A1B2C3D; Path=/; HttpOnly",
            **reply.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if cut else reply.body)
        if cut:
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def linger(self) -> None:
        """Read on, as servers do, or the reply would be lost with the connection."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)
        while self.connection.recv(PIECE):
            pass

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that go away, or do not trust the certificate."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def jira_server(
    *, kind: Kind = Kind.DATA_CENTER, tls: bool = True, prefix: str = ""
) -> Iterator[JiraServer]:
    """Run the stand-in on a free port while the block lasts."""
    with TemporaryDirectory(prefix="handrail-jira-") as folder:
        server = Server(("127.0.0.1", 0), Handler)
        # Or else the kernel may take 32 MiB of a file that nobody has read yet.
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
        ca_file = None
        if tls:
            ca_file, context = make_certificates(Path(folder))
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "https" if tls else "http"
        url = f"{scheme}://localhost:{server.server_address[1]}{prefix}"
        jira = JiraServer(kind, url, ca_file)
        server.RequestHandlerClass = type("JiraHandler", (Handler,), {"jira": jira})
        with served(server):
            try:
                yield jira
            finally:
                jira.release()


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
