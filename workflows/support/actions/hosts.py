"""Hosts come and go: how they are reached, and which key of theirs is trusted."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple, cast

from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from workflows.core.accounts import Account, User
from workflows.core.errors import Problem
from workflows.core.secrets import Secret, unseal
from workflows.support.collecting.collector import Prerequisites
from workflows.support.collecting.problems import ValidationFailed
from workflows.support.models import Host, Product
from workflows.support.products import product_kind

if TYPE_CHECKING:
    from asyncssh import SSHKey

log = logging.getLogger("handrail.support")

LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
USERNAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
PORTS = range(1, 65536)
SALT = "workflows.support.host_key"
# From the moment that a host has shown its key to the click that trusts it.
COMPARED_WITHIN = timedelta(minutes=10)


class Outdated(Exception):
    """The key was shown too long ago, or by another address than the present one."""


class Shown(NamedTuple):
    """The key that a host shows, and the short form of it that people compare."""

    host_key: str
    fingerprint: str


# --- what can be entered --------------------------------------------------------------
def check_address(address: str) -> str:
    """Return a host's name or IP address. Raises ValidationFailed."""
    labels = address.removesuffix(".").split(".")
    # What looks like numbers is an IP address or a slip, and never a name.
    named = all(map(LABEL.fullmatch, labels)) and not labels[-1].isdecimal()
    if len(address) > 253 or not (named or is_ip_address(address)):
        raise ValidationFailed(
            _(
                "This is not the name or the IP address of a host. Nothing was saved. "
                "Write it alone: the user and the port have fields of their own."
            )
        )
    return address


def is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def check_username(username: str) -> str:
    """Return the name of a user of a host. Raises ValidationFailed."""
    if not USERNAME.fullmatch(username):
        raise ValidationFailed(
            _(
                "This is not the name of a user. Nothing was saved. It begins with a "
                "small letter; small letters, digits, “.”, “_” and “-” follow."
            )
        )
    return username


def check_port(port: int) -> int:
    """Return the port. Raises ValidationFailed."""
    if port not in PORTS:
        raise ValidationFailed(
            _("A port is 1 to 65535. Nothing was saved. Mostly it is 22.")
        )
    return port


def check_key(private_key: Secret) -> Secret:
    """Return the key as OpenSSH writes it. Raises ValidationFailed."""
    return Secret(imported(private_key).export_private_key().decode())


def imported(private_key: Secret) -> SSHKey:
    import asyncssh

    text = private_key.reveal()
    try:
        return asyncssh.import_private_key(text)
    except Exception as error:  # of many kinds, as it parses what somebody has pasted
        locked = "assphrase" in str(error)
    finally:
        del text  # from what a report of an error would show
    # Outside the handler: nothing that quotes the key is chained to it.
    if locked:
        raise ValidationFailed(
            _(
                "This private key has a passphrase, which Handrail cannot type. "
                "Nothing was saved. Remove it with “ssh-keygen -p”, or leave the field "
                "empty: Handrail then makes a key of its own."
            )
        )
    raise ValidationFailed(
        _(
            "This private key cannot be read. Nothing was saved. Paste the whole file, "
            "with its first and its last line, or leave the field empty: Handrail then "
            "makes a key of its own."
        )
    )


def made_key() -> Secret:
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519")
    return Secret(key.export_private_key().decode())


# --- hosts come, change and go --------------------------------------------------------
def add_host(
    *,
    by: User,
    name: str,
    address: str,
    port: int,
    username: str,
    private_key: Secret | None,
) -> Host:
    """Add a host that is reached by ssh; without a key it gets one of its own.

    Raises ValidationFailed, SealError, and IntegrityError when the name is taken.
    """
    row = Host(
        account=cast(Account, by.account),
        name=name,
        transport=Host.Transport.SSH,
        address=check_address(address),
        port=check_port(port),
        username=check_username(username),
        created_by=by,
    )
    row.private_key = made_key() if private_key is None else check_key(private_key)
    with transaction.atomic():
        row.save(force_insert=True)
    log.info("host %s was added by user %s", row.pk, by.pk)
    return row


def add_local_host(account: Account, *, by: User | None, name: str) -> Host:
    """Add the machine that Handrail runs on. Raises IntegrityError for a second one."""
    with transaction.atomic():
        row: Host = Host.objects.create(
            account=account, name=name, transport=Host.Transport.LOCAL, created_by=by
        )
    return row


def change_host(
    host: Host,
    *,
    by: User,
    name: str,
    address: str,
    port: int,
    username: str,
    private_key: Secret | None = None,
    new_key: bool = False,
) -> Host:
    """Change how a host is reached, and return it as it is now.

    At another address or port its key has to be confirmed anew. ``private_key`` of None
    leaves the present one, unless ``new_key`` asks for another of our own. Raises
    ValidationFailed, SealError, and IntegrityError when the name is taken.
    """
    check_address(address)
    check_port(port)
    check_username(username)
    key = made_key() if new_key else private_key and check_key(private_key)
    with transaction.atomic():
        row: Host = Host.objects.select_for_update().get(pk=host.pk)
        moved = (row.address, row.port) != (address, port)
        if moved:
            row.host_key = ""
        row.name, row.address, row.port, row.username = name, address, port, username
        if key:
            row.private_key = key
        row.save()
    change = "moved" if moved else "changed"
    log.info("host %s was %s by user %s", row.pk, change, by.pk)
    return row


def retire_host(host: Host, *, by: User) -> None:
    """Offer it no more; the cases that were made of it keep it."""
    rows = Host.objects.filter(pk=host.pk, retired_at__isnull=True)
    if rows.update(retired_at=timezone.now()):
        log.info("host %s was retired by user %s", host.pk, by.pk)


def bring_back(host: Host, *, by: User) -> None:
    """Offer a retired host again."""
    rows = Host.objects.filter(pk=host.pk, retired_at__isnull=False)
    if rows.update(retired_at=None):
        log.info("host %s was brought back by user %s", host.pk, by.pk)


# --- our key, and theirs --------------------------------------------------------------
def public_line(host: Host) -> str:
    """Return the line that lets us in, for the file authorized_keys of its user.

    Raises SealError, ValidationFailed.
    """
    key = imported(unseal(host.private_key))
    kind, body = key.export_public_key().decode().split()[:2]
    return " ".join([kind, body, "handrail", *str(host.account).split()])


def show_key(host: Host) -> Shown:
    """Ask the host for its key, over the network. Raises HostUnreachable."""
    from workflows.support.collecting.ssh import scan_host_key

    host_key = scan_host_key(host.address, host.port)
    return Shown(host_key, fingerprint_of(host_key))


def fingerprint_of(host_key: str) -> str:
    from workflows.support.collecting.ssh import fingerprint

    return fingerprint(host_key)


def signed_key(host: Host, host_key: str) -> str:
    """Return the key as it travels to a page and back: for this host and place."""
    return signing.dumps([*place_of(host), host_key], salt=SALT)


def opened_key(host: Host, value: str) -> str:
    """Return the key that came back. Raises Outdated."""
    try:
        *place, host_key = signing.loads(value, salt=SALT, max_age=COMPARED_WITHIN)
    except signing.BadSignature:
        raise Outdated from None
    if place != place_of(host):
        raise Outdated
    return str(host_key)


def place_of(host: Host) -> list[str | int]:
    return [str(host.pk), host.address, host.port]


def confirm_key(host: Host, *, by: User, host_key: str) -> None:
    """Trust a key that somebody has compared with the host's own.

    Raises Outdated when the host has another address or port by now.
    """
    rows = Host.objects.filter(
        pk=host.pk,
        transport=Host.Transport.SSH,
        address=host.address,
        port=host.port,
    )
    if not rows.update(host_key=host_key):
        raise Outdated
    key = fingerprint_of(host_key)
    log.info("host %s: key %s is trusted by user %s", host.pk, key, by.pk)


def check_host(host: Host, *, product: str = Product.LINUX) -> Prerequisites:
    """Ask the host what it lacks for a report, over the network. Raises nothing."""
    try:
        with product_kind(product).collecting(host) as collector:
            return collector.prerequisites()
    except Problem as problem:
        return Prerequisites(None, None, None, (problem,))
