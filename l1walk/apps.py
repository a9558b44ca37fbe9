from django.apps import AppConfig


class L1WalkConfig(AppConfig):
    """Technicians walk tickets through flows; engineers take over what is left."""

    name = "l1walk"
    verbose_name = "Walks"
