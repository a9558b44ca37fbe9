"""What people entrust to the product is in its sealed column, and nowhere else."""

from __future__ import annotations

import ssl
import sys
from contextlib import ExitStack

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.db.backends.utils import CursorWrapper
from django.forms import CharField, PasswordInput
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter

from tests.conftest import BACKEND, signed_in
from tests.secrecy.journey import Case, Journey
from tests.secrecy.places import LOGGED, FolderPlaces, ServerPlaces, listening
from tests.secrecy.product import Product, plain
from tests.secrecy.searching import (
    forms,
    hits,
    new_key,
    new_token,
    planted,
    planted_key,
)
from tests.services import ServiceMissing, postgres, redis
from workflows.core.connections import JiraConnection
from workflows.core.errors import Category
from workflows.core.tests.make import lent_jira, make_connection_to
from workflows.support.actions.attaching import jira_attach_artifact
from workflows.support.actions.verifying import use_connection, verify_issue
from workflows.support.forms.hosts import SecretTextarea
from workflows.support.tests.make import make_case, make_host, reread
from workflows.support.tests.pages import opened, send
from workflows.support.tests.sending import run_out, said

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SEALED = {"workflows_jiraconnection": "token", "workflows_host": "private_key"}
WRITTEN = ("workflows_move", "jobs_job", "jobs_jobevent", "jobs_jobattempt")
# How Celery begins the message that wakes a worker of the queue; it goes in base64.
MESSAGE = forms(b'[["support"], {}, {"', "")


# --- a whole case, on real servers and on a folder ------------------------------------
@pytest.fixture
def stack():
    with ExitStack() as found:
        yield found


@pytest.fixture
def case(stack):
    try:
        return Case(stack)
    except ServiceMissing as missing:
        pytest.skip(str(missing))


def started(stack, case, folder, **environment):
    """Return the product with its pages; nobody works for it yet."""
    folder = folder / case.control
    folder.mkdir()
    place = environment.get("DATABASE_URL") or folder / "data" / "handrail.sqlite3"
    environment |= {"JIRA_CA_FILE": str(folder / "ca.pem"), "SEAL_KEYS": OLD}
    product = Product(folder, place, **environment)
    stack.callback(product.close)
    product.people(case.control)
    product.web()
    return product


def travel(product, case, places):
    """Make the whole journey; return all that was sealed on the way."""
    journey = Journey(product, case)
    journey.add_host()
    journey.begin()
    journey.connect_badly(case.data_center)
    journey.connect(case.data_center)
    journey.send("jira", "attach")
    places.look()  # while its message waits
    product.work()
    assert journey.attempted() == "succeeded"
    journey.look_around()

    journey.begin()
    journey.connect_badly(case.cloud)
    journey.connect(case.cloud)
    journey.attach_badly(case.cloud)
    assert journey.attach() == "succeeded"
    sealed = sealed_in(product)
    assert len(sealed) == 3  # two tokens and a key
    places.look()

    # A new key takes over by the command, which says so when it has not the old one.
    assert product.manage("seal_keys", "rotate", SEAL_KEYS="") != 0
    assert product.manage("seal_keys", "rotate", SEAL_KEYS=NEW) != 0
    assert product.manage("seal_keys", "rotate", SEAL_KEYS=f"{NEW},{OLD}") == 0
    anew = sealed_in(product)
    assert (len(anew), sealed & anew) == (3, set())
    places.look()
    journey.end_connections()
    assert len(anew - sealed_in(product)) == 2
    return sealed | anew


def sealed_in(product):
    """Return what the sealed columns hold."""
    found = set()
    for table, column in SEALED.items():
        rows = product.rows(f"SELECT {column} FROM {table}")  # noqa: S608
        found |= {text.encode() for (text,) in rows if text}
    return found


def searched(product, case, places, sealed, record_property):
    """Return every place, none of which has a secret: the control is in each."""
    product.close()
    found = places.all()
    control = planted("the control", case.control)
    assert [place for place in found if not hits(control, {place: found[place]})] == []
    assert all(hits(control, {name: places.tables[name]}) for name in WRITTEN)
    assert b"Invalid isoformat string" in places.tables["jobs_jobattempt"]
    assert b"_auth_user_backend" in found["dump"]  # of sessions, which are packed
    assert [hit for secret in case.secrets for hit in hits(secret, found)] == []
    # Even sealed it is in its own column, and was shown to nobody.
    others = [places.tables[name] for name in places.tables if name not in SEALED]
    for content in (found["answers"], *others):
        assert not [text for text in sealed if text in content]
    figures = ", ".join(f"{count} {what}" for what, count in places.figures.items())
    size = sum(map(len, found.values())) // 1024**2
    words = f"{len(case.secrets)} secrets, 0 hits in {size} MiB: {figures}"
    record_property("figure", f"secrecy: {words}")
    return found


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.redis
def test_on_servers(stack, case, tmp_path, record_property):
    database_url = stack.enter_context(postgres(options=LOGGED))
    redis_url = stack.enter_context(redis())
    heard = stack.enter_context(listening(redis_url))
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    product = started(stack, case, tmp_path, LOG_FORMAT="json", **servers)
    places = ServerPlaces(product, redis_url, heard)
    sealed = travel(product, case, places)
    found = searched(product, case, places, sealed, record_property)
    for place in ("Redis", "Redis commands"):
        assert any(needle in found[place] for needle in MESSAGE)
    for place in ("Redis", "Redis commands", "logs", "files"):
        assert not [text for text in sealed if text in found[place]]


@pytest.mark.slow
@pytest.mark.sqlite
def test_on_a_folder(stack, case, tmp_path, record_property):
    """As on one's own machine: DEBUG=1 logs all SQL, and shows the frames of errors."""
    product = started(stack, case, tmp_path, DEBUG="1")
    places = FolderPlaces(product)
    sealed = travel(product, case, places)
    found = searched(product, case, places, sealed, record_property)
    assert any(needle in found["files"] for needle in MESSAGE)
    assert found["answers"].count(b"Exception Type:") >= 6  # as pages and as text


# --- reports of errors ----------------------------------------------------------------
def breaks(owner, name, when=lambda *_args: True):
    """Return what lets a method fail as nobody has foreseen."""

    def patch(monkeypatch):
        works = getattr(owner, name)

        def broken(self, *args, **options):
            if when(self, *args):
                raise RuntimeError("unforeseen")
            return works(self, *args, **options)

        monkeypatch.setattr(owner, name, broken)

    return patch


def hides(field, _value):
    return isinstance(field.widget, PasswordInput | SecretTextarea)


def writes(_cursor, sql, *_values):
    return sql.startswith("INSERT")


# Where a secret is in the clear at the moment, in our hands or in those of others.
BREAKS = {
    "socket": breaks(ssl.SSLSocket, "send"),
    "seal": breaks(Fernet, "_encrypt_from_parts"),
    "database": breaks(CursorWrapper, "execute", writes),
    "form": breaks(CharField, "run_validators", hides),
    "page": breaks(PasswordInput, "get_context"),
    "address": breaks(HttpRequest, "get_host"),
}


@pytest.fixture
def reports():
    """Collect what Django would report of each error, as a page and as text."""
    made = []

    def report(request, **_more):
        reporter = ExceptionReporter(request, *sys.exc_info())
        made.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    got_request_exception.connect(report)
    yield made
    got_request_exception.disconnect(report)


def held(reports, secret, status):
    """The error was reported, with what is harmless and without the secret."""
    page, text = reports
    assert status == 500
    assert "unforeseen" in page
    assert "alice@example.com" in text
    assert hits(secret, {"page": page.encode(), "text": text.encode()}) == []
    return True


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("place", BREAKS)
@pytest.mark.django_db
def test_no_report_shows_a_token(
    place, debug, at_jira, server, alice, settings, monkeypatch, reports
):
    settings.DEBUG = debug
    browser = Client(raise_request_exception=False)
    browser.force_login(alice, backend=BACKEND)
    server.people[0].token = new_token()
    data = {"base_url": server.url, "email": "alice@example.com"}
    data |= {"kind": "" if place == "page" else "cloud", "token": server.token}
    with monkeypatch.context() as patch:
        BREAKS[place](patch)
        status = send(browser, at_jira, "jira", "connect", **data).status_code
    assert held(reports, planted("it", server.token), status)


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("place", ["seal", "database", "form", "address"])
@pytest.mark.django_db
def test_no_report_shows_a_key(place, debug, mona, settings, monkeypatch, reports):
    settings.DEBUG = debug
    browser = Client(raise_request_exception=False)
    browser.force_login(mona, backend=BACKEND)
    key = new_key().export_private_key().decode()
    data = {"name": "alice@example.com", "address": "web1.example.com", "port": 22}
    data |= {"username": "root", "private_key": key}
    with monkeypatch.context() as patch:
        BREAKS[place](patch)
        status = browser.post(reverse("support:host_new"), data).status_code
    assert held(reports, planted_key("it", key), status)


# --- keys -----------------------------------------------------------------------------
@pytest.fixture
def server(account, settings):
    with lent_jira(account, settings) as running:
        yield running


@pytest.fixture
def at_jira(server, alice, settings):
    """Alice's case with its archive: she is connected, with the old key."""
    settings.SEAL_KEYS = [OLD]
    found = make_case(alice, at="jira_attach")
    use_connection(found, by=alice, connection=make_connection_to(server, alice))
    return reread(found)


@pytest.mark.django_db
def test_a_new_key_takes_over_in_the_middle_of_a_case(at_jira, server, alice, settings):
    def verify():
        return verify_issue(at_jira, by=alice, key="ABC-1").summary

    settings.SEAL_KEYS = [NEW, OLD]
    assert verify() == "The disk is full"
    before = JiraConnection.objects.get().token
    call_command("seal_keys", "rotate")
    settings.SEAL_KEYS = [NEW]
    assert JiraConnection.objects.get().token not in {"", before}
    assert verify() == "The disk is full"
    job = run_out(jira_attach_artifact(at_jira, by=alice))
    assert (job.status, said(at_jira)[0]) == ("succeeded", "completed")


LOST = [([], "SEAL_KEYS is not set"), ([NEW], "SEAL_KEYS no longer holds")]


@pytest.mark.parametrize(("keys", "words"), LOST)
@pytest.mark.django_db
def test_without_the_key_everything_says_so(
    at_jira, server, alice, mona, settings, keys, words
):
    host = make_host(alice.account)
    verify_issue(at_jira, by=alice, key="ABC-1")
    technician, manager = signed_in(alice), signed_in(mona)
    settings.SEAL_KEYS = keys
    for who, page in (
        (technician, reverse("connections")),
        (technician, reverse("support:cases")),
        (manager, reverse("support:hosts")),
        (manager, reverse("admin:workflows_jiraconnection_changelist")),
    ):
        assert who.get(page).status_code == 200
    assert opened(technician, at_jira).status_code == 200
    place = reverse("support:host", args=[host.pk])
    assert words in plain(manager.get(place).text)
    assert words in plain(manager.post(f"{place}check/").text)

    # The verb that needs the secret says what is to be done, and nothing is lost.
    job = run_out(jira_attach_artifact(at_jira, by=alice))
    [attempt] = job.attempts.all()
    assert (job.status, attempt.category) == ("failed", Category.ADMIN_REQUIRED)
    assert words in job.failure_reason
    assert said(at_jira) == ("failed", "jira_attach", "connection_unreadable")
    refused = send(technician, at_jira, "jira", "issue", key="ABC-1")
    assert refused.status_code == 422
    assert words in plain(refused.text)
    assert server.issues["ABC-1"].attachments == []

    settings.SEAL_KEYS = [*keys, OLD]
    verify_issue(at_jira, by=alice, key="ABC-1")
    assert run_out(jira_attach_artifact(at_jira, by=alice)).status == "succeeded"


@pytest.mark.django_db
def test_without_any_key_nothing_secret_is_taken(
    at_jira, server, alice, mona, settings
):
    settings.SEAL_KEYS = []
    asked = len(server.requests)
    login = {"base_url": server.url, "email": server.email, "token": server.token}
    told = send(signed_in(alice), at_jira, "jira", "connect", kind="cloud", **login)
    assert told.status_code == 422
    assert "Tokens cannot be stored on this installation" in plain(told.text)
    assert len(server.requests) == asked
    host = {"name": "web", "address": "web1.example.com", "port": 22}
    new = reverse("support:host_new")
    told = signed_in(mona).post(new, {**host, "username": "root"})
    assert told.status_code == 422
    assert "SEAL_KEYS is not set" in plain(told.text)
