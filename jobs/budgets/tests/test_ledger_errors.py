"""What goes wrong is explained to who can mend it, and no secret leaves with it."""

from __future__ import annotations

import datetime
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from actual.protobuf_models import Message, SyncRequest

from jobs.budgets.ledger import (
    Change,
    Server,
    check,
    client,
    list_files,
    open_server,
)
from tests.certificates import make_certificates
from tests.services import free_port
from workflows.core.errors import AdminRequired, Temporary, UserFixable
from workflows.core.secrets import Secret

PASSWORD = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def no_leak(caplog):
    """Nothing that was logged holds a password."""
    caplog.set_level("DEBUG")
    yield
    for secret in (PASSWORD, "correct horse", "battery staple"):
        assert secret not in caplog.text


@contextmanager
def failing(kind, words=""):
    """The block raises the Problem, which holds no secret, nor leads to one."""
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert words in str(error)
    assert str(error).endswith((".", "?"))
    for secret in (PASSWORD, "correct horse", "battery staple"):
        assert secret not in repr(error)


@contextmanager
def answering(answer, *, context=None):
    """Lend the URL of a server that gives everybody the same answer."""
    status, headers, body = answer

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *args):
            pass

    class Quiet(HTTPServer):
        def handle_error(self, request, client_address):
            pass

    with Quiet(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        scheme = "https" if context else "http"
        yield f"{scheme}://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def ask(url, **options):
    return list_files(url, Secret(PASSWORD), **options)


# --- before anybody is asked ------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("", "actual.example.com", "ftp://example.com", "file:///etc/passwd"),
        *("http://", "http://[::1", "http://host:port", "https://host:99999"),
        *("https://me:secret@example.com", "http://host/?token=1", "http://host/#x"),
    ],
)
def test_an_address_that_cannot_be_used(url):
    with failing(UserFixable):
        Server(url, Secret(PASSWORD), "file")


def test_a_server_does_not_show_its_secrets():
    server = Server("http://host/ ", Secret(PASSWORD), "f", Secret(PASSWORD))
    assert PASSWORD not in repr(server)
    assert server.url == "http://host"


# --- the network ------------------------------------------------------------------


def test_nobody_listens():
    with failing(Temporary, "cannot be reached"):
        ask(f"http://127.0.0.1:{free_port()}")


def test_nobody_has_that_name():
    with failing(Temporary, "cannot be reached"):
        ask("http://no-such-host.invalid")


def test_a_server_that_never_answers(monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        failing(Temporary, "in time"),
    ):
        ask(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, {}, b"<html>Log in to the hotel's network</html>"), UserFixable),
        ((200, {}, b"[1, 2]"), UserFixable),
        ((200, {}, b'{"status": "ok", "data": {"token": 7}}'), UserFixable),
        ((200, {}, b'"hunter2-hunter2"'), UserFixable),
        ((404, {}, b"no such page"), UserFixable),
        ((302, {"Location": "http://example.com/"}, b""), UserFixable),
        ((401, {}, b'{"status": "error", "reason": "unauthorized"}'), UserFixable),
        ((500, {}, b"internal-error"), Temporary),
        ((502, {}, b"<html>Bad gateway</html>"), Temporary),
        ((503, {"Retry-After": "7"}, b""), Temporary),
        ((429, {"Retry-After": "120"}, b"{}"), Temporary),
    ],
)
def test_answers_of_something_else(answer, kind):
    with answering(answer) as url, failing(kind) as caught:
        ask(url)
    if answer[0] == 429:
        assert caught.value.retry_after == datetime.timedelta(minutes=2)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that only those trust who are told to."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


def test_a_certificate_that_nobody_vouches_for(certificate):
    path, context = certificate
    with answering((404, {}, b""), context=context) as url:
        with failing(AdminRequired, "certificate"):
            ask(url)
        for options in ({"ca_file": path}, {"verify": False}):
            with failing(UserFixable, "no Actual server"):
                ask(url, **options)
        with failing(AdminRequired, "certificate"):
            ask(url.replace("localhost", "127.0.0.1"), ca_file=path)


def test_https_where_only_http_is_spoken():
    with answering((200, {}, b"")) as url, failing(UserFixable, "http://"):
        ask(url.replace("http:", "https:"))


# --- the real server --------------------------------------------------------------


@pytest.mark.actual
def test_a_wrong_password(actual):
    actual.be_somebody_else()
    with failing(UserFixable, "password"):
        ask(actual.url)
    actual.be_somebody_else()


@pytest.mark.actual
def test_too_many_wrong_passwords(actual):
    actual.be_somebody_else()
    for _ in range(5):
        with failing(UserFixable, "password"):
            ask(actual.url)
    with failing(Temporary, "wait") as caught:
        list_files(actual.url, Secret(actual.password))
    assert caught.value.retry_after > datetime.timedelta(0)
    actual.be_somebody_else()


@pytest.mark.actual
def test_a_file_that_is_not_there(actual, budget):
    for file_id in ("", "no such file", "Household"):  # no name is an id
        with failing(UserFixable, "no such budget"):
            check(Server(actual.url, budget.password, file_id))
    with actual.client(budget.file_id) as other:
        other.delete_budget()
    with failing(UserFixable, "no such budget"):
        check(budget)


@pytest.mark.actual
def test_a_sync_id_is_as_good_as_a_file_id(actual, budget):
    (mine,) = [
        file
        for file in list_files(actual.url, budget.password)
        if file.file_id == budget.file_id
    ]
    assert check(Server(actual.url, budget.password, mine.group_id)).counts


@pytest.mark.actual
def test_encryption_passwords(actual, tmp_path):
    file_id = actual.create_budget("Sealed", encrypted=True)

    def sealed(password):
        secret = Secret(password) if password else None
        return Server(actual.url, Secret(actual.password), file_id, secret)

    with open_server(sealed(actual.encryption_password), tmp_path, fresh=True):
        pass
    for password in (None, PASSWORD):
        with failing(UserFixable, "encryption password"):
            check(sealed(password))
        # An earlier download is no way around it.
        with (
            failing(UserFixable, "encryption password"),
            open_server(sealed(password), tmp_path, fresh=False),
        ):
            pass


@pytest.mark.actual
def test_a_budget_that_is_reset_meanwhile(actual, budget, tmp_path):
    with open_server(budget, tmp_path, fresh=True) as ledger:
        row = next(ledger.transactions())
        fuel = next(c.id for c in ledger.categories() if c.name == "Fuel")
        with actual.client(budget.file_id) as other:
            other.reupload_budget()
        with failing(Temporary, "reset"):
            ledger.apply([Change(row.id, category_id=fuel)])
    with open_server(budget, tmp_path, fresh=False) as ledger:
        (outcome,) = ledger.apply([Change(row.id, category_id=fuel)])
        assert outcome.done


@pytest.mark.actual
def test_a_budget_that_is_encrypted_meanwhile(actual, budget, tmp_path):
    with open_server(budget, tmp_path, fresh=True):
        pass
    with actual.client(budget.file_id) as other:
        other.encrypt(actual.encryption_password)
    with (
        failing(UserFixable, "encryption password"),
        open_server(budget, tmp_path, fresh=False),
    ):
        pass


@pytest.mark.actual
@pytest.mark.parametrize(
    ("table", "column"), [("new_table", "x"), ("transactions", "new_column")]
)
def test_messages_of_a_newer_actual(actual, budget, tmp_path, table, column):
    with open_server(budget, tmp_path, fresh=True):
        pass
    with actual.client(budget.file_id) as other:
        request = SyncRequest(
            {"fileId": other.file.file_id, "groupId": other.file.group_id}
        )
        request.set_null_timestamp()
        message = Message({"dataset": table, "row": "1", "column": column})
        message.set_value("x")
        request.set_messages([message], other._hulc_client)
        other.sync_sync(request)
    with (
        failing(AdminRequired, "Update Handrail"),
        open_server(budget, tmp_path, fresh=False),
    ):
        pass


@pytest.mark.actual
def test_a_server_with_a_migration_that_is_a_program(actual, budget):
    def newer(answer):
        status, headers, body = answer
        return status, headers, body + b"\nmigrations/9999999999999_new.js\n"

    with (
        actual.altering("/data-file-index.txt", newer),
        failing(AdminRequired, "Update Handrail"),
    ):
        check(budget)


@pytest.mark.actual
@pytest.mark.parametrize("status", [500, 413])
def test_a_server_that_refuses_a_push(actual, budget, tmp_path, status):
    with open_server(budget, tmp_path, fresh=True) as ledger:
        row = next(ledger.transactions())
        fuel = next(c.id for c in ledger.categories() if c.name == "Fuel")
        actual.on_push(lambda forward: (status, [], b"internal-error"))
        with failing(AdminRequired if status == 413 else Temporary):
            ledger.apply([Change(row.id, category_id=fuel)])
        assert next(ledger.transactions()).category_id is None


@pytest.mark.actual
def test_a_damaged_download_is_replaced(actual, budget, tmp_path):
    with open_server(budget, tmp_path, fresh=True):
        pass
    (tmp_path / "db.sqlite").write_bytes(b"torn")
    with open_server(budget, tmp_path, fresh=False) as ledger:
        assert ledger.counts()["transactions"] == 10


@pytest.mark.actual
def test_a_server_that_never_stops_sending(actual, budget, monkeypatch):
    monkeypatch.setattr(client, "MOST", 5000)
    with failing(UserFixable, "larger"):
        check(budget)


@pytest.mark.actual
def test_a_server_that_sends_no_budget(actual, budget):
    with (
        actual.altering("/sync/download-user-file", lambda a: (200, [], b"junk")),
        failing(UserFixable, "budget"),
    ):
        check(budget)
