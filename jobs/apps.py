from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class JobsConfig(AppConfig):
    """Every background run of the product: its steps, events, progress and worker."""

    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs.actions import retention  # noqa: F401  (registers its rules)
        from jobs.actions.scheduling import install_schedules

        # Whoever starts a job needs its kind, not workers alone.
        autodiscover_modules("tasks")
        post_migrate.connect(install_schedules, sender=self)
