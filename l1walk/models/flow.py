"""Flows, the versions that walks are pinned to, and proposals for new ones."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from l1walk.graphs.definition import SCHEMA_VERSION, Definition
from workflows.core.accounts import Account, TenantQuerySet
from workflows.core.ids import uuid7
from workflows.core.machine import Machine

# The categories that come with Handrail. People may write any other.
CATEGORY_WORDS = {
    "account_lockout": _("Locked account"),
    "browser_cache_cookies": _("Browser cache and cookies"),
    "email_outlook_client": _("E-mail and Outlook"),
    "os_restart_update": _("Restarts and updates"),
    "password_reset": _("Password reset"),
    "peripheral_reconnect": _("Devices that lost contact"),
    "printer": _("Printer"),
    "teams_zoom_av": _("Sound and picture in calls"),
    "vpn_connect": _("VPN"),
    "wifi_network_basics": _("Wi-Fi and network"),
}


class Flow(Machine):
    """A decision flow that an account keeps: one draft, any number of versions."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        ARCHIVED = "archived", _("Archived")

    title = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80)
    category = models.CharField(max_length=100, blank=True)
    summary = models.CharField(
        max_length=300, blank=True, help_text=_("One line: when to use this flow.")
    )
    keywords = models.CharField(
        max_length=500,
        blank=True,
        help_text=_("Words that callers use for this problem, separated by spaces."),
    )
    state = FSMField(choices=State, default=State.DRAFT, protected=True)
    # The definition under work; NULL when nothing differs from the version in use.
    draft = models.JSONField(null=True, blank=True)
    draft_revision = models.PositiveIntegerField(default=0)
    # What an import noticed, until the draft is published: list of problems.
    draft_notes = models.JSONField(default=list, blank=True)
    current_version = models.ForeignKey(
        "FlowVersion", models.RESTRICT, null=True, blank=True, related_name="+"
    )
    # What intake matches problem texts against: title, keywords and every question.
    search_text = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        permissions = [
            ("edit_flow", "Can write flows"),
            ("publish_flow", "Can publish and archive flows"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "slug"],
                name="uq_flow_slug",
                violation_error_message=_("Another flow has this short name."),
            ),
            models.CheckConstraint(
                condition=~Q(state="published") | Q(current_version__isnull=False),
                name="ck_flow_published_has_version",
            ),
            models.CheckConstraint(
                condition=Q(current_version__isnull=False) | Q(draft__isnull=False),
                name="ck_flow_has_content",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "published", "archived"]),
                name="ck_flow_state",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "state", "title"], name="ix_flow_list"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def category_words(self) -> str:
        """The category as people read it."""
        words = CATEGORY_WORDS.get(self.category)
        return str(words) if words else self.category.replace("_", " ")

    @transition(state, source=[State.DRAFT, State.PUBLISHED], target=State.PUBLISHED)
    def publish(self, version: FlowVersion) -> None:
        """Walks start on this version from now on; running ones keep theirs."""
        self.current_version = version
        self.draft, self.draft_notes = None, []

    @transition(state, source=[State.DRAFT, State.PUBLISHED], target=State.ARCHIVED)
    def archive(self) -> None:
        """Nobody starts on it any more; running walks go on."""

    @transition(state, source=State.ARCHIVED, target=State.DRAFT)
    def reopen(self) -> None:
        """Take it back to work on it; it must be published to be walked again."""


class FlowVersion(models.Model):
    """A published definition, never changed again (a trigger refuses UPDATE)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    flow = models.ForeignKey(
        Flow, models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    schema_version = models.PositiveSmallIntegerField(default=SCHEMA_VERSION)
    sha256 = models.CharField(max_length=64)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.RESTRICT, null=True, related_name="+"
    )
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "number"], name="uq_flow_version_number"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="ck_flow_version_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow} v{self.number}"


@lru_cache(maxsize=256)
def definition_of(version_id: UUID) -> Definition:
    """Return a version's graph; versions never change, so a process reads each once."""
    data = FlowVersion.objects.values_list("definition", flat=True).get(pk=version_id)
    return Definition.from_dict(data)


class FlowProposal(models.Model):
    """A draft graph made from a walk, for engineers to review."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+")
    title = models.CharField(max_length=200)
    definition = models.JSONField()
    l1_session = models.ForeignKey(
        "L1WalkSession", models.SET_NULL, null=True, related_name="proposals"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TenantQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title
