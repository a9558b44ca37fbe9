"""The verbs of hosts: what they take, what they keep, what they trust."""

# ruff: noqa: S603, S607 - programs of our own

from __future__ import annotations

import logging
import subprocess
import traceback

import pytest
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from tests.conftest import make_account
from workflows.core.accounts import Account
from workflows.core.errors import Category
from workflows.core.secrets import SealError, Secret, unseal
from workflows.support.actions import hosts
from workflows.support.collecting.problems import HostUnreachable, ValidationFailed
from workflows.support.models import Host
from workflows.support.tests.make import HOST_KEY, make_host

pytestmark = pytest.mark.django_db
PASSPHRASE = "ask-me-first"


def add(by, **over):
    values = {
        "name": "web-1",
        "address": "web1.example.com",
        "port": 22,
        "username": "handrail",
        "private_key": None,
    }
    return hosts.add_host(by=by, **values | over)


def change(host, by, **over):
    now = {name: getattr(host, name) for name in ("name", "address", "port")}
    return hosts.change_host(host, by=by, **now | {"username": "handrail"} | over)


def reread(host):
    return Host.objects.get(pk=host.pk)


def keygen(folder, *options, passphrase=""):
    """Return a private key as ssh-keygen writes it."""
    path = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-N", passphrase, "-C", "me@home", "-f", path, *options],
        check=True,
    )
    return Secret(path.read_text())


def opened(host):
    """Return the text of its private key."""
    return unseal(reread(host).private_key).reveal()


# --- added ----------------------------------------------------------------------------
def test_without_a_key_a_host_gets_one_of_its_own(egon):
    first, second = add(egon), add(egon, name="web-2")
    assert (first.account, first.created_by) == (egon.account, egon)
    assert (first.transport, first.host_key, first.retired_at) == ("ssh", "", None)
    assert opened(first).startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert opened(first) != opened(second)
    assert "PRIVATE KEY" not in first.private_key


KINDS = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa": ("-t", "ecdsa"),
    "rsa": ("-t", "rsa", "-b", "2048"),
    "rsa as PEM": ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    "ecdsa as PKCS8": ("-t", "ecdsa", "-m", "PKCS8"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_pasted_key_is_kept_sealed(egon, tmp_path, kind):
    given = keygen(tmp_path, *KINDS[kind])
    browsers = Secret(given.reveal().strip().replace("\n", "\r\n"))
    host = add(egon, private_key=browsers)
    kept = tmp_path / "kept"
    kept.write_text(opened(host))
    kept.chmod(0o600)
    derived = subprocess.check_output(["ssh-keygen", "-y", "-f", kept], text=True)
    public = (tmp_path / "key.pub").read_text()
    assert derived.split()[:2] == public.split()[:2]
    assert hosts.public_line(reread(host)).split()[:2] == public.split()[:2]


def refused_key(egon, key, caplog):
    """Return the words of the refusal, which quotes nothing of the key anywhere."""
    with caplog.at_level(logging.DEBUG), pytest.raises(ValidationFailed) as refusal:
        add(egon, private_key=Secret(key))
    told = traceback.TracebackException.from_exception(
        refusal.value, capture_locals=True
    )
    ours = [frame for frame in told.stack if "/tests/" not in frame.filename]
    places = [str(refusal.value), caplog.text, *(str(frame.locals) for frame in ours)]
    body = max(key.split("\n"), key=len)
    assert not any(body in place for place in places if body)
    assert refusal.value.__cause__ is refusal.value.__context__ is None
    assert not Host.objects.exists()
    return str(refusal.value)


def test_a_key_with_a_passphrase_is_refused(egon, tmp_path, caplog):
    for form in ((), ("-m", "PEM"), ("-m", "PKCS8")):
        key = keygen(tmp_path, "-t", "rsa", *form, passphrase=PASSPHRASE)
        assert "has a passphrase" in refused_key(egon, key.reveal(), caplog)
        (tmp_path / "key").unlink()


@pytest.mark.parametrize(
    "change",
    [
        lambda key, public: "hello",
        lambda key, public: "schlüssel",
        lambda key, public: "\0",
        lambda key, public: public,
        lambda key, public: key[:200],
        lambda key, public: key.replace("\n", " "),
        lambda key, public: key.replace("A", "B"),
        lambda key, public: key.split("\n", 1)[1],
    ],
)
def test_what_is_no_private_key_is_refused(egon, tmp_path, caplog, change):
    key = keygen(tmp_path, "-t", "rsa", "-b", "2048", "-m", "PEM").reveal()
    public = (tmp_path / "key.pub").read_text()
    words = refused_key(egon, change(key, public), caplog)
    assert "cannot be read" in words


ADDRESSES = "web1 web1.example.com WEB-1.example.com. a_b.local 10.0.0.7 ::1 fe80::1"


@pytest.mark.parametrize("address", [*ADDRESSES.split(), f"{'a' * 63}.example"])
def test_names_and_ip_addresses_are_taken(egon, address):
    assert add(egon, address=address).address == address


SLIPS = """
-oProxyCommand=x root@web1 web1:22 web1/etc a..b [::1] 10.0.0 10.0.0.256 fe80::1%eth0
wéb -web web- $(id) web1;id .
"""


@pytest.mark.parametrize(
    "address",
    [*SLIPS.split(), "", " ", "web 1", "web1\n", "a" * 64, ".".join(["a" * 60] * 5)],
)
def test_other_addresses_are_refused(egon, address):
    with pytest.raises(ValidationFailed, match="not the name or the IP address"):
        add(egon, address=address)


@pytest.mark.parametrize(
    "username", ["root", "handrail", "_sos", "j.doe-2_x", "a" * 32]
)
def test_user_names_are_taken(egon, username):
    assert add(egon, username=username).username == username


@pytest.mark.parametrize(
    "username",
    ["", "-l", "Root", "a b", "a@b", "1a", "a" * 33, "a$(id)", "a\n", "ü", "ALL"],
)
def test_other_user_names_are_refused(egon, username):
    with pytest.raises(ValidationFailed, match="not the name of a user"):
        add(egon, username=username)


@pytest.mark.parametrize("port", [-1, 0, 65536, 2**40])
def test_ports_have_a_range(egon, port):
    assert add(egon, port=65535).port == 65535
    with pytest.raises(ValidationFailed, match="1 to 65535"):
        add(egon, name="web-2", port=port)


def test_a_name_is_there_once_in_an_account(egon, charlie):
    add(egon)
    add(charlie)
    with pytest.raises(IntegrityError), transaction.atomic():
        add(egon, address="other.example.com")
    assert Host.objects.count() == 2


def test_without_keys_nothing_is_stored(egon, settings):
    settings.SEAL_KEYS = []
    with pytest.raises(SealError):
        add(egon)
    assert not Host.objects.exists()


# --- changed --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("over", "forgotten"),
    [
        ({"name": "db-1"}, False),
        ({"username": "sos"}, False),
        ({"new_key": True}, False),
        ({"address": "192.0.2.2"}, True),
        ({"port": 2222}, True),
    ],
)
def test_at_another_place_the_host_key_is_forgotten(account, egon, over, forgotten):
    host = make_host(account)
    changed = change(host, egon, **over)
    assert (changed.host_key == "") is forgotten
    kept = reread(host)
    assert (kept.host_key == "") is forgotten
    for name, value in over.items():
        assert name == "new_key" or getattr(kept, name) == value


def test_a_key_is_kept_replaced_or_made_anew(account, egon, tmp_path):
    host = make_host(account)
    first = opened(host)
    change(host, egon, name="db-1")
    assert opened(host) == first
    change(host, egon, private_key=keygen(tmp_path, "-t", "ed25519"))
    second = opened(host)
    change(host, egon, new_key=True)
    assert len({first, second, opened(host)}) == 3


def test_a_refused_change_changes_nothing(account, egon):
    host = make_host(account, name="web-1")
    make_host(account, name="web-2")
    for over in (
        {"address": "-x"},
        {"port": 0},
        {"username": "-l"},
        {"private_key": Secret("hello")},
    ):
        with pytest.raises(ValidationFailed):
            change(host, egon, **{"name": "new"} | over)
    with pytest.raises(IntegrityError):
        change(host, egon, name="web-2")
    kept = reread(host)
    assert (kept.name, kept.address, kept.host_key) == ("web-1", "192.0.2.1", HOST_KEY)


def test_a_retired_host_comes_back(account, egon):
    host = make_host(account)
    hosts.retire_host(host, by=egon)
    since = reread(host).retired_at
    assert since is not None
    assert not Host.objects.ready().exists()
    hosts.retire_host(host, by=egon)  # a second click
    assert reread(host).retired_at == since
    hosts.bring_back(host, by=egon)
    hosts.bring_back(host, by=egon)
    assert Host.objects.ready().get() == host


# --- our key, and theirs --------------------------------------------------------------
def test_the_line_names_who_it_is_for(egon):
    Account.objects.filter(pk=egon.account_id).update(name="Acme \n Support")
    host = add(egon)
    kind, body, *comment = hosts.public_line(reread(host)).split(" ")
    assert (kind, comment) == ("ssh-ed25519", ["handrail", "Acme", "Support"])
    assert body.startswith("AAAA")


def test_without_its_seal_key_there_is_no_line(account, settings):
    host = make_host(account)
    settings.SEAL_KEYS = ["b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3Q="]
    with pytest.raises(SealError):
        hosts.public_line(host)


def test_a_signed_key_opens_for_its_host_and_place_alone(account, egon):
    host, other = make_host(account), make_host(account)
    value = hosts.signed_key(host, HOST_KEY)
    assert hosts.opened_key(host, value) == HOST_KEY
    with pytest.raises(hosts.Outdated):
        hosts.opened_key(other, value)
    for over in ({"address": "192.0.2.2"}, {"port": 2222}):
        with pytest.raises(hosts.Outdated):
            hosts.opened_key(change(reread(host), egon, **over), value)


@pytest.mark.parametrize("value", ["", "x", "a:b:c", "ü", "\0", "{}:1:2", "." * 9000])
def test_what_was_not_signed_opens_nothing(account, value):
    host = make_host(account)
    with pytest.raises(hosts.Outdated):
        hosts.opened_key(host, value)
    others = signing.dumps([str(host.pk), host.address, 22, HOST_KEY], salt="other")
    with pytest.raises(hosts.Outdated):
        hosts.opened_key(host, others)


def test_a_signed_key_is_good_for_ten_minutes(account, monkeypatch):
    host = make_host(account)
    now = signing.time.time()
    value = hosts.signed_key(host, HOST_KEY)
    monkeypatch.setattr(signing.time, "time", lambda: now + 598)
    assert hosts.opened_key(host, value) == HOST_KEY
    monkeypatch.setattr(signing.time, "time", lambda: now + 602)
    with pytest.raises(hosts.Outdated):
        hosts.opened_key(host, value)


def test_a_key_is_trusted_where_it_was_shown(account, egon):
    host = make_host(account, host_key="")
    hosts.confirm_key(host, by=egon, host_key=HOST_KEY)
    assert reread(host).host_key == HOST_KEY
    hosts.confirm_key(host, by=egon, host_key=HOST_KEY)  # a second click
    change(host, egon, port=2222)
    with pytest.raises(hosts.Outdated):  # whoever still looks at the page before
        hosts.confirm_key(host, by=egon, host_key=HOST_KEY)
    assert reread(host).host_key == ""
    local = make_host(account, transport="local")
    with pytest.raises(hosts.Outdated):
        hosts.confirm_key(local, by=egon, host_key=HOST_KEY)


def test_nobody_answers_for_a_key(account):
    host = make_host(account, address="127.0.0.1", port=1)
    with pytest.raises(HostUnreachable):
        hosts.show_key(host)


def test_a_host_that_cannot_be_asked_says_why(account, settings):
    host = make_host(account, address="127.0.0.1", port=1)
    found = hosts.check_host(host)
    assert [type(problem) for problem in found.problems] == [HostUnreachable]
    (problem,) = hosts.check_host(make_host(account, host_key="")).problems
    assert problem.category == Category.USER_FIXABLE
    assert "nobody has confirmed its key" in str(problem)
    settings.SEAL_KEYS = []
    (problem,) = hosts.check_host(host).problems
    assert isinstance(problem, SealError)


def test_this_machine_is_asked_too(account, settings, tmp_path):
    settings.SOS_WRAPPER = str(tmp_path / "none")
    found = hosts.check_host(make_host(account, transport="local"))
    assert [problem.code for problem in found.problems] == ["privilege_required"]


# --- what the database itself holds ---------------------------------------------------
SOUND = {
    "transport": "ssh",
    "address": "a",
    "username": "b",
    "private_key": Secret("c"),
}


@pytest.mark.parametrize(
    ("over", "constraint"),
    [
        ({"name": ""}, "ck_host_name"),
        ({"transport": "ftp"}, "ck_host_transport"),
        ({"address": ""}, "ck_host_transport"),
        ({"username": ""}, "ck_host_transport"),
        ({"private_key": ""}, "ck_host_transport"),
        ({"transport": "local"}, "ck_host_transport"),
        ({"transport": "local", "private_key": "", "address": ""}, "ck_host_transport"),
        ({"port": 0}, "ck_host_port"),
        ({"port": 65536}, "ck_host_port"),
        ({"name": "taken"}, "uq_host_name"),
    ],
)
def test_the_database_refuses_what_no_host_is(account, over, constraint):
    make_host(account, name="taken")
    sound = {"account": account, "name": "web-1", **SOUND}
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        Host.objects.create(**sound | over)
    if connection.vendor == "sqlite" and constraint.startswith("uq_"):
        constraint = "account_id, workflows_host.name"
    assert constraint in str(error.value)


@pytest.mark.parametrize("transport", ["local", "upload"])
def test_there_is_one_of_each_in_an_account(account, transport):
    Host.objects.create(account=account, name="one", transport=transport)
    Host.objects.create(account=make_account("other"), name="1", transport=transport)
    with pytest.raises(IntegrityError), transaction.atomic():
        Host.objects.create(account=account, name="two", transport=transport)


# --- this machine, for a demo ---------------------------------------------------------
def test_the_demo_has_this_machine_once(account, capsys):
    for words in ("can make reports", "already"):
        call_command("demo_support", account.slug)
        assert words in capsys.readouterr().out
    host = Host.objects.get()
    assert (host.account, host.transport) == (account, "local")
    assert Host.objects.ready().get() == host
    with pytest.raises(CommandError, match="no account"):
        call_command("demo_support", "nobody")
