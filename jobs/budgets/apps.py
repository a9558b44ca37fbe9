from django.apps import AppConfig


class BudgetsConfig(AppConfig):
    """Budgets, their syncs, suggestions and snapshots."""

    name = "jobs.budgets"
    label = "budgets"
    verbose_name = "Budgets"
