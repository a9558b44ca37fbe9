from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    """The core of the product and the workflows that live in it."""

    name = "workflows"
    verbose_name = "Handrail"

    def ready(self) -> None:
        from workflows.core import retention  # noqa: F401  (registers its rules)
