"""Linux: a report by sos, made here or over ssh."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from workflows.core.secrets import unseal
from workflows.support.collecting.collector import Collector, Installed
from workflows.support.collecting.shell import LocalShell
from workflows.support.models import Host, Product
from workflows.support.problems import HostNotReady
from workflows.support.products.base import ProductKind, register


@contextmanager
def collecting(host: Host) -> Iterator[Collector]:
    """Lend the collector of a host that reports are made on.

    Raises HostNotReady, ValidationFailed, SealError.
    """
    installed = Installed(settings.SOS_WRAPPER, settings.SOS_SPOOL)
    if host.transport == Host.Transport.LOCAL:
        yield Collector(LocalShell(), as_root=os.geteuid() == 0, installed=installed)
        return
    if host.unconfirmed:
        raise HostNotReady
    from workflows.support.collecting.ssh import SshShell

    with SshShell(
        host.address,
        host.port,
        host.username,
        host_key=host.host_key,
        private_key=unseal(host.private_key),
    ) as shell:
        yield Collector(shell, as_root=host.username == "root", installed=installed)


LINUX = register(
    ProductKind(
        Product.LINUX,
        _("Linux"),
        _("A report by sos: what Debian, Ubuntu, Fedora and Red Hat ship for this."),
        (
            _("Configuration files under /etc, with host names and addresses"),
            _("Logs of the system and of services, with the names of their users"),
            _("Lists of processes, of installed packages and of open connections"),
            _("Details of hardware, disks, network and kernel"),
        ),
        collecting,
    )
)
