"""A run through the three steps, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from workflows.core.machine import Machine, MachineQuerySet
from workflows.support.models.host import Host
from workflows.support.problems import UnsupportedProduct

if TYPE_CHECKING:
    from workflows.support.models.attachment import JiraAttachmentState
    from workflows.support.models.report import SosReportState


class Product(models.TextChoices):
    """What reports can be made of."""

    LINUX = "linux", _("Linux")


@dataclass(frozen=True, slots=True)
class ProductSelection:
    """The decision of the first step, which lets into the second or does not."""

    product: str

    @property
    def validated(self) -> bool:
        return self.product in Product.values


class CaseQuerySet(MachineQuerySet):
    """Cases, which are called by their hosts."""

    def named(self) -> Self:
        """Return them with their hosts, whose keys nobody wants to read."""
        return self.select_related("host").defer("host__private_key")


class WorkflowSession(Machine):
    """One run from product to Jira; it may be left and taken up again at any time."""

    class Step(models.TextChoices):
        SELECT_PRODUCT = "select_product", _("Product")
        SOS_REPORT = "sos_report", _("Report")
        JIRA_ATTACH = "jira_attach", _("Jira")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")

    current_step = FSMField(
        choices=Step, default=Step.SELECT_PRODUCT, max_length=14, protected=True
    )
    # Where to go back to: "" unless failed.
    failed_step = models.CharField(
        max_length=14, choices=Step, blank=True, editable=False
    )
    last_error_code = models.CharField(max_length=40, blank=True, editable=False)
    # In words, with what to do about it.
    last_error_text = models.TextField(blank=True, editable=False)
    selected_product = models.CharField(max_length=20, choices=Product, blank=True)
    host = models.ForeignKey(
        Host, models.RESTRICT, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.RESTRICT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    sosreport: SosReportState
    jira: JiraAttachmentState

    objects = CaseQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        # People know it by this; "session" is the specification's.
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    current_step__in=[
                        "select_product",
                        "sos_report",
                        "jira_attach",
                        "completed",
                        "failed",
                    ]
                ),
                name="ck_session_current_step",
            ),
            # The seed's first rule: nothing goes on without a product.
            models.CheckConstraint(
                condition=Q(current_step="select_product")
                | Q(failed_step="select_product")
                | Q(selected_product__in=Product.values, host__isnull=False),
                name="ck_session_product",
            ),
            # The seventh: who fails says where and why.
            models.CheckConstraint(
                condition=Q(
                    current_step="failed",
                    failed_step__in=["select_product", "sos_report", "jira_attach"],
                )
                & ~Q(last_error_code="")
                | ~Q(current_step="failed") & Q(failed_step=""),
                name="ck_session_failed_has_code",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="ix_session_account"),
            models.Index(
                fields=["account", "current_step", "-id"], name="ix_session_step"
            ),
            models.Index(fields=["created_by", "-id"], name="ix_session_created_by"),
            models.Index(
                fields=["account", "last_error_code", "-id"],
                condition=~Q(last_error_code=""),
                name="ix_session_error",
            ),
            models.Index(fields=["account", "host", "-id"], name="ix_session_host"),
            models.Index(fields=["updated_at"], name="ix_session_updated"),
            # What the first page shows of one's own.
            models.Index(
                fields=["created_by", "-id"],
                condition=~Q(current_step="completed"),
                name="ix_session_open",
            ),
        ]
        permissions = [("run_support", _("Collect reports and attach them to Jira"))]

    def __str__(self) -> str:
        return str(self.host) if self.host else str(_("New case"))

    def get_absolute_url(self) -> str:
        return reverse("support:case", args=[self.pk])

    # --- the seed's names of what is kept beside it -----------------------------------
    @property
    def session_id(self) -> str:
        return str(self.pk)

    @property
    def fetch_reference(self) -> str:
        return self.sosreport.fetch_reference

    @property
    def artifact_ref(self) -> str:
        return self.sosreport.artifact_ref

    @property
    def connection_id(self) -> str:
        return self.jira.connection_ref

    @property
    def issue_key(self) -> str:
        return self.jira.issue_key

    @property
    def issue_access_verified(self) -> bool:
        return self.jira.issue_access_verified

    # --- transitions ------------------------------------------------------------------
    @transition(current_step, source=Step.SELECT_PRODUCT, target=Step.SOS_REPORT)
    def select(self, product: str, host: Host) -> None:
        """A product is chosen, and the host it runs on. Raises UnsupportedProduct."""
        if not ProductSelection(product).validated:
            raise UnsupportedProduct
        self.selected_product, self.host = product, host
        self.clear_error()

    @transition(current_step, source=Step.SOS_REPORT, target=Step.JIRA_ATTACH)
    def collected(self) -> None:
        """The archive is here."""
        self.clear_error()

    @transition(current_step, source=Step.JIRA_ATTACH, target=Step.COMPLETED)
    def attached(self) -> None:
        """The archive is on the issue."""
        self.clear_error()

    @transition(
        current_step,
        source=[Step.SELECT_PRODUCT, Step.SOS_REPORT, Step.JIRA_ATTACH],
        target=Step.FAILED,
    )
    def fail(self, code: str, text: str = "") -> None:
        """A step could not be done; what was entered stays."""
        self.failed_step = self.current_step
        self.last_error_code, self.last_error_text = code, text

    @property
    def present_step(self) -> str:
        """Return the step that people are at: the one that failed, where one did."""
        return str(self.failed_step or self.current_step)

    def clear_error(self) -> None:
        self.failed_step = self.last_error_code = self.last_error_text = ""

    def is_before_jira(self: Any) -> bool:
        return bool(self.present_step != self.Step.JIRA_ATTACH)

    def is_at_report_or_later(self: Any) -> bool:
        return bool(self.present_step != self.Step.SELECT_PRODUCT)

    def is_at_jira(self: Any) -> bool:
        return bool(self.present_step == self.Step.JIRA_ATTACH)

    @transition(
        current_step,
        source=[Step.SOS_REPORT, Step.FAILED],
        target=Step.SELECT_PRODUCT,
        conditions=[is_before_jira],
    )
    def choose_again(self) -> None:
        """Back to the choice of a product and a host."""
        self.clear_error()

    @transition(
        current_step,
        source=[Step.JIRA_ATTACH, Step.FAILED],
        target=Step.SOS_REPORT,
        conditions=[is_at_report_or_later],
    )
    def collect_again(self) -> None:
        """Back to the report, as for a smaller one that Jira takes."""
        self.clear_error()

    @transition(
        current_step,
        source=Step.FAILED,
        target=Step.JIRA_ATTACH,
        conditions=[is_at_jira],
    )
    def attach_again(self) -> None:
        """Back to Jira, with the archive that is there."""
        self.clear_error()
