from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class WorkflowsConfig(AppConfig):
    """The core of the product and the workflows that live in it."""

    name = "workflows"
    verbose_name = "Handrail"

    def ready(self) -> None:
        # They register retention rules and settings of accounts.
        from workflows.core import jirahosts, retention  # noqa: F401
        from workflows.support import retention as support  # noqa: F401


class HandrailAdminConfig(admin_apps.AdminConfig):
    """Django's admin behind the product's own front door."""

    default = False
    default_site = "workflows.core.adminsite.HandrailAdminSite"
