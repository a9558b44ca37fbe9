"""Where a diagnostic report comes from."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from workflows.core.accounts import Account, TenantQuerySet
from workflows.core.ids import uuid7
from workflows.core.secrets import SealedField


class HostQuerySet(TenantQuerySet):
    """The hosts of an account; the upload's comes by itself with its first use."""

    def ready(self) -> Self:
        """Return those that reports can be made of now."""
        return self.filter(retired_at__isnull=True).exclude(
            transport=Host.Transport.SSH, host_key=""
        )


class Host(models.Model):
    """A machine that reports can be made of, and how it is reached."""

    class Transport(models.TextChoices):
        LOCAL = "local", _("This machine")
        SSH = "ssh", _("Over SSH")
        UPLOAD = "upload", _("An archive that is brought along")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(
        Account, models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(_("name"), max_length=120)
    transport = models.CharField(max_length=6, choices=Transport)
    address = models.CharField(_("address"), max_length=253, blank=True)
    port = models.PositiveIntegerField(_("port"), default=22)
    username = models.CharField(_("user"), max_length=64, blank=True)
    # The one key that is trusted, as "type base64"; "" until somebody has confirmed it.
    host_key = models.TextField(_("host key"), blank=True)
    private_key = SealedField(_("private key"), blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    # Not offered any more; cases that were made of it keep it.
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = HostQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "name"],
                name="uq_host_name",
                violation_error_message=_("There is a host of this name already."),
            ),
            models.CheckConstraint(condition=~Q(name=""), name="ck_host_name"),
            models.CheckConstraint(
                condition=Q(transport="ssh")
                & ~(Q(address="") | Q(username="") | Q(private_key=""))
                | Q(
                    transport__in=["local", "upload"],
                    address="",
                    username="",
                    host_key="",
                    private_key="",
                ),
                name="ck_host_transport",
            ),
            # There is one of each: this machine is one, and an upload has no place.
            models.UniqueConstraint(
                fields=["account", "transport"],
                condition=Q(transport__in=["local", "upload"]),
                name="uq_host_transport",
                violation_error_message=_("There is such a host already."),
            ),
            models.CheckConstraint(
                condition=Q(port__gte=1, port__lte=65535), name="ck_host_port"
            ),
        ]
        permissions = [("manage_host", _("Add, confirm and retire hosts"))]

    def __str__(self) -> str:
        return self.name

    @property
    def unconfirmed(self) -> bool:
        """Is it reached over the network, and nobody has confirmed its key?"""
        return self.transport == self.Transport.SSH and not self.host_key
